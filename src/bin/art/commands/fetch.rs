//! `art fetch`: downloads history and refs from a remote.

use artifacts::ops::fetch::{FetchOptions, FetchOutcome, fetch};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::ui::format::count;

/// Download history and refs from a remote
///
/// Changes no local ref; `art pull` merges the fetched changes. Content is not downloaded: `art
/// download` and other commands download the content that they need, and `art pull VERSION`
/// downloads all content of a version. Reports the conflicts on the remote that are not yet
/// resolved.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art fetch", "art fetch origin -v"],
    &[Exit::OF_REMOTES, &[Exit::Moved]],
))]
pub(crate) struct Args {
    /// The remote [default: the only remote, otherwise origin]
    #[arg(value_name = "REMOTE")]
    remote: Option<Name>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = FetchOptions::default().remote(args.remote.clone());
    let outcome = fetch(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    remotes::warn_of_conflicts(context, &outcome.remote, &outcome.imported.conflicts);
    Ok(if outcome.imported.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

fn view(page: &mut Page<'_>, outcome: &FetchOutcome) -> Result<()> {
    let moved = &outcome.imported.moved;
    if moved.is_empty() {
        return writeln!(page, "nothing new on {}", outcome.remote);
    }
    let refs = count(moved.len() as u64, "ref", "refs");
    writeln!(page, "{refs} moved on {}", outcome.remote)?;
    let lines = moved.iter().map(|one| {
        if one.is_lost {
            format!("{}  no longer on the remote", remotes::shown(&one.name))
        } else {
            remotes::movement(&one.name, one.old, one.new)
        }
    });
    remotes::list_moves(page, lines)?;
    writeln!(page, "to merge them: art pull {}", outcome.remote)
}
