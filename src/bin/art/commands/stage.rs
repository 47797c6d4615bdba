//! `art stage`: a version goes to another stage.

use artifacts::ops::stage::{StageTarget, stage};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::stages::{self, MoveArgs};
use crate::version::VersionArg;

/// Puts a version in a stage, with the reason, if the project's policy allows it
///
/// The stages are testing, staging, production and disabled, or the project's own. Every move is
/// kept for good: who, when, why, and what the policy said; see `art history`. The same stage again
/// for the same reason changes nothing and is fine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art stage v1 staging --reason DriftTests --message 'drift tests passed'",
        "art stage v1 production --expect staging",
        "art stage @production disabled --reason Recall --message 'wrong labels'",
    ],
    Exit::OF_MOVES,
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// Where to
    #[arg(value_name = "STAGE")]
    stage: Name,

    #[command(flatten)]
    how: MoveArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options =
        args.how.options(context, &args.version, StageTarget::Stage(args.stage.clone()))?;
    let outcome = stage(&context.repo()?, &options, context.progress())?;
    context.ui.summary(&outcome, |page| stages::view(page, &outcome))?;
    Ok(Exit::Ok)
}
