//! Lists the files of a remote, and deletes those with dead names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::super::connection::Connection;
use super::ages::EntryAges;
use super::{CollectRules, Collected};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::fs::fault;
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::layout::EntryName;
use crate::remote::{FileKind, Protocol};

/// The number of files that are deleted between two looks at the log.
const BATCH: usize = 1000;
/// The most files of one kind that are listed.
const MOST: usize = 10_000_000;
/// Temporary files and probes of stopped commands are deleted after this time.
const LEFT_OVER: Duration = Duration::from_hours(7 * 24);
/// The directories of files that no command relies on once it ended.
const LEFT_OVERS: [&str; 2] = ["tmp/", "probe/"];

/// The files on a remote.
pub(super) struct StoredFiles(BTreeMap<Id, StoredFile>);

struct StoredFile {
    kind: FileKind,
    size: u64,
    modified: Option<Timestamp>,
}

impl StoredFiles {
    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn bytes_of(&self, ids: &BTreeSet<Id>) -> u64 {
        ids.iter().filter_map(|id| Some(self.0.get(id)?.size)).sum()
    }
}

impl Connection<'_> {
    /// Lists the packs, Git packs and index segments.
    pub(super) fn list_files(&self, progress: &dyn Progress) -> Result<StoredFiles> {
        progress.begin("listing files", None, Unit::Items);
        let mut files = BTreeMap::new();
        for kind in FileKind::ALL {
            check_interrupt(progress)?;
            for listed in self.log.store().list(kind.directory(), None, MOST)? {
                let stem = listed.key.rsplit('/').next().and_then(|name| name.split('.').next());
                let Some(id) = stem.and_then(|stem| stem.parse::<Id>().ok()) else { continue };
                if kind.key(id) == listed.key {
                    let (size, modified) = (listed.size.unwrap_or(0), listed.modified);
                    files.insert(id, StoredFile { kind, size, modified });
                }
            }
        }
        Ok(StoredFiles(files))
    }

    /// The files that no entry names and that are older than the grace. A push may still rely on
    /// younger ones. In a log with siblings, such files stay: an entry that names one may be unseen.
    pub(super) fn old_orphans(
        &self,
        ages: &EntryAges,
        files: &StoredFiles,
        rules: &CollectRules,
    ) -> BTreeSet<Id> {
        let (state, times) = (self.state.remote_state(), self.times(rules));
        if state.protocol == Protocol::Siblings && !rules.alone {
            return BTreeSet::new();
        }
        let is_named = |id: &Id, file: &StoredFile| {
            file.kind.files(state).contains_key(id)
                || state.retired.contains_key(id)
                || state.dead.contains_key(id)
        };
        let is_old = |file: &StoredFile| {
            let age = ages.age(file.modified);
            rules.alone && times.grace.is_zero() || age.is_some_and(|age| age >= times.grace)
        };
        let orphans = files.0.iter().filter(|(id, file)| !is_named(id, file) && is_old(file));
        orphans.map(|(id, _)| *id).collect()
    }

    /// Deletes the files with dead names. Before each batch, the entries that named them are read
    /// again: in a store that was rolled back, nothing is dead.
    pub(super) fn delete_dead(
        &mut self,
        ages: &EntryAges,
        files: &StoredFiles,
        rules: &CollectRules,
        done: &mut Collected,
        progress: &dyn Progress,
    ) -> Result<()> {
        let times = self.times(rules);
        let mut due = Vec::new();
        let mut is_due: BTreeMap<Uuid, bool> = BTreeMap::new();
        let state = self.state.remote_state();
        let waits = state.protocol == Protocol::Siblings && !(rules.alone && times.grace.is_zero());
        for dead in state.dead.values().filter(|dead| files.has(&dead.id)) {
            let age = self.age_of_write(ages, dead.number, dead.write)?;
            let is_old = age.is_some_and(|age| age >= times.grace);
            if waits && !is_old {
                let left = age.map(|age| times.grace.saturating_sub(age));
                done.next = super::min_of(done.next, left);
                done.has_no_times |= age.is_none();
                done.waiting.0 += 1;
                done.waiting.1 += files.0.get(&dead.id).map_or(0, |file| file.size);
            }
            if *is_due.entry(dead.write).or_insert(!waits || is_old) {
                due.push(dead.id);
            }
        }
        progress.begin("deleting files", Some(due.len() as u64), Unit::Items);
        for batch in due.chunks(BATCH) {
            check_interrupt(progress)?;
            self.delete_batch(batch, files, done, progress)?;
        }
        self.delete_left_overs(ages)
    }

    fn delete_batch(
        &mut self,
        batch: &[Id],
        files: &StoredFiles,
        done: &mut Collected,
        progress: &dyn Progress,
    ) -> Result<()> {
        self.refresh(progress)?;
        let state = self.state.remote_state();
        let mut named: BTreeMap<Uuid, BTreeSet<Id>> = BTreeMap::new();
        for dead in batch.iter().filter_map(|id| state.dead.get(id)) {
            if named.contains_key(&dead.write) {
                continue;
            }
            let possible =
                [None, Some(dead.write)].map(|write| EntryName { number: dead.number, write });
            let entries = self.log.reread(&possible)?;
            let entry = entries.into_iter().find(|entry| entry.write == dead.write);
            let deleted = entry.map(|entry| entry.deleted.iter().copied().collect());
            named.insert(dead.write, deleted.unwrap_or_default());
        }
        let is_dead = |id: &&Id| {
            let dead = state.dead.get(*id);
            dead.is_some_and(|dead| named.get(&dead.write).is_some_and(|own| own.contains(*id)))
        };
        let mut keys = Vec::new();
        let mut bytes = 0;
        for id in batch.iter().filter(is_dead) {
            if let Some(file) = files.0.get(id) {
                keys.push(file.kind.key(*id));
                bytes += file.size;
            }
        }
        fault::reached("files are about to be deleted")?;
        match self.log.store().delete(&keys) {
            Ok(()) => {
                done.deleted.0 += keys.len() as u64;
                done.deleted.1 += bytes;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let (count, reason) = done.failed.take().unwrap_or((0, error.to_string()));
                done.failed = Some((count + keys.len() as u64, reason));
            }
        }
        progress.advance(keys.len() as u64);
        fault::reached("files deleted")
    }

    /// Deletes temporary files of commands that were stopped long ago. Nothing relies on them.
    fn delete_left_overs(&self, ages: &EntryAges) -> Result<()> {
        for directory in LEFT_OVERS {
            let Some(listed) = self.log.store().list_if_allowed(directory, MOST)? else {
                continue;
            };
            let is_old = |modified| ages.age(modified).is_some_and(|age| age >= LEFT_OVER);
            let old = listed.into_iter().filter(|file| is_old(file.modified));
            let keys: Vec<String> = old.map(|file| file.key).collect();
            for keys in keys.chunks(BATCH) {
                // A later call deletes what stays.
                let _ = self.log.store().delete(keys);
            }
        }
        Ok(())
    }
}
