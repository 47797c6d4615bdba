//! `art reflog`: the moves of refs, with time and command.

use artifacts::error::Result;
use artifacts::history::{Operation, ReflogEntry, Revision};
use artifacts::ops::reflog::{ReflogItem, ReflogOptions, reflog};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::revision;
use crate::ui::{Page, Style, moves, sanitize};

/// Show how refs moved, newest first
///
/// Without REF, shows every command that moved a ref, with all moved refs. With REF (a run, a
/// version, a tag or HEAD), shows each move of that ref. Line N is what `REF@{N}` names. The log of
/// a deleted ref is kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art reflog", "art reflog run/baseline", "art reflog HEAD -n 3"],
    &[Exit::OF_READS, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// The ref
    #[arg(value_name = "REF", value_parser = revision::parser())]
    reference: Option<Revision>,

    /// Show at most N entries
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<usize>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = ReflogOptions::default().reference(args.reference.clone()).limit(args.limit);
    let mut damage = None;
    context.ui.print(|page| {
        damage = reflog(&repo, &options, &mut |item| {
            page.item(item, |page| match item {
                ReflogItem::Operation { operation, undone } => {
                    show_operation(page, &repo, operation, *undone)
                }
                ReflogItem::Move { name, index, entry } => {
                    let name = name.parse().map_or(name.clone(), |name| moves::short(&repo, &name));
                    show_move(page, &name, *index, entry)
                }
            })
        })?;
        Ok(())
    })?;
    Ok(damage.map_or(Exit::Ok, |error| report::damaged(&error, &context.ui)))
}

fn show_operation(
    page: &mut Page<'_>,
    repo: &Repository,
    operation: &Operation,
    undone: bool,
) -> Result<()> {
    let time = page.time(operation.time);
    let command = page.paint(sanitize::subject(&operation.command), Style::Heading);
    let mark = if undone { "  (undone)" } else { "" };
    writeln!(page, "{time}  {command}{mark}")?;
    moves::show(page, repo, operation)
}

fn show_move(page: &mut Page<'_>, name: &str, index: usize, entry: &ReflogEntry) -> Result<()> {
    let id = entry.new.map_or("(deleted)   ".to_owned(), |id| id.short());
    let id = page.paint(id, Style::Id);
    let (time, message) = (page.time(entry.time), sanitize::subject(&entry.message));
    writeln!(page, "{id}  {name}@{{{index}}}  {time}  {message}")
}
