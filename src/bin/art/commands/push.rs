//! `art push`: what is here goes to a remote.

mod repair;

use artifacts::Result;
use artifacts::ops::push::{PushOptions, PushOutcome, PushedRef, push};

use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::ui::format::{count, size};

/// Sends what is here to a remote, in one atomic commit
///
/// All refs of the project go, those that were deleted here too, unless some are named. Either all
/// of them move on the remote, or none. Only what the remote lacks is sent; what an interrupted push
/// had sent is not sent again. Where the remote has gone on with a ref, nothing is pushed (13), and
/// `art pull` joins the two.
///
/// `--repair` pushes no refs: it mends what is damaged on the remote, as far as it is here. What is here
/// with the very bytes is sent again; else its contents go there in new files, and one entry of the log
/// retires the old ones. Nothing that can be read there is replaced. What can't be mended is named.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art push", "art push origin v1 run/sharp-shrimp-1", "art push --all", "art push v1 --force", "art push --repair origin --full"],
    &[Exit::OF_MOVES, &[Exit::Partly]].concat(),
))]
pub(crate) struct Args {
    /// The remote, else the only one or `origin`; and the refs: `NAME`, `run/NAME`, `tag/NAME`
    #[arg(value_name = "REMOTE|REF")]
    words: Vec<String>,

    /// The refs of all projects
    #[arg(long, conflicts_with = "words")]
    all: bool,

    /// Also where it is not a fast-forward; the remote's log keeps what is overtaken
    #[arg(long)]
    force: bool,

    /// Create the remote again if nothing is left of it: its directory, its log, and everything that is
    /// pushed. Otherwise such a remote is unavailable (14), because its disk may not be mounted
    #[arg(long)]
    recreate: bool,

    /// Only tell what would be pushed
    #[arg(long)]
    dry_run: bool,

    /// Mend what is damaged on the remote from what is here
    #[arg(long, conflicts_with_all = ["all", "force", "recreate", "dry_run"])]
    repair: bool,

    /// With --repair: read every byte of the remote, to find all that is damaged
    #[arg(long, requires = "repair")]
    full: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let (remote, refs) = remotes::split(&repo, &args.words)?;
    if args.repair {
        return repair::exec(context, remote, &refs, args.full);
    }
    let options = PushOptions {
        remote,
        refs,
        all: args.all,
        force: args.force,
        recreate: args.recreate,
        dry_run: args.dry_run,
        command: context.env.command_line(),
    };
    let outcome = push(&repo, &options, context.progress())
        .map_err(|error| remotes::or_remote(error, &repo, &args.words))?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.dry_run))?;
    remotes::warn_of_conflicts(context, &outcome.remote, &outcome.conflicts);
    Ok(if outcome.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

fn view(page: &mut Page<'_>, outcome: &PushOutcome, dry_run: bool) -> Result<()> {
    let remote = &outcome.remote;
    if outcome.refs.is_empty() {
        writeln!(page, "nothing to push to {remote}")?;
    } else {
        let refs = count(outcome.refs.len() as u64, "ref", "refs");
        let verb = if dry_run { "would push" } else { "pushed" };
        writeln!(page, "{verb} {refs} to {remote}, {}", size(outcome.bytes))?;
        let line = |one: &PushedRef| {
            let forced = if one.forced { " (forced)" } else { "" };
            format!("{}{forced}", remotes::movement(&one.name, one.old, one.new))
        };
        remotes::list_moves(page, outcome.refs.iter().map(line))?;
    }
    if outcome.missing > 0 {
        let contents = count(outcome.missing, "content", "contents");
        writeln!(page, "and {contents} that would be fetched from another remote first")?;
    }
    if !outcome.behind.is_empty() {
        let behind = count(outcome.behind.len() as u64, "ref is", "refs are");
        writeln!(page, "{behind} behind {remote}; to catch up: art pull {remote}")?;
    }
    Ok(())
}
