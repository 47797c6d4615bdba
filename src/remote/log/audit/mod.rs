//! Reads a whole log to check that it is intact.
//!
//! Every entry is read, from the first one on. If an entry is missing or damaged, the audit
//! continues from a later known state of the log (a checkpoint, or the saved state of a reader).

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::super::layout::{ArtToml, CHECKPOINT, EntryName, LATEST, LOG, Protocol, decode_toml};
use super::super::store::Store;
use super::checkpoint::{self, Latest};
use super::entry::{Entry, Seen, is_whole, try_read_body};
use super::log_state::LogState;
use super::read::MAX_ENTRIES;
use super::remote_state::RemoteState;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Digest, Id};
use crate::name::RefName;
use names::is_another_log;

/// The number of entries to read in parallel, and of numbers to probe if the store can't list keys.
const AT_ONCE: usize = 64;

/// A damaged file of the log or of its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDefect {
    /// The file's key.
    pub key: String,
    /// A description of the defect.
    pub problem: String,
}

/// A commit that a log names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCommit {
    /// The ref that pointed to the commit.
    pub name: RefName,
    /// The number of the newest entry that moved the ref to the commit. If there is none, the
    /// number of the oldest entry that moved the ref away.
    pub entry: u64,
}

/// The origin of a file on a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrigin {
    /// The number of the entry that added it.
    pub entry: u64,
    /// The author of the entry: `NAME <ADDRESS>`.
    pub who: Arc<str>,
}

/// The findings of an audit.
#[derive(Debug)]
pub struct Audit {
    /// The remote state after all entries. If an entry is unreadable, the state is reconstructed
    /// from other sources as far as possible.
    pub remote_state: RemoteState,
    /// The number of entries that are intact.
    pub entries: u64,
    /// The defects.
    pub defects: Vec<LogDefect>,
    /// True if `checkpoint/latest.toml` or the checkpoint that it names has a defect.
    pub is_checkpoint_wrong: bool,
    /// The number of an entry that differs from the entry that this reader had seen.
    pub replaced: Option<u64>,
    /// The number of entries that this reader had seen of an earlier log: the remote was emptied
    /// and filled again.
    pub recreated: Option<u64>,
    /// True if the store could list the files. Otherwise leftovers are unknown.
    pub is_listed: bool,
    /// Files in the log that readers ignore, and their sizes: the remains of an interrupted push,
    /// or foreign files.
    pub leftovers: Vec<(String, u64)>,
    /// The commits that entries moved refs to or from.
    pub named: BTreeMap<Id, NamedCommit>,
    /// The newest entry that added each file, with its author.
    pub added: BTreeMap<Id, FileOrigin>,
    /// The missing or damaged entries.
    pub(super) unreadable: BTreeSet<EntryName>,
    /// Known states of the log at some entries.
    pub(super) known: Vec<RemoteState>,
    /// The entries that this reader remembers.
    pub(super) remembered: BTreeMap<EntryName, Arc<Entry>>,
}

