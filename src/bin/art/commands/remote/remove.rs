//! `art remote remove`.

use artifacts::ops::remote::{RemovePlan, plan_remove, remove};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::count;
use crate::ui::{ConfirmArgs, Page};

/// Remove a remote and its tracking refs
///
/// The remote is neither changed nor contacted. To restore it, add the remote again and fetch. If
/// some content is only on this remote, the confirmation prompt shows how much, and later errors
/// about that content name the remote and its URI.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote remove lab", "art remote remove lab --yes"],
    &[Exit::OF_WRITES],
))]
pub(super) struct Args {
    /// The remote
    #[arg(value_name = "NAME")]
    name: Name,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let plan = plan_remove(&repo, &args.name, context.progress())?;
    if args.confirm.dry_run {
        context.ui.show(&plan, |page| view(page, "would remove", &plan))?;
        return Ok(Exit::Ok);
    }
    context.confirm(args.confirm, &question("remove", &plan.name, plan.only_there))?;
    let outcome = remove(&repo, plan)?;
    context.ui.summary(&outcome, |page| view(page, "removed", &outcome.plan))?;
    Ok(Exit::Ok)
}

/// The question before a remote is removed or moved, with the amount of content that only it holds.
pub(super) fn question(verb: &str, name: &Name, only_there: u64) -> String {
    match only_there {
        0 => format!("{verb} the remote {name}?"),
        some => {
            let contents = count(some, "content", "contents");
            format!("{verb} the remote {name}, the only place that holds {contents}?")
        }
    }
}

/// Prints the amount of content that is only on the remote.
pub(super) fn show_only_there(page: &mut Page<'_>, only_there: u64) -> Result<()> {
    if only_there == 0 {
        return Ok(());
    }
    let contents = count(only_there, "content is", "contents are");
    writeln!(page, "{contents} only on this remote; commands that need them will name the remote")
}

fn view(page: &mut Page<'_>, verb: &str, plan: &RemovePlan) -> Result<()> {
    let uri = plan.uri.as_ref().map(|uri| format!(" at {uri}")).unwrap_or_default();
    writeln!(page, "{verb} the remote {}{uri}", plan.name)?;
    if plan.tracking_refs > 0 {
        let refs = count(plan.tracking_refs, "tracking ref", "tracking refs");
        writeln!(page, "{verb} {refs}")?;
    }
    show_only_there(page, plan.only_there)?;
    Ok(())
}
