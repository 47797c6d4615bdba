//! `art redo`: reverts an undo.

use artifacts::error::Result;
use artifacts::ops::redo::{RedoOutcome, UndoOptions, redo};

use super::undo::{self, RevertArgs, Reverted};
use crate::context::Context;
use crate::report::{Exit, help_tail};

/// Apply an undone operation again
///
/// Without OPERATION, reverts the newest undo that is in force. Running the command twice reverts
/// two undos. A redo is a new operation, which `art undo` can revert. The same confirmation and
/// checks apply as for `art undo`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(&["art redo --dry-run", "art redo --yes"], undo::EXITS))]
pub(crate) struct Args {
    #[command(flatten)]
    revert: RevertArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let run = |options: &UndoOptions| redo(&repo, options, context.progress());
    let plan = run(&args.revert.plan())?;
    let wanted = Reverted { operation: &plan.redone, id: &plan.undone.id, records: &plan.records };
    args.revert.confirm(context, &repo, "redo", &wanted)?;
    let outcome = if args.revert.dry_run() { plan } else { run(&undo::options(wanted.id))? };
    context.ui.summary(&outcome, |page| {
        let verb = if args.revert.dry_run() { "would redo" } else { "redid" };
        let RedoOutcome { redone, undone, records, .. } = &outcome;
        let done = Reverted { operation: redone, id: &undone.id, records };
        undo::view(page, &repo, verb, &done, &undone.reversed())
    })?;
    Ok(Exit::Ok)
}
