//! `art resolve`: settles what both sides of a ref changed.

use artifacts::ops::merge::Choice;
use artifacts::ops::resolve::{ResolveOptions, ResolveOutcome, resolve, still_open};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;

/// Settles a conflict that a pull has named; both histories stay
///
/// What only one side changed is taken from it in any case; the choice decides what both changed.
/// It works on what was fetched, without the network, and `art push` tells the others.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art resolve v1 --stage production", "art resolve v1 --theirs", "art resolve tag/best --ours"],
    &[Exit::No, Exit::NotARepository, Exit::Locked, Exit::Moved, Exit::Corrupt],
))]
#[command(group = clap::ArgGroup::new("choice").required(true))]
pub(crate) struct Args {
    /// The ref: `NAME`, `run/NAME`, `tag/NAME`
    #[arg(value_name = "REF")]
    reference: String,

    /// Take what is here
    #[arg(long, group = "choice")]
    ours: bool,

    /// Take what is on the remote
    #[arg(long, group = "choice")]
    theirs: bool,

    /// Put the version in STAGE, which one of the two sides has
    #[arg(long, value_name = "STAGE", group = "choice")]
    stage: Option<Name>,

    /// The remote; else the only one, or `origin`
    #[arg(long, value_name = "REMOTE")]
    remote: Option<Name>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let choice = match &args.stage {
        Some(stage) => Choice::Stage(stage.clone()),
        None if args.ours => Choice::Ours,
        None => Choice::Theirs,
    };
    let options = ResolveOptions {
        remote: args.remote.clone(),
        reference: args.reference.clone(),
        choice,
        message: args.message.clone(),
        command: context.env.command_line(),
    };
    let outcome = resolve(&context.repo()?, &options)?;
    if !outcome.conflicts.is_empty() {
        return Err(still_open(&outcome));
    }
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &ResolveOutcome) -> Result<()> {
    let movement = remotes::movement(&outcome.name, outcome.old, outcome.new);
    writeln!(page, "resolved {movement}")?;
    writeln!(page, "tell the others: art push {}", outcome.remote)
}
