//! `art cat`: one file to standard output.

use artifacts::error::{Error, IoResultExt, Result};
use artifacts::history::Revision;
use artifacts::ops::cat::{CatFile, CatOptions, cat, find};
use artifacts::repo::Repository;
use artifacts::tree_path;
use serde::Serialize;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::PlainText;

/// The maximum file size for `--json`, which holds the file in memory.
const MAX_JSON: u64 = 64 << 20;

/// Print one file of a revision
///
/// Each part of the file is verified before it is printed. For a symbolic link, prints the target.
/// On a terminal, control characters are escaped and binary content is refused. The content of a
/// disabled version is refused without `--allow-disabled`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art cat HEAD:config.json", "art cat run/baseline:model.bin > model.bin", "art cat v1:data/train.csv | head"],
    &[Exit::OF_CONTENT],
))]
pub(crate) struct Args {
    /// The revision, and the path of the file in it
    #[arg(value_name = "REV:PATH", value_parser = revision::parser())]
    revision: Revision,

    /// Also print the content of a disabled version
    #[arg(long)]
    allow_disabled: bool,

    /// Also print content that expired and is still stored
    #[arg(long)]
    allow_expired: bool,
}

impl Args {
    /// The file that `revision` names.
    pub(crate) fn of(revision: Revision, allow_disabled: bool, allow_expired: bool) -> Self {
        Args { revision, allow_disabled, allow_expired }
    }
}

/// A file with its content.
#[derive(Serialize)]
struct FileWithContent<'a> {
    #[serde(flatten)]
    file: &'a CatFile,
    /// The content, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// The content in hexadecimal, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_bytes: Option<String>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = CatOptions::new(args.revision.clone())
        .allow_disabled(args.allow_disabled)
        .allow_expired(args.allow_expired);
    let file = find(&repo, &options, context.progress())?;
    if context.ui.looks().json {
        return as_json(context, &repo, &file);
    }
    if !context.ui.looks().terminal {
        context.ui.print(|page| cat(&repo, &file, page.writer(), context.progress()))?;
        return Ok(Exit::Ok);
    }
    context.ui.print(|page| {
        let mut text = PlainText::new(page.writer());
        let written = cat(&repo, &file, &mut text, context.progress());
        let written = written.and_then(|()| text.finish().on("write", "standard output"));
        if text.is_binary() { Err(binary_error(args, &file)) } else { written }
    })?;
    Ok(Exit::Ok)
}

fn binary_error(args: &Args, file: &CatFile) -> Error {
    Error::refused(format!("'{}' is binary and can't be shown on a terminal", file.path))
        .with_hint(format!("write it to a file: art cat {} > FILE", args.revision))
}

fn as_json(context: &Context<'_>, repo: &Repository, file: &CatFile) -> Result<Exit> {
    if file.size > MAX_JSON {
        let message = format!("'{}' has {} bytes, too many for JSON", file.path, file.size);
        return Err(Error::refused(message).with_hint("omit --json"));
    }
    let mut bytes = Vec::new();
    cat(repo, file, &mut bytes, context.progress())?;
    let answer = FileWithContent {
        file,
        content: std::str::from_utf8(&bytes).ok(),
        content_bytes: tree_path::hex_unless_text(&bytes),
    };
    context.ui.show(&answer, |_| Ok(()))?;
    Ok(Exit::Ok)
}
