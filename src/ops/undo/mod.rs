//! `art undo` and `art redo`: revert an operation, as a new operation.
//!
//! The refs of runs and tags go back to their old commits. Records of versions and projects never
//! lose history: a new commit on top reverts the changes of the operation, and every stage that a
//! version had stays recorded. A record is removed only if the operation created it, and is
//! restored unchanged if the operation deleted it.

mod plan;
mod record;
mod window;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::RecordChange;
use crate::catalog::version::change_stages;
use crate::error::{Error, Result};
use crate::history::{Operation, Undoing};
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::repo::Repository;

use plan::Plan;

/// The options of an undo or redo.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct UndoOptions {
    /// The id of the operation, or a prefix of the id; `None` for the newest one that can be
    /// undone.
    #[setters(into)]
    pub operation: Option<String>,
    /// Only report the changes. Needs no lock.
    pub dry_run: bool,
}

/// The result of an undo or of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct UndoOutcome {
    /// The undone operation.
    pub undone: Operation,
    /// The changes of versions and project records.
    pub records: Vec<UndoneRecord>,
    /// The new operation; `None` for a dry run.
    pub operation: Option<Operation>,
}

/// The result of a redo or of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct RedoOutcome {
    /// The operation that is in force again.
    pub redone: Operation,
    /// The reverted undo.
    pub undone: Operation,
    /// The changes of versions and project records.
    pub records: Vec<UndoneRecord>,
    /// The new operation; `None` for a dry run.
    pub operation: Option<Operation>,
}

/// The effect of an undo on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoEffect {
    /// The operation created the record, and the undo removes it.
    Removed,
    /// The operation deleted the record, and the undo restores it.
    Restored,
    /// A new commit restores the earlier contents of the record.
    Reverted,
}

/// A version or project record that an undo changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoneRecord {
    /// The ref of the record after the undo, or the removed ref.
    #[serde(rename = "ref")]
    pub reference: RefName,
    /// The effect on the record.
    pub effect: UndoEffect,
    /// The ref before the undo, if it was different.
    pub previous_ref: Option<RefName>,
    /// The stage of a version before the undo.
    pub from_stage: Option<Name>,
    /// The stage of a version after the undo.
    pub to_stage: Option<Name>,
    /// The other restored fields: `description`, `tags`, `kind`, `content`, `readme`, `artifacts`,
    /// `policy`.
    pub fields: Vec<&'static str>,
}

/// Undoes an operation: the named one, otherwise the newest that is not an undo and was not undone
/// yet. So repeated undos go further back. Removes no content, and keeps all commits in the
/// reflogs. Checks no policy.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if there is nothing to undo and with
/// [`Moved`](crate::ErrorKind::Moved) if one of the operation's refs has moved since.
///
/// Runs the hook `pre-stage` for each version that changes its stage, then `post-stage`.
pub fn undo(
    repo: &Repository,
    options: &UndoOptions,
    progress: &dyn Progress,
) -> Result<UndoOutcome> {
    let wanted = options.operation.as_deref().map_or(Undoing::Newest, Undoing::Id);
    revert(repo, wanted, "undo", options.dry_run, progress)
}

/// Reverts an undo: the named one, otherwise the newest that was not reverted yet. Otherwise like
/// [`undo`].
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
                .with_hint("redo reverts only an undo; list the operations: art operations"));
        }
    }
    let reverted = revert(repo, wanted, "redo", options.dry_run, progress)?;
    let UndoOutcome { undone, records, operation } = reverted;
    let id = undone.undoes.as_deref().unwrap_or_default();
    Ok(RedoOutcome { redone: repo.history().find_operation(id)?, undone, records, operation })
}

fn revert(
    repo: &Repository,
    wanted: Undoing<'_>,
    verb: &'static str,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<UndoOutcome> {
    if dry_run {
        let plan = Plan::make(repo, wanted, verb)?;
        let records = plan.records();
        return Ok(UndoOutcome { undone: plan.operation, records, operation: None });
    }
    let (changed, staged) = change_stages(repo, progress, |change| {
        let plan = Plan::make(repo, wanted, verb)?;
        plan.apply(change).map_err(|error| {
            error.context(format!("cannot {verb} '{}'", plan.operation.command))
        })?;
        Ok((plan.records(), plan.operation))
    })?;
    staged.run_post_hook(repo, progress);
    let (records, undone) = changed.value;
    let operation = changed.operation.ok_or_else(|| Error::internal("an undo without a move"))?;
    Ok(UndoOutcome { undone, records, operation: Some(operation) })
}

/// The first line of a command, shortened for a message.
fn shown(command: &str) -> String {
    const LONGEST: usize = 120;
    let line = command.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
