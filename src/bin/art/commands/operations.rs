//! `art operations`: the commands that moved refs, newest first.

use artifacts::error::Result;
use artifacts::ops::operations::{ListedOperation, OperationsOptions, operations};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::{Page, Style, moves, sanitize};

/// List the operations that changed the repository
///
/// An operation is a command that moved refs. It has an id, a time, an author, the command line and
/// the moved refs. A command that changed nothing is not an operation. `art undo ID` reverts an
/// operation; the undo is itself an operation. The newest operation is listed first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art operations", "art operations --limit 3", "art operations --json"],
    &[Exit::OF_READS, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// Show only the operation with this id or id prefix
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,

    /// Show at most N operations
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,

    /// Skip the newest N operations
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = OperationsOptions::default()
        .operation(args.operation.clone())
        .offset(args.offset)
        .limit(args.limit);
    let mut is_empty = true;
    let mut damage = None;
    context.ui.print(|page| {
        damage = operations(&repo, &options, &mut |listed| {
            is_empty = false;
            page.item(listed, |page| view(page, &repo, listed))
        })?;
        Ok(())
    })?;
    if is_empty && args.offset == 0 && args.limit != Some(0) && damage.is_none() {
        context.ui.note("no operations yet");
    }
    Ok(damage.map_or(Exit::Ok, |error| report::damaged(&error, &context.ui)))
}

fn view(page: &mut Page<'_>, repo: &Repository, listed: &ListedOperation) -> Result<()> {
    let operation = &listed.operation;
    let id = page.paint(operation.short_id(), Style::Id);
    let command = page.paint(sanitize::subject(&operation.command), Style::Heading);
    let name = operation.who.split(" <").next().unwrap_or_default();
    let who = if page.looks().verbose > 0 { &operation.who } else { name };
    let who = sanitize::subject(who);
    let mut marks = String::new();
    if let Some(undone) = &operation.undoes {
        marks.push_str(&format!("  (reverts {})", moves::short_id(undone)));
    }
    if let Some(by) = &listed.undone_by {
        marks.push_str(&format!("  (reverted by {})", moves::short_id(by)));
    }
    writeln!(page, "{id}  {}  {who}  {command}{marks}", page.time(operation.time))?;
    moves::show(page, repo, operation)
}
