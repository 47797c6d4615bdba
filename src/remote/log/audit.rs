//! Reads a whole log anew, to find out whether it is as it was written.
//!
//! Every entry is read, from the first on. Where one is missing or damaged, what was known of the log
//! behind it (a checkpoint, or what a reader remembers) is gone on from.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::super::layout::{ArtToml, CHECKPOINT, EntryName, LATEST, LOG, Protocol, decode_toml};
use super::super::store::Store;
use super::checkpoint::{self, Latest};
use super::entry::{Entry, is_whole, try_read_body};
use super::fold::Fold;
use super::read::MAX_ENTRIES;
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Digest, Id};
use crate::name::RefName;
use names::is_another_log;

/// So many entries are read at once, and numbers asked for where a store can't list them.
const AT_ONCE: usize = 64;

/// A file of the log, or of its checkpoints, that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDefect {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A commit that a log names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The ref that stood at it.
    pub name: RefName,
    /// The number of the newest entry that moved the ref there; of the oldest that moved it away, if
    /// there is none.
    pub entry: u64,
}

/// How a file came to be on a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The number of the entry that added it.
    pub entry: u64,
    /// Who wrote that: `NAME <ADDRESS>`.
    pub who: Arc<str>,
}

/// What a log was found to be.
#[derive(Debug)]
pub struct Audit {
    /// What all entries come to. Where one can't be read, it is as good as what is known from elsewhere.
    pub fold: Fold,
    /// Entries that were read and are whole.
    pub entries: u64,
    /// What is wrong.
    pub defects: Vec<LogDefect>,
    /// Whether `checkpoint/latest.toml` or the checkpoint that it names is among the defects.
    pub is_checkpoint_wrong: bool,
    /// The number of an entry that is another one than this reader had seen.
    pub replaced: Option<u64>,
    /// How many entries this reader had seen of a log that is no more: the remote was emptied since,
    /// and filled again.
    pub made_anew: Option<u64>,
    /// Whether the store said which files are there. Else what is left over is not known.
    pub is_listed: bool,
    /// Files in the log that no reader takes for entries, and their bytes: what an interrupted push
    /// has left, or what is not ours.
    pub leftovers: Vec<(String, u64)>,
    /// The commits that entries moved refs to or from.
    pub named: BTreeMap<Id, Named>,
    /// The newest entry that added each file, and who wrote it.
    pub added: BTreeMap<Id, Added>,
    /// The entries that are missing or damaged.
    pub(super) unreadable: BTreeSet<EntryName>,
    /// What is known of the log at some entries.
    pub(super) known: Vec<Fold>,
    /// Entries that this reader remembers.
    pub(super) remembered: BTreeMap<EntryName, Arc<Entry>>,
}

/// Reads the whole log on `store`, whose `art.toml` says `made`. `saved` is what this reader
/// remembers of it, which is compared with what is there and no more.
///
/// What is damaged is no error of this call. Fails with
/// [`Unsupported`](crate::ErrorKind::Unsupported) if there is an entry that a newer program wrote.
pub fn audit(store: &Store, made: &ArtToml, saved: Option<&State>) -> Result<Audit> {
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
        writes: BTreeSet::new(),
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
    if !audit.is_listed && audit.fold.protocol == Protocol::Siblings {
        // Which entries there are is known from a list alone.
        store.list(LOG, None, MAX_ENTRIES)?;
    }
    Ok(audit)
}

/// Every checkpoint is of a fold: that before the window, where there is one.
fn base(state: &State) -> &Fold {
    state.window.as_ref().map_or(&state.now, |window| &window.base)
}

/// The newest checkpoint, if there is one; or what is wrong with it.
fn read_checkpoint(store: &Store) -> Result<Result<Option<State>, LogDefect>> {
    match read_named_checkpoint(store)? {
        // Another writer may have replaced and removed it between the two requests.
        Err(_) => read_named_checkpoint(store),
        read => Ok(read),
    }
}

fn read_named_checkpoint(store: &Store) -> Result<Result<Option<State>, LogDefect>> {
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
            Err(Error::corrupt("its bytes are not those it is named after"))
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
            Ok(Err(wrong("it is not of the entry that its name says")))
        }
        Ok(state) => Ok(Ok(Some(state))),
        Err(error) => defect(key, error).map(Err),
    }
}

/// The defect of a file that can't be read; gives the error back if it is the store's.
fn unreadable(store: &Store, key: &str, error: Error) -> Result<LogDefect> {
    Ok(LogDefect { key: key.to_owned(), problem: store.defect_of(key, error)? })
}

/// Reads an entry. One that can't be read is as an empty one, which is damaged.
fn read_or_damaged(store: &Store, name: &EntryName) -> Result<Option<Bytes>> {
    try_read_body(store, name).or_else(|error| {
        store.defect_of(&name.key(), error)?;
        Ok(Some(Bytes::new()))
    })
}

