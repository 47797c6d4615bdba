//! `art stage`: moves a version to a stage.

use artifacts::ops::stage::{StageTarget, stage};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::stages::{self, MoveArgs};
use crate::version::VersionArg;

/// Move a version to a stage
///
/// The default stages are testing, staging, production and disabled; a project can define its own.
/// The project's policy must allow the move. `art history` shows every move: who, when, why, and
/// the verdict of the policy. Moving a version to its current stage with the same reason changes
/// nothing.
///
/// Warns if the version has no files, or if its run failed, was stopped or is still running.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art stage v1 staging --reason DriftTests --message 'drift tests passed'",
        "art stage v1 production --expect staging",
        "art stage @production disabled --reason Recall --message 'wrong labels'",
    ],
    &[Exit::OF_MOVES],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The stage to move the version to
    #[arg(value_name = "STAGE")]
    stage: Name,

    #[command(flatten)]
    how: MoveArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = args.how.options(&args.version, StageTarget::Stage(args.stage.clone()))?;
    let outcome = stage(&context.repo()?, &options, context.progress())?;
    context.ui.summary(&outcome, |page| stages::view(page, &outcome))?;
    stages::warn_of_move(context, &outcome);
    Ok(Exit::Ok)
}
