//! A checkpoint: the whole remote state at some entry, as compressed TOML, so that readers need not
//! replay the whole log.
//!
//! A checkpoint's name consists of its number and the SHA-256 of its bytes, and it never changes.
//! `checkpoint/latest.toml` names a recent one. That file is only a hint: writers may overwrite it
//! in any order. A reader who finds an old checkpoint or none only replays more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::features::Features;
use super::super::layout::{CHECKPOINT, EntryName, FORMAT, Protocol, damaged, decode_toml};
use super::super::limits;
use super::super::stored_kind::StoredKind;
use super::entry::{Again, Entry, Stored, words};
use super::gc_times::GcTimes;
use super::log_state::{EntryWindow, Listings, LogState, NamesDigest};
use super::plain_array;
use super::remote_state::{Conflict, DeadName, ForgottenCommit, FormerName, RemoteState, Retired};
use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::name::RefName;

/// The maximum size of a compressed checkpoint in bytes.
pub(super) const MAX_LEN: u64 = limits::CHECKPOINT;

/// The maximum number of lost entries in a log that is still in use.
const LOST: u64 = 10_000;

#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    format: u32,
    log: Protocol,
    entries: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_write: Option<Uuid>,
    /// The digest of the last entry's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_digest: Option<Id>,
    /// A lower bound of the file size of the last entry, if that is large.
    #[serde(default, skip_serializing_if = "is_zero")]
    last_len: u64,
    /// The digest of the keys of all included entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Id>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    torn: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    needed_to_read: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    needed_to_write: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    doubled: BTreeSet<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    /// The former names of refs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    renamed: BTreeSet<FormerName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packs: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    meta: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    segments: Vec<Stored>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<DeadName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forgotten: Vec<ForgottenCommit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gc: Option<GcTimes>,
    /// Files that were added again, with the entries that added them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<Again>,
    /// For a log with siblings: the newest entries, as the contents of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    newest: Vec<String>,
}

/// `checkpoint/latest.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    pub(super) format: u32,
    pub(super) number: u64,
    pub(super) id: Id,
}

impl Latest {
    /// The maximum size in bytes.
    pub(super) const MAX_LEN: u64 = limits::HINT;

    /// The key of the named checkpoint.
    pub(super) fn key(&self) -> String {
        format!("{CHECKPOINT}{:020}-{}.toml.zst", self.number, self.id)
    }