/// The defect that an error says; an error that is none of damage stays one.
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
            fold: Fold::empty(protocol),
            entries: 0,
            defects: Vec::new(),
            is_checkpoint_wrong: false,
            replaced: None,
            made_anew: None,
            is_listed: true,
            leftovers: Vec::new(),
            named: BTreeMap::new(),
            added: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            known: Vec::new(),
            remembered: BTreeMap::new(),
        }
    }

    /// Whether some entry is missing or damaged.
    pub fn has_lost_entries(&self) -> bool {
        !self.unreadable.is_empty()
    }

    fn name_commits(&mut self, entry: &Entry) {
        for moved in &entry.refs {
            let named = || Named { name: moved.name.clone(), entry: entry.number };
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
            let added = Added { entry: entry.number, who: Arc::clone(&who) };
            self.added.insert(file.id, added);
        }
    }

    fn wrong_checkpoint(&mut self, defect: LogDefect) {
        self.is_checkpoint_wrong = true;
        self.defects.push(defect);
    }

    /// Takes on what a reader remembers, if it can be of this log.
    fn remember(&mut self, store: &Store, saved: &State) -> Result<()> {
        let (Some(last), Some(write)) = (saved.fold().last, saved.fold().last_write) else {
            return Ok(());
        };
        let there = read_or_damaged(store, &last)?;
        if there.is_none() && is_another_log(store, saved.fold())? {
            self.made_anew = Some(saved.fold().entries);
            return Ok(());
        }
        let there = there.and_then(|bytes| Entry::decode_named(&last, &bytes).ok());
        if there.is_some_and(|there| there.write != write) {
            self.replaced = Some(last.number);
            return Ok(());
        }
        self.known.push(saved.fold().clone());
        if let Some(window) = &saved.window {
            self.known.push(window.base.clone());
            self.remembered.clone_from(&window.entries);
        }
        Ok(())
    }
}

/// A log while its entries are read, in their order.
struct Reading {
    audit: Audit,
    checkpoint: Option<State>,
    /// Whether it is what the entries up to it come to; `None` before these were read.
    is_same: Option<bool>,
    /// The write ids of the entries that are there.
    writes: BTreeSet<Uuid>,
    /// The write ids that entries which may have siblings have seen, and one of these.
    seen: BTreeMap<Uuid, EntryName>,
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
            // Readers pass over a part of an entry: it is still being written, or never was to its end.
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
        if name.write.is_some() && audit.fold.protocol == Protocol::Linear && is_whole {
            audit.leftovers.push((name.key(), bytes));
            return;
        }
        audit.entries += 1;
        self.writes.insert(entry.write);
        audit.name_commits(entry);
        audit.name_files(entry);
        if name.write.is_some() {
            self.seen.extend(entry.seen.iter().map(|write| (*write, name)));
        }
        // What is gone on from may have it already.
        if audit.fold.last >= Some(name) {
            return;
        }
        audit.fold.apply(name, entry);
        if is_whole {
            self.compare(name);
        }
    }

    /// Compares the checkpoint with what the entries up to it come to.
    fn compare(&mut self, name: EntryName) {
        if let Some(state) = self.checkpoint.as_ref().filter(|state| base(state).last == Some(name))
        {
            self.is_same = Some(*base(state) == self.audit.fold);
        }
    }

    fn wrong(&mut self, problem: &str) {
        let Some(state) = self.checkpoint.take() else { return };
        let key = format!("{CHECKPOINT}{:020}", base(&state).number());
        self.audit.wrong_checkpoint(LogDefect { key, problem: problem.to_owned() });
    }

    /// An entry is missing or damaged: goes on from what is known behind it, or without it.
    fn lose(&mut self, name: EntryName, problem: String) {
        let audit = &mut self.audit;
        audit.defects.push(LogDefect { key: name.key(), problem });
        audit.unreadable.insert(name);
        if audit.fold.last >= Some(name) {
            return;
        }
        let known = audit.known.iter().filter(|known| known.last >= Some(name));
        if let Some(known) = known.min_by_key(|known| known.last) {
            audit.fold = known.clone();
        } else {
            // The next one is not to be taken for the follower of the one before.
            audit.fold.last_write = None;
        }
    }

    fn end(mut self, names: &[EntryName]) -> Audit {
        self.lose_what_was_seen();
        let Some(state) = self.checkpoint.as_ref().filter(|_| self.audit.unreadable.is_empty())
        else {
            return self.audit;
        };
        // Where entries can come late, a checkpoint that lacks some is passed over by readers.
        let is_current = state.window.as_ref().is_none_or(|window| {
            let names: BTreeSet<EntryName> = names.iter().copied().collect();
            window.names_to(window.base.last, &names) == window.names
        });
        match self.is_same {
            Some(false) if is_current => self.wrong("it is not what the entries up to it come to"),
            None if base(state).last.is_some() => {
                self.wrong("it is of entries that are not in the log");
            }
            _ => {}
        }
        self.audit
    }

    /// An entry that another one has seen was there: it is missing, or only a part of it is left.
    fn lose_what_was_seen(&mut self) {
        let lost: Vec<(Uuid, EntryName)> = self
            .seen
            .iter()
            .filter(|(write, _)| !self.writes.contains(write))
            .map(|(write, by)| (*write, *by))
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
                let problem = format!("it has seen the entry {write}, which is not there");
                self.audit.defects.push(LogDefect { key: by.key(), problem });
            }
        }
    }
}
