//! Finds the refs that a remote deleted. A missing ref is not proof of a deletion: a store can lose
//! log entries, or be restored from an old backup. Only a log entry is proof.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::Connection;
use super::record_uuid::uuid_of;
use crate::error::{ErrorKind, Result};
use crate::history::History;
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::Entry;

/// The number of entries that are read per batch.
const AT_ONCE: usize = 32;

impl Connection<'_> {
    /// Returns those refs of `gone` that an entry of the remote's log deletes. The remote had the refs
    /// of `gone` at the given commits and has them no longer. Sends no request if newly read entries
    /// and recorded renames account for all of them. Otherwise the log is read backwards from its end.
    ///
    /// The log may continue the cached one and still lack deletions: entries may have been lost before
    /// a push that cached the rest.
    pub(crate) fn deleted_by_log(&self, gone: &BTreeMap<RefName, Id>) -> Result<BTreeSet<RefName>> {
        let history = self.repo.history();
        let former_names = &self.state.remote_state().former_names;
        let mut search = Search { history, left: BTreeMap::new(), deleted: BTreeSet::new() };
        for (name, commit) in gone {
            let mut former = former_names.iter().filter(|former| former.name == *name);
            let uuid = uuid_of(history, name.kind(), commit)?;
            if self.saw_deleted(name) || former.any(|former| Some(former.uuid) == uuid) {
                search.deleted.insert(name.clone());
            } else {
                search.left.insert(name.clone(), *commit);
            }
        }
        if search.left.is_empty() {
            return Ok(search.deleted);
        }
        let names = self.log.names(&self.state)?;
        for names in names.rchunks(AT_ONCE) {
            let entries = match self.log.entries(&self.state, names) {
                Ok(entries) => entries,
                // An unreadable entry proves nothing.
                Err(error) if error.kind() == ErrorKind::Corrupt => break,
                Err(error) => return Err(error),
            };
            search.look(entries.iter().map(|(_, entry)| entry.as_ref()))?;
            if search.left.is_empty() {
                break;
            }
        }
        Ok(search.deleted)
    }
}

struct Search<'a> {
    history: &'a History,
    /// The refs that are not decided yet.
    left: BTreeMap<RefName, Id>,
    deleted: BTreeSet<RefName>,
}

impl Search<'_> {
    fn look<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> Result<()> {
        for moved in entries.flat_map(|entry| &entry.refs) {
            let (Some(last), None, Some(seen)) = (moved.old, moved.new, self.left.get(&moved.name))
            else {
                continue;
            };
            if self.is_after(seen, &last)? {
                self.left.remove(&moved.name);
                self.deleted.insert(moved.name.clone());
            }
        }
        Ok(())
    }

    /// Returns true if `last` equals `seen` or may be its descendant; `last` may be missing
    /// locally.
    fn is_after(&self, seen: &Id, last: &Id) -> Result<bool> {
        if seen == last || self.history.try_kind(last)?.is_none() {
            return Ok(true);
        }
        Ok(self.history.try_kind(seen)?.is_some() && self.history.is_ancestor(seen, last)?)
    }
}
