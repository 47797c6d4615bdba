//! What storing a snapshot would take.

use std::collections::HashSet;

use super::Snapshot;
use crate::error::Result;
use crate::fs::walk::Kind;
use crate::id::Id;
use crate::repo::Repository;

/// Contents that the store lacks, each counted once.
#[derive(Debug, Default)]
pub(crate) struct Need {
    seen: HashSet<Id>,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl Need {
    /// The number of contents.
    pub(crate) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Counts a content, unless it was counted already.
    pub(crate) fn add(&mut self, id: Id, bytes: u64) {
        if self.seen.insert(id) {
            self.bytes += bytes;
        }
    }
}

impl Snapshot {
    /// Adds to `need` what the store lacks of the files and links whose id is known.
    pub(crate) fn add_need(&self, repo: &Repository, need: &mut Need) -> Result<()> {
        for (number, directory) in self.walk.directories.iter().enumerate() {
            for (index, (_, kind)) in directory.iter().enumerate() {
                let (Kind::File(stat) | Kind::Symlink(stat)) = kind else { continue };
                if let Some(id) = self.id(number, index)
                    && !repo.content().is_indexed(&id)?
                {
                    need.add(id, stat.size);
                }
            }
        }
        Ok(())
    }
}
