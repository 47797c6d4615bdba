//! `art promote`: moves a version to the next stage.

use artifacts::Result;
use artifacts::ops::promote::promote;
use artifacts::ops::stage::StageTarget;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::stages::{self, MoveArgs};
use crate::version::VersionArg;

/// Move a version to the next stage
///
/// The next stage is the one that follows in the project's order. The policy must allow the move.
/// Running the command twice promotes twice. In a script that can run again, use `--expect`, or
/// name the stage with `art stage`.
///
/// Warns if the version has no files, or if its run failed, was stopped or is still running.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art promote v1 --reason DriftTests",
        "art promote @staging --expect staging --message 'approved on Monday'",
    ],
    &[Exit::OF_MOVES],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    #[command(flatten)]
    how: MoveArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = args.how.options(&args.version, StageTarget::Next)?;
    let outcome = promote(&context.repo()?, &options, context.progress())?;
    context.ui.summary(&outcome, |page| stages::view(page, &outcome))?;
    stages::warn_of_move(context, &outcome);
    Ok(Exit::Ok)
}
