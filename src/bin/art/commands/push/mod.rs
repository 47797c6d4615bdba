//! `art push`: sends local changes to a remote.

mod repair;

use artifacts::ops::evict::{EvictOptions, EvictOutcome, evict};
use artifacts::ops::push::{PushOptions, PushOutcome, PushedRef, push};
use artifacts::{ErrorKind, Result};
use serde::Serialize;

use super::evict as evict_command;
use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::ui::format::{count, size};

/// Send local changes to a remote in one atomic step
///
/// By default, pushes all refs of the project, including deletions. Either all of these refs move
/// on the remote, or none. Only missing data is sent, and data from an interrupted push is not sent
/// again. If a ref on the remote has new commits, nothing is pushed; run `art pull` first to merge
/// them.
///
/// `--evict` removes the local content afterwards, like `art evict`: only content that the remote's
/// refs reach, and only after it is verified on the remote. Content that was not pushed stays.
///
/// `--repair` pushes no refs. It repairs damage on the remote from local data. A file with
/// identical local bytes is sent again. Otherwise its contents are sent in new files, and a log
/// entry retires the damaged files. Readable files on the remote are never replaced. Damage that
/// cannot be repaired is reported.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art push", "art push origin v1 run/sharp-shrimp-1", "art push --all", "art push v1 --force", "art push --evict", "art push --repair origin --full"],
    &[Exit::OF_MOVES, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// A remote, then refs (`NAME`, `run/NAME`, `tag/NAME`) [default: the only remote or origin;
    /// all refs]
    #[arg(value_name = "REMOTE|REF")]
    words: Vec<String>,

    /// Push the refs of all projects
    #[arg(long, conflicts_with = "words")]
    all: bool,

    /// Also move refs that are not a fast-forward; the remote log keeps the overwritten commits
    #[arg(long)]
    force: bool,

    /// Create the remote again if it is missing or empty
    ///
    /// Creates the directory and the log again, and sends all data of the pushed refs. Without this
    /// option, a missing or empty remote is treated as unavailable, because its disk may not be
    /// mounted.
    #[arg(long)]
    recreate: bool,

    /// Show what would be pushed without pushing it
    #[arg(long)]
    dry_run: bool,

    /// After the push, remove local content that is verified on the remote
    #[arg(long)]
    evict: bool,

    /// Repair damage on the remote from local data
    #[arg(long, conflicts_with_all = ["all", "force", "recreate", "dry_run", "evict"])]
    repair: bool,

    /// With --repair, read every byte of the remote to find all damage
    #[arg(long, requires = "repair")]
    full: bool,
}

/// A push, and the eviction after it.
#[derive(Serialize)]
struct Pushed<'a> {
    #[serde(flatten)]
    push: &'a PushOutcome,
    /// The eviction, with `--evict`. A dry run counts only content that is already on the remote.
    #[serde(skip_serializing_if = "Option::is_none")]
    evicted: Option<EvictOutcome>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let (remote, refs) = remotes::split(&repo, &args.words)?;
    if args.repair {
        return repair::exec(context, remote, &refs, args.full);
    }
    let options = PushOptions::default()
        .remote(remote)
        .refs(refs)
        .all(args.all)
        .force(args.force)
        .recreate(args.recreate)
        .dry_run(args.dry_run);
    let outcome = push(&repo, &options, context.progress())
        .map_err(|error| remotes::or_remote(error, &repo, &args.words))?;
    // After a conflict, the next step is a pull or a merge, which may need the content.
    let evicts = args.evict && outcome.conflicts.is_empty();
    let evicted = if evicts { evict_pushed(context, &outcome, args.dry_run)? } else { None };
    let pushed = Pushed { push: &outcome, evicted };
    context.ui.summary(&pushed, |page| {
        view(page, &outcome, args.dry_run)?;
        if let Some(evicted) = &pushed.evicted {
            evict_command::view(page, evicted, args.dry_run)?;
        }
        if evicts && args.dry_run && !outcome.refs.is_empty() {
            writeln!(page, "content of this push would be verified and freed afterwards")?;
        }
        Ok(())
    })?;
    remotes::warn_of_conflicts(context, &outcome.remote, &outcome.conflicts);
    let evicted = pushed.evicted.as_ref().map_or(Exit::Ok, evict_command::exit_of);
    Ok(if outcome.conflicts.is_empty() { evicted } else { Exit::Moved })
}

/// Removes the local content that the remote holds after the push. An error states that the push
/// is complete. `None` for a dry run before the first push.
fn evict_pushed(
    context: &Context<'_>,
    outcome: &PushOutcome,
    dry_run: bool,
) -> Result<Option<EvictOutcome>> {
    let remote = &outcome.remote;
    let options = EvictOptions::default().remote(remote.clone()).dry_run(dry_run);
    match evict(&context.repo()?, &options, context.progress()) {
        Ok(evicted) => Ok(Some(evicted)),
        Err(error) if dry_run && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if dry_run => Err(error),
        Err(error) => Err(error
            .context(format!("the push to {remote} is complete, but the eviction failed"))
            .with_hint(format!("to remove the local content: art evict {remote}"))),
    }
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
