//! The content that a snapshot would add to the store.

use std::collections::HashSet;

use super::Snapshot;
use crate::error::Result;
use crate::fs::walk::EntryKind;
use crate::id::Id;
use crate::repo::Repository;

/// Contents that the store lacks, without duplicates.
#[derive(Debug, Default)]
pub(crate) struct NewContent {
    seen: HashSet<Id>,
    /// Their total size, in bytes.
    pub(crate) bytes: u64,
}

impl NewContent {
    /// The number of contents.
    pub(crate) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Counts a content once.
    pub(crate) fn add(&mut self, id: Id, bytes: u64) {
        if self.seen.insert(id) {
            self.bytes += bytes;
        }
    }
}

impl Snapshot {
    /// Adds the files and links with a known id that the store lacks.
    pub(crate) fn add_new_content(
        &self,
        repo: &Repository,
        new_content: &mut NewContent,
    ) -> Result<()> {
        for (number, directory) in self.walk.directories.iter().enumerate() {
            for (index, (_, kind)) in directory.iter().enumerate() {
                let (EntryKind::File(stat) | EntryKind::Symlink(stat)) = kind else { continue };
                if let Some(id) = self.id(number, index)
                    && !repo.content().is_indexed(&id)?
                {
                    new_content.add(id, stat.size);
                }
            }
        }
        Ok(())
    }
}
