//! `art undo`: takes the last operation back.

use artifacts::error::Result;
use artifacts::ops::undo::{UndoOptions, undo};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{moves, sanitize};

/// Takes the last command back
///
/// All refs that the command moved go back together, as a new operation; `art reflog` shows both. To
/// undo again goes further back. If one of the refs has moved since, nothing is done. An undo itself
/// is not taken back by it: what a run was before is still there as `run/NAME@{1}`, and no content
/// is removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art undo", "art undo --dry-run"],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Corrupt,
    ],
))]
pub(crate) struct Args {
    /// Show what would be taken back and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let outcome = undo(&repo, &UndoOptions { dry_run: args.dry_run })?;
    context.ui.summary(&outcome, |page| {
        let (command, time) = (sanitize::subject(&outcome.undone.command), outcome.undone.time);
        let time = page.time(time);
        let verb = if args.dry_run { "would take back" } else { "took back" };
        writeln!(page, "{verb}: {command} ({time})")?;
        moves::show(page, &repo, &outcome.undone.reversed())
    })?;
    Ok(Exit::Ok)
}
