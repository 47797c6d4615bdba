//! `art undo`: reverts an operation.

use artifacts::error::{Error, Result};
use artifacts::history::Operation;
use artifacts::name::RefKind;
use artifacts::ops::undo::{UndoEffect, UndoOptions, UndoneRecord, undo};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{ConfirmArgs, Page, moves, sanitize};

/// The exit codes of `art undo` and `art redo`.
pub(super) const EXITS: &[&[Exit]] = &[Exit::OF_WRITES, &[Exit::Moved, Exit::Policy]];

/// Revert an operation with a new operation
///
/// Without OPERATION, reverts the newest operation that is neither undone nor an undo itself.
/// Running the command again goes one operation further back. `art undo` names the operation first.
/// On a terminal, it asks for confirmation. A script passes the id or `--yes`. Right after a
/// command that changed nothing, `art undo` says so, and a script must pass the id. `art
/// operations` lists the ids, and `art redo` reverts an undo.
///
/// All changes of the operation are reverted together. If a later operation changed one of its
/// runs, versions, tags or projects, the command refuses and changes nothing. A run or tag moves
/// back to its earlier commit; its last state stays reachable as `run/NAME@{1}`. A version or
/// project is changed back by a new commit, so its history is kept. `art history` still shows each
/// stage, followed by a stage with the reason `Undo`. The policy is not checked, but stage hooks
/// run. No content is removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art undo --dry-run", "art undo --yes", "art undo 1b9d6bcd"],
    EXITS,
))]
pub(crate) struct Args {
    #[command(flatten)]
    revert: RevertArgs,
}

/// The operation to revert, and the confirmation.
#[derive(Debug, clap::Args)]
pub(super) struct RevertArgs {
    /// The id of the operation, or a prefix of the id [default: the newest operation]
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

/// An operation that is undone or redone.
pub(super) struct Reverted<'a> {
    /// The operation.
    pub(super) operation: &'a Operation,
    /// The id of the reverted operation; for a redo, the id of the undo.
    pub(super) id: &'a str,
    /// The effects on versions and projects.
    pub(super) records: &'a [UndoneRecord],
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let run = |options: &UndoOptions| undo(&repo, options, context.progress());
    let plan = run(&args.revert.plan())?;
    let wanted = Reverted { operation: &plan.undone, id: &plan.undone.id, records: &plan.records };
    args.revert.confirm(context, &repo, "undo", &wanted)?;
    let outcome = if args.revert.dry_run() { plan } else { run(&options(wanted.id))? };
    context.ui.summary(&outcome, |page| {
        let verb = if args.revert.dry_run() { "would undo" } else { "undid" };
        let (operation, records) = (&outcome.undone, outcome.records.as_slice());
        let done = Reverted { operation, id: &operation.id, records };
        view(page, &repo, verb, &done, &operation.reversed())
    })?;
    Ok(Exit::Ok)
}

/// The options that revert the operation `id`.
pub(super) fn options(id: &str) -> UndoOptions {
    UndoOptions::default().operation(id.to_owned())
}

impl RevertArgs {
    pub(super) fn dry_run(&self) -> bool {
        self.confirm.dry_run
    }

    /// The options that only plan.
    pub(super) fn plan(&self) -> UndoOptions {
        UndoOptions::default().operation(self.operation.clone()).dry_run(true)
    }

    /// Succeeds if the operation is named by its id or confirmed. A dry run asks nothing, and fails
    /// as the command itself would after a command that changed nothing.
    pub(super) fn confirm(
        &self,
        context: &Context<'_>,
        repo: &Repository,
        verb: &str,
        wanted: &Reverted<'_>,
    ) -> Result<()> {
        let id = moves::short_id(wanted.id);
        let command = sanitize::subject(&wanted.operation.command);
        let is_interactive = context.ui.looks().interactive;
        if self.operation.is_some() && (!is_interactive || self.confirm.yes) {
            return Ok(());
        }
        let hint = format!("art {verb} {id}; to see what it would do: art {verb} {id} --dry-run");
        let unchanged = repo.history().unchanged_since().filter(|_| self.operation.is_none());
        if let Some(unchanged) = &unchanged {
            let unchanged = sanitize::subject(unchanged);
            let what = format!(
                "the last command ('{unchanged}') changed nothing; the last operation is {id} \
                 '{command}'"
            );
            if !is_interactive {
                return Err(Error::refused(what).with_hint(hint));
            }
            context.ui.warn(&what);
        }
        if self.confirm.dry_run {
            return Ok(());
        }
        if unchanged.is_none() && !is_interactive && !self.confirm.yes {
            let what = format!("the last operation is {id} '{command}'; nothing was changed");
            return Err(Error::refused(what).with_hint(format!("{hint}; or pass --yes")));
        }
        let mut question = format!("{verb} operation {id} '{command}'");
        let lines: Vec<String> = wanted.records.iter().map(|record| line(repo, record)).collect();
        if let Some(more) = lines.len().checked_sub(3).filter(|more| *more > 0) {
            question.push_str(&format!(": {}; and {more} more", lines[..3].join("; ")));
        } else if !lines.is_empty() {
            question.push_str(&format!(": {}", lines.join("; ")));
        }
        question.push('?');
        context.confirm(self.confirm, &question)
    }
}

/// Prints a finished or planned undo: the operation, versions and projects, runs and tags.
pub(super) fn view(
    page: &mut Page<'_>,
    repo: &Repository,
    verb: &str,
    done: &Reverted<'_>,
    reversed: &Operation,
) -> Result<()> {
    let (command, time) = (sanitize::subject(&done.operation.command), done.operation.time);
    let (id, time) = (moves::short_id(done.id), page.time(time));
    writeln!(page, "{verb} {id}: {command} ({time})")?;
    moves::up_to(page, done.records, |page, record| writeln!(page, "    {}", line(repo, record)))?;
    let mut refs = reversed.clone();
    refs.changes.retain(|change| matches!(change.name.kind(), RefKind::Run | RefKind::Tag));
    moves::show(page, repo, &refs)
}

/// The effect on a version or on the record of a project.
fn line(repo: &Repository, record: &UndoneRecord) -> String {
    let name = moves::short(repo, &record.reference);
    let is_project = record.reference.kind() == RefKind::Project;
    match record.effect {
        UndoEffect::Removed if is_project => return format!("{name}: record removed"),
        UndoEffect::Removed => return format!("{name}: removed"),
        UndoEffect::Restored => return format!("{name}: restored"),
        UndoEffect::Reverted => {}
    }
    let mut parts = Vec::new();
    if let (Some(from), Some(to)) = (&record.from_stage, &record.to_stage)
        && from != to
    {
        parts.push(format!("{from} -> {to}"));
    }
    if !record.fields.is_empty() {
        parts.push(format!("{} reverted", record.fields.join(", ")));
    }
    match (&record.previous_ref, parts.is_empty()) {
        (None, true) => format!("{name}: reverted"),
        (None, false) => format!("{name}: {}", parts.join("; ")),
        (Some(from), _) => {
            let mut line = format!("{} renamed back to {name}", moves::short(repo, from));
            for part in parts {
                line.push_str(&format!("; {part}"));
            }
            line
        }
    }
}
