//! What one reader knows of a remote's log, and how it takes in more of it.
//!
//! Where entries stand one at each number, the state is the fold of all of them and the next one
//! is added on top. Where siblings can stand at one number, one may appear late, before others that
//! were folded already: so the newest entries are kept, with the fold of those before them as the
//! base, and folded again when that happens. One that is later than that makes the state start
//! over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::super::layout::{EntryName, LOG, Protocol};
use super::entry::Entry;
use super::fold::Fold;
use crate::id::{Digest, Id};

/// How many entries are kept behind the base at least, and at most twice as many.
pub(super) const KEPT: usize = 256;

/// Which entries a fold has: their count and the digest of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) count: u64,
    pub(super) digest: Id,
}

impl Names {
    /// Those of `names`, in their order.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a EntryName>) -> Self {
        let mut digest = Digest::default();
        let mut count = 0;
        for name in names {
            digest.update(name.key().as_bytes());
            digest.update(b"\n");
            count += 1;
        }
        Names { count, digest: digest.finish() }
    }

    /// Those of the first `count` entries of a log without siblings.
    pub(super) fn linear(count: u64) -> Self {
        let mut digest = Digest::default();
        for number in 1..=count {
            digest.update(EntryName { number, write: None }.key().as_bytes());
            digest.update(b"\n");
        }
        Names { count, digest: digest.finish() }
    }
}

/// The newest entries of a log with siblings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// The fold of all entries before.
    pub(super) base: Fold,
    /// Which ones these are.
    pub(super) names: Names,
    /// Those behind the base.
    pub(super) entries: BTreeMap<EntryName, Arc<Entry>>,
    /// Entries of which only a part is there: they don't count until they are whole.
    pub(super) torn: BTreeSet<EntryName>,
    /// How the log was listed last.
    pub(super) listed: Listings,
}

/// How often in a row only the newest entries were listed. It is no part of what is known: states
/// that differ in it are equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listings(u32);

impl Listings {
    /// Nothing was listed yet.
    pub(super) const NONE: Listings = Listings(WHOLE_EVERY);
}

impl PartialEq for Listings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The whole log is listed the first time and then every so many times.
const WHOLE_EVERY: u32 = 16;

/// What is known of a remote's log.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) now: Fold,
    pub(super) window: Option<Window>,
}

impl State {
    /// Before the first entry.
    pub fn empty(protocol: Protocol) -> Self {
        let mut state = State { now: Fold::empty(protocol), window: None };
        state.open_window();
        state
    }

    /// The refs, the files and the conflicts.
    pub fn fold(&self) -> &Fold {
        &self.now
    }

    /// Keeps the newest entries from now on, if siblings are possible.
    pub(super) fn open_window(&mut self) {
        if self.now.protocol == Protocol::Siblings && self.window.is_none() {
            self.window = Some(Window {
                names: Names::linear(self.now.number()),
                base: self.now.clone(),
                entries: BTreeMap::new(),
                torn: BTreeSet::new(),
                listed: Listings::NONE,
            });
        }
    }

    /// Adds the entry that follows in a log without siblings.
    pub(super) fn append(&mut self, name: EntryName, entry: &Entry) {
        self.now.apply(name, entry);
        self.open_window();
    }

    /// Adds entries of a log with siblings, wherever they belong.
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

    /// Those of `names` whose entries it has not.
    pub(super) fn missing(&self, names: &BTreeSet<EntryName>) -> Vec<EntryName> {
        let Some(window) = &self.window else { return Vec::new() };
        let is_known = |name: &&EntryName| {
            window.entries.contains_key(name)
                || (Some(**name) <= window.base.last && !window.torn.contains(name))
        };
        names.iter().filter(|name| !is_known(name)).copied().collect()
    }

    /// Lets go of the oldest entries of the window, where there are many. `names` are all that are
    /// in the log; those from `keep_from` on stay.
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

    /// Whether no sibling of `entry` comes before it, as far as is known.
    pub(super) fn is_first(&self, entry: &Entry) -> bool {
        let write = Some(entry.write);
        let from = EntryName { number: entry.number, write: None };
        let own = EntryName { number: entry.number, write };
        self.window.as_ref().is_none_or(|window| window.entries.range(from..own).next().is_none())
    }

    /// The write ids of the entries that no other one has seen: what the next entry names.
    pub(super) fn heads(&self) -> Vec<Uuid> {
        let Some(window) = self.window.as_ref().filter(|window| !window.entries.is_empty()) else {
            return self.now.last_write.into_iter().collect();
        };
        let seen: BTreeSet<Uuid> =
            window.entries.values().flat_map(|entry| entry.seen.iter().copied()).collect();
        let heads = window.entries.values().map(|entry| entry.write);
        heads.filter(|write| !seen.contains(write)).collect()
    }
}

impl Window {
    /// Behind which key the log is to be listed now; `None` is from its start.
    ///
    /// An entry can come late, below those that are folded for good: only the whole list shows it.
    /// Between two of those it is enough to look from the newest ones on, which is one request
    /// however long the log is.
    pub(super) fn list_behind(&mut self) -> Option<String> {
        let base = self.base.last?;
        let is_late = self.entries.first_key_value().is_some_and(|(name, _)| *name <= base);
        if self.listed.0 >= WHOLE_EVERY || is_late || !self.torn.is_empty() {
            self.listed = Listings(0);
            return None;
        }
        self.listed.0 += 1;
        // Before all that stand at its number.
        Some(format!("{LOG}{:020}", base.number))
    }

    /// Which of `names` are not behind `last` and whole.
    pub(super) fn names_to(&self, last: Option<EntryName>, names: &BTreeSet<EntryName>) -> Names {
        let covered = names.iter().filter(|name| Some(**name) <= last);
        Names::of(covered.filter(|name| !self.torn.contains(name)))
    }
}
