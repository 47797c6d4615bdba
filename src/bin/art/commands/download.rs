//! `art download`: writes the files of a revision to a directory.

use std::path::PathBuf;

use artifacts::catalog::revision::resolve;
use artifacts::fs::read;
use artifacts::ops::download::{DownloadOptions, DownloadOutcome, download};
use artifacts::{Error, Result, TreePath};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::revision::RevisionArgs;
use crate::ui::Page;
use crate::ui::format::{count, size};

/// Write the files of a run or version to a directory
///
/// Without `--to`, writes to the top of the work tree, wherever the command is started. `--to .`
/// writes to the working directory. Files that are already correct are left alone. Files that
/// differ are not overwritten without `--force`. A file appears under its name only when its bytes
/// are complete and verified. `REV:PATH` writes the contents of that directory, or that one file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art download",
        "art download run/sharp-shrimp-1:model --to model",
        "art download --tag best --path weights --to /srv/model",
        "art download --stage production --to /srv/model",
    ],
    &[Exit::OF_CONTENT],
))]
pub(crate) struct Args {
    #[command(flatten)]
    what: RevisionArgs,

    /// Write only files at or below P, a path in the revision; can be repeated
    #[arg(long = "path", value_name = "P", value_parser = paths::in_revision())]
    paths: Vec<TreePath>,

    /// Write to DIR, which is created if missing [default: the top of the work tree]
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    to: Option<PathBuf>,

    /// Overwrite files that differ
    #[arg(long)]
    force: bool,

    /// Also create symbolic links that point outside the destination
    #[arg(long)]
    unsafe_links: bool,

    /// Also write the content of a disabled version
    #[arg(long)]
    allow_disabled: bool,

    /// Also write content that expired and is still stored
    #[arg(long)]
    allow_expired: bool,

    /// Show the files to write without writing them
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let (threads, link) =
        (context.config()?.download_threads()?, context.config()?.download_link()?);
    let repo = context.repo_with_threads(threads)?;
    let source = resolve(&repo, &args.what.revision(&repo)?)?;
    let to = match &args.to {
        Some(to) => context.cwd().join(to),
        None => repo.work_tree(context.cwd()).top().to_owned(),
    };
    let shown = args.to.as_deref().unwrap_or(&to).display();
    if read::exists(&to)? && read::try_metadata(&to)?.is_none() {
        return Err(Error::invalid(format!("'{shown}' is a symbolic link that leads nowhere"))
            .with_hint(format!(
                "create the directory that the link names, or remove the link: rm '{shown}'"
            )));
    }
    if read::exists(&to)? && !read::is_dir(&to)? {
        return Err(Error::invalid(format!("'{shown}' is not a directory"))
            .with_hint("name a directory with --to; to get one file: art cat REV:PATH > FILE"));
    }
    read::check_directory_path(&to)?;
    let options = DownloadOptions::new(source, to)
        .only(args.paths.clone())
        .force(args.force)
        .unsafe_links(args.unsafe_links)
        .allow_disabled(args.allow_disabled)
        .allow_expired(args.allow_expired)
        .dry_run(args.dry_run)
        .link(link);
    let outcome = download(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.dry_run))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &DownloadOutcome, dry_run: bool) -> Result<()> {
    let (written, bytes) = (count(outcome.written, "file", "files"), size(outcome.bytes));
    let verb = if dry_run { "would write" } else { "wrote" };
    writeln!(page, "{verb} {written}, {bytes}")?;
    if outcome.unchanged > 0 {
        writeln!(page, "skipped {}: already correct", count(outcome.unchanged, "file", "files"))?;
    }
    if !outcome.replaced.is_empty() {
        let replaced = count(outcome.replaced.len() as u64, "file", "files");
        writeln!(page, "overwrote {replaced} that differed")?;
    }
    Ok(())
}
