//! `art tag`: movable names for commits.

use artifacts::Name;
use artifacts::Repository;
use artifacts::error::Result;
use artifacts::history::{RefPage, Revision};
use artifacts::ops::tag::{TagOptions, TagOutcome, list, tag};

use crate::context::Context;
use crate::records;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::{Column, ConfirmArgs, ListArgs, Page, Show};

/// List, create, move or delete tags
///
/// A tag is a movable name for a commit of a run or version. `--force` moves an existing tag, and
/// `--delete` deletes a tag; `art undo` reverts both. Without NAME, lists the tags of the project.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art tag",
        "art tag best",
        "art tag best run/sharp-shrimp-1~1 --force",
        "art tag best --delete --yes",
    ],
    &[Exit::OF_WRITES, &[Exit::Partly, Exit::Moved]],
))]
pub(crate) struct Args {
    /// The tag
    #[arg(value_name = "NAME")]
    name: Option<Name>,

    /// The revision to tag
    #[arg(value_name = "REV", value_parser = revision::parser(), default_value = "HEAD")]
    revision: Revision,

    /// Move the tag if it exists
    #[arg(short, long, requires = "name")]
    force: bool,

    /// Delete the tag
    #[arg(short, long, requires = "name", conflicts_with_all = ["revision", "force"])]
    delete: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,

    #[command(flatten)]
    list: ListArgs,
}

const COLUMNS: &[Column] = &[
    Column::new("name", Show::Name),
    Column::new("commit", Show::Id),
    Column::new("time", Show::Time),
    Column::new("message", Show::Text),
    Column::hidden("project", Show::Text),
];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let Some(name) = &args.name else {
        return exec_list(context, &repo, &args.list);
    };
    let mut options = TagOptions::new(name.clone())
        .revision((!args.delete).then(|| args.revision.clone()))
        .force(args.force)
        .dry_run(args.confirm.dry_run);
    if args.delete && !args.confirm.dry_run {
        // Plan first: a tag that does not exist fails before the question.
        options.dry_run = true;
        tag(&repo, &options)?;
        context.confirm(args.confirm, &format!("delete the tag {name}?"))?;
        options.dry_run = false;
    }
    let outcome = tag(&repo, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.confirm.dry_run))?;
    Ok(Exit::Ok)
}

/// Lists the tags. In name order, only the tags on the page are read.
fn exec_list(context: &Context<'_>, repo: &Repository, args: &ListArgs) -> Result<Exit> {
    let mut page = RefPage::default();
    let mut args = args.clone();
    let order = args.sort.as_deref().map(str::trim);
    if args.query.is_none() && matches!(order, None | Some("name" | "-name")) {
        let is_reversed = order == Some("-name");
        page = RefPage { is_reversed, offset: args.offset, limit: args.limit };
        args = ListArgs { sort: None, offset: 0, limit: None, ..args };
    }
    let found = list(repo, &page)?;
    let damaged = found.damaged.into_iter().map(|damaged| (damaged.name, damaged.error));
    records::show(context, &args, COLUMNS, &found.tags, damaged, "no tags")
}

fn view(page: &mut Page<'_>, outcome: &TagOutcome, dry_run: bool) -> Result<()> {
    let name = &outcome.name;
    let would = if dry_run { "would be " } else { "" };
    let short = |id: artifacts::Id| id.short();
    match (outcome.previous.map(short), outcome.commit.map(short)) {
        (Some(old), None) => writeln!(page, "tag {name}: {would}deleted, was {old}"),
        (Some(old), Some(new)) if old == new => writeln!(page, "tag {name}: unchanged at {new}"),
        (Some(old), Some(new)) => writeln!(page, "tag {name}: {would}moved from {old} to {new}"),
        (None, Some(new)) => writeln!(page, "tag {name}: {would}created at {new}"),
        (None, None) => Ok(()),
    }
}
