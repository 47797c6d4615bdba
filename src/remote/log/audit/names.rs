//! Which entries a log should have.

use std::collections::BTreeSet;

use super::super::super::layout::{EntryName, LOG, Protocol};
use super::super::super::store::Store;
use super::super::entry::Entry;
use super::super::fold::Fold;
use super::super::read::MAX_ENTRIES;
use super::{AT_ONCE, Audit, LogDefect, read_or_damaged};
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
                    Some(name) if !name.is_plausible() => {
                        let problem = "its number is larger than a log can have: no push wrote it; \
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
        // A number that none of them has is one that is missing.
        let last = names.last().map_or(0, |name| name.number).max(known);
        let there: BTreeSet<u64> = names.iter().map(|name| name.number).collect();
        let (missing, more) = missing(&there, last);
        if let Some((number, count)) = more {
            let key = EntryName { number, write: None }.key();
            let problem = format!("it is missing, and so are more entries: {count} in all");
            self.defects.push(LogDefect { key, problem });
        }
        names.extend(missing.into_iter().map(|number| EntryName { number, write: None }));
        Ok(names.into_iter().collect())
    }
}

/// The most missing entries that are looked for one by one.
const MOST_MISSING: u64 = 1000;

/// The numbers up to `last` that are not `there`: the first of them, and of the others the first one
/// and how many they are. Takes no longer than `there` is long, however large a number is.
fn missing(there: &BTreeSet<u64>, last: u64) -> (Vec<u64>, Option<(u64, u64)>) {
    let (mut named, mut more) = (Vec::new(), None);
    let mut next = 1;
    let end = last.saturating_add(1);
    for number in there.iter().copied().chain([end]) {
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
    /// Adds the name at which a reader looks for the next entry, if something else than an entry is
    /// there: readers and writers stop at it, whatever a list says.
    fn add_next(&self, store: &Store, names: &mut BTreeSet<EntryName>) -> Result<()> {
        let last = names.last().map_or(0, |name| name.number);
        let Some(number) = last.checked_add(1) else { return Ok(()) };
        let next = EntryName { number, write: None };
        if self.fold.protocol == Protocol::Linear
            && !matches!(store.try_size(&next.key()), Ok(None))
            && read_or_damaged(store, &next)?.is_some()
        {
            names.insert(next);
        }
        Ok(())
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
    let there = read_or_damaged(store, &first)?;
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
    fn what_is_missing_is_named_and_nobody_counts_up_to_a_large_number() {
        let there = BTreeSet::from([1, 2, 5]);
        assert_eq!(missing(&there, 6), (vec![3, 4, 6], None));
        assert_eq!(missing(&BTreeSet::new(), 0), (vec![], None));
        let (named, more) = missing(&BTreeSet::from([1, u64::MAX - 1]), u64::MAX - 1);
        assert_eq!((named.len() as u64, named.first()), (MOST_MISSING, Some(&2)));
        assert_eq!(more, Some((2 + MOST_MISSING, u64::MAX - 3 - MOST_MISSING)));
    }
}
