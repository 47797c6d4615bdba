//! The remote state: the refs, the files and the conflicts after all entries of the log.
//!
//! The state is a function of the entries in the order of their names, so everyone who has read the
//! same entries has the same state. Nothing is lost: if a move's old commit is not the ref's commit
//! (two siblings moved the ref apart), the ref stays as it is and the other commit becomes a
//! conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::super::features::Features;
use super::super::layout::{EntryName, Protocol};
use super::super::stored_kind::StoredKind;
use super::entry::{
    Again, Entry, Forgotten, RefMove, Renamed, Stored, Word, as_line, number, uuid_of, words,
};
use super::gc_times::GcTimes;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;

/// A commit that a ref was moved to by a writer who had not seen another writer's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The ref.
    pub name: RefName,
    /// The target of the move that lost; `None` if the move was a deletion.
    pub commit: Option<Id>,
    /// The number of the move's entry.
    pub number: u64,
    /// The write id of the move's entry.
    pub write: Uuid,
}

/// A former name of a run or version that the remote has under another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormerName {
    /// The former name.
    pub name: RefName,
    /// The UUID of the record.
    pub uuid: Uuid,
    /// The commit at which the record left the name. A ref that leads to it has followed the
    /// rename.
    pub commit: Id,
    /// The current name.
    pub now: RefName,
}

/// A file that nobody may rely on any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retired {
    /// The kind of the file.
    pub kind: StoredKind,
    /// The id that names the file.
    pub id: Id,
    /// Its size in bytes.
    pub size: u64,
    /// The number of the entry that retired it.
    pub number: u64,
    /// The write id of that entry: several entries may have one number.
    pub write: Uuid,
}

/// A name of a file that is deleted, or will be soon. Nobody may add a file with this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadName {
    /// The id that names the file.
    pub id: Id,
    /// The number of the entry that named the file as deleted.
    pub number: u64,
    /// The write id of that entry.
    pub write: Uuid,
}

/// A replaced commit whose content is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgottenCommit {
    /// The commit.
    pub commit: Id,
    /// The write id of the entry that let go of it.
    pub write: Uuid,
    /// The ref that had the commit.
    pub name: RefName,
}

/// The whole state of a remote at some entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteState {
    /// The newest applied entry.
    pub last: Option<EntryName>,
    /// The write id of the newest entry.
    pub last_write: Option<Uuid>,
    /// The SHA-256 of the newest entry's file.
    pub last_digest: Option<Id>,
    /// A lower bound of the newest entry's size, if the entry is too large to be read only to check
    /// that it exists; otherwise 0.
    pub last_len: u64,
    /// The number of applied entries.
    pub entries: u64,
    /// The way in which writers take turns.
    pub protocol: Protocol,
    /// The features of all entries that a program must know.
    pub features: Features,
    /// The refs and their commits.
    pub refs: BTreeMap<RefName, Id>,
    /// The commits of moves that lost, by ref; no list is empty.
    pub conflicts: BTreeMap<RefName, Vec<Conflict>>,
    /// The former names of refs. A former name is kept as long as the remote has its ref.
    pub former_names: BTreeSet<FormerName>,
    /// The content packs and their sizes in bytes.
    pub packs: BTreeMap<Id, u64>,
    /// The Git packs.
    pub meta: BTreeMap<Id, u64>,
    /// The index segments.
    pub segments: BTreeMap<Id, u64>,
    /// The retired files, which are deleted after a while.
    pub retired: BTreeMap<Id, Retired>,
    /// The names of deleted files.
    pub dead: BTreeMap<Id, DeadName>,
    /// The replaced commits whose content is no longer kept.
    pub forgotten: BTreeMap<Id, ForgottenCommit>,
    /// How long retired files and replaced commits are kept, if an entry says so.
    pub gc: Option<GcTimes>,
    /// The files that were added again, with the write id of the last entry that added them.
    pub again: BTreeMap<Id, Uuid>,
    /// The numbers where a later writer had seen a different entry than the existing one: the store
    /// let two writers win.
    pub doubled: BTreeSet<u64>,
}

impl RemoteState {
    /// The state of a remote without pushes.
    pub fn empty(protocol: Protocol) -> Self {
        RemoteState {
            last: None,
            last_write: None,
            last_digest: None,
            last_len: 0,
            entries: 0,
            protocol,
            features: Features::default(),
            refs: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            former_names: BTreeSet::new(),
            packs: BTreeMap::new(),
            meta: BTreeMap::new(),
            segments: BTreeMap::new(),
            retired: BTreeMap::new(),
            dead: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            gc: None,
            again: BTreeMap::new(),
            doubled: BTreeSet::new(),
        }
    }

    /// The number of the newest entry, or 0 if there is none.
    pub fn number(&self) -> u64 {
        self.last.map_or(0, |last| last.number)
    }

