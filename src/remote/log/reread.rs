//! Rereads entries that were applied long ago, to display them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::layout::{EntryName, LOG, Protocol};
use super::Log;
use super::entry::{Entry, is_whole, try_read_body};
use super::log_state::LogState;
use super::read::MAX_ENTRIES;
use crate::error::{ErrorKind, Result};
use crate::id::Id;

/// The number of entries to hold at a time.
const AT_ONCE: usize = 64;

impl Log {
    /// Returns the sorted names of the entries in `state`. No request, or one in a log with
    /// siblings.
    pub fn names(&self, state: &LogState) -> Result<Vec<EntryName>> {
        let remote_state = state.remote_state();
        if remote_state.protocol == Protocol::Linear {
            let linear = |number| EntryName { number, write: None };
            return Ok((1..=remote_state.number()).map(linear).collect());
        }
        let listed = self.store.list(LOG, None, MAX_ENTRIES)?;
        let mut names: Vec<EntryName> =
            listed.iter().filter_map(|listed| EntryName::of_key(&listed.key)).collect();
        names.retain(|name| Some(*name) <= remote_state.last);
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the commits that the entries in `state` moved refs to or from. Reads all of these
    /// entries.
    pub fn named(&self, state: &LogState) -> Result<BTreeSet<Id>> {
        let mut commits = BTreeSet::new();
        for names in self.names(state)?.chunks(AT_ONCE) {
            for (_, entry) in self.entries(state, names)? {
                let moved = entry.refs.iter().flat_map(|moved| [moved.old, moved.new]);
                commits.extend(moved.flatten());
            }
        }
        Ok(commits)
    }

    /// Returns the key of the missing entry after the entries in `state`, if later entries exist.
    /// No request, or one in a log without siblings.
    pub fn find_gap(&self, state: &LogState) -> Result<Option<String>> {
        let remote_state = state.remote_state();
        if remote_state.protocol != Protocol::Linear {
            return Ok(None);
        }
        let behind = remote_state.last.map(|last| last.key());
        let listed = match self.store.list(LOG, behind.as_deref(), MAX_ENTRIES) {
            Err(error) if error.kind() == ErrorKind::Unauthorized => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            other => other?,
        };
        let names = listed.iter().filter_map(|listed| EntryName::of_key(&listed.key));
        let names: BTreeSet<EntryName> = names.collect();
        if let Some(last) = names.last().filter(|last| !last.is_plausible()) {
            return Err(last.implausible());
        }
        let numbers: BTreeSet<u64> =
            names.iter().filter(|name| name.write.is_none()).map(|name| name.number).collect();
        let next = remote_state.number().saturating_add(1);
        let has_gap = !numbers.contains(&next) && numbers.last().is_some_and(|last| *last > next);
        Ok(has_gap.then(|| EntryName { number: next, write: None }.key()))
    }

    /// Reads the entries with these names from the store, even those that a state holds. Missing
    /// entries are omitted. One request for each name.
    pub fn reread(&self, names: &[EntryName]) -> Result<Vec<Entry>> {
        let read = |name: &EntryName| -> Result<Option<Entry>> {
            let body = try_read_body(&self.store, name)?.filter(|body| is_whole(body));
            body.map(|body| Entry::decode_named(name, &body)).transpose()
        };
        Ok(self.store.at_once(names, &read)?.into_iter().flatten().collect())
    }

    /// Reads the entries with these names and returns them in order. Needs one request for each
    /// entry that `state` does not hold, in parallel. Missing and incomplete entries are omitted.
    pub fn entries(
        &self,
        state: &LogState,
        names: &[EntryName],
    ) -> Result<Vec<(EntryName, Arc<Entry>)>> {
        let held = |name: &EntryName| Some(state.window.as_ref()?.entries.get(name)?.clone());
        let read = |name: &EntryName| -> Result<Option<(EntryName, Arc<Entry>)>> {
            if let Some(entry) = held(name) {
                return Ok(Some((*name, entry)));
            }
            let Some(body) = try_read_body(&self.store, name)? else { return Ok(None) };
            if name.write.is_some() && !is_whole(&body) {
                return Ok(None);
            }
            Ok(Some((*name, Arc::new(Entry::decode_named(name, &body)?))))
        };
        Ok(self.store.at_once(names, &read)?.into_iter().flatten().collect())
    }
}
