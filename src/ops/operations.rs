//! `art operations`: the commands that moved refs, newest first.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::history::Operation;
use crate::repo::Repository;

/// Which operations.
#[derive(Debug, Clone, Default)]
pub struct OperationsOptions {
    /// Only the operation with this id, or whose id begins so.
    pub operation: Option<String>,
    /// Skips the newest so many.
    pub offset: usize,
    /// At most so many.
    pub limit: Option<usize>,
}

/// An operation, and whether it is in force.
#[derive(Debug, Clone, Serialize)]
pub struct ListedOperation {
    /// What happened.
    #[serde(flatten)]
    pub operation: Operation,
    /// The id of the operation that took it back, if one did that is in force itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// Shows every operation to `show`, newest first. The log is read as far as needed.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if no operation has the id. Gives the error of a
/// log that is damaged, after what can be read of it.
pub fn operations(
    repo: &Repository,
    options: &OperationsOptions,
    show: &mut dyn FnMut(&ListedOperation) -> Result<()>,
) -> Result<Option<Error>> {
    let history = repo.history();
    let wanted = match &options.operation {
        Some(id) => Some(history.find_operation(id)?.id),
        None => None,
    };
    let mut undone: HashMap<String, String> = HashMap::new();
    let end = options.limit.map_or(usize::MAX, |limit| options.offset.saturating_add(limit));
    let mut number = 0;
    for operation in history.operations()? {
        if number == end {
            break;
        }
        let operation = operation?;
        let undone_by = undone.remove(&operation.id);
        if undone_by.is_none() {
            undone.extend(operation.undoes.clone().map(|id| (id, operation.id.clone())));
        }
        if wanted.as_ref().is_some_and(|wanted| *wanted != operation.id) {
            continue;
        }
        if number >= options.offset {
            show(&ListedOperation { operation, undone_by })?;
        }
        number += 1;
    }
    Ok(history.verify_operations().err())
}
