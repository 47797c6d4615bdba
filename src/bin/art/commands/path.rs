//! `art path`: a read-only directory with the files of a revision.

use std::os::unix::ffi::OsStrExt;

use artifacts::Result;
use artifacts::catalog::revision::resolve;
use artifacts::ops::path::{PathOptions, path};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision::RevisionArgs;

/// Print the path of a read-only directory with the files
///
/// Creates the directory on first use, in the cache of the repository, and downloads missing
/// content. All such directories share one copy of each file, so a program can read a model without
/// a copy of its own. Do not change the files: they are read-only, and a changed file is replaced on
/// the next use. To get files to work on, use `art download`. `REV:PATH` prints the path of a
/// directory with the contents of that directory, or of that one file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art path v1", "art path HEAD:config.json", "python train.py --data \"$(art path --stage production)\""],
    &[Exit::OF_CONTENT],
))]
pub(crate) struct Args {
    #[command(flatten)]
    what: RevisionArgs,

    /// Also make the content of a disabled version available
    #[arg(long)]
    allow_disabled: bool,

    /// Also make content available that expired and is still stored
    #[arg(long)]
    allow_expired: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let threads = context.config()?.download_threads()?;
    let repo = context.repo_with_threads(threads)?;
    let source = resolve(&repo, &args.what.revision(&repo)?)?;
    let options = PathOptions::new(source)
        .allow_disabled(args.allow_disabled)
        .allow_expired(args.allow_expired);
    let outcome = path(&repo, &options, context.progress())?;
    context.ui.show(&outcome, |page| {
        if context.ui.looks().terminal {
            return writeln!(page, "{}", outcome.path.display());
        }
        page.raw(outcome.path.as_os_str().as_bytes())?;
        page.raw(b"\n")
    })?;
    Ok(Exit::Ok)
}
