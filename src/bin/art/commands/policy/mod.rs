//! `art policy`: shows, sets and checks the stage rules.

mod check;
mod set;

use artifacts::Result;
use artifacts::ops::policy::{PolicyShown, show};

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::{Page, sanitize};

/// Show, set or check the project's stage rules
///
/// The rules define the stages and their order, the allowed moves between stages, and the
/// requirements of each stage: a reason, a message, a description, tags, the status of the run, a
/// number of files, a time in an earlier stage, who can move versions there, how many versions the
/// stage holds, and the stage that receives displaced versions. The table `[retention]` has the rules
/// by which `art expire` lets content expire. The rules are part of the project record, so their
/// history is kept: who, when, what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art policy",
        "art policy set production.reason=true production.capacity=1",
        "art policy check v1 production",
    ],
    &[Exit::OF_READS],
))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Show(ShowArgs),
    Set(set::Args),
    Check(Box<check::Args>),
}

/// Show the rules as TOML
///
/// The output has the format that `art policy set` reads. A project without a policy has the stages
/// testing, staging, production and disabled, and no rules.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art policy show", "art policy show --json", "art -p ada/digits policy show"],
    &[Exit::OF_READS],
))]
struct ShowArgs {}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    match &args.action {
        None | Some(Action::Show(ShowArgs {})) => exec_show(context),
        Some(Action::Set(args)) => set::exec(context, args),
        Some(Action::Check(args)) => check::exec(context, args),
    }
}

fn exec_show(context: &Context<'_>) -> Result<Exit> {
    let shown = show(&context.repo()?, context.globals.project.as_ref())?;
    context.ui.show(&shown, |page| view(page, &shown))?;
    Ok(match &shown.problem {
        None => Exit::Ok,
        Some(error) => report::failure(error, &context.ui),
    })
}

/// Prints the TOML, with its origin as a comment.
fn view(page: &mut Page<'_>, shown: &PolicyShown) -> Result<()> {
    let project = &shown.project;
    match (&shown.commit, &shown.author, shown.updated_at) {
        (Some(commit), Some(author), Some(time)) if !shown.free || !shown.retention.is_empty() => {
            let (author, time) = (sanitize::subject(author), page.time(time));
            writeln!(page, "# the policy of {project}: {} by {author}, {time}", commit.short())?;
        }
        _ => writeln!(page, "# {project} has no rules: everything is allowed")?,
    }
    // A pipe gets TOML that can be read again; a terminal gets no control characters.
    if page.looks().terminal {
        return write!(page, "{}", sanitize::text(&shown.toml));
    }
    page.raw(shown.toml.as_bytes())
}
