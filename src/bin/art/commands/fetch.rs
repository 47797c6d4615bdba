//! `art fetch`: takes in what a remote says.

use artifacts::ops::fetch::{FetchOptions, FetchOutcome, fetch};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::ui::format::count;

/// Takes in what a remote says: its history and where its refs are
///
/// Nothing of what is here changes; `art pull` joins it. Content does not come: `art download` and
/// others get what they need, `art pull VERSION` gets all of a version. With conflicts that wait
/// for someone on the remote, this ends with 13.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art fetch", "art fetch origin -v"],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Corrupt,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Args {
    /// The remote; else the only one, or `origin`
    #[arg(value_name = "REMOTE")]
    remote: Option<Name>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = FetchOptions { remote: args.remote.clone() };
    let outcome = fetch(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    remotes::warn_of_conflicts(context, &outcome.remote, &outcome.taken.conflicts);
    Ok(if outcome.taken.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

fn view(page: &mut Page<'_>, outcome: &FetchOutcome) -> Result<()> {
    let moved = &outcome.taken.moved;
    if moved.is_empty() {
        return writeln!(page, "nothing new on {}", outcome.remote);
    }
    let refs = count(moved.len() as u64, "ref", "refs");
    writeln!(page, "{refs} moved on {}", outcome.remote)?;
    let lines = moved.iter().map(|one| remotes::movement(&one.name, one.old, one.new));
    remotes::list_moves(page, lines)?;
    writeln!(page, "to join them with what is here: art pull {}", outcome.remote)
}
