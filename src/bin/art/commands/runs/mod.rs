//! `art runs`: lists runs and manages them.

mod delete;
mod show;
mod update;

use artifacts::name::RefKind;
use artifacts::ops::runs::{RunRow, RunsOptions, UnreadableRun, list};
use artifacts::record::{RUN_FIELDS, RunStatus};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::records;
use crate::report::{Exit, help_tail};
use crate::ui::list::{Column, ListArgs, Show};

/// List and manage the runs of a project
///
/// The newest runs come first. A star marks the current run. Fields for queries and `--sort`: name,
/// uuid, description, tags, status, author, `created_at`, `updated_at`, `started_at`,
/// `finished_at`, command, `exit_code`, signal, user, host, `source.commit`, `source.branch`,
/// `source.remote`, `source.dirty`, lineage (the names of the run's artifacts), kind (their kinds),
/// versions (the versions created from the run), and expired (true if the content of the newest
/// upload expired).
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = help_tail(
    &[
        "art runs",
        "art runs -q 'status: failed|running, tags: gpu' --limit 20",
        "art runs --sort -updated_at --columns name,updated_at,command",
        "art runs switch baseline",
    ],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Interrupted]],
))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Show(show::Args),
    Switch(update::SwitchArgs),
    Finish(update::FinishArgs),
    Update(update::Args),
    Delete(delete::Args),
}

/// The run argument of the verbs below `art runs`.
#[derive(Debug, clap::Args)]
struct RunArg {
    /// The run [default: the current run]
    #[arg(value_name = "RUN")]
    run: Option<Name>,
}

const COLUMNS: &[Column] = &[
    Column::new("current", Show::Mark),
    Column::new("name", Show::Name),
    Column::new("status", Show::Word(&RunStatus::WORDS)),
    Column::new("created_at", Show::Time),
    Column::new("tags", Show::Set),
    Column::new("description", Show::Text),
    Column::hidden("project", Show::Text),
    Column::hidden("uuid", Show::Text),
    Column::hidden("commit", Show::Id),
    Column::hidden("author", Show::Text),
    Column::hidden("updated_at", Show::Time),
    Column::hidden("started_at", Show::Time),
    Column::hidden("finished_at", Show::Time),
    Column::hidden("command", Show::Words),
    Column::hidden("exit_code", Show::Count),
    Column::hidden("signal", Show::Text),
    Column::hidden("user", Show::Text),
    Column::hidden("host", Show::Text),
    Column::hidden("source.commit", Show::Text),
    Column::hidden("source.branch", Show::Text),
    Column::hidden("source.remote", Show::Text),
    Column::hidden("source.dirty", Show::Flag),
    Column::hidden("lineage", Show::Set),
    Column::hidden("kind", Show::Set),
    Column::hidden("versions", Show::Set),
    Column::hidden("expired", Show::Flag),
];

/// The default columns, with those that are shown only if some runs have a value.
const DEFAULT: [&str; 8] =
    ["current", "name", "status", "expired", "created_at", "versions", "tags", "description"];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    match &args.action {
        None => exec_list(context, &args.list),
        Some(Action::Show(args)) => show::exec(context, args),
        Some(Action::Switch(args)) => update::exec_switch(context, args),
        Some(Action::Finish(args)) => update::exec_finish(context, args),
        Some(Action::Update(args)) => update::exec(context, args),
        Some(Action::Delete(args)) => delete::exec(context, args),
    }
}

fn exec_list(context: &Context<'_>, args: &ListArgs) -> Result<Exit> {
    let options = RunsOptions::default()
        .project(context.globals.project.clone())
        .query(args.query(RUN_FIELDS)?)
        .sort(args.sort(RUN_FIELDS)?)
        .offset(args.offset)
        .limit(args.limit);
    let found = list(&context.repo()?, &options, context.progress())?;
    let is_table = args.columns.is_empty() && !args.csv && !context.ui.looks().json;
    let has_versions = found.runs.iter().any(|run| !run.versions.is_empty());
    let has_expired = found.runs.iter().any(RunRow::is_expired);
    let columns = if is_table {
        let is_shown = |name: &&str| match *name {
            "versions" => has_versions,
            "expired" => has_expired,
            _ => true,
        };
        DEFAULT.into_iter().filter(is_shown).map(str::to_owned).collect()
    } else {
        args.columns.clone()
    };
    let shown = ListArgs { columns, csv: args.csv, ..ListArgs::default() };
    let is_all = args.query.is_none() && args.offset == 0;
    let empty = if is_all { "no runs yet; create one: art run" } else { "no matching runs" };
    let is_run = |one: &UnreadableRun| one.reference.kind() == RefKind::Run;
    let (runs, versions): (Vec<_>, Vec<_>) = found.unreadable.into_iter().partition(is_run);
    let damaged = runs.into_iter().map(|one| (one.reference, one.error));
    let mut exit = records::show(context, &shown, COLUMNS, &found.runs, damaged, empty)?;
    for version in versions {
        exit = records::report_unreadable(context, &version.reference, version.error);
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_field_has_a_column_and_is_named_in_the_help() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("runs"));
        let help = command.get_long_about().unwrap().to_string().replace('`', "");
        for field in RUN_FIELDS {
            assert!(COLUMNS.iter().any(|column| column.name() == field.name), "{}", field.name);
            assert!(help.contains(field.name), "{} in {help}", field.name);
        }
    }
}
