//! `art redo`: takes an undo back.

use artifacts::error::Result;
use artifacts::ops::redo::{RedoOutcome, UndoOptions, redo};

use super::undo::{self, RevertArgs, Reverted};
use crate::context::Context;
use crate::report::{Exit, help_tail};

/// Take an undo back: the undone operation is in force again
///
/// Without OPERATION, takes back the newest undo that is in force; running it twice takes two undos
/// back. A redo is a new operation, and `art undo` takes it back. It asks and refuses as `art undo`
/// does.
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
    if !args.revert.dry_run() {
        args.revert.confirm(context, &repo, ("redo", &wanted))?;
    }
    let outcome = if args.revert.dry_run() { plan } else { run(&undo::options(wanted.id))? };
    context.ui.summary(&outcome, |page| {
        let verb = if args.revert.dry_run() { "would redo" } else { "redid" };
        let RedoOutcome { redone, undone, records, .. } = &outcome;
        let done = Reverted { operation: redone, id: &undone.id, records };
        undo::view(page, &repo, verb, (&done, &undone.reversed()))
    })?;
    Ok(Exit::Ok)
}
