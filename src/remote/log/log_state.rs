//! A reader's state of a remote's log, and how it accepts new entries.
//!
//! In a log without siblings, the state is the result of all entries, and the next entry is applied
//! on top. In a log with siblings, an entry may arrive late, before others that were already
//! applied. Therefore the state keeps the newest entries and, as the base, the result of the
//! entries before them. A late entry causes the newest entries to be applied again. An entry that
//! belongs before the base causes a rebuild from the first entry on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::super::layout::{EntryName, LOG, Protocol};
use super::entry::{Entry, Seen};
use super::remote_state::RemoteState;
use crate::id::{Digest, Id};

/// The minimum number of entries to keep after the base; at most twice as many are kept.
pub(super) const KEPT: usize = 256;

/// The identity of a state's entries: their count and the digest of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamesDigest {
    pub(super) count: u64,
    pub(super) digest: Id,
}

impl NamesDigest {
    /// The identity of the entries `names`, which must be sorted.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a EntryName>) -> Self {
        let mut digest = Digest::default();
        let mut count = 0;
        for name in names {
            digest.update(name.key().as_bytes());
            digest.update(b"\n");
            count += 1;
        }
        NamesDigest { count, digest: digest.finish() }
    }

    /// The identity of the first `count` entries of a log without siblings.
    pub(super) fn linear(count: u64) -> Self {
        let mut digest = Digest::default();
        for number in 1..=count {
            digest.update(EntryName { number, write: None }.key().as_bytes());
            digest.update(b"\n");
        }
        NamesDigest { count, digest: digest.finish() }
    }
}

/// The newest entries of a log with siblings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EntryWindow {
    /// The state after all entries before the window.
    pub(super) base: RemoteState,
    /// The identity of the entries in the base.
    pub(super) names: NamesDigest,
    /// The entries after the base.
    pub(super) entries: BTreeMap<EntryName, Arc<Entry>>,
    /// Incomplete entries, which do not count until they are complete.
    pub(super) torn: BTreeSet<EntryName>,
    /// The kind of the latest listings.
    pub(super) listed: Listings,
}

/// The number of consecutive listings of only the newest entries. It is not part of a state: states
/// that differ only in it are equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listings(u32);

impl Listings {
    /// The log was not listed yet.
    pub(super) const NONE: Listings = Listings(WHOLE_EVERY);
}

impl PartialEq for Listings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The whole log is listed the first time, and then every so many times.
const WHOLE_EVERY: u32 = 16;

/// A reader's state of a remote's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogState {
    pub(super) now: RemoteState,
    pub(super) window: Option<EntryWindow>,
}

impl LogState {
    /// Creates the state before the first entry.
    pub fn empty(protocol: Protocol) -> Self {
        let mut state = LogState { now: RemoteState::empty(protocol), window: None };
        state.open_window();
        state
    }

    /// The remote state: refs, files and conflicts.
    pub fn remote_state(&self) -> &RemoteState {
        &self.now
    }

    /// Keeps the newest entries from now on, if the log can have siblings.
    pub(super) fn open_window(&mut self) {
        if self.now.protocol == Protocol::Siblings && self.window.is_none() {
            self.window = Some(EntryWindow {
                names: NamesDigest::linear(self.now.number()),
                base: self.now.clone(),
                entries: BTreeMap::new(),
                torn: BTreeSet::new(),
                listed: Listings::NONE,
            });
        }
    }

    /// Adds the next entry of a log without siblings.
    pub(super) fn append(&mut self, name: EntryName, entry: &Entry) {
        self.now.apply(name, entry);
        self.open_window();
    }

