//! `art operations`: lists the commands that moved refs, newest first.

use std::collections::HashMap;

use derive_setters::Setters;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::history::Operation;
use crate::repo::Repository;

/// The operations to list.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct OperationsOptions {
    /// Lists only the operation with this id or id prefix.
    #[setters(into)]
    pub operation: Option<String>,
    /// The number of newest operations to skip.
    pub offset: usize,
    /// The maximum number of operations.
    #[setters(into)]
    pub limit: Option<usize>,
}

/// An operation, and the operation that undid it, if any.
#[derive(Debug, Clone, Serialize)]
pub struct ListedOperation {
    /// The operation.
    #[serde(flatten)]
    pub operation: Operation,
    /// The id of the operation that undid it, unless that operation was undone too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// Passes every operation to `show`, newest first. Reads only as much of the log as necessary.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if no operation has the id. Returns the
/// error of a damaged log after showing its readable part.
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
