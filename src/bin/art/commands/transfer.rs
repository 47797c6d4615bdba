//! `art transfer`: a version moves to another project.

use artifacts::ops::transfer::{TransferOptions, TransferOutcome, transfer};
use artifacts::{ProjectName, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::version::VersionArg;

/// Moves a version to another project, with all its history
///
/// The version keeps its name, its uuid, its stage and every condition; one more records the move
/// and what the policy of the other project said. That policy has to have the stage, the version
/// needs what the stage asks for (who, description, tags, earlier stages), and there has to be room
/// in it: nothing is displaced. That the version is there already is fine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art transfer v1 --to-project alice/releases",
        "art transfer alice/digits:v1 --to-project alice/releases",
    ],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
    ],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The project it shall belong to
    #[arg(long, value_name = "OWNER/PROJECT")]
    to_project: ProjectName,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = TransferOptions {
        version: args.version.version.clone(),
        to_project: args.to_project.clone(),
        command: context.env.command_line(),
    };
    let outcome = transfer(&context.repo()?, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &TransferOutcome) -> Result<()> {
    let TransferOutcome { version, project, from_project, stage, .. } = outcome;
    if outcome.operation.is_none() {
        writeln!(page, "{project}:{version} is there already, in {stage}")?;
        return Ok(());
    }
    writeln!(page, "{from_project}:{version} is {project}:{version} now, in {stage}")?;
    Ok(())
}
