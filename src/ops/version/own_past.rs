//! The commits of one version's own past: after a merge, those of both sides.

use std::collections::HashMap;

use uuid::Uuid;

use super::index::read_brief;
use crate::error::Result;
use crate::history::Commit;
use crate::id::Id;
use crate::record::VersionRecord;
use crate::repo::Repository;

/// Tells which parents of a version's commits are commits of that version.
///
/// The first parent is its last commit, or what it was copied from. Of the others one is the run
/// that it was made from, and a merge has the commit of the other side.
pub(crate) struct OwnPast<'r> {
    repo: &'r Repository,
    uuid: Uuid,
    /// What is known: mostly of the one run that all commits of a version have as a parent.
    known: HashMap<Id, bool>,
}

impl<'r> OwnPast<'r> {
    /// The past of the version that has this record. The run that it names need not be read.
    pub(crate) fn of(repo: &'r Repository, record: &VersionRecord) -> Self {
        OwnPast { repo, uuid: record.uuid, known: HashMap::from([(record.run.commit, false)]) }
    }

    /// Those of the parents that are its own, but the first.
    pub(crate) fn merged(&mut self, commit: &Commit) -> Result<Vec<Id>> {
        let mut own = Vec::new();
        for parent in commit.parents.iter().skip(1) {
            if self.is_own(parent)? {
                own.push(*parent);
            }
        }
        Ok(own)
    }

    /// Whether `id` is a commit of the version.
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
