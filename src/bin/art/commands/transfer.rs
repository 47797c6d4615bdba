//! `art transfer`: moves a version to another project.

use artifacts::ops::transfer::{TransferOptions, TransferOutcome, transfer};
use artifacts::{ProjectName, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::version::VersionArg;

/// Move a version to another project
///
/// The version keeps its name, uuid, stage and history. A new history entry records the move and
/// the verdict of the target project's policy. That policy must define the stage, the version must
/// meet the requirements of the stage (who, description, tags, earlier stages), and the stage must
/// have room; no version is displaced. If the version is already in the project, nothing changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art transfer v1 --to-project alice/releases",
        "art transfer alice/digits:v1 --to-project alice/releases",
    ],
    &[Exit::OF_WRITES, &[Exit::Policy]],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The target project
    #[arg(long, value_name = "OWNER/PROJECT")]
    to_project: ProjectName,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = TransferOptions::new(args.version.version.clone(), args.to_project.clone());
    let outcome = transfer(&context.repo()?, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &TransferOutcome) -> Result<()> {
    let TransferOutcome { version, project, from_project, stage, .. } = outcome;
    if outcome.operation.is_none() {
        writeln!(page, "{project}:{version} is already in {project}, in {stage}")?;
        return Ok(());
    }
    writeln!(page, "transferred {from_project}:{version} to {project}:{version}, in {stage}")?;
    Ok(())
}