/// Reads the whole log on `store`, whose `art.toml` contains `made`. `saved` is this reader's saved
/// state of the log. It is only compared with the log.
///
/// A defect is not an error of this call. Fails with [`Unsupported`](crate::ErrorKind::Unsupported)
/// if a newer program wrote an entry.
pub fn audit(store: &Store, made: &ArtToml, saved: Option<&LogState>) -> Result<Audit> {
    let mut audit = Audit::new(made.log);
    let checkpoint = match read_checkpoint(store)? {
        Ok(checkpoint) => checkpoint,
        Err(defect) => {
            audit.wrong_checkpoint(defect);
            None
        }
    };
    if let Some(saved) = saved {
        audit.remember(store, saved)?;
    }
    if let Some(state) = &checkpoint {
        audit.known.push(base(state).clone());
    }
    let names = audit.names(store)?;
    let mut reading = Reading {
        audit,
        checkpoint,
        is_same: None,
        writes: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    for chunk in names.chunks(AT_ONCE) {
        let read = |name: &EntryName| match try_read_body(store, name) {
            Ok(body) => Ok(Ok(body)),
            Err(error) => store.defect_of(&name.key(), error).map(Err),
        };
        let bodies = store.at_once(chunk, &read)?;
        for (name, body) in chunk.iter().zip(bodies) {
            match body {
                Ok(body) => reading.read(*name, body)?,
                Err(problem) => reading.lose(*name, problem),
            }
        }
    }
    let audit = reading.end(&names);
    if !audit.is_listed && audit.remote_state.protocol == Protocol::Siblings {
        // Without a list, the names of sibling entries are unknown. Return the error of listing.
        store.list(LOG, None, MAX_ENTRIES)?;
    }
    Ok(audit)
}

/// Returns the state that a checkpoint of `state` stores: the state before the window, if it has
/// one.
fn base(state: &LogState) -> &RemoteState {
    state.window.as_ref().map_or(&state.now, |window| &window.base)
}

/// Reads the newest checkpoint, if there is one, or finds its defect.
fn read_checkpoint(store: &Store) -> Result<Result<Option<LogState>, LogDefect>> {
    match read_named_checkpoint(store)? {
        // Another writer may have replaced and removed the checkpoint between the two requests.
        Err(_) => read_named_checkpoint(store),
        read => Ok(read),
    }
}

fn read_named_checkpoint(store: &Store) -> Result<Result<Option<LogState>, LogDefect>> {
    let bytes = match store.try_read(LATEST, Latest::MAX_LEN) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return unreadable(store, LATEST, error).map(Err),
    };
    let latest: Latest = match decode_toml(LATEST, &bytes) {
        Ok(latest) => latest,
        Err(error) => return defect(LATEST.to_owned(), error).map(Err),
    };
    let key = latest.key();
    let wrong = |problem: &str| LogDefect { key: key.clone(), problem: problem.to_owned() };
    let read = store.read_sound(|| match store.try_read(&key, checkpoint::MAX_LEN)? {
        Some(bytes) if Digest::of(&bytes) != latest.id => {
            Err(Error::corrupt("its bytes do not match its name"))
        }
        other => Ok(other),
    });
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err(wrong("it is missing"))),
        Err(error) => return unreadable(store, &key, error).map(Err),
    };
    match checkpoint::decode(&key, &bytes) {
        Ok(state) if base(&state).number() != latest.number => {
            Ok(Err(wrong("its entry number differs from its name")))
        }
        Ok(state) => Ok(Ok(Some(state))),
        Err(error) => defect(key, error).map(Err),
    }
}

/// Describes the defect of an unreadable file. Returns the error if the store itself failed.
fn unreadable(store: &Store, key: &str, error: Error) -> Result<LogDefect> {
    Ok(LogDefect { key: key.to_owned(), problem: store.defect_of(key, error)? })
}

/// Reads an entry. An unreadable entry is returned as empty bytes, which count as damaged.
fn read_or_damaged(store: &Store, name: &EntryName) -> Result<Option<Bytes>> {
    try_read_body(store, name).or_else(|error| {
        store.defect_of(&name.key(), error)?;
        Ok(Some(Bytes::new()))
    })
}

/// Converts an error that reports damage to a defect. Other errors stay errors.
fn defect(key: String, error: Error) -> Result<LogDefect> {
    if error.kind() != ErrorKind::Corrupt {
        return Err(error);
    }
    let problem = error.causes().pop().unwrap_or_else(|| error.message().to_owned());
    Ok(LogDefect { key, problem })
}

impl Audit {
    fn new(protocol: Protocol) -> Self {
        Audit {
            remote_state: RemoteState::empty(protocol),
            entries: 0,
            defects: Vec::new(),
            is_checkpoint_wrong: false,
            replaced: None,
            recreated: None,
            is_listed: true,
            leftovers: Vec::new(),
            named: BTreeMap::new(),
            added: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            known: Vec::new(),
            remembered: BTreeMap::new(),
        }
    }

