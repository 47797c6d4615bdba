//! `art versions`: the table of versions, as they are or as they were.

use artifacts::clock::Timestamp;
use artifacts::ops::versions::{VersionList, VersionsOptions, versions};
use artifacts::record::query::{Query, Sort};
use artifacts::record::{VERSION_FIELDS, VersionKind};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::list::{self as table, Column, DamagedRow, ListArgs, Show};

/// List the versions of the project, now or at a given time
///
/// The newest come first. Queries and `--sort` know the fields name, uuid, description, tags, kind,
/// stage, `staged_at` (since when it has been in it), run (its name), artifacts, author,
/// `created_at` and `updated_at`.
///
/// `--at` answers from the log of operations, so what was deleted, renamed, copied, moved or undone
/// since is shown as it was then. Of versions that came from elsewhere, their own history tells.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art versions",
        "art versions --stage production",
        "art versions --stage production --at 2026-11-01",
        "art versions -q 'kind: model, tags: best' --sort -staged_at --limit 5",
    ],
    &[Exit::No, Exit::Partly, Exit::NotARepository, Exit::Unauthorized, Exit::Corrupt, Exit::Interrupted],
))]
pub(crate) struct Args {
    /// Show only versions in STAGE
    #[arg(long, value_name = "STAGE")]
    stage: Option<Name>,

    /// Show what was so at TIME: a date (its end), '2026-11-01 10:00' or 2026-11-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = last_moment)]
    at: Option<Timestamp>,

    /// Show the versions of every project
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,

    #[command(flatten)]
    list: ListArgs,
}

/// The last second that a time covers.
fn last_moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_span(text).map(|(_, last)| last).map_err(|error| {
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{error}{hint}")
    })
}

const COLUMNS: &[Column] = &[
    Column::new("name", Show::Name),
    Column::new("stage", Show::Text),
    Column::new("staged_at", Show::Time),
    Column::new("created_at", Show::Time),
    Column::new("kind", Show::Word(&VersionKind::WORDS)),
    Column::new("run", Show::Text),
    Column::new("tags", Show::Set),
    Column::new("description", Show::Text),
    Column::hidden("project", Show::Text),
    Column::hidden("uuid", Show::Text),
    Column::hidden("commit", Show::Id),
    Column::hidden("author", Show::Text),
    Column::hidden("updated_at", Show::Time),
    Column::hidden("artifacts", Show::Set),
    Column::hidden("run_project", Show::Text),
    Column::hidden("run_uuid", Show::Text),
    Column::hidden("run_commit", Show::Id),
];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let list = &args.list;
    let options = VersionsOptions {
        project: context.globals.project.clone(),
        all_projects: args.all_projects,
        stage: args.stage.clone(),
        at: args.at,
        query: list.query.as_ref().map(|text| Query::parse(text, VERSION_FIELDS)).transpose()?,
        sort: list.sort.as_ref().map(|text| Sort::parse(text, VERSION_FIELDS)).transpose()?,
        offset: list.offset,
        limit: list.limit,
    };
    let found = versions(&context.repo()?, &options, context.progress())?;
    let shown = ListArgs { columns: columns(context, args), csv: list.csv, ..ListArgs::default() };
    let is_all =
        list.query.is_none() && list.offset == 0 && list.limit != Some(0) && args.stage.is_none();
    let empty = match args.at {
        Some(_) => "there were no such versions",
        None if is_all => "no versions yet; make one: art register VERSION",
        None => "no such versions",
    };
    let damaged: Vec<DamagedRow> = found
        .unreadable
        .iter()
        .map(|unreadable| DamagedRow::new(&unreadable.reference, &unreadable.error))
        .collect();
    table::show_with_damaged(context, &shown, COLUMNS, (&found.versions, &damaged), empty)?;
    Ok(tell(context, found))
}

/// The columns asked for; with those of all projects, the project is one.
fn columns(context: &Context<'_>, args: &Args) -> Vec<String> {
    let names = ["project", "name", "stage", "staged_at", "created_at", "kind", "run", "tags"];
    let is_free = args.list.columns.is_empty() && !context.ui.looks().json;
    if args.all_projects && is_free {
        names.map(str::to_owned).to_vec()
    } else {
        args.list.columns.clone()
    }
}

/// Says what the list lacks.
fn tell(context: &Context<'_>, found: VersionList) -> Exit {
    if !found.is_complete {
        context.ui.warn(
            "the log of operations does not tell all about that time; \
             what was deleted before may lack",
        );
    }
    if !found.is_in_order {
        context.ui.warn(
            "a clock was set back or forward around that time: what was so just then is not sure; \
             the order of things: art reflog",
        );
    }
    let mut exit = Exit::Ok;
    for unreadable in found.unreadable {
        let name = unreadable.reference.name();
        let error = unreadable.error.context(format!("the version '{name}' can't be read"));
        exit = report::damaged(&error, &context.ui);
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_can_be_asked_for_can_be_shown_and_is_named_in_the_help() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("versions"));
        let help = command.get_long_about().unwrap().to_string().replace('`', "");
        for field in VERSION_FIELDS {
            assert!(COLUMNS.iter().any(|column| column.name() == field.name), "{}", field.name);
            assert!(help.contains(field.name), "{} in {help}", field.name);
        }
    }
}
