//! `art project`: shows, lists and updates projects.

mod show;
mod update;

use artifacts::Result;
use artifacts::name::RefName;
use artifacts::ops::project::list;

use crate::context::Context;
use crate::records;
use crate::report::{Exit, help_tail};
use crate::ui::list::{Column, ListArgs, Show};

/// Show, list or update projects
///
/// Without a subcommand, shows the current project. A project exists if it has a run, a version, a
/// tag or a record, or if it is the repository's own project. The record holds a description, tags
/// and the stage rules; see `art policy`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art project",
        "art project list -q 'versions: >0' --sort -versions",
        "art project update --description 'Reads digits' --add-tag vision",
    ],
    &[Exit::OF_READS],
))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Show(show::Args),
    List(ListingArgs),
    Update(update::Args),
}

/// List the projects of the repository
///
/// A star marks the current project, to which names without a project belong. Fields for queries
/// and `--sort`: current, name, description, tags, runs, versions, policy, `created_at`,
/// `updated_at`, author, uuid and commit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art project list", "art project list --csv --columns name,versions"],
    &[&[Exit::Partly, Exit::NotARepository, Exit::Unauthorized, Exit::Corrupt]],
))]
struct ListingArgs {
    #[command(flatten)]
    list: ListArgs,
}

const COLUMNS: &[Column] = &[
    Column::new("current", Show::Mark),
    Column::new("name", Show::Name),
    Column::new("runs", Show::Count),
    Column::new("versions", Show::Count),
    Column::new("policy", Show::Flag),
    Column::new("tags", Show::Set),
    Column::new("description", Show::Text),
    Column::hidden("created_at", Show::Time),
    Column::hidden("updated_at", Show::Time),
    Column::hidden("author", Show::Text),
    Column::hidden("uuid", Show::Text),
    Column::hidden("commit", Show::Id),
];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    match &args.action {
        None => show::exec(context, &show::Args::default()),
        Some(Action::Show(args)) => show::exec(context, args),
        Some(Action::List(args)) => exec_list(context, &args.list),
        Some(Action::Update(args)) => update::exec(context, args),
    }
}

fn exec_list(context: &Context<'_>, args: &ListArgs) -> Result<Exit> {
    let mut found = list(&context.repo()?)?;
    let unreadable = &found.unreadable;
    found.projects.retain(|row| !unreadable.iter().any(|other| other.name == row.name));
    let damaged = found.unreadable.into_iter();
    let damaged = damaged.map(|one| (RefName::project_record(one.name), one.error));
    records::show(context, args, COLUMNS, &found.projects, damaged, "no matching projects")
}