    /// Adds the next entry.
    pub fn apply(&mut self, name: EntryName, entry: &Entry) {
        self.check_chain(name, entry);
        // Retire first: a file that the entry both retires and adds must exist afterwards.
        for id in &entry.retired {
            self.retire(*id, entry);
        }
        for id in &entry.deleted {
            self.delete(*id, entry);
        }
        for (files, added) in [
            (&mut self.packs, &entry.packs),
            (&mut self.meta, &entry.meta),
            (&mut self.segments, &entry.segments),
        ] {
            for Stored { id, size } in added {
                let was_dead = self.dead.remove(id).is_some();
                let was_retired = self.retired.remove(id).is_some() || was_dead;
                if files.insert(*id, *size).is_some() || was_retired {
                    self.again.insert(*id, entry.write);
                }
            }
        }
        for moved in &entry.refs {
            self.move_ref(moved, entry);
        }
        self.rename(entry);
        for settled in &entry.settled {
            self.settle(&settled.name, settled.commit);
        }
        if let Some(protocol) = entry.log {
            self.protocol = protocol;
        }
        self.features.unite(&entry.features);
        self.forget(entry);
        self.last_digest = entry.digest.get();
        (self.last, self.last_write) = (Some(name), Some(entry.write));
        self.last_len = entry.least_len();
        self.entries += 1;
    }

    /// In a log without siblings, each entry has seen the one before it.
    fn check_chain(&mut self, name: EntryName, entry: &Entry) {
        let linear = name.write.is_none() && self.last.is_none_or(|last| last.write.is_none());
        if let Some(write) = self.last_write.filter(|_| linear)
            && entry.seen.iter().all(|seen| seen.write != write)
        {
            self.doubled.insert(entry.number - 1);
        }
    }

    /// Retires a file, unless another writer has added it again meanwhile and relies on it.
    fn retire(&mut self, id: Id, entry: &Entry) {
        let known = entry.again.iter().find(|again| again.id == id).map(|again| again.write);
        if self.again.get(&id).copied() != known {
            return;
        }
        let files = [
            (StoredKind::Pack, &mut self.packs),
            (StoredKind::Meta, &mut self.meta),
            (StoredKind::Segment, &mut self.segments),
        ];
        for (kind, files) in files {
            if let Some(size) = files.remove(&id) {
                self.again.remove(&id);
                self.retired.insert(id, {
                    let (number, write) = (entry.number, entry.write);
                    Retired { kind, id, size, number, write }
                });
            }
        }
    }

    /// Marks the name of a file as dead. Does nothing if it is dead already, if the file is live, or
    /// if it was not retired by the entry that the writer knew: the file may have been added and retired again meanwhile.
    /// A file that no entry named was not retired.
    fn delete(&mut self, id: Id, entry: &Entry) {
        let known = entry.again.iter().find(|again| again.id == id).map(|again| again.write);
        let retired = self.retired.get(&id).map(|retired| retired.write);
        if retired != known || self.missing(&[id]).is_empty() || self.is_dead(&id) {
            return;
        }
        self.again.remove(&id);
        self.retired.remove(&id);
        self.dead.insert(id, DeadName { id, number: entry.number, write: entry.write });
    }

    /// Takes the times and the forgotten commits of an entry, and drops dead names whose files are
    /// gone.
    fn forget(&mut self, entry: &Entry) {
        if let Some(times) = entry.gc {
            self.gc = Some(times);
        }
        for Forgotten { commit, name } in &entry.forgotten {
            let (commit, write, name) = (*commit, entry.write, name.clone());
            self.forgotten.insert(commit, ForgottenCommit { commit, write, name });
        }
        for gone in &entry.gone {
            self.dead.retain(|_, dead| dead.write != *gone);
            self.forgotten.retain(|_, forgotten| forgotten.write != *gone);
        }
    }

    /// How long retired files and replaced commits are kept.
    pub fn gc_times(&self) -> GcTimes {
        self.gc.unwrap_or_default()
    }

    /// Returns true if nobody may add a file with this name.
    pub fn is_dead(&self, id: &Id) -> bool {
        self.dead.contains_key(id)
    }

    /// Returns what a writer knows about files that it retires or deletes: the entries that added
    /// the files of `retired` again, and the entries that retired the files of `deleted`.
    pub(super) fn known_about(&self, retired: &[Id], deleted: &[Id]) -> Vec<Again> {
        let again = |id: &Id| Some(Again { id: *id, write: *self.again.get(id)? });
        let gone = |id: &Id| Some(Again { id: *id, write: self.retired.get(id)?.write });
        retired.iter().filter_map(again).chain(deleted.iter().filter_map(gone)).collect()
    }

    fn move_ref(&mut self, moved: &RefMove, entry: &Entry) {
        let now = self.refs.get(&moved.name).copied();
        if let Some(new) = &moved.new {
            // A push sends the content again.
            self.forgotten.remove(new);
        }
        if now == moved.old {
            match moved.new {
                Some(commit) => drop(self.refs.insert(moved.name.clone(), commit)),
                None => drop(self.refs.remove(&moved.name)),
            }
            self.settle(&moved.name, moved.new);
            return;
        }
        // The other side of a conflict advances: its newest commit represents the side.
        if moved.old.is_some() {
            self.settle(&moved.name, moved.old);
        }
        if now == moved.new {
            // Both sides reached the same commit.
            return;
        }
        let sides = self.conflicts.entry(moved.name.clone()).or_default();
        if sides.iter().all(|side| side.commit != moved.new) {
            sides.push(Conflict {
                name: moved.name.clone(),
                commit: moved.new,
                number: entry.number,
                write: entry.write,
            });
        }
    }

