//! Refuses to undo an operation whose commits or content a garbage collection removed.

use crate::error::{Error, Result};
use crate::history::{Operation, find_own_expiration};
use crate::name::{RefKind, RefName};
use crate::progress::NoProgress;
use crate::repo::Repository;
use crate::sync::is_available;

/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if the state before `operation` no longer
/// exists.
pub(super) fn check_not_collected(repo: &Repository, operation: &Operation) -> Result<()> {
    let history = repo.history();
    let collected = history.find_collection(&operation.id)?;
    for change in &operation.changes {
        let kind = change.name.kind();
        if collected.is_none() && !has_expired(repo, &change.name)? {
            continue;
        }
        // The undo of a record compares the states before and after the operation.
        let is_record = matches!(kind, RefKind::Version | RefKind::Project);
        let compared = change.new.filter(|_| is_record);
        let is_known: Result<bool> =
            compared.map_or(Ok(true), |id| Ok(history.try_kind(&id)?.is_some()));
        let restored =
            change.old.map_or(Ok(true), |id| is_available(repo, (kind, &id), &NoProgress));
        if !is_known? || !restored? {
            let id = operation.short_id();
            let message = match collected {
                Some(time) => {
                    let date = time.to_string();
                    let day = date.split('T').next().unwrap_or_default();
                    format!("operation {id} was cleaned up by art gc on {day}")
                }
                None => format!("operation {id} cannot be undone: the content is gone"),
            };
            return Err(Error::not_found(message).with_hint("list the operations: art operations"));
        }
    }
    Ok(())
}

/// Returns true if the record of a ref says that content expired.
fn has_expired(repo: &Repository, name: &RefName) -> Result<bool> {
    let history = repo.history();
    match history.try_find_ref(name)? {
        Some(tip) => Ok(find_own_expiration(history, &history.peel(&tip)?)?.is_some()),
        None => Ok(false),
    }
}
