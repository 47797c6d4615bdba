//! `art history`: the stages that a version had.

use artifacts::Result;
use artifacts::history::Revision;
use artifacts::ops::history::{HistoryOptions, history};

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::revision;
use crate::ui::list::{self as table, Column, ListArgs, Show};

/// Show every stage that a version had, newest first
///
/// Shows from, to, who, when and why. Nothing rewrites this history: neither `--force` nor a
/// rename, a transfer or an undo. A deleted version is found by its name. `--all` shows the stages
/// of all versions of the project, including deleted and transferred versions. Fields for queries
/// and `--sort`: time, version, project, uuid, from, to, author, reason, message, verdict, commit
/// and deleted.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "stages", after_long_help = help_tail(
    &[
        "art history v1",
        "art history --all -q 'to: production' --sort time",
        "art history --all -q 'author: %ada%, time: >=2026-11-01' --csv",
    ],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// The version: a name, `OWNER/PROJECT:NAME`, `@STAGE` or `@latest`
    #[arg(value_name = "VERSION", value_parser = revision::parser(), default_value = "@latest")]
    version: Revision,

    /// Show the stages of all versions of the project, including deleted ones
    #[arg(long, conflicts_with = "version")]
    all: bool,

    #[command(flatten)]
    list: ListArgs,
}

const COLUMNS: &[Column] = &[
    Column::new("time", Show::Time),
    Column::new("from", Show::Text),
    Column::new("to", Show::Text),
    Column::new("author", Show::Text),
    Column::new("reason", Show::Text),
    Column::new("message", Show::Text),
    Column::new("commit", Show::Id),
    Column::hidden("version", Show::Name),
    Column::hidden("verdict", Show::Text),
    Column::hidden("uuid", Show::Text),
    Column::hidden("project", Show::Text),
    Column::hidden("deleted", Show::Flag),
];

/// Like [`COLUMNS`], but also shows the version and if it was deleted.
const ALL_COLUMNS: &[Column] = &[
    Column::new("time", Show::Time),
    Column::new("version", Show::Name),
    Column::new("deleted", Show::Flag),
    Column::new("from", Show::Text),
    Column::new("to", Show::Text),
    Column::new("author", Show::Text),
    Column::new("reason", Show::Text),
    Column::new("message", Show::Text),
    Column::new("commit", Show::Id),
    Column::hidden("verdict", Show::Text),
    Column::hidden("uuid", Show::Text),
    Column::hidden("project", Show::Text),
];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let (options, columns) = if args.all {
        (HistoryOptions::All(context.globals.project.clone()), ALL_COLUMNS)
    } else {
        (HistoryOptions::One(args.version.clone()), COLUMNS)
    };
    let found = history(&context.repo()?, &options, context.progress())?;
    table::show(&context.ui, &args.list, columns, &found.entries, "no matching stages")?;
    let mut exit = Exit::Ok;
    for unreadable in found.unreadable {
        let name = unreadable.reference.name();
        let error = unreadable.error.context(format!("the version '{name}' can't be read"));
        exit = if args.all {
            report::damaged(&error, &context.ui)
        } else {
            report::failure(&error, &context.ui)
        };
    }
    Ok(exit)
}
