//! Entries that were folded long ago, read again to be shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::layout::{EntryName, LOG, Protocol};
use super::Log;
use super::entry::{Entry, is_whole, try_read_body};
use super::read::MAX_ENTRIES;
use super::state::State;
use crate::error::{ErrorKind, Result};
use crate::id::Id;

/// So many entries are held at once.
const AT_ONCE: usize = 64;

impl Log {
    /// The names of the entries that `state` is made of, in their order. No request, or one where
    /// entries can be siblings.
    pub fn names(&self, state: &State) -> Result<Vec<EntryName>> {
        let fold = state.fold();
        if fold.protocol == Protocol::Linear {
            let linear = |number| EntryName { number, write: None };
            return Ok((1..=fold.number()).map(linear).collect());
        }
        let listed = self.store.list(LOG, None, MAX_ENTRIES)?;
        let mut names: Vec<EntryName> =
            listed.iter().filter_map(|listed| EntryName::of_key(&listed.key)).collect();
        names.retain(|name| Some(*name) <= fold.last);
        names.sort_unstable();
        Ok(names)
    }

    /// The commits that the entries which `state` is made of moved refs to or from. All of them are
    /// read.
    pub fn named(&self, state: &State) -> Result<BTreeSet<Id>> {
        let mut commits = BTreeSet::new();
        for names in self.names(state)?.chunks(AT_ONCE) {
            for (_, entry) in self.entries(state, names)? {
                let moved = entry.refs.iter().flat_map(|moved| [moved.old, moved.new]);
                commits.extend(moved.flatten());
            }
        }
        Ok(commits)
    }

    /// The key of the entry that is missing behind those which `state` is made of, if later ones are
    /// there. No request, or one where entries stand one at each number.
    pub fn find_gap(&self, state: &State) -> Result<Option<String>> {
        let fold = state.fold();
        if fold.protocol != Protocol::Linear {
            return Ok(None);
        }
        let behind = fold.last.map(|last| last.key());
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
        let next = fold.number().saturating_add(1);
        let has_gap = !numbers.contains(&next) && numbers.last().is_some_and(|last| *last > next);
        Ok(has_gap.then(|| EntryName { number: next, write: None }.key()))
    }

    /// The entries with these names, in their order; at the same time, a request for each that
    /// `state` does not hold. One that is gone, or of which only a part is there, is left out.
    pub fn entries(
        &self,
        state: &State,
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
