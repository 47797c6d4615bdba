//! What the log says once all its entries are read: the refs, the files, the conflicts.
//!
//! Folding is a function of the entries in the order of their names, so everyone who has read the
//! same entries has the same result. It loses nothing: a move whose old commit is not the ref's
//! (two siblings moved it apart) leaves the ref as it is and keeps the other commit as a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::super::layout::{EntryName, Protocol};
use super::entry::{Again, Entry, RefMove, Stored, Word, as_line, number, words};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;

/// A commit that a ref was moved to by a writer who had not seen another's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The ref.
    pub name: RefName,
    /// Where the move that lost led; `None` if it was a deletion.
    pub commit: Option<Id>,
    /// The number of its entry.
    pub number: u64,
    /// The write id of its entry.
    pub write: Uuid,
}

/// What a file of a remote is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredKind {
    /// A content pack.
    Pack,
    /// A Git pack.
    Meta,
    /// An index segment.
    Segment,
}

/// A file that nobody may rely on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retired {
    /// What it is.
    pub kind: StoredKind,
    /// What it is named by.
    pub id: Id,
    /// Its size in bytes.
    pub size: u64,
    /// The number of the entry that retired it.
    pub number: u64,
}

/// The whole state of a remote at some entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// The newest entry that was folded.
    pub last: Option<EntryName>,
    /// Its write id.
    pub last_write: Option<Uuid>,
    /// Its bytes at least, if it has so many that it is not read only to see whether it is there;
    /// otherwise 0.
    pub last_len: u64,
    /// How many entries were folded.
    pub entries: u64,
    /// How writers take turns.
    pub protocol: Protocol,
    /// The refs and their commits.
    pub refs: BTreeMap<RefName, Id>,
    /// The commits that lost, by ref; none of the lists is empty.
    pub conflicts: BTreeMap<RefName, Vec<Conflict>>,
    /// The content packs and their sizes in bytes.
    pub packs: BTreeMap<Id, u64>,
    /// The Git packs.
    pub meta: BTreeMap<Id, u64>,
    /// The index segments.
    pub segments: BTreeMap<Id, u64>,
    /// The files that are deleted after a while.
    pub retired: BTreeMap<Id, Retired>,
    /// The files that were added again, and the write id of the last entry that did.
    pub again: BTreeMap<Id, Uuid>,
    /// The numbers at which a writer had seen another entry than the one that is there: the store
    /// let two of them win.
    pub doubled: BTreeSet<u64>,
}

impl Fold {
    /// The state of a remote on which nothing was pushed.
    pub fn empty(protocol: Protocol) -> Self {
        Fold {
            last: None,
            last_write: None,
            last_len: 0,
            entries: 0,
            protocol,
            refs: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            packs: BTreeMap::new(),
            meta: BTreeMap::new(),
            segments: BTreeMap::new(),
            retired: BTreeMap::new(),
            again: BTreeMap::new(),
            doubled: BTreeSet::new(),
        }
    }

    /// The number of the newest entry, 0 for none.
    pub fn number(&self) -> u64 {
        self.last.map_or(0, |last| last.number)
    }

    /// Adds the next entry.
    pub fn apply(&mut self, name: EntryName, entry: &Entry) {
        self.check_chain(name, entry);
        // First what goes: a file that the entry adds too is there afterwards.
        for id in &entry.retired {
            self.retire(*id, entry);
        }
        for (files, added) in [
            (&mut self.packs, &entry.packs),
            (&mut self.meta, &entry.meta),
            (&mut self.segments, &entry.segments),
        ] {
            for Stored { id, size } in added {
                let was_retired = self.retired.remove(id).is_some();
                if files.insert(*id, *size).is_some() || was_retired {
                    self.again.insert(*id, entry.write);
                }
            }
        }
        for moved in &entry.refs {
            self.move_ref(moved, entry);
        }
        for settled in &entry.settled {
            self.settle(&settled.name, settled.commit);
        }
        if let Some(protocol) = entry.log {
            self.protocol = protocol;
        }
        (self.last, self.last_write) = (Some(name), Some(entry.write));
        self.last_len = entry.least_len();
        self.entries += 1;
    }

    /// Where entries stand one at each number, each has seen the one before it.
    fn check_chain(&mut self, name: EntryName, entry: &Entry) {
        let linear = name.write.is_none() && self.last.is_none_or(|last| last.write.is_none());
        if let Some(write) = self.last_write.filter(|_| linear)
            && !entry.seen.contains(&write)
        {
            self.doubled.insert(entry.number - 1);
        }
    }

    /// Retires a file, unless another writer has added it again meanwhile: who adds a file relies
    /// on it.
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
                self.retired.insert(id, Retired { kind, id, size, number: entry.number });
            }
        }
    }

    /// What is known of the files `ids` being added again.
    pub(super) fn added_again(&self, ids: &[Id]) -> Vec<Again> {
        let again = |id: &Id| Some(Again { id: *id, write: *self.again.get(id)? });
        ids.iter().filter_map(again).collect()
    }

    fn move_ref(&mut self, moved: &RefMove, entry: &Entry) {
        let now = self.refs.get(&moved.name).copied();
        if now == moved.old {
            match moved.new {
                Some(commit) => drop(self.refs.insert(moved.name.clone(), commit)),
                None => drop(self.refs.remove(&moved.name)),
            }
            self.settle(&moved.name, moved.new);
            return;
        }
        // The other side of a conflict goes on: its newest commit stands for it.
        if moved.old.is_some() {
            self.settle(&moved.name, moved.old);
        }
        if now == moved.new {
            // Both sides came to the same.
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

    fn settle(&mut self, name: &RefName, commit: Option<Id>) {
        if let Some(sides) = self.conflicts.get_mut(name) {
            sides.retain(|side| side.commit != commit);
            if sides.is_empty() {
                self.conflicts.remove(name);
            }
        }
    }

    /// The refs of `moves` that are not where the moves start.
    pub fn moved(&self, moves: &[RefMove]) -> Vec<RefName> {
        let differs = |m: &&RefMove| {
            let now = self.refs.get(&m.name).copied();
            now != m.old && now != m.new
        };
        moves.iter().filter(differs).map(|m| m.name.clone()).collect()
    }

    /// The files of `wanted` that nobody may rely on.
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
        let no_uuid = |_| Error::corrupt(format!("'{}' is no write id", write.escape_debug()));
        Ok(Conflict {
            name: name.parse()?,
            commit: commit.parse::<Word>()?.0,
            number: number(at)?,
            write: write.parse().map_err(no_uuid)?,
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
        write!(f, "{} {} {} {kind}", self.id, self.size, self.number)
    }
}

impl FromStr for Retired {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [id, size, at, kind] = words(line)?;
        let kind = match kind {
            "pack" => StoredKind::Pack,
            "meta" => StoredKind::Meta,
            "segment" => StoredKind::Segment,
            _ => {
                let shown = kind.escape_debug();
                return Err(Error::corrupt(format!("'{shown}' is no kind of file")));
            }
        };
        Ok(Retired { kind, id: id.parse()?, size: number(size)?, number: number(at)? })
    }
}

as_line!(Conflict, Retired);
