//! `art diff`: the differences between two revisions, or a revision and a directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use artifacts::Result;
use artifacts::history::Revision;
use artifacts::ops::diff::{Comparison, DiffOptions, Endpoint, diff};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::ui::changes;
use crate::ui::patch;

/// Show differences between revisions or directories
///
/// Lists added, deleted, modified and renamed files, and the record fields that differ. Without A
/// and B, compares the current run with the work tree. Renames are detected by equal or similar
/// content. Ignore files apply to a directory.
///
/// PATH is relative to the working directory, and changes are printed with their paths from the top
/// of the work tree. If A or B is a directory or has a path after the revision, that path limits
/// both sides, and PATH is relative to it. Two single files are compared even if their names
/// differ. `--content` refuses to show a disabled version without `--allow-disabled`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art diff",
        "art diff HEAD~1 HEAD",
        "art diff v1",
        "art diff run/base ./out --stat",
        "art diff v1:conf v2:conf --content -- train.toml",
    ],
    &[Exit::OF_CONTENT, &[Exit::Partly]],
))]
#[expect(clippy::struct_excessive_bools, reason = "each is a command-line option")]
pub(crate) struct Args {
    /// The old side: a revision, or a directory as ./DIR
    #[arg(value_name = "A", default_value = "HEAD", value_parser = paths::words())]
    from: OsString,

    /// The new side: a revision, or a directory as ./DIR [default: the work tree]
    #[arg(value_name = "B", value_parser = paths::words())]
    to: Option<OsString>,

    /// Show only changes at or below these paths
    #[arg(value_name = "PATH", last = true, value_parser = paths::parser())]
    paths: Vec<PathBuf>,

    /// Show the added and deleted bytes of each file
    #[arg(long, group = "form")]
    stat: bool,

    /// Show a letter and a path for each change, as `git diff --name-status` does
    #[arg(long, group = "form")]
    name_status: bool,

    /// Show a unified diff of text; with --json, one line for each change
    #[arg(long, group = "form")]
    content: bool,

    /// Report differences in the exit code
    #[arg(long)]
    exit_code: bool,

    /// With --content, also show the content of a disabled version
    #[arg(long)]
    allow_disabled: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = DiffOptions::new(
        context.cwd(),
        endpoint(&args.from)?,
        args.to.as_deref().map_or(Ok(Endpoint::WorkTree), endpoint)?,
    )
    .paths(args.paths.clone())
    .allow_disabled(args.allow_disabled);
    let mut comparison = diff(&repo, &options, context.progress())?;
    let outcome = comparison.outcome();
    for (path, why) in &outcome.failed {
        context.ui.warn(&format!("can't read {path}: {why}"));
    }
    let is_partial = !outcome.failed.is_empty();
    let differs = !(outcome.changes.is_empty() && outcome.record.is_empty());
    show(context, args, &mut comparison)?;
    Ok(match (is_partial, args.exit_code && differs) {
        (true, _) => Exit::Partly,
        (false, true) => Exit::No,
        (false, false) => Exit::Ok,
    })
}

fn show(context: &Context<'_>, args: &Args, comparison: &mut Comparison<'_>) -> Result<()> {
    if args.content {
        comparison.bring_contents(context.progress())?;
        return patch::show(&context.ui, comparison);
    }
    if args.stat {
        return changes::show_sizes(&context.ui, comparison);
    }
    let outcome = comparison.outcome();
    context.ui.show(outcome, |page| {
        if args.name_status {
            return patch::name_status(page, &outcome.changes);
        }
        changes::fields(page, &outcome.record)?;
        changes::list(page, &outcome.changes)
    })
}

/// A directory starts with a dot or a slash, which no revision does.
fn endpoint(text: &OsStr) -> Result<Endpoint> {
    match text.as_bytes() {
        [b'.' | b'/', ..] => Ok(Endpoint::Directory(text.into())),
        bytes => Ok(Endpoint::Revision(Revision::parse(bytes)?)),
    }
}
