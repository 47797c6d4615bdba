//! `art delete`: deletes versions.

use artifacts::Result;
use artifacts::history::Revision;
use artifacts::ops::delete::{DeleteOptions, DeletePlan, DoomedVersion, delete, plan_delete};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::{ConfirmArgs, Page};

/// Delete versions (all or nothing)
///
/// Runs and their content stay, and `art undo` restores deleted versions with all their history. A
/// version in the last stage of its project (production by default) is considered in use, and is
/// not deleted without `--force`. To stop people from using a version, move it to the stage
/// `disabled` instead.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art delete v1", "art delete v1 v2 --yes", "art delete v1 --dry-run"],
    &[Exit::OF_WRITES, &[Exit::Moved]],
))]
pub(crate) struct Args {
    /// The versions: a name, `OWNER/PROJECT:NAME`, `@STAGE` or `@latest`
    #[arg(value_name = "VERSION", required = true, value_parser = revision::parser())]
    versions: Vec<Revision>,

    /// Delete even versions in the last stage of their project
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = DeleteOptions::new(args.versions.clone()).force(args.force);
    let plan = plan_delete(&repo, &options)?;
    if args.confirm.dry_run {
        context.ui.show(&plan, |page| view(page, "would delete", &plan))?;
        return Ok(Exit::Ok);
    }
    let names: Vec<String> = plan.versions.iter().map(in_stage).collect();
    context.confirm(args.confirm, &format!("delete {}?", names.join(", ")))?;
    let outcome = delete(&repo, plan)?;
    context.ui.summary(&outcome, |page| view(page, "deleted", &outcome.plan))?;
    context.ui.detail("to restore: art undo");
    Ok(Exit::Ok)
}

fn in_stage(version: &DoomedVersion) -> String {
    format!("{}:{} in {}", version.project, version.version, version.stage)
}

fn view(page: &mut Page<'_>, verb: &str, plan: &DeletePlan) -> Result<()> {
    for version in &plan.versions {
        let (text, run) = (in_stage(version), &version.run);
        writeln!(page, "{verb} {text}, of run {run} (was {})", version.commit.short())?;
    }
    Ok(())
}
