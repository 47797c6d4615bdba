//! The history of a single version. After a merge, this includes the commits of both sides.

use std::collections::HashMap;

use uuid::Uuid;

use super::index::read_brief;
use crate::error::Result;
use crate::history::Commit;
use crate::id::Id;
use crate::record::VersionRecord;
use crate::repo::Repository;

/// Distinguishes parents that are commits of the same version from other parents.
///
/// The first parent is the previous commit, or the source of a copy. One of the other parents is
/// the run of the version. A merge also has the commit of the other side.
pub(crate) struct VersionHistory<'r> {
    repo: &'r Repository,
    uuid: Uuid,
    /// Known answers, mainly for the run, which is a parent of every commit of a version.
    known: HashMap<Id, bool>,
}

impl<'r> VersionHistory<'r> {
    /// Starts with the record of a version. The run's commit is known and need not be read.
    pub(crate) fn of(repo: &'r Repository, record: &VersionRecord) -> Self {
        VersionHistory {
            repo,
            uuid: record.uuid,
            known: HashMap::from([(record.run.commit, false)]),
        }
    }

    /// Returns the parents after the first that belong to the version.
    pub(crate) fn merged(&mut self, commit: &Commit) -> Result<Vec<Id>> {
        let mut own = Vec::new();
        for parent in commit.parents.iter().skip(1) {
            if self.is_own(parent)? {
                own.push(*parent);
            }
        }
        Ok(own)
    }

    /// Returns true if `id` is a commit of the version.
    pub(crate) fn is_own(&mut self, id: &Id) -> Result<bool> {
        if let Some(known) = self.known.get(id) {
            return Ok(*known);
        }
        let read = read_brief(self.repo, id)?;
        let is_own = read.is_some_and(|(brief, _)| brief.record.uuid == self.uuid);
        self.known.insert(*id, is_own);
        Ok(is_own)
    }
}
