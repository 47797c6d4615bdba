//! `art undo` and `art redo`: take an operation back, as a new one.
//!
//! A run's and a tag's ref goes back to where it was. Records of versions and projects never lose
//! history: what the operation changed is changed back in a new commit on top, and every stage that
//! a version had stays recorded. Only what the operation made is removed, and what it deleted comes
//! back as it was.

mod plan;
mod record;

use serde::Serialize;

use super::version::{RecordChange, change_stages};
use crate::error::{Error, Result};
use crate::history::{Operation, Undoing};
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::repo::Repository;

use plan::Plan;

/// What to undo, and how.
#[derive(Debug, Clone, Default)]
pub struct UndoOptions {
    /// The id of the operation, or the beginning of it; the newest that can be undone if not given.
    pub operation: Option<String>,
    /// Only finds out what would be taken back. Needs no lock.
    pub dry_run: bool,
}

/// What was taken back, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct UndoOutcome {
    /// The operation that was taken back.
    pub undone: Operation,
    /// What became of versions and records of projects.
    pub records: Vec<UndoneRecord>,
    /// The operation that did it; `None` for a dry run.
    pub operation: Option<Operation>,
}

/// What was done again, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct RedoOutcome {
    /// The operation that is in force again.
    pub redone: Operation,
    /// The undo that was taken back.
    pub undone: Operation,
    /// What became of versions and records of projects.
    pub records: Vec<UndoneRecord>,
    /// The operation that did it; `None` for a dry run.
    pub operation: Option<Operation>,
}

/// What an undo does to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoEffect {
    /// It was made by the operation, and is removed.
    Removed,
    /// It was deleted by the operation, and is there again.
    Restored,
    /// It is as it was before, in a new commit.
    Reverted,
}

/// A version or the record of a project that an undo changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoneRecord {
    /// Its ref after the undo, or the one that is removed.
    #[serde(rename = "ref")]
    pub reference: RefName,
    /// What becomes of it.
    pub effect: UndoEffect,
    /// Its ref before the undo, if that is another one.
    pub previous_ref: Option<RefName>,
    /// The stage that a version is in before the undo, if it is in one.
    pub from_stage: Option<Name>,
    /// The stage that it is in after it.
    pub to_stage: Option<Name>,
    /// What else is as it was: `description`, `tags`, `kind`, `content`, `readme`, `artifacts`,
    /// `policy`.
    pub fields: Vec<&'static str>,
}

/// Takes an operation back: the one that is named, otherwise the newest that is no undo and was not
/// taken back yet, so undoing again goes further back. No content is removed, and commits stay in the
/// reflogs. No policy is asked.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if there is nothing to undo and with
/// [`Moved`](crate::ErrorKind::Moved) if one of the operation's refs has moved since.
///
/// The hook `pre-stage` runs for each version that goes to another stage, then `post-stage`.
pub fn undo(
    repo: &Repository,
    options: &UndoOptions,
    progress: &dyn Progress,
) -> Result<UndoOutcome> {
    let wanted = options.operation.as_deref().map_or(Undoing::Newest, Undoing::Id);
    revert(repo, wanted, ("undo", options.dry_run), progress)
}

/// Takes an undo back: the one that is named, otherwise the newest that was not taken back yet. As
/// [`undo`] otherwise.
pub fn redo(
    repo: &Repository,
    options: &UndoOptions,
    progress: &dyn Progress,
) -> Result<RedoOutcome> {
    let wanted = options.operation.as_deref().map_or(Undoing::NewestUndo, Undoing::Id);
    if let Undoing::Id(id) = wanted {
        let operation = repo.history().find_operation(id)?;
        if operation.undoes.is_none() {
            let id = operation.short_id();
            return Err(Error::invalid(format!("operation {id} is not an undo"))
                .with_hint("redo takes an undo back; see: art operations"));
        }
    }
    let reverted = revert(repo, wanted, ("redo", options.dry_run), progress)?;
    let UndoOutcome { undone, records, operation } = reverted;
    let id = undone.undoes.as_deref().unwrap_or_default();
    Ok(RedoOutcome { redone: repo.history().find_operation(id)?, undone, records, operation })
}

fn revert(
    repo: &Repository,
    wanted: Undoing<'_>,
    (verb, dry_run): (&'static str, bool),
    progress: &dyn Progress,
) -> Result<UndoOutcome> {
    if dry_run {
        let plan = Plan::make(repo, wanted, verb)?;
        let records = plan.records();
        return Ok(UndoOutcome { undone: plan.operation, records, operation: None });
    }
    let (changed, staged) = change_stages(repo, verb, progress, |change| {
        let plan = Plan::make(repo, wanted, verb)?;
        plan.apply(change).map_err(|error| {
            error.context(format!("cannot {verb} '{}'", plan.operation.command))
        })?;
        Ok((plan.records(), plan.operation))
    })?;
    staged.tell(repo, progress);
    let (records, undone) = changed.value;
    let operation = changed.operation.ok_or_else(|| Error::internal("an undo without a move"))?;
    Ok(UndoOutcome { undone, records, operation: Some(operation) })
}

/// The first line of a command, cut to what fits into a message.
fn shown(command: &str) -> String {
    const LONGEST: usize = 120;
    let line = command.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
