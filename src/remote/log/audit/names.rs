//! Which entries a log should have.

use std::collections::BTreeSet;

use super::super::super::layout::{EntryName, LOG};
use super::super::super::store::Store;
use super::super::entry::{Entry, MAX_LEN};
use super::super::fold::Fold;
use super::super::read::MAX_ENTRIES;
use super::{AT_ONCE, Audit, too_long};
use crate::error::Result;
use crate::id::Id;

impl Audit {
    /// The names of all entries that should be there, in their order.
    pub(super) fn names(&mut self, store: &Store) -> Result<Vec<EntryName>> {
        let known = self.known.iter().map(Fold::number).max().unwrap_or(0);
        let mut names = BTreeSet::new();
        if let Some(all) = store.list_if_allowed(LOG, MAX_ENTRIES)? {
            for listed in all {
                match EntryName::of_key(&listed.key) {
                    Some(name) => drop(names.insert(name)),
                    None => self.leftovers.push((listed.key, listed.size.unwrap_or(0))),
                }
            }
        } else {
            self.is_listed = false;
            names = numbered(store, known)?;
        }
        names.extend(self.remembered.keys());
        // A number that none of them has is one that is missing.
        let last = names.last().map_or(0, |name| name.number).max(known);
        let there: BTreeSet<u64> = names.iter().map(|name| name.number).collect();
        let missing = (1..=last.min(MAX_ENTRIES as u64)).filter(|number| !there.contains(number));
        names.extend(missing.map(|number| EntryName { number, write: None }));
        Ok(names.into_iter().collect())
    }
}

/// Whether the log on `store` begins with an entry that is none of those which `known` is made of: its
/// files are not among theirs.
pub(super) fn is_another_log(store: &Store, known: &Fold) -> Result<bool> {
    let first = match store.list_if_allowed(LOG, MAX_ENTRIES)? {
        Some(all) => all.iter().filter_map(|listed| EntryName::of_key(&listed.key)).min(),
        None => Some(EntryName { number: 1, write: None }),
    };
    let Some(first) = first.filter(|first| first.number == 1) else { return Ok(false) };
    let there = store.try_read(&first.key(), MAX_LEN).or_else(too_long)?;
    let Some(entry) = there.and_then(|bytes| Entry::decode_named(&first, &bytes).ok()) else {
        return Ok(false);
    };
    let files = entry.packs.iter().chain(&entry.meta).chain(&entry.segments);
    let ids: Vec<Id> = files.map(|file| file.id).collect();
    let absent = known.missing(&ids);
    Ok(absent.iter().any(|id| !known.retired.contains_key(id)))
}

/// The names of the entries of a log without siblings on a store that can't list them; it goes to
/// `known` at least.
fn numbered(store: &Store, known: u64) -> Result<BTreeSet<EntryName>> {
    let mut names = BTreeSet::new();
    let mut first = 1;
    loop {
        let numbers: Vec<EntryName> = (first..first + AT_ONCE as u64)
            .map(|number| EntryName { number, write: None })
            .collect();
        let sizes = store.at_once(&numbers, &|name| store.try_size(&name.key()))?;
        let before = names.len();
        let found = numbers.iter().zip(sizes).filter(|(_, size)| size.is_some());
        names.extend(found.map(|(name, _)| *name));
        first += AT_ONCE as u64;
        if names.len() == before && first > known {
            return Ok(names);
        }
    }
}
