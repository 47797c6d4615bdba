//! Determines the entries that a log should have.

use std::collections::BTreeSet;

use super::super::super::layout::{EntryName, LOG, Protocol};
use super::super::super::store::Store;
use super::super::entry::Entry;
use super::super::read::MAX_ENTRIES;
use super::super::remote_state::RemoteState;
use super::{AT_ONCE, Audit, LogDefect, read_or_damaged};
use crate::error::Result;
use crate::id::Id;

impl Audit {
    /// Returns the sorted names of all entries that should exist.
    pub(super) fn names(&mut self, store: &Store) -> Result<Vec<EntryName>> {
        let known = self.known.iter().map(RemoteState::number).max().unwrap_or(0);
        let mut names = BTreeSet::new();
        if let Some(all) = store.list_if_allowed(LOG, MAX_ENTRIES)? {
            for listed in all {
                match EntryName::of_key(&listed.key) {
                    Some(name) if !name.is_plausible() => {
                        let problem = "its number is too large for a log: no push wrote it; \
                                       remove it from the store";
                        self.defects
                            .push(LogDefect { key: listed.key, problem: problem.to_owned() });
                    }
                    Some(name) => drop(names.insert(name)),
                    None => self.leftovers.push((listed.key, listed.size.unwrap_or(0))),
                }
            }
        } else {
            self.is_listed = false;
            names = numbered(store, known)?;
        }
        names.extend(self.remembered.keys());
        self.add_next(store, &mut names)?;
        // A number without an entry is a missing entry.
        let last = names.last().map_or(0, |name| name.number).max(known);
        let present: BTreeSet<u64> = names.iter().map(|name| name.number).collect();
        let (missing, more) = missing(&present, last);
        if let Some((number, count)) = more {
            let key = EntryName { number, write: None }.key();
            let problem = format!("it is missing, with more entries: {count} in all");
            self.defects.push(LogDefect { key, problem });
        }
        names.extend(missing.into_iter().map(|number| EntryName { number, write: None }));
        Ok(names.into_iter().collect())
    }
}

/// The maximum number of missing entries to report individually.
const MOST_MISSING: u64 = 1000;

/// Returns the numbers up to `last` that are not in `present`: the first ones individually, and of
/// the rest the first number and the count. The run time depends only on the size of `present`,
/// however large a number is.
fn missing(present: &BTreeSet<u64>, last: u64) -> (Vec<u64>, Option<(u64, u64)>) {
    let (mut named, mut more) = (Vec::new(), None);
    let mut next = 1;
    let end = last.saturating_add(1);
    for number in present.iter().copied().chain([end]) {
        let gap = number.saturating_sub(next);
        let room = (MOST_MISSING - named.len() as u64).min(gap);
        named.extend(next..next + room);
        if room < gap {
            let (first, count) = more.unwrap_or((next + room, 0));
            more = Some((first, count + gap - room));
        }
        next = next.max(number.saturating_add(1));
    }
    (named, more)
}

impl Audit {
    /// If the key of the next entry exists, adds its name. Readers and writers stop at this key,
    /// even if a list does not show it.
    fn add_next(&self, store: &Store, names: &mut BTreeSet<EntryName>) -> Result<()> {
        let last = names.last().map_or(0, |name| name.number);
        let Some(number) = last.checked_add(1) else { return Ok(()) };
        let next = EntryName { number, write: None };
        if self.remote_state.protocol == Protocol::Linear
            && !matches!(store.try_size(&next.key()), Ok(None))
            && read_or_damaged(store, &next)?.is_some()
        {
            names.insert(next);
        }
        Ok(())
    }
}

/// Returns true if the first entry of the log on `store` is not part of `known`: its files are not
/// in `known`.
pub(super) fn is_another_log(store: &Store, known: &RemoteState) -> Result<bool> {
    let first = match store.list_if_allowed(LOG, MAX_ENTRIES)? {
        Some(all) => all.iter().filter_map(|listed| EntryName::of_key(&listed.key)).min(),
        None => Some(EntryName { number: 1, write: None }),
    };
    let Some(first) = first.filter(|first| first.number == 1) else { return Ok(false) };
    let bytes = read_or_damaged(store, &first)?;
    let Some(entry) = bytes.and_then(|bytes| Entry::decode_named(&first, &bytes).ok()) else {
        return Ok(false);
    };
    let files = entry.packs.iter().chain(&entry.meta).chain(&entry.segments);
    let ids: Vec<Id> = files.map(|file| file.id).collect();
    let absent = known.missing(&ids);
    Ok(absent.iter().any(|id| !known.retired.contains_key(id)))
}

/// Finds the names of the entries of a log without siblings on a store that can't list them. Looks
/// at least as far as `known`.
fn numbered(store: &Store, known: u64) -> Result<BTreeSet<EntryName>> {
    let mut names = BTreeSet::new();
    let (mut first, mut empty) = (1, 0);
    loop {
        let numbers: Vec<EntryName> = (first..first + AT_ONCE as u64)
            .map(|number| EntryName { number, write: None })
            .collect();
        let sizes = store.at_once(&numbers, &|name| store.try_size(&name.key()))?;
        let before = names.len();
        let found = numbers.iter().zip(sizes).filter(|(_, size)| size.is_some());
        names.extend(found.map(|(name, _)| *name));
        first += AT_ONCE as u64;
        empty = if names.len() == before { empty + 1 } else { 0 };
        if empty > 0 && (first > known || empty > MOST_MISSING / AT_ONCE as u64) {
            return Ok(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_found_without_counting_to_a_large_number() {
        let present = BTreeSet::from([1, 2, 5]);
        assert_eq!(missing(&present, 6), (vec![3, 4, 6], None));
        assert_eq!(missing(&BTreeSet::new(), 0), (vec![], None));
        let (named, more) = missing(&BTreeSet::from([1, u64::MAX - 1]), u64::MAX - 1);
        assert_eq!((named.len() as u64, named.first()), (MOST_MISSING, Some(&2)));
        assert_eq!(more, Some((2 + MOST_MISSING, u64::MAX - 3 - MOST_MISSING)));
    }
}