    /// Adds entries of a log with siblings at their positions in the order.
    pub(super) fn insert(&mut self, added: Vec<(EntryName, Arc<Entry>)>) {
        let Some(window) = &mut self.window else { return };
        let is_next = added.iter().all(|(name, _)| Some(*name) > self.now.last);
        for (name, entry) in &added {
            window.torn.remove(name);
            window.entries.insert(*name, Arc::clone(entry));
        }
        if is_next {
            let mut added = added;
            added.sort_by_key(|(name, _)| *name);
            for (name, entry) in &added {
                self.now.apply(*name, entry);
            }
        } else {
            self.now = window.base.clone();
            for (name, entry) in &window.entries {
                self.now.apply(*name, entry);
            }
        }
    }

    /// Returns the names whose entries are not in the state.
    pub(super) fn missing(&self, names: &BTreeSet<EntryName>) -> Vec<EntryName> {
        let Some(window) = &self.window else { return Vec::new() };
        let is_known = |name: &&EntryName| {
            window.entries.contains_key(name)
                || (Some(**name) <= window.base.last && !window.torn.contains(name))
        };
        names.iter().filter(|name| !is_known(name)).copied().collect()
    }

    /// Moves the oldest entries of a full window to the base. `names` are all entries of the log.
    /// Entries from `keep_from` on stay in the window.
    pub(super) fn shrink(&mut self, names: &BTreeSet<EntryName>, keep_from: Option<EntryName>) {
        let Some(window) = &mut self.window else { return };
        if window.entries.len() < 2 * KEPT {
            return;
        }
        while window.entries.len() > KEPT {
            let Some(oldest) = window.entries.first_entry() else { break };
            if keep_from.is_some_and(|keep| *oldest.key() >= keep) {
                break;
            }
            let (name, entry) = oldest.remove_entry();
            window.base.apply(name, &entry);
        }
        window.names = window.names_to(window.base.last, names);
    }

    /// Returns true if no known sibling of `entry` comes before it.
    pub(super) fn is_first(&self, entry: &Entry) -> bool {
        let write = Some(entry.write);
        let from = EntryName { number: entry.number, write: None };
        let own = EntryName { number: entry.number, write };
        self.window.as_ref().is_none_or(|window| window.entries.range(from..own).next().is_none())
    }

    /// The entries that no other entry has seen. The next entry names them as seen.
    pub(super) fn heads(&self) -> Vec<Seen> {
        let seen =
            |write: Option<Uuid>, digest: Option<Id>| Some(Seen { write: write?, digest: digest? });
        let Some(window) = self.window.as_ref().filter(|window| !window.entries.is_empty()) else {
            return seen(self.now.last_write, self.now.last_digest).into_iter().collect();
        };
        let known = window.entries.values().flat_map(|entry| &entry.seen);
        let known: BTreeSet<Uuid> = known.map(|seen| seen.write).collect();
        let heads = window.entries.values().filter(|entry| !known.contains(&entry.write));
        heads.filter_map(|entry| seen(Some(entry.write), entry.digest.get())).collect()
    }
}

impl EntryWindow {
    /// Returns the key after which to list the log now; `None` means from the start.
    ///
    /// An entry can arrive late, before the base; only the whole list shows it. Between two whole
    /// lists, it is enough to list the newest entries, which takes one request however long the log
    /// is.
    pub(super) fn list_behind(&mut self) -> Option<String> {
        let base = self.base.last?;
        let is_late = self.entries.first_key_value().is_some_and(|(name, _)| *name <= base);
        if self.listed.0 >= WHOLE_EVERY || is_late || !self.torn.is_empty() {
            self.listed = Listings(0);
            return None;
        }
        self.listed.0 += 1;
        // This key sorts before all entries with its number.
        Some(format!("{LOG}{:020}", base.number))
    }

    /// The identity of the complete entries of `names` up to `last`.
    pub(super) fn names_to(
        &self,
        last: Option<EntryName>,
        names: &BTreeSet<EntryName>,
    ) -> NamesDigest {
        let covered = names.iter().filter(|name| Some(**name) <= last);
        NamesDigest::of(covered.filter(|name| !self.torn.contains(name)))
    }
}
