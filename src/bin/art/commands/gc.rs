//! `art gc`: removes commits and content that nothing needs.

use std::time::Duration;

use artifacts::clock::Span;
use artifacts::ops::gc::{GcOptions, GcOutcome, gc};
use artifacts::{Error, Result};

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
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art gc --dry-run", "art gc", "art gc --prune 7d --yes", "art gc --prune now --full --yes"],
    &[Exit::OF_WRITES, &[Exit::Partly, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// Keep only operations younger than AGE for undo; `now` keeps none [default: gc.prune]
    #[arg(long, value_name = "AGE|now", value_parser = parse_age)]
    prune: Option<Duration>,

    /// Rewrite every pack with unneeded content, not only packs that are mostly unneeded
    #[arg(long)]
    full: bool,

    /// Also remove caches; later commands create them again
    #[arg(long)]
    cache: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

fn parse_age(text: &str) -> Result<Duration, Error> {
    if text == "now" {
        return Ok(Duration::ZERO);
    }
    text.parse::<Span>().map(Span::duration)
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
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
        Some(through) => {
            let time = page.time(through);
            writeln!(page, "{operations} after {time} can be undone")?;
        }
        None => writeln!(page, "every operation can still be undone")?,
    }
    Ok(())
}
