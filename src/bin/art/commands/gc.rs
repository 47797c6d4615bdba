//! `art gc`: removes commits and content that nothing needs, here or on a remote.

use std::time::Duration;

use artifacts::clock::Span;
use artifacts::ops::gc::{GcOptions, GcOutcome, GcRemoteOptions, GcRemoteOutcome, gc, gc_remote};
use artifacts::{Error, Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, size};
use crate::ui::{ConfirmArgs, Page};

/// Remove commits and content that nothing needs
///
/// Everything that a run, a version, a tag or a remote-tracking ref needs stays. Content of deleted
/// runs and replaced uploads stays as long as `art undo` can bring it back: `gc.prune` is the time
/// for that, and the newest `gc.keep-operations` operations stay whatever their age. The records of
/// deleted versions stay for ever, without their content.
///
/// Other commands can write at the same time. They wait only for a moment, while the files are
/// removed. Nothing is removed if anything that is needed cannot be read.
///
/// With `--remote`, removes files of a remote that nothing needs. A file is retired first, and
/// deleted by a call after the grace, so others can push and clone meanwhile. Commits that a push
/// replaced or deleted are kept for the prune time. The remote keeps both times for all users.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art gc --dry-run", "art gc", "art gc --prune 7d --yes", "art gc --remote origin --yes"],
    &[Exit::OF_REMOTES, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// Keep only operations younger than AGE for undo, `now` keeps none [default: gc.prune]; with
    /// --remote, keep replaced commits for AGE [default: 90d, or the time that the remote has]
    #[arg(long, value_name = "AGE|now", value_parser = parse_age)]
    prune: Option<Duration>,

    /// Rewrite every pack with unneeded content, not only packs that are mostly unneeded
    #[arg(long)]
    full: bool,

    /// Also remove caches; later commands create them again
    #[arg(long)]
    cache: bool,

    /// Remove garbage from this remote instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["full", "cache"])]
    remote: Option<Name>,

    /// Delete files of the remote this long after they were retired [default: 14d, or the time that
    /// the remote has]
    #[arg(long, value_name = "AGE", requires = "remote", value_parser = parse_age)]
    grace: Option<Duration>,

    /// Replace at most this share of the remote's packs, of which most is not needed
    #[arg(long, value_name = "N%", requires = "remote", default_value = "10%", value_parser = parse_percent)]
    max_repack: u64,

    /// Nobody else uses the remote now: permits times below one day
    #[arg(long, requires = "remote")]
    alone: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

fn parse_age(text: &str) -> Result<Duration, Error> {
    if text == "now" {
        return Ok(Duration::ZERO);
    }
    text.parse::<Span>().map(Span::duration)
}

fn parse_percent(text: &str) -> Result<u64, Error> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number
        .filter(|number| *number <= 100)
        .ok_or_else(|| Error::refused(format!("'{text}' is not a share from 0% to 100%")))
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    if let Some(remote) = &args.remote {
        return exec_remote(context, args, remote);
    }
    let repo = context.repo()?;
    let dry_run = args.confirm.dry_run;
    let options =
        GcOptions::default().prune(args.prune).full(args.full).cache(args.cache).dry_run(dry_run);
    let setting = repo.settings().gc.prune;
    if let Some(age) = args.prune.filter(|age| !dry_run && *age < setting) {
        let question = if age.is_zero() {
            "remove everything that only an undo needs?".to_owned()
        } else {
            let age = Span::new(age);
            format!("remove everything that only an undo of operations older than {age} needs?")
        };
        context.confirm(args.confirm, &question)?;
    }
    let outcome = gc(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome, dry_run))?;
    for left in &outcome.failed {
        context.ui.warn(&format!("cannot remove '{}': {}", left.path.display(), left.problem));
    }
    Ok(if outcome.failed.is_empty() { Exit::Ok } else { Exit::Partly })
}

