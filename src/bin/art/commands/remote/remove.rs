//! `art remote remove`.

use artifacts::ops::remote::{RemovePlan, plan_remove, remove};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::count;
use crate::ui::{ConfirmArgs, Page};

/// Forgets a remote and its tracking refs
///
/// Nothing on the remote changes; nothing is asked of it. Add it again and fetch, and all is as it
/// was. If some content is on that remote alone, the question names how much, and later errors about
/// that content name the remote and its URI.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote remove lab", "art remote remove lab --yes"],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
    ],
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
        context.ui.show(&plan, |page| view(page, "would forget", &plan))?;
        return Ok(Exit::Ok);
    }
    context.confirm(args.confirm, &question("forget", &plan.name, plan.only_there))?;
    let outcome = remove(&repo, plan, &context.env.command_line())?;
    context.ui.summary(&outcome, |page| view(page, "forgot", &outcome.plan))?;
    Ok(Exit::Ok)
}

/// Asks whether to forget or move a remote, and names what only that remote has.
pub(super) fn question(verb: &str, name: &Name, only_there: u64) -> String {
    match only_there {
        0 => format!("{verb} the remote {name}?"),
        some => {
            let contents = count(some, "content that is", "contents that are");
            format!("{verb} the remote {name}, the only place with {contents} not here?")
        }
    }
}

/// Names what is on a remote alone.
pub(super) fn show_only_there(page: &mut Page<'_>, only_there: u64) -> Result<()> {
    if only_there == 0 {
        return Ok(());
    }
    let contents = count(only_there, "content is", "contents are");
    writeln!(page, "{contents} on that remote alone; commands that need them will name the remote")
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
