//! `art undo`: takes the last operation back, as a new one.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::history::Operation;
use crate::repo::Repository;

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
    /// The operation that did it; `None` for a dry run.
    pub operation: Option<Operation>,
}

/// Takes back the newest operation that is no undo and was not taken back yet: undoing again goes
/// further back. Content is never removed by it, and commits stay in the reflogs.
///
/// Fails with [`ErrorKind::NotFound`] if there is nothing to undo and with [`ErrorKind::Moved`] if
/// one of the operation's refs has moved since.
pub fn undo(repo: &Repository, options: &UndoOptions) -> Result<UndoOutcome> {
    let _lock = repo.lock_shared()?;
    let history = repo.history();
    if options.dry_run {
        let Some(undone) = history.last_undoable()? else { return Err(nothing()) };
        check(repo, &undone)?;
        return Ok(UndoOutcome { undone, operation: None });
    }
    let operation = history.undo(&repo.signature(), repo.settings().lock_timeout)?;
    for undone in history.operations()? {
        let undone = undone?;
        if Some(&undone.id) == operation.undoes.as_ref() {
            return Ok(UndoOutcome { undone, operation: Some(operation) });
        }
    }
    Err(Error::internal("the operation that was undone is not in the log"))
}

fn nothing() -> Error {
    Error::not_found("there is nothing to undo").with_hint("see what was done: art reflog")
}

/// Fails if the operation could not be taken back now.
fn check(repo: &Repository, operation: &Operation) -> Result<()> {
    let moved = |name: String| {
        let message = format!("cannot undo '{}': {name} has moved since", operation.command);
        Error::new(ErrorKind::Moved, message).with_hint(format!("see how: art reflog {name}"))
    };
    for change in &operation.changes {
        if repo.history().try_find_ref(&change.name)? != change.new {
            return Err(moved(change.name.to_string()));
        }
    }
    match &operation.head {
        Some(head) if repo.history().head()? != head.new => Err(moved("HEAD".to_owned())),
        _ => Ok(()),
    }
}
