//! `art undo`: takes the last operation back, as a new one.
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
use crate::history::Operation;
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::repo::Repository;

use plan::Plan;

/// How to undo.
#[derive(Debug, Clone, Copy, Default)]
pub struct UndoOptions {
    /// Only finds out what would be taken back.
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

/// Takes back the newest operation that is no undo and was not taken back yet: undoing again goes
/// further back. Content is never removed by it, and commits stay in the reflogs. No policy is
/// asked.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if there is nothing to undo and with
/// [`Moved`](crate::ErrorKind::Moved) if one of the operation's refs has moved since.
///
/// The hook `pre-stage` is asked about each version that goes to another stage, `post-stage` is told.
pub fn undo(
    repo: &Repository,
    options: &UndoOptions,
    progress: &dyn Progress,
) -> Result<UndoOutcome> {
    if options.dry_run {
        let _lock = repo.lock_shared()?;
        let plan = Plan::make(repo)?;
        let records = plan.records();
        return Ok(UndoOutcome { undone: plan.operation, records, operation: None });
    }
    let (changed, staged) = change_stages(repo, "undo", progress, |change| {
        let plan = Plan::make(repo)?;
        plan.apply(change)
            .map_err(|error| error.context(format!("cannot undo '{}'", plan.operation.command)))?;
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
