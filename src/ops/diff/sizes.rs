//! How many bytes came and went, file by file: for `--stat`.

use serde::Serialize;

use super::Comparison;
use crate::error::Result;
use crate::history::diff::{Change, Side};
use crate::id::Id;

/// The bytes of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileSizes {
    /// Bytes before; 0 if there was nothing.
    pub old: u64,
    /// Bytes now; 0 if there is nothing.
    pub new: u64,
    /// Bytes of the new content that the old one does not have.
    pub added: u64,
    /// Bytes of the old content that the new one does not have.
    pub deleted: u64,
}

impl Comparison<'_> {
    /// Measures one of the changes: a small file by its lines, a larger one by the chunks of both
    /// sides. What can't be compared so counts as all deleted and all added.
    pub fn sizes(&mut self, change: &Change) -> Result<FileSizes> {
        let id =
            |side: Option<Side>| side.filter(|side| !side.mode.is_directory()).map(|side| side.id);
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
