//! `art undo`: takes the last operation back.

use artifacts::error::Result;
use artifacts::name::RefKind;
use artifacts::ops::undo::{UndoEffect, UndoOptions, UndoneRecord, undo};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{moves, sanitize};

/// Takes the last command back
///
/// All that the command changed goes back together, as a new operation; `art reflog` shows both. To
/// undo again goes further back. If something else has changed one of its runs, versions, tags or
/// projects since, nothing is done (13). An undo itself is not taken back by it.
///
/// A run or a tag is where it was before; what it was until now is still there as `run/NAME@{1}`.
/// A version or a project is changed back in a new commit: it loses nothing of its past, each stage
/// that a version had stays in `art history`, and one with the reason `Undo` follows. No policy is
/// asked, but the hooks of stages are. What the command made is removed, what it deleted is back. No content is removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art undo", "art undo --dry-run"],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
    ],
))]
pub(crate) struct Args {
    /// Show what would be taken back and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = UndoOptions { dry_run: args.dry_run };
    let outcome = undo(&repo, &options, context.progress())?;
    context.ui.summary(&outcome, |page| {
        let (command, time) = (sanitize::subject(&outcome.undone.command), outcome.undone.time);
        let time = page.time(time);
        let verb = if args.dry_run { "would take back" } else { "took back" };
        writeln!(page, "{verb}: {command} ({time})")?;
        for record in &outcome.records {
            let line = line(&repo, record);
            writeln!(page, "    {line}")?;
        }
        let mut refs = outcome.undone.reversed();
        refs.changes.retain(|change| matches!(change.name.kind(), RefKind::Run | RefKind::Tag));
        moves::show(page, &repo, &refs)
    })?;
    Ok(Exit::Ok)
}

/// What becomes of a version or of the record of a project.
fn line(repo: &Repository, record: &UndoneRecord) -> String {
    let name = moves::short(repo, &record.reference);
    let is_project = record.reference.kind() == RefKind::Project;
    match record.effect {
        UndoEffect::Removed if is_project => return format!("{name}: no record any more"),
        UndoEffect::Removed => return format!("{name} is removed"),
        UndoEffect::Restored => return format!("{name} is back"),
        UndoEffect::Reverted => {}
    }
    let mut parts = Vec::new();
    if let (Some(from), Some(to)) = (&record.from_stage, &record.to_stage)
        && from != to
    {
        parts.push(format!("{from} -> {to}"));
    }
    if !record.fields.is_empty() {
        parts.push(format!("{} as before", record.fields.join(", ")));
    }
    match (&record.previous_ref, parts.is_empty()) {
        (None, true) => format!("{name} as before"),
        (None, false) => format!("{name}: {}", parts.join("; ")),
        (Some(from), _) => {
            let mut line = format!("{} is back as {name}", moves::short(repo, from));
            for part in parts {
                line.push_str(&format!("; {part}"));
            }
            line
        }
    }
}