    /// Adds the renames of `entry` to the former names, and drops the names of deleted refs.
    fn rename(&mut self, entry: &Entry) {
        if self.former_names.is_empty() && entry.renamed.is_empty() {
            return;
        }
        let new = entry.refs.iter().filter_map(|moved| Some((&moved.name, moved.new?)));
        let new: BTreeMap<&RefName, Id> = new.collect();
        let reached = |refs: &BTreeMap<RefName, Id>, renamed: &Renamed| {
            new.get(&renamed.to).copied().filter(|new| refs.get(&renamed.to) == Some(new))
        };
        let by_from: BTreeMap<&RefName, &Renamed> =
            entry.renamed.iter().map(|renamed| (&renamed.from, renamed)).collect();
        let taken: BTreeSet<&RefName> = entry.renamed.iter().map(|renamed| &renamed.to).collect();
        let mut names = BTreeSet::new();
        for mut former in std::mem::take(&mut self.former_names) {
            match by_from.get(&former.now) {
                Some(renamed) if renamed.uuid == former.uuid => former.now = renamed.to.clone(),
                Some(_) => continue,
                // Another record has the name now.
                None if taken.contains(&former.now) => continue,
                None => {}
            }
            names.insert(former);
        }
        for renamed in &entry.renamed {
            if let Some(commit) = reached(&self.refs, renamed) {
                let (name, now) = (renamed.from.clone(), renamed.to.clone());
                names.insert(FormerName { name, uuid: renamed.uuid, commit, now });
            }
        }
        names.retain(|former| former.name != former.now && self.refs.contains_key(&former.now));
        self.former_names = names;
    }

    fn settle(&mut self, name: &RefName, commit: Option<Id>) {
        if let Some(sides) = self.conflicts.get_mut(name) {
            sides.retain(|side| side.commit != commit);
            if sides.is_empty() {
                self.conflicts.remove(name);
            }
        }
    }

    /// Returns the refs of `moves` that are not at the start of their moves.
    pub fn moved(&self, moves: &[RefMove]) -> Vec<RefName> {
        let differs = |m: &&RefMove| {
            let now = self.refs.get(&m.name).copied();
            now != m.old && now != m.new
        };
        moves.iter().filter(differs).map(|m| m.name.clone()).collect()
    }

    /// Returns the files of `wanted` that nobody may rely on.
    pub fn missing(&self, wanted: &[Id]) -> Vec<Id> {
        let files = [&self.packs, &self.meta, &self.segments];
        let absent = |id: &&Id| !files.iter().any(|files| files.contains_key(id));
        wanted.iter().filter(absent).copied().collect()
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", Word(self.commit), self.number, self.write, self.name)
    }
}

impl FromStr for Conflict {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [commit, at, write, name] = words(line)?;
        Ok(Conflict {
            name: name.parse()?,
            commit: commit.parse::<Word>()?.0,
            number: number(at)?,
            write: uuid_of(write)?,
        })
    }
}

impl fmt::Display for FormerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.uuid, self.commit, self.name, self.now)
    }
}

impl FromStr for FormerName {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [uuid, commit, name, now] = words(line)?;
        Ok(FormerName {
            uuid: uuid_of(uuid)?,
            commit: commit.parse()?,
            name: name.parse()?,
            now: now.parse()?,
        })
    }
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            StoredKind::Pack => "pack",
            StoredKind::Meta => "meta",
            StoredKind::Segment => "segment",
        };
        write!(f, "{} {} {} {} {kind}", self.id, self.size, self.number, self.write)
    }
}

impl FromStr for Retired {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [id, size, at, write, kind] = words(line)?;
        let kind = match kind {
            "pack" => StoredKind::Pack,
            "meta" => StoredKind::Meta,
            "segment" => StoredKind::Segment,
            _ => {
                let shown = kind.escape_debug();
                return Err(Error::corrupt(format!("'{shown}' is not a kind of file")));
            }
        };
        let (id, size) = (id.parse()?, number(size)?);
        Ok(Retired { kind, id, size, number: number(at)?, write: uuid_of(write)? })
    }
}

impl fmt::Display for DeadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.number, self.write)
    }
}

impl FromStr for DeadName {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [id, at, write] = words(line)?;
        Ok(DeadName { id: id.parse()?, number: number(at)?, write: uuid_of(write)? })
    }
}

impl fmt::Display for ForgottenCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.commit, self.write, self.name)
    }
}

impl FromStr for ForgottenCommit {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [commit, write, name] = words(line)?;
        Ok(ForgottenCommit { commit: commit.parse()?, write: uuid_of(write)?, name: name.parse()? })
    }
}

as_line!(Conflict, FormerName, Retired, DeadName, ForgottenCommit);
