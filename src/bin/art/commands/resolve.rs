//! `art resolve`: resolves a conflict between two sides of a ref.

use artifacts::ops::resolve::{
    ConflictList, ResolveOptions, ResolveOutcome, list, resolve, still_open,
};
use artifacts::sync::merge::Choice;
use artifacts::{Name, Result};

use crate::context::Context;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::{Page, sanitize};

/// Resolve a conflict and keep both histories
///
/// Without REF, lists the conflicts as of the last fetch. A change on only one side is always kept.
/// The choice decides the fields that both sides changed. The command uses fetched data and needs
/// no network. `art push` shares the resolution.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art resolve",
        "art resolve v1 --stage production",
        "art resolve v1 --theirs",
        "art resolve tag/best --ours",
    ],
    &[&[Exit::No, Exit::NotARepository, Exit::Locked, Exit::Moved, Exit::Corrupt]],
))]
#[command(group = clap::ArgGroup::new("choice").requires("reference"))]
pub(crate) struct Args {
    /// The ref: `NAME`, `run/NAME`, `tag/NAME`
    #[arg(value_name = "REF", requires = "choice")]
    reference: Option<String>,

    /// Keep the local value
    #[arg(long, group = "choice")]
    ours: bool,

    /// Take the value of the remote
    #[arg(long, group = "choice")]
    theirs: bool,

    /// Move the version to STAGE, the stage of one of the two sides
    #[arg(long, value_name = "STAGE", group = "choice")]
    stage: Option<Name>,

    /// The remote [default: the only remote, otherwise origin]
    #[arg(long, value_name = "REMOTE")]
    remote: Option<Name>,

    /// The message of the commit
    #[arg(short, long, value_name = "TEXT", requires = "reference")]
    message: Option<String>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let Some(reference) = &args.reference else {
        return exec_list(context, args.remote.as_ref());
    };
    let choice = match &args.stage {
        Some(stage) => Choice::Stage(stage.clone()),
        None if args.ours => Choice::Ours,
        None => Choice::Theirs,
    };
    let options = ResolveOptions::new(reference.clone(), choice)
        .remote(args.remote.clone())
        .message(args.message.clone());
    let outcome = resolve(&context.repo()?, &options)?;
    if !outcome.conflicts.is_empty() {
        return Err(still_open(&outcome));
    }
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn exec_list(context: &Context<'_>, remote: Option<&Name>) -> Result<Exit> {
    let repo = context.repo()?;
    let found = list(&repo, remote)?;
    context.ui.show(&found, |page| view_list(page, &found))?;
    if let Some(first) = found.conflicts.first() {
        let name = remotes::typed(&repo, &first.name);
        context.ui.hint(&format!("choose a side: art resolve {name} --ours, or --theirs"));
    }
    Ok(Exit::Ok)
}

fn view_list(page: &mut Page<'_>, found: &ConflictList) -> Result<()> {
    if found.conflicts.is_empty() {
        return writeln!(page, "no conflicts with {} as of the last fetch", found.remote);
    }
    for one in &found.conflicts {
        let what: Vec<&str> = one.conflicts.iter().map(|field| field.what.as_str()).collect();
        let what = sanitize::text(&what.join(", "));
        writeln!(page, "{}: {what}", remotes::shown(&one.name))?;
    }
    Ok(())
}

fn view(page: &mut Page<'_>, outcome: &ResolveOutcome) -> Result<()> {
    let movement = remotes::movement(&outcome.name, outcome.old, outcome.new);
    writeln!(page, "resolved {movement}")?;
    writeln!(page, "to share the resolution: art push {}", outcome.remote)
}
