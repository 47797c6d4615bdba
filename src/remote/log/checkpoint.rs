//! A checkpoint: the whole state at some entry, as TOML under zstd, so that a reader never replays
//! all of the log.
//!
//! A checkpoint is named by its number and the SHA-256 of its bytes, and never changed.
//! `checkpoint/latest.toml` names a recent one. It is a hint and nothing more: writers may
//! overwrite it in any order, and a reader who finds an old one, or none, only replays more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::layout::{CHECKPOINT, EntryName, FORMAT, Protocol, damaged, decode_toml};
use super::entry::{Again, Entry, Stored, words};
use super::fold::{Conflict, Fold, Retired};
use super::state::{Listings, Names, State, Window};
use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::name::RefName;

/// The longest checkpoint as it is stored, in bytes.
pub(super) const MAX_LEN: u64 = 256 << 20;
/// The longest one once it is decompressed: room for a million refs.
const MAX_TEXT: usize = 512 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    format: u32,
    log: Protocol,
    entries: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_write: Option<Uuid>,
    /// The digest of the keys of all entries in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Id>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    torn: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    doubled: BTreeSet<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packs: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    meta: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    segments: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
    /// Files that were added again, and by which entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<Again>,
    /// Of a log with siblings: the newest entries, as their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    newest: Vec<String>,
}

/// `checkpoint/latest.toml`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Latest {
    pub(super) format: u32,
    pub(super) number: u64,
    pub(super) id: Id,
}

impl Latest {
    /// The longest one, in bytes.
    pub(super) const MAX_LEN: u64 = 64 << 10;

    /// The key of the checkpoint it names.
    pub(super) fn key(&self) -> String {
        format!("{CHECKPOINT}{:020}-{}.toml.zst", self.number, self.id)
    }
}

/// The state as bytes.
pub(super) fn encode(state: &State) -> Result<Vec<u8>> {
    let window = state.window.as_ref();
    let fold = window.map_or(&state.now, |window| &window.base);
    let mut newest = Vec::new();
    for (name, entry) in window.iter().flat_map(|window| &window.entries) {
        if name.write.is_none() {
            // Its name does not say which one it is; it is read again.
            continue;
        }
        let text = String::from_utf8(entry.encode()?);
        newest.push(text.map_err(|_| Error::internal("a log entry is not UTF-8"))?);
    }
    let files = |files: &BTreeMap<Id, u64>| -> Vec<Stored> {
        files.iter().map(|(id, size)| Stored { id: *id, size: *size }).collect()
    };
    let torn = window.iter().flat_map(|window| &window.torn);
    let checkpoint = Checkpoint {
        format: FORMAT,
        log: fold.protocol,
        entries: fold.entries,
        last: fold.last.map(|last| last.key()),
        last_write: fold.last_write,
        names: window.map(|window| window.names.digest),
        torn: torn.map(EntryName::key).collect(),
        doubled: fold.doubled.clone(),
        refs: fold.refs.iter().map(|(name, id)| format!("{id} {name}")).collect(),
        conflicts: fold.conflicts.values().flatten().cloned().collect(),
        packs: files(&fold.packs),
        meta: files(&fold.meta),
        segments: files(&fold.segments),
        retired: fold.retired.values().copied().collect(),
        again: fold.again.iter().map(|(id, write)| Again { id: *id, write: *write }).collect(),
        newest,
    };
    let text = toml::to_string(&checkpoint)
        .map_err(|error| Error::internal("cannot write a checkpoint").with_source(error))?;
    zstd::bulk::compress(text.as_bytes(), 3)
        .map_err(|error| Error::internal("cannot compress a checkpoint").with_source(error))
}

/// Reads the bytes of the file `key`.
pub(super) fn decode(key: &str, bytes: &[u8]) -> Result<State> {
    let wrong = |why: &str| damaged(key, why.to_owned());
    let size = zstd::bulk::Decompressor::upper_bound(bytes)
        .filter(|size| *size <= MAX_TEXT)
        .ok_or_else(|| wrong("it does not say how long it is, or is too long"))?;
    let text = zstd::bulk::decompress(bytes, size);
    let text = text.map_err(|_| wrong("it can't be decompressed"))?;
    let read: Checkpoint = decode_toml(key, &text)?;
    let entry_name =
        |name: &String| EntryName::of_key(name).ok_or_else(|| wrong("it names what is no entry"));
    let last = read.last.as_ref().map(entry_name).transpose()?;
    if last.is_some() != read.last_write.is_some() || last.is_some() != (read.entries > 0) {
        return Err(wrong("its last entry is not one"));
    }
    let torn = read.torn.iter().map(entry_name).collect::<Result<_>>()?;
    let (names, newest) = (read.names, read.newest.clone());
    let base = fold(read, last).map_err(|error| damaged(key, error.to_string()))?;
    let mut state = State { now: base.clone(), window: None };
    if let Some(digest) = names {
        let names = Names { count: base.entries, digest };
        state.window =
            Some(Window { base, names, entries: BTreeMap::new(), torn, listed: Listings::NONE });
        let mut entries = Vec::new();
        for text in newest {
            let entry = Entry::decode(key, text.as_bytes())?;
            let write = Some(entry.write);
            entries.push((EntryName { number: entry.number, write }, Arc::new(entry)));
        }
        state.insert(entries);
    }
    state.open_window();
    Ok(state)
}

fn fold(read: Checkpoint, last: Option<EntryName>) -> Result<Fold> {
    let mut refs = BTreeMap::new();
    for line in &read.refs {
        let [id, name] = words(line)?;
        refs.insert(name.parse::<RefName>()?, id.parse()?);
    }
    let conflicting = read.conflicts.iter().map(|conflict| &conflict.name);
    if let Some(name) = refs.keys().chain(conflicting).find(|name| name.remote().is_some()) {
        return Err(Error::corrupt(format!("a checkpoint names the ref '{name}'")));
    }
    let mut conflicts: BTreeMap<RefName, Vec<Conflict>> = BTreeMap::new();
    for conflict in read.conflicts {
        conflicts.entry(conflict.name.clone()).or_default().push(conflict);
    }
    let files = |files: Vec<Stored>| files.iter().map(|file| (file.id, file.size)).collect();
    Ok(Fold {
        last,
        last_write: read.last_write,
        entries: read.entries,
        protocol: read.log,
        refs,
        conflicts,
        packs: files(read.packs),
        meta: files(read.meta),
        segments: files(read.segments),
        retired: read.retired.into_iter().map(|retired| (retired.id, retired)).collect(),
        again: read.again.into_iter().map(|again| (again.id, again.write)).collect(),
        doubled: read.doubled,
    })
}

/// What `checkpoint/latest.toml` says of the checkpoint with these bytes.
pub(super) fn latest_of(state: &State, bytes: &[u8]) -> Latest {
    let fold = state.window.as_ref().map_or(&state.now, |window| &window.base);
    Latest { format: FORMAT, number: fold.number(), id: Digest::of(bytes) }
}
