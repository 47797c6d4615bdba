//! `art evict`: removes local content that a remote holds.

use artifacts::history::Revision;
use artifacts::ops::evict::{EvictOptions, EvictOutcome, evict};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::{count, size};
use crate::ui::{ConfirmArgs, Page};

/// Remove local content after verifying it on a remote
///
/// The history stays, and content is downloaded again when it is needed. Before anything is
/// removed, the remote is checked: every pack must exist with its size, and a part of each pack
/// (with `--full` every byte) is read back and verified. Content that was not pushed is never
/// removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art evict --dry-run", "art evict --keep @production --keep HEAD --yes", "art evict --full --yes"],
    &[Exit::OF_REMOTES, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// The remote [default: the only remote, otherwise origin]
    #[arg(value_name = "REMOTE")]
    remote: Option<Name>,

    /// Keep the content of this revision; can be repeated
    #[arg(long, value_name = "REV", value_parser = revision::parser())]
    keep: Vec<Revision>,

    /// Read back every byte before removing content
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = EvictOptions::default()
        .remote(args.remote.clone())
        .keep(args.keep.clone())
        .full(args.full)
        .dry_run(args.confirm.dry_run);
    if !args.confirm.dry_run {
        context.confirm(args.confirm, "remove local content that the remote also holds?")?;
    }
    let outcome = evict(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.confirm.dry_run))?;
    Ok(exit_of(&outcome))
}

/// The exit code of an eviction: content stays if the remote failed the verification.
pub(crate) fn exit_of(outcome: &EvictOutcome) -> Exit {
    if outcome.proof.failed > 0 { Exit::Partly } else { Exit::Ok }
}

pub(crate) fn view(page: &mut Page<'_>, outcome: &EvictOutcome, dry_run: bool) -> Result<()> {
    let (proof, remote) = (&outcome.proof, &outcome.remote);
    if proof.packs > 0 {
        let packs = count(proof.packs, "pack", "packs");
        let bytes = size(proof.bytes);
        writeln!(page, "{remote} holds {packs}; {bytes} of them read back and verified")?;
    }
    if proof.failed > 0 {
        let packs = count(proof.failed, "pack is", "packs are");
        writeln!(
            page,
            "{packs} missing or damaged on {remote}, so the local content is kept; \
             see: art fsck --remote {remote}"
        )?;
    }
    if outcome.contents == 0 {
        writeln!(page, "nothing to free")?;
    } else {
        let verb = if dry_run { "would free" } else { "freed" };
        let bytes = size(outcome.bytes);
        writeln!(page, "{verb} {bytes}; content is downloaded again when it is needed")?;
    }
    if outcome.unsent > 0 {
        writeln!(
            page,
            "content that no ref of {remote} reaches is kept; to send it: art push {remote}"
        )?;
    }
    Ok(())
}
