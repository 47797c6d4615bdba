//! `art policy`: the rules for stages, shown, set and asked.

mod check;
mod set;

use artifacts::Result;
use artifacts::ops::policy::{PolicyShown, show};

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::{Page, sanitize};

/// Show, set or check the project's rules for the stages of its versions
///
/// The rules define the stages and their order, the allowed moves between stages, and the
/// requirements of a stage: a reason, a message, a description, tags, the status of the run, a number of
/// files, a time in an earlier stage, who may move versions there, how many versions the stage holds, and the
/// stage that receives displaced versions. The rules are part of the project's record, so their
/// history is kept: who, when, what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art policy",
        "art policy set production.reason=true production.capacity=1",
        "art policy check v1 production",
    ],
    EXITS,
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

/// Show the rules as TOML, in the format that `art policy set` reads
///
/// A project without a policy has the stages testing, staging, production and disabled, and no
/// rules.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art policy show", "art policy show --json", "art -p ada/digits policy show"],
    EXITS,
))]
struct ShowArgs {}

/// What showing may end with.
const EXITS: &[Exit] = &[Exit::No, Exit::NotARepository, Exit::Unauthorized, Exit::Corrupt];

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

/// The TOML, with what is known of it as comments.
fn view(page: &mut Page<'_>, shown: &PolicyShown) -> Result<()> {
    let project = &shown.project;
    match (&shown.commit, &shown.author, shown.updated_at) {
        (Some(commit), Some(author), Some(time)) if !shown.free => {
            let (author, time) = (sanitize::subject(author), page.time(time));
            writeln!(page, "# the policy of {project}: {} by {author}, {time}", commit.short())?;
        }
        _ => writeln!(page, "# {project} has no rules: everything is allowed")?,
    }
    // A pipe gets what can be read again, a terminal nothing that it would follow.
    if page.looks().terminal {
        return write!(page, "{}", sanitize::text(&shown.toml));
    }
    page.raw(shown.toml.as_bytes())
}