    /// Returns true if some entry is missing or damaged.
    pub fn has_lost_entries(&self) -> bool {
        !self.unreadable.is_empty()
    }

    fn name_commits(&mut self, entry: &Entry) {
        for moved in &entry.refs {
            let named = || NamedCommit { name: moved.name.clone(), entry: entry.number };
            if let Some(old) = moved.old {
                self.named.entry(old).or_insert_with(named);
            }
            if let Some(new) = moved.new {
                self.named.insert(new, named());
            }
        }
    }

    fn name_files(&mut self, entry: &Entry) {
        let who: Arc<str> = entry.who.as_str().into();
        for file in entry.packs.iter().chain(&entry.meta).chain(&entry.segments) {
            let added = FileOrigin { entry: entry.number, who: Arc::clone(&who) };
            self.added.insert(file.id, added);
        }
    }

    fn wrong_checkpoint(&mut self, defect: LogDefect) {
        self.is_checkpoint_wrong = true;
        self.defects.push(defect);
    }

    /// Adds a reader's saved state to the known states if it can belong to this log.
    fn remember(&mut self, store: &Store, saved: &LogState) -> Result<()> {
        let (Some(last), Some(write)) =
            (saved.remote_state().last, saved.remote_state().last_write)
        else {
            return Ok(());
        };
        let stored = read_or_damaged(store, &last)?;
        if stored.is_none() && is_another_log(store, saved.remote_state())? {
            self.recreated = Some(saved.remote_state().entries);
            return Ok(());
        }
        let stored = stored.and_then(|bytes| Entry::decode_named(&last, &bytes).ok());
        if stored.is_some_and(|stored| stored.write != write) {
            self.replaced = Some(last.number);
            return Ok(());
        }
        self.known.push(saved.remote_state().clone());
        if let Some(window) = &saved.window {
            self.known.push(window.base.clone());
            self.remembered.clone_from(&window.entries);
        }
        Ok(())
    }
}

/// A log whose entries are being read in order.
struct Reading {
    audit: Audit,
    checkpoint: Option<LogState>,
    /// True if the checkpoint equals the state of the entries up to it; `None` before these are
    /// read.
    is_same: Option<bool>,
    /// The existing entries by write id. The digest is `None` if a repair restored the entry.
    writes: BTreeMap<Uuid, (EntryName, Option<Id>)>,
    /// The entries that later entries have seen, each with one of these later entries.
    seen: BTreeMap<Seen, EntryName>,
}

impl Reading {
    fn read(&mut self, name: EntryName, body: Option<Bytes>) -> Result<()> {
        let Some(body) = body else {
            self.lose(name, "it is missing".to_owned());
            return Ok(());
        };
        match Entry::decode_named(&name, &body) {
            Ok(entry) => self.take(name, &entry, body.len() as u64),
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            // Readers ignore an incomplete entry: its writer is still writing, or was killed.
            Err(_) if name.write.is_some() && !is_whole(&body) => {
                self.audit.leftovers.push((name.key(), body.len() as u64));
            }
            Err(error) => {
                let defect = defect(name.key(), error)?;
                self.lose(name, defect.problem);
            }
        }
        Ok(())
    }

    fn take(&mut self, name: EntryName, entry: &Entry, bytes: u64) {
        let audit = &mut self.audit;
        let is_whole = audit.unreadable.is_empty();
        if name.write.is_some() && audit.remote_state.protocol == Protocol::Linear && is_whole {
            audit.leftovers.push((name.key(), bytes));
            return;
        }
        audit.entries += 1;
        let digest = entry.digest.get().filter(|_| !entry.restored);
        self.writes.insert(entry.write, (name, digest));
        audit.name_commits(entry);
        audit.name_files(entry);
        self.seen.extend(entry.seen.iter().map(|seen| (*seen, name)));
        // The known state that the audit continued from may already include this entry.
        if audit.remote_state.last >= Some(name) {
            return;
        }
        audit.remote_state.apply(name, entry);
        if is_whole {
            self.compare(name);
        }
    }

