//! The ages of log entries, by one clock.
//!
//! A remote is shared by machines whose clocks differ, so an age is the difference of two times of
//! the store: that of the entry's file, and that of a file that is written now. If a store has no
//! times, the time in the entry and the clock of this machine decide in a log without siblings,
//! where only readers depend on it. With siblings, writers depend on it too, so no age is known.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::super::connection::Connection;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::remote::layout::{EntryName, LOG};
use crate::remote::log::Entry;
use crate::remote::{Listed, Protocol};

/// The most files of the log that are listed.
const MOST: usize = 4_000_000;

/// The entries of a log with their times by the store's clock.
pub(super) struct EntryAges {
    /// The current time of the store; `None` if the store has no times.
    now: Option<Timestamp>,
    /// The current time of this machine.
    local: Timestamp,
    is_linear: bool,
    modified: BTreeMap<EntryName, Option<Timestamp>>,
}

impl EntryAges {
    /// Lists the log, and asks the store for its time.
    pub(super) fn read(connection: &Connection<'_>) -> Result<Self> {
        let store = connection.log.store();
        let listed = store.list(LOG, None, MOST)?;
        let name = |listed: &Listed| Some((EntryName::of_key(&listed.key)?, listed.modified));
        let modified: BTreeMap<_, _> = listed.iter().filter_map(name).collect();
        let has_times = modified.values().any(Option::is_some);
        Ok(EntryAges {
            now: if has_times { store.now()? } else { None },
            local: connection.repo.settings().clock.now(),
            is_linear: connection.state.remote_state().protocol == Protocol::Linear,
            modified,
        })
    }

    /// The names of all entries, sorted.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &EntryName> {
        self.modified.keys()
    }

    /// The name of the entry with this number and write id.
    pub(super) fn name_of(&self, number: u64, write: Uuid) -> Option<EntryName> {
        [Some(write), None]
            .map(|write| EntryName { number, write })
            .into_iter()
            .find(|name| self.modified.contains_key(name))
    }

    /// The age of an object that the store changed at `modified`; `None` if the store has no times.
    pub(super) fn age(&self, modified: Option<Timestamp>) -> Option<Duration> {
        let seconds = self.now?.seconds().saturating_sub(modified?.seconds());
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// The age of the entry called `name` by the store's clock.
    pub(super) fn age_of_name(&self, name: &EntryName) -> Option<Duration> {
        self.age(self.modified.get(name).copied().flatten())
    }

    /// Returns true if only the entries themselves tell their times.
    pub(super) fn needs_entries(&self) -> bool {
        self.is_linear && self.now.is_none()
    }

    /// The age of `entry`: by the store's clock, or by its own time if the store has no times;
    /// `None` if no clock can be trusted.
    pub(super) fn age_of(&self, name: &EntryName, entry: &Entry) -> Option<Duration> {
        if !self.needs_entries() {
            return self.age_of_name(name);
        }
        let seconds = self.local.seconds().saturating_sub(entry.when.seconds());
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}
