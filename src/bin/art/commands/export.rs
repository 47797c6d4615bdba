//! `art export`: writes a revision as an archive.

use std::path::{Path, PathBuf};

use artifacts::error::{Error, Result};
use artifacts::history::Revision;
use artifacts::ops::export::{ArchiveFormat, ExportOptions, ExportOutcome, export};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::Page;
use crate::ui::format::{count, size};

/// Write a revision as a reproducible archive
///
/// The same revision gives the same bytes on every machine: files in order, owner 0, modes 644 and
/// 755, the time of the commit. Names in the archive are relative to PATH. Without FILE, writes the
/// archive to standard output. FILE appears only when the archive is complete and every byte is
/// verified. A disabled version is refused without `--allow-disabled`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art export run/baseline -o baseline.tar.zst",
        "art export HEAD~1:model -o model.zip",
        "art export v1 --format tar | tar -x -C /srv/model",
    ],
    &[Exit::OF_CONTENT],
))]
pub(crate) struct Args {
    /// The revision, and a directory or file in it
    #[arg(value_name = "REV[:PATH]", value_parser = revision::parser(), default_value = "HEAD")]
    revision: Revision,

    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_parser = paths::parser())]
    output: Option<PathBuf>,

    /// The archive format [default: from the name of FILE, otherwise tar.zst]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    format: Option<ArchiveFormat>,

    /// Replace FILE if it exists
    #[arg(long, requires = "output")]
    force: bool,

    /// Also export a disabled version
    #[arg(long)]
    allow_disabled: bool,

    /// Also export content that expired and is still stored
    #[arg(long)]
    allow_expired: bool,
}

fn format_parser() -> impl TypedValueParser<Value = ArchiveFormat> {
    PossibleValuesParser::new(ArchiveFormat::ALL.map(ArchiveFormat::as_str)).try_map(|word| {
        let mut all = ArchiveFormat::ALL.into_iter();
        all.find(|format| format.as_str() == word).ok_or("unknown format")
    })
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo_with_threads(context.config()?.download_threads()?)?;
    let output = args.output.as_ref().filter(|path| *path != Path::new("-"));
    let options =
        ExportOptions::new(args.revision.clone(), args.format.map_or_else(|| guess(output), Ok)?)
            .output(output.map(|path| context.cwd().join(path)))
            .force(args.force)
            .allow_disabled(args.allow_disabled)
            .allow_expired(args.allow_expired);
    if let Some(output) = output {
        let outcome = export(&repo, &options, &mut std::io::sink(), context.progress())?;
        context.ui.summary(&outcome, |page| view(page, output, &outcome))?;
        return Ok(Exit::Ok);
    }
    let looks = context.ui.looks();
    if looks.terminal || looks.json {
        let why =
            if looks.json { "an archive is not JSON" } else { "a terminal can't show an archive" };
        return Err(Error::refused(format!("cannot export to standard output: {why}"))
            .with_hint("write it to a file: -o FILE"));
    }
    context
        .ui
        .print(|page| export(&repo, &options, page.writer(), context.progress()).map(|_| ()))?;
    Ok(Exit::Ok)
}

/// The archive format for the extension of the file.
fn guess(output: Option<&PathBuf>) -> Result<ArchiveFormat> {
    let Some(path) = output else { return Ok(ArchiveFormat::TarZst) };
    ArchiveFormat::of_file(path).ok_or_else(|| {
        let forms = ArchiveFormat::ALL.map(ArchiveFormat::as_str).join(", ");
        Error::invalid(format!("'{}' does not end like the name of an archive", path.display()))
            .with_hint(format!("choose a format with --format: {forms}"))
    })
}

fn view(page: &mut Page<'_>, output: &Path, outcome: &ExportOutcome) -> Result<()> {
    let content = &outcome.content;
    let (files, bytes) = (count(content.files, "file", "files"), size(content.bytes));
    let output = artifacts::tree_path::escaped(output.as_os_str().as_encoded_bytes());
    writeln!(page, "{output}: {files}, {bytes} in {}", size(outcome.archive_bytes))?;
    writeln!(page, "sha256 {}", outcome.sha256)
}