    /// Compares the checkpoint with the state of the entries up to it.
    fn compare(&mut self, name: EntryName) {
        if let Some(state) = self.checkpoint.as_ref().filter(|state| base(state).last == Some(name))
        {
            let now = &self.audit.remote_state;
            // A restored entry is another file with the same changes.
            let is_restored =
                self.writes.values().any(|(entry, digest)| *entry == name && digest.is_none());
            self.is_same = Some(if is_restored {
                RemoteState { last_digest: now.last_digest, ..base(state).clone() } == *now
            } else {
                base(state) == now
            });
        }
    }

    fn wrong(&mut self, problem: &str) {
        let Some(state) = self.checkpoint.take() else { return };
        let key = format!("{CHECKPOINT}{:020}", base(&state).number());
        self.audit.wrong_checkpoint(LogDefect { key, problem: problem.to_owned() });
    }

    /// Records a missing or damaged entry, and continues from a later known state if there is one.
    fn lose(&mut self, name: EntryName, problem: String) {
        let audit = &mut self.audit;
        audit.defects.push(LogDefect { key: name.key(), problem });
        audit.unreadable.insert(name);
        if audit.remote_state.last >= Some(name) {
            return;
        }
        let known = audit.known.iter().filter(|known| known.last >= Some(name));
        if let Some(known) = known.min_by_key(|known| known.last) {
            audit.remote_state = known.clone();
        } else {
            // The next entry must not count as the successor of the entry before the gap.
            audit.remote_state.last_write = None;
        }
    }

    fn end(mut self, names: &[EntryName]) -> Audit {
        self.lose_what_was_seen();
        self.find_replaced();
        let Some(state) = self.checkpoint.as_ref().filter(|_| self.audit.unreadable.is_empty())
        else {
            return self.audit;
        };
        // In a log with siblings, entries can arrive late. Readers ignore a checkpoint that lacks
        // entries.
        let is_current = state.window.as_ref().is_none_or(|window| {
            let names: BTreeSet<EntryName> = names.iter().copied().collect();
            window.names_to(window.base.last, &names) == window.names
        });
        match self.is_same {
            Some(false) if is_current => {
                self.wrong("it differs from the state of the entries up to it");
            }
            None if base(state).last.is_some() => {
                self.wrong("its entries are not in the log");
            }
            _ => {}
        }
        self.audit
    }

    /// Reports entries whose file is not the one that a later entry has seen.
    fn find_replaced(&mut self) {
        for (seen, by) in &self.seen {
            let Some((name, Some(digest))) = self.writes.get(&seen.write) else { continue };
            if *digest != seen.digest {
                let problem = format!("it was changed after '{}' was written", by.key());
                self.audit.defects.push(LogDefect { key: name.key(), problem });
            }
        }
    }

    /// Reports entries that another entry has seen, but that are now missing or incomplete.
    fn lose_what_was_seen(&mut self) {
        let lost: Vec<(Uuid, EntryName)> = self
            .seen
            .iter()
            .filter(|(seen, by)| by.write.is_some() && !self.writes.contains_key(&seen.write))
            .map(|(seen, by)| (seen.write, *by))
            .collect();
        for (write, by) in lost {
            let torn = self.audit.leftovers.iter().position(|(key, _)| {
                EntryName::of_key(key).is_some_and(|name| name.write == Some(write))
            });
            if let Some(at) = torn {
                let (key, _) = self.audit.leftovers.swap_remove(at);
                let name = EntryName::of_key(&key);
                self.audit.unreadable.extend(name);
                let problem = "it ends early or was changed".to_owned();
                self.audit.defects.push(LogDefect { key, problem });
            } else if self.audit.unreadable.is_empty() {
                let problem = format!("it has seen the entry {write}, which is missing");
                self.audit.defects.push(LogDefect { key: by.key(), problem });
            }
        }
    }
}
