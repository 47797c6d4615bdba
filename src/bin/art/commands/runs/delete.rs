//! `art runs delete`.

use artifacts::ops::runs::{DeletePlan, DeleteRunOptions, Pin, delete, plan_delete};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{ConfirmArgs, Page};

/// Delete a run
///
/// The content of the run stays in the repository, and `art undo` restores the run. A run from
/// which versions were created is not deleted without `--force`; these versions keep their content.
/// After the current run is deleted, there is no current run.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art runs delete sharp-shrimp-1", "art runs delete sharp-shrimp-1 --yes"],
    &[Exit::OF_WRITES, &[Exit::Moved]],
))]
pub(super) struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: Name,

    /// Delete the run even if versions were created from it
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = DeleteRunOptions::new(args.run.clone())
        .project(context.globals.project.clone())
        .force(args.force);
    let plan = plan_delete(&repo, &options)?;
    if args.confirm.dry_run {
        context.ui.show(&plan, |page| {
            writeln!(page, "would delete the run {} of {}", plan.run, plan.project)?;
            consequences(page, &plan)
        })?;
        return Ok(Exit::Ok);
    }
    let question = format!("delete the run {} of {}?", plan.run, plan.project);
    context.confirm(args.confirm, &question)?;
    let outcome = delete(&repo, plan)?;
    context.ui.summary(&outcome, |page| {
        let plan = &outcome.plan;
        writeln!(page, "deleted the run {} (was {})", plan.run, plan.commit.short())?;
        consequences(page, plan)
    })?;
    Ok(Exit::Ok)
}

fn consequences(page: &mut Page<'_>, plan: &DeletePlan) -> Result<()> {
    if plan.current {
        writeln!(page, "this is the current run; to choose another: art runs switch RUN")?;
    }
    for (what, pins) in [("versions", &plan.versions), ("tags", &plan.tag_refs)] {
        if !pins.is_empty() {
            writeln!(page, "{what} that keep its commits: {}", names(pins))?;
        }
    }
    Ok(())
}

/// The names of `pins`, separated by commas.
pub(super) fn names(pins: &[Pin]) -> String {
    pins.iter().map(|pin| pin.name.to_string()).collect::<Vec<_>>().join(", ")
}
