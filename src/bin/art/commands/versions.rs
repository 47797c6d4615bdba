//! `art versions`: the table of versions, current or past.

use artifacts::clock::Timestamp;
use artifacts::ops::versions::{VersionList, VersionsOptions, versions};
use artifacts::record::query::Field;
use artifacts::record::{VERSION_FIELDS, VERSION_TABLE};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::records;
use crate::report::{Exit, help_tail};
use crate::ui::list::{Column, ListArgs, Show};

/// List the versions of the project, now or at a past time
///
/// The newest versions come first. Fields for queries and `--sort`: name, uuid, description, tags,
/// kind, stage, `staged_at` (when the version entered its stage), run (its name), artifacts,
/// author, `created_at`, `updated_at` and expired (true if the content of the files expired).
///
/// `--at` uses the operation log. Versions that were later deleted, renamed, copied, moved or
/// undone are shown as they were at that time. Fetched versions use their recorded history.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art versions",
        "art versions --stage production",
        "art versions --stage production --at 2026-11-01",
        "art versions -q 'kind: model, tags: best' --sort -staged_at --limit 5",
    ],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// Show only versions in STAGE
    #[arg(long, value_name = "STAGE")]
    stage: Option<Name>,

    /// Show the versions as they were at TIME
    ///
    /// TIME is a date (the end of that day), '2026-11-01 10:00' or 2026-11-01T10:00:00Z.
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

/// The fields that the table shows by default, in order.
const SHOWN: [&str; 8] =
    ["name", "stage", "staged_at", "created_at", "kind", "run", "tags", "description"];

/// The columns: those of [`SHOWN`], then all other fields.
fn all_columns() -> Vec<Column> {
    let column = |field: &Field| match field.name {
        "name" => Column::new(field.name, Show::Name),
        name if SHOWN.contains(&name) => Column::of(field),
        name @ ("commit" | "run_commit") => Column::hidden(name, Show::Id),
        _ => Column::of(field).hide(),
    };
    let mut columns: Vec<Column> = VERSION_TABLE.iter().map(|row| column(&row.field)).collect();
    columns.sort_by_key(|column| {
        SHOWN.iter().position(|name| *name == column.name()).unwrap_or(SHOWN.len())
    });
    columns
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let list = &args.list;
    let options = VersionsOptions::default()
        .project(context.globals.project.clone())
        .all_projects(args.all_projects)
        .stage(args.stage.clone())
        .at(args.at)
        .query(list.query(VERSION_FIELDS)?)
        .sort(list.sort(VERSION_FIELDS)?)
        .offset(list.offset)
        .limit(list.limit);
    let found = versions(&context.repo()?, &options, context.progress())?;
    let shown =
        ListArgs { columns: columns(context, args, &found), csv: list.csv, ..ListArgs::default() };
    let is_all =
        list.query.is_none() && list.offset == 0 && list.limit != Some(0) && args.stage.is_none();
    let empty = match args.at {
        Some(_) => "no matching versions at that time",
        None if is_all => "no versions yet; create one: art register VERSION",
        None => "no matching versions",
    };
    warn_of_gaps(context, &found);
    let damaged = found.unreadable.into_iter().map(|one| (one.reference, one.error));
    records::show(context, &shown, &all_columns(), &found.versions, damaged, empty)
}

/// The requested columns; with all projects, the project is one of the default columns.
fn columns(context: &Context<'_>, args: &Args, found: &VersionList) -> Vec<String> {
    let names = ["project", "name", "stage", "staged_at", "created_at", "kind", "run", "tags"];
    let is_free = args.list.columns.is_empty() && !context.ui.looks().json;
    let is_free = is_free && !args.list.csv;
    let is_expired = found.versions.iter().any(|version| version.summary.expired);
    let mut columns = match (args.all_projects, is_free) {
        (true, _) if args.list.columns.is_empty() && !context.ui.looks().json => names.to_vec(),
        (false, true) if is_expired => SHOWN.to_vec(),
        _ => return args.list.columns.clone(),
    };
    if is_free && is_expired {
        let stage = columns.iter().position(|name| *name == "stage").map_or(0, |at| at + 1);
        columns.insert(stage, "expired");
    }
    columns.into_iter().map(str::to_owned).collect()
}

fn warn_of_gaps(context: &Context<'_>, found: &VersionList) {
    if !found.is_complete {
        context.ui.warn(
            "the operation log is incomplete for that time; \
             versions that were deleted before may be missing",
        );
    }
    if !found.is_in_order {
        context.ui.warn(
            "a clock was set back or forward around that time, so the result is uncertain; \
             for the order of operations: art reflog",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_query_field_and_the_table_knows_every_default_column() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("versions"));
        let help = command.get_long_about().unwrap().to_string().replace('`', "");
        for field in VERSION_FIELDS {
            assert!(help.contains(field.name), "{} in {help}", field.name);
        }
        let columns = all_columns();
        let first: Vec<&str> = columns.iter().take(SHOWN.len()).map(Column::name).collect();
        assert_eq!(first, SHOWN);
    }
}
