//! Entries that were folded long ago, read again to be shown.

use std::sync::Arc;

use super::super::layout::{EntryName, LOG, Protocol};
use super::Log;
use super::entry::{Entry, MAX_LEN, is_whole};
use super::read::MAX_ENTRIES;
use super::state::State;
use crate::error::Result;

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
            let Some(body) = self.store.try_read(&name.key(), MAX_LEN)? else { return Ok(None) };
            if name.write.is_some() && !is_whole(&body) {
                return Ok(None);
            }
            Ok(Some((*name, Arc::new(Entry::decode_named(name, &body)?))))
        };
        Ok(self.store.at_once(names, &read)?.into_iter().flatten().collect())
    }
}
