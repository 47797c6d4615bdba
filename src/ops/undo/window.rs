//! Refuses to undo an operation whose commits or content a garbage collection removed.

use crate::error::{Error, Result};
use crate::history::Operation;
use crate::name::RefKind;
use crate::progress::NoProgress;
use crate::repo::Repository;
use crate::sync::is_available;

/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if the state before `operation` no longer
/// exists.
pub(super) fn check_not_collected(repo: &Repository, operation: &Operation) -> Result<()> {
    let Some(time) = repo.history().find_collection(&operation.id)? else { return Ok(()) };
    for change in &operation.changes {
        // The undo of a record compares the states before and after the operation.
        let is_record = matches!(change.name.kind(), RefKind::Version | RefKind::Project);
        let compared = change.new.filter(|_| is_record);
        let is_known: Result<bool> =
            compared.map_or(Ok(true), |id| Ok(repo.history().try_kind(&id)?.is_some()));
        let restored = change.old.map_or(Ok(true), |id| is_available(repo, &id, &NoProgress));
        if !is_known? || !restored? {
            let date = time.to_string();
            let day = date.split('T').next().unwrap_or_default();
            let id = operation.short_id();
            let message = format!("operation {id} was cleaned up by art gc on {day}");
            return Err(Error::not_found(message).with_hint("list the operations: art operations"));
        }
    }
    Ok(())
}
