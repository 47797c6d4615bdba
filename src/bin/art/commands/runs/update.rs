//! `art runs switch`, `finish` and `update`.

use artifacts::ops::runs::{FinishRunOptions, RunState, UpdateRunOptions, finish, switch, update};
use artifacts::record::{RunStatus, Tags};
use artifacts::{Name, Result};

use super::RunArg;
use crate::context::Context;
use crate::report::{Exit, help_tail};

/// Make a run the current run
///
/// Later uploads go to the current run. If `ART_RUN` is set, as it is for the command of a run, the
/// run that `ART_RUN` names stays the current run.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art runs switch sharp-shrimp-1"],
    &[&[Exit::No, Exit::NotARepository, Exit::Locked, Exit::Unauthorized, Exit::Unavailable]],
))]
pub(super) struct SwitchArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: Name,
}

/// Mark a run as finished
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art runs finish", "art runs finish sharp-shrimp-1 --status failed"],
    &[Exit::OF_WRITES],
))]
pub(super) struct FinishArgs {
    #[command(flatten)]
    run: RunArg,

    /// The final status of the run
    #[arg(
        long,
        value_name = "STATUS",
        default_value = "succeeded",
        value_parser = ["succeeded", "failed", "stopped"],
    )]
    status: String,
}

/// Change the name, description or tags of a run
///
/// An empty description or tag list clears the field. A renamed run keeps its history, its versions
/// and the tags that point to it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art runs update --description 'as published'",
        "art runs update sharp-shrimp-1 --name baseline --add-tag paper",
        "art runs update baseline --tags ''",
    ],
    &[Exit::OF_WRITES],
))]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,

    #[command(flatten)]
    changes: Changes,
}

/// The changes; at least one is required.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// The new name of the run
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// The new description of the run
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// The new tags, which replace the current ones
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    tags: Option<Tags>,

    /// Tags to add; can be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    add_tag: Vec<Tags>,

    /// Tags to remove; can be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    remove_tag: Vec<Tags>,
}

pub(super) fn exec_switch(context: &Context<'_>, args: &SwitchArgs) -> Result<Exit> {
    let repo = context.repo()?;
    let project = context.globals.project.as_ref();
    let outcome = switch(&repo, project, &args.run)?;
    if let Some(stays) = &repo.settings().run
        && *stays != outcome.run
    {
        context.ui.warn(&format!("ART_RUN is set, so '{stays}' stays the current run"));
    }
    context.ui.summary(&outcome, |page| {
        writeln!(page, "{} of {} is the current run", outcome.run, outcome.project)
    })?;
    Ok(Exit::Ok)
}

pub(super) fn exec_finish(context: &Context<'_>, args: &FinishArgs) -> Result<Exit> {
    let options = FinishRunOptions::new(args.status.parse::<RunStatus>()?)
        .project(context.globals.project.clone())
        .run(args.run.run.clone());
    print_run(context, &finish(&context.repo()?, &options)?)
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let changes = &args.changes;
    let options = UpdateRunOptions::default()
        .project(context.globals.project.clone())
        .run(args.run.run.clone())
        .name(changes.name.clone())
        .description(changes.description.clone())
        .tags(changes.tags.clone())
        .add_tags(Tags::union(&changes.add_tag))
        .remove_tags(Tags::union(&changes.remove_tag));
    print_run(context, &update(&context.repo()?, &options)?)
}

/// Shows the state of a run after a change.
fn print_run(context: &Context<'_>, state: &RunState) -> Result<Exit> {
    context.ui.summary(state, |page| {
        let (run, status) = (&state.run, state.status);
        match &state.commit {
            Some(commit) => writeln!(page, "{run} {}: {status}", commit.short()),
            None => writeln!(page, "{run}: {status}; nothing changed"),
        }
    })?;
    Ok(Exit::Ok)
}