    /// Parses the key of a checkpoint. Returns `None` for other keys.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let stem = key.strip_prefix(CHECKPOINT)?.strip_suffix(".toml.zst")?;
        let (number, id) = stem.split_once('-')?;
        let id = Id::from_hex(id.as_bytes())?;
        let latest = Latest { format: FORMAT, number: number.parse().ok()?, id };
        (latest.key() == key).then_some(latest)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(length: &u64) -> bool {
    *length == 0
}

/// Encodes the state as the bytes of a checkpoint.
pub(super) fn encode(state: &LogState) -> Result<Vec<u8>> {
    let window = state.window.as_ref();
    let remote_state = window.map_or(&state.now, |window| &window.base);
    let mut newest = Vec::new();
    for (name, entry) in window.iter().flat_map(|window| &window.entries) {
        if name.write.is_none() {
            // The name does not identify the entry; readers read it again.
            continue;
        }
        let bytes = entry.encode()?;
        if entry.digest.get() != Some(Digest::of(&bytes)) {
            // The file has lines that this program does not keep; readers read it again.
            continue;
        }
        let text = String::from_utf8(bytes);
        newest.push(text.map_err(|_| Error::internal("a log entry is not UTF-8"))?);
    }
    let files = |files: &BTreeMap<Id, u64>| -> Vec<Stored> {
        files.iter().map(|(id, size)| Stored { id: *id, size: *size }).collect()
    };
    let torn = window.iter().flat_map(|window| &window.torn);
    let checkpoint = Checkpoint {
        format: FORMAT,
        log: remote_state.protocol,
        entries: remote_state.entries,
        last: remote_state.last.map(|last| last.key()),
        last_write: remote_state.last_write,
        last_digest: remote_state.last_digest,
        last_len: remote_state.last_len,
        names: window.map(|window| window.names.digest),
        torn: torn.map(EntryName::key).collect(),
        needed_to_read: remote_state.features.needed_to_read.clone(),
        needed_to_write: remote_state.features.needed_to_write.clone(),
        doubled: remote_state.doubled.clone(),
        refs: remote_state.refs.iter().map(|(name, id)| format!("{id} {name}")).collect(),
        conflicts: remote_state.conflicts.values().flatten().cloned().collect(),
        renamed: remote_state.former_names.clone(),
        packs: files(&remote_state.packs),
        meta: files(&remote_state.meta),
        segments: files(&remote_state.segments),
        retired: remote_state.retired.values().copied().collect(),
        deleted: remote_state.dead.values().copied().collect(),
        forgotten: remote_state.forgotten.values().cloned().collect(),
        gc: remote_state.gc,
        again: remote_state
            .again
            .iter()
            .map(|(id, write)| Again { id: *id, write: *write })
            .collect(),
        newest,
    };
    let text = toml::to_string(&checkpoint)
        .map_err(|error| Error::internal("cannot write a checkpoint").with_source(error))?;
    zstd::bulk::compress(text.as_bytes(), 3)
        .map_err(|error| Error::internal("cannot compress a checkpoint").with_source(error))
}

/// Decodes the bytes of the checkpoint `key`.
pub fn decode(key: &str, bytes: &[u8]) -> Result<LogState> {
    let wrong = |why: &str| damaged(key, why.to_owned());
    let size = zstd::bulk::Decompressor::upper_bound(bytes)
        .filter(|size| *size <= limits::CHECKPOINT_TEXT)
        .ok_or_else(|| wrong("its size is unknown or too large"))?;
    let text = zstd::bulk::decompress(bytes, size);
    let text = text.map_err(|_| wrong("it can't be decompressed"))?;
    let taken = std::str::from_utf8(&text).ok().and_then(|text| plain_array::take(text, "refs"));
    let mut read: Checkpoint = match &taken {
        Some((_, rest)) => decode_toml(key, rest.as_bytes())?,
        None => decode_toml(key, &text)?,
    };
    let features = Features {
        needed_to_read: std::mem::take(&mut read.needed_to_read),
        needed_to_write: std::mem::take(&mut read.needed_to_write),
    };
    features.check_readable(key)?;
    let own_refs = std::mem::take(&mut read.refs);
    let mut refs: Vec<&str> = own_refs.iter().map(String::as_str).collect();
    refs.extend(taken.into_iter().flat_map(|(refs, _)| refs));
    let entry_name = |name: &String| {
        EntryName::of_key(name).ok_or_else(|| wrong("it contains an invalid entry name"))
    };
    let last = read.last.as_ref().map(entry_name).transpose()?;
    let has_last = [read.last_write.is_some(), read.last_digest.is_some()];
    if has_last != [last.is_some(); 2] || last.is_some() != (read.entries > 0) {
        return Err(wrong("its last entry is inconsistent"));
    }
    // Each number has at least one entry, apart from lost entries.
    let number = last.map_or(0, |last| last.number);
    if last.is_some_and(|last| !last.is_plausible()) || number > read.entries.saturating_add(LOST) {
        return Err(wrong("its last number is too large for its count of entries"));
    }
    let torn = read.torn.iter().map(entry_name).collect::<Result<_>>()?;
    let (names, newest) = (read.names, read.newest.clone());
    let base = remote_state((read, features), &refs, last)
        .map_err(|error| damaged(key, error.to_string()))?;
    let Some(digest) = names else {
        let mut state = LogState { now: base, window: None };
        state.open_window();
        return Ok(state);
    };
    let names = NamesDigest { count: base.entries, digest };
    let mut state = LogState { now: base.clone(), window: None };
    state.window =
        Some(EntryWindow { base, names, entries: BTreeMap::new(), torn, listed: Listings::NONE });
    let mut entries = Vec::new();
    for text in newest {
        let entry = Entry::decode(key, text.as_bytes())?;
        let write = Some(entry.write);
        entries.push((EntryName { number: entry.number, write }, Arc::new(entry)));
    }
    state.insert(entries);
    state.open_window();
    Ok(state)
}

fn remote_state(
    (read, features): (Checkpoint, Features),
    refs: &[&str],
    last: Option<EntryName>,
) -> Result<RemoteState> {
    let parse = |line: &&str| -> Result<(RefName, Id)> {
        let [id, name] = words(line)?;
        Ok((name.parse::<RefName>()?, id.parse()?))
    };
    let refs: BTreeMap<RefName, Id> = refs.iter().map(parse).collect::<Result<_>>()?;
    let conflicting = read.conflicts.iter().map(|conflict| &conflict.name);
    let former = read.renamed.iter().flat_map(|former| [&former.name, &former.now]);
    if let Some(name) =
        refs.keys().chain(conflicting).chain(former).find(|name| name.remote().is_some())
    {
        return Err(Error::corrupt(format!("a checkpoint names the ref '{name}'")));
    }
    let mut conflicts: BTreeMap<RefName, Vec<Conflict>> = BTreeMap::new();
    for conflict in read.conflicts {
        conflicts.entry(conflict.name.clone()).or_default().push(conflict);
    }
    let kinds = [
        (StoredKind::Pack, &read.packs),
        (StoredKind::Meta, &read.meta),
        (StoredKind::Segment, &read.segments),
    ];
    for (kind, files) in kinds {
        files.iter().try_for_each(|file| limits::check(kind, file.size))?;
    }
    let files = |files: Vec<Stored>| files.iter().map(|file| (file.id, file.size)).collect();
    Ok(RemoteState {
        last,
        last_write: read.last_write,
        last_digest: read.last_digest,
        last_len: read.last_len,
        entries: read.entries,
        protocol: read.log,
        features,
        refs,
        conflicts,
        former_names: read.renamed,
        packs: files(read.packs),
        meta: files(read.meta),
        segments: files(read.segments),
        retired: read.retired.into_iter().map(|retired| (retired.id, retired)).collect(),
        dead: read.deleted.into_iter().map(|dead| (dead.id, dead)).collect(),
        forgotten: read.forgotten.into_iter().map(|one| (one.commit, one)).collect(),
        gc: read.gc,
        again: read.again.into_iter().map(|again| (again.id, again.write)).collect(),
        doubled: read.doubled,
    })
}

/// Creates the contents of `checkpoint/latest.toml` for the checkpoint with these bytes.
pub(super) fn latest_of(state: &LogState, bytes: &[u8]) -> Latest {
    let remote_state = state.window.as_ref().map_or(&state.now, |window| &window.base);
    Latest { format: FORMAT, number: remote_state.number(), id: Digest::of(bytes) }
}
