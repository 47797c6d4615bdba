//! `art evict`: content that a remote holds leaves this repository.

use artifacts::history::Revision;
use artifacts::ops::evict::{EvictOptions, EvictOutcome, evict};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::{count, size};
use crate::ui::{ConfirmArgs, Page};

/// Frees the space of content that a remote is proven to hold
///
/// History stays, and content comes back when it is needed. Nothing leaves before the remote was
/// asked: every pack is there with its size, and a part of it, or with `--full` every byte, was read
/// back and is right. What was not pushed stays.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art evict --dry-run", "art evict --keep @production --keep HEAD --yes", "art evict --full --yes"],
    Exit::OF_REMOTES,
))]
pub(crate) struct Args {
    /// The remote; else the only one, or `origin`
    #[arg(value_name = "REMOTE")]
    remote: Option<Name>,

    /// Leave the content of this revision here; may be given more than once
    #[arg(long, value_name = "REV", value_parser = revision::parser())]
    keep: Vec<Revision>,

    /// Read back every byte before
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = EvictOptions {
        remote: args.remote.clone(),
        keep: args.keep.clone(),
        full: args.full,
        dry_run: args.confirm.dry_run,
    };
    if !args.confirm.dry_run {
        context.confirm(args.confirm, "remove the content that the remote holds?")?;
    }
    let outcome = evict(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.confirm.dry_run))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &EvictOutcome, dry_run: bool) -> Result<()> {
    let (proof, remote) = (&outcome.proof, &outcome.remote);
    if proof.packs > 0 {
        let packs = count(proof.packs, "pack", "packs");
        let bytes = size(proof.bytes);
        writeln!(page, "{remote} holds {packs}; {bytes} of that were read back and are right")?;
    }
    if proof.failed > 0 {
        let packs = count(proof.failed, "pack is", "packs are");
        let mend = format!("see art fsck --remote {remote}");
        writeln!(page, "{packs} missing or damaged on {remote} and not relied on; {mend}")?;
    }
    if outcome.contents == 0 {
        writeln!(page, "nothing to free")?;
    } else {
        let verb = if dry_run { "would free" } else { "freed" };
        let bytes = size(outcome.bytes);
        writeln!(page, "{verb} {bytes}; content comes back when it is needed")?;
    }
    if outcome.unsent > 0 {
        writeln!(page, "what {remote} does not hold stays; to send it: art push {remote}")?;
    }
    Ok(())
}
