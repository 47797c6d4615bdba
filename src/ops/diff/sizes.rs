//! Counts the added and deleted bytes of each file, for `--stat`.

use serde::Serialize;

use super::Comparison;
use crate::error::Result;
use crate::history::diff::{Change, DiffSide};
use crate::id::Id;

/// The byte counts of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileSizes {
    /// The old size; 0 for an added file.
    pub old: u64,
    /// The new size; 0 for a deleted file.
    pub new: u64,
    /// Bytes that only the new content has.
    pub added: u64,
    /// Bytes that only the old content has.
    pub deleted: u64,
}

impl Comparison<'_> {
    /// Measures one change: small files by their lines, larger files by their chunks. Contents that
    /// cannot be compared count as fully deleted and fully added.
    pub fn sizes(&mut self, change: &Change) -> Result<FileSizes> {
        let id = |side: Option<DiffSide>| {
            side.filter(|side| !side.mode.is_directory()).map(|side| side.id)
        };
        let (old, new) = (id(change.before()), id(change.after()));
        let (old_size, new_size) = (self.size_of(old)?, self.size_of(new)?);
        let common = match (old, new) {
            (Some(old), Some(new)) if old == new => old_size,
            (Some(old), Some(new)) => {
                self.likeness.common_bytes(&mut self.contents, &old, &new)?.unwrap_or(0)
            }
            _ => 0,
        };
        Ok(FileSizes {
            old: old_size,
            new: new_size,
            added: new_size.saturating_sub(common),
            deleted: old_size.saturating_sub(common),
        })
    }

    fn size_of(&mut self, id: Option<Id>) -> Result<u64> {
        let Some(id) = id else { return Ok(0) };
        Ok(self.likeness.size(&mut self.contents, &id)?.unwrap_or(0))
    }
}