fn view(page: &mut Page<'_>, outcome: &GcOutcome, dry_run: bool) -> Result<()> {
    let is_idle = outcome.commits + outcome.contents + outcome.objects + outcome.bytes == 0;
    if is_idle {
        writeln!(page, "nothing to free")?;
    } else {
        let verb = if dry_run { "would free" } else { "freed" };
        let commits = count(outcome.commits, "commit", "commits");
        let contents = count(outcome.contents, "content", "contents");
        writeln!(page, "{verb} {}: {commits} and {contents}", size(outcome.bytes))?;
    }
    if outcome.bytes_rewritten > 0 {
        let verb = if dry_run { "would copy" } else { "copied" };
        writeln!(
            page,
            "{verb} {} out of packs that were mostly unneeded",
            size(outcome.bytes_rewritten)
        )?;
    }
    for state in &outcome.largest {
        let (bytes, time) = (size(state.bytes), page.time(state.time));
        writeln!(page, "  {bytes:>10}  {}, last moved {time}", state.name)?;
    }
    let operations = count(outcome.operations, "operation", "operations");
    match outcome.undo_lost_through {
        Some(_) if outcome.operations == 0 => writeln!(page, "no operation can be undone now")?,
        Some(through) => {
            let time = page.time(through);
            writeln!(page, "{operations} after {time} can be undone")?;
        }
        None => writeln!(page, "every operation can still be undone")?,
    }
    Ok(())
}

fn exec_remote(context: &Context<'_>, args: &Args, remote: &Name) -> Result<Exit> {
    let repo = context.repo()?;
    let dry_run = args.confirm.dry_run;
    let options = GcRemoteOptions::default()
        .remote(remote.clone())
        .grace(args.grace)
        .prune(args.prune)
        .max_repack(args.max_repack)
        .alone(args.alone)
        .dry_run(dry_run);
    if !dry_run {
        let question = if args.alone {
            format!("remove garbage from {remote}, which nobody else uses now?")
        } else {
            format!("remove garbage from {remote}?")
        };
        context.confirm(args.confirm, &question)?;
    }
    let outcome = gc_remote(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view_remote(page, &outcome, dry_run))?;
    let Some(failed) = &outcome.failed else { return Ok(Exit::Ok) };
    let files = count(failed.files, "file", "files");
    context.ui.warn(&format!("{files} could not be deleted from {remote}: {}", failed.problem));
    Ok(Exit::Partly)
}

/// A time to wait, rounded up to whole days or hours.
fn wait(seconds: u64) -> Span {
    let unit = if seconds > 48 * 3600 { 24 * 3600 } else { 3600 };
    Span::new(Duration::from_secs(seconds.next_multiple_of(unit)))
}

fn view_remote(page: &mut Page<'_>, outcome: &GcRemoteOutcome, dry_run: bool) -> Result<()> {
    let remote = &outcome.remote;
    let would = if dry_run { "would be " } else { "" };
    if outcome.deleted_files > 0 {
        let files = count(outcome.deleted_files, "file", "files");
        writeln!(page, "{would}deleted from {remote}: {files}, {}", size(outcome.deleted_bytes))?;
    }
    if outcome.retired_files > 0 {
        let files = count(outcome.retired_files, "file", "files");
        let bytes = size(outcome.retired_bytes);
        writeln!(page, "{would}retired, to be deleted later: {files}, {bytes}")?;
    }
    if outcome.copied_bytes > 0 {
        let verb = if dry_run { "would be copied" } else { "copied" };
        writeln!(page, "{verb} into new packs: {}", size(outcome.copied_bytes))?;
    }
    if outcome.forgotten > 0 {
        let commits = count(outcome.forgotten, "replaced commit", "replaced commits");
        writeln!(page, "content no longer kept: of {commits}")?;
    }
    if outcome.waiting_files > 0 {
        let files = count(outcome.waiting_files, "retired file", "retired files");
        write!(page, "{files} with {} wait", size(outcome.waiting_bytes))?;
        match outcome.due_in_seconds {
            Some(seconds) => writeln!(page, "; the next are due in {}", wait(seconds))?,
            None => writeln!(page)?,
        }
    }
    if outcome.has_no_times {
        writeln!(page, "{remote} tells no times, so art cannot know when a file may be deleted")?;
    }
    if outcome.deleted_files + outcome.retired_files + outcome.waiting_files == 0 {
        writeln!(page, "nothing to remove from {remote}")?;
    }
    Ok(())
}
