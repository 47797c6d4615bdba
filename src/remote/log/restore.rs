//! Rewrites missing or damaged entries of a log, from later known states of the log.
//!
//! The changes of a lost entry follow from the states before and after it: its ref moves from the
//! moves that start where it left the refs, its files from the existing files that no other entry
//! added. Nothing is written unless all entries together produce exactly the known state.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::features::Features;
use super::super::layout::{ArtToml, EntryName, FORMAT};
use super::super::store::Store;
use super::super::stored_kind::StoredKind;
use super::audit::Audit;
use super::entry::{Entry, FileDigest, RefMove, Renamed, Seen, Stored, try_read_body};
use super::remote_state::{FormerName, RemoteState};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::name::RefName;

/// The author and the time of a restoration.
#[derive(Debug, Clone)]
pub struct Restorer {
    /// The author, as `NAME <ADDRESS>`.
    pub who: String,
    /// The time, by the author's clock.
    pub when: Timestamp,
}

/// The entries of a log by number.
type EntriesByNumber = BTreeMap<u64, Entry>;

impl Audit {
    /// Rewrites the missing or damaged entries whose changes are known, and returns their keys.
    /// Never replaces a readable entry.
    pub fn restore(
        &self,
        store: &Store,
        made: &ArtToml,
        restorer: &Restorer,
    ) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut lost = BTreeSet::new();
        for name in &self.unreadable {
            match self.remembered.get(name) {
                Some(entry) => keys.extend(write(store, name, entry)?),
                None if name.write.is_none() => drop(lost.insert(name.number)),
                None => {}
            }
        }
        let Some(newest) = lost.last() else { return Ok(keys) };
        let known = self.known.iter().filter(|known| {
            known.number() >= *newest && known.last.is_some_and(|last| last.write.is_none())
        });
        let Some(known) = known.min_by_key(|known| known.number()) else { return Ok(keys) };
        let mut entries = others(store, known, &lost)?;
        let Some(entries) = infer(&mut entries, &lost, made, known, restorer) else {
            return Ok(keys);
        };
        for number in &lost {
            let before = number.checked_sub(1).and_then(|before| entries.get(&before));
            let seen = before.map(seen).transpose()?;
            if let Some(entry) = entries.get_mut(number) {
                entry.seen = seen.into_iter().collect();
                keys.extend(write(store, &linear(*number), entry)?);
            }
        }
        Ok(keys)
    }
}

fn linear(number: u64) -> EntryName {
    EntryName { number, write: None }
}

/// Writes an entry, unless a readable one exists. Returns the key of the written entry. If the file
/// is not the original one, the entry says so: later entries have seen the original.
fn write(store: &Store, name: &EntryName, entry: &Entry) -> Result<Option<String>> {
    let key = name.key();
    let mut entry = entry.clone();
    let mut bytes = entry.encode()?;
    if entry.digest.get() != Some(Digest::of(&bytes)) {
        entry.restored = true;
        bytes = entry.encode()?;
    }
    let stored = try_read_body(store, name);
    if let Ok(Some(stored)) = stored
        && Entry::decode_named(name, &stored).is_ok()
    {
        return Ok(None);
    }
    store.write_proven(&key, bytes)?;
    Ok(Some(key))
}

/// Reads the entries up to the last one of `known` that are not `lost`.
fn others(store: &Store, known: &RemoteState, lost: &BTreeSet<u64>) -> Result<EntriesByNumber> {
    let numbers: Vec<u64> = (1..=known.number()).filter(|number| !lost.contains(number)).collect();
    let read = |number: &u64| -> Result<(u64, Entry)> {
        let name = linear(*number);
        let bytes = try_read_body(store, &name)?;
        let bytes =
            bytes.ok_or_else(|| Error::not_found(format!("'{}' is missing", name.key())))?;
        Ok((*number, Entry::decode_named(&name, &bytes)?))
    };
    Ok(store.at_once(&numbers, &read)?.into_iter().collect())
}

/// Adds the lost entries. Returns `None` if their changes are unknown.
fn infer<'e>(
    entries: &'e mut EntriesByNumber,
    lost: &BTreeSet<u64>,
    made: &ArtToml,
    known: &RemoteState,
    restorer: &Restorer,
) -> Option<&'e mut EntriesByNumber> {
    for number in lost {
        let mut entry = empty(*number, write_of(*number, entries, known)?, restorer);
        let before = number.checked_sub(1).and_then(|before| entries.get(&before));
        // The digest follows when the entry before is complete.
        let seen = before.map(|before| Seen { write: before.write, digest: Id::NULL });
        entry.seen.extend(seen);
        entries.insert(*number, entry);
    }
    for (number, moves) in lost_moves(entries, lost, known) {
        entries.get_mut(&number)?.refs = moves;
    }
    add_renames(entries, lost, made, known);
    add_files(entries, lost, made, known)?;
    let found = RemoteState { last_digest: known.last_digest, ..remote_state(entries, made) };
    (found == *known).then_some(entries)
}

/// Finds the write id of a lost entry: its successor has seen it.
fn write_of(number: u64, entries: &EntriesByNumber, known: &RemoteState) -> Option<Uuid> {
    if number == known.number() {
        return known.last_write;
    }
    match entries.get(&(number + 1)) {
        Some(next) => <[Seen; 1]>::try_from(next.seen.clone()).ok().map(|[seen]| seen.write),
        // The successor is lost too, so no entry names the id.
        None => Some(Uuid::new_v4()),
    }
}

/// The identity of an entry that the next one has seen.
fn seen(entry: &Entry) -> Result<Seen> {
    let digest = match entry.digest.get() {
        Some(digest) => digest,
        None => Digest::of(&entry.encode()?),
    };
    Ok(Seen { write: entry.write, digest })
}

fn empty(number: u64, write: Uuid, restorer: &Restorer) -> Entry {
    Entry {
        format: FORMAT,
        number,
        write,
        who: restorer.who.clone(),
        when: restorer.when,
        message: "repair: this entry was lost; its changes were derived from later entries"
            .to_owned(),
        seen: Vec::new(),
        log: None,
        refs: Vec::new(),
        renamed: Vec::new(),
        settled: Vec::new(),
        packs: Vec::new(),
        meta: Vec::new(),
        segments: Vec::new(),
        retired: Vec::new(),
        again: Vec::new(),
        deleted: Vec::new(),
        gone: Vec::new(),
        forgotten: Vec::new(),
        gc: None,
        restored: true,
        joined: false,
        features: Features::default(),
        extra: toml::Table::new(),
        digest: FileDigest::default(),
    }
}

fn remote_state(entries: &EntriesByNumber, made: &ArtToml) -> RemoteState {
    let mut remote_state = RemoteState::empty(made.log);
    for (number, entry) in entries {
        remote_state.apply(linear(*number), entry);
    }
    remote_state
}

/// Derives the moves that lost entries must have made, so that each move starts where the previous
/// one ended.
fn lost_moves(
    entries: &EntriesByNumber,
    lost: &BTreeSet<u64>,
    known: &RemoteState,
) -> BTreeMap<u64, Vec<RefMove>> {
    let mut moves: BTreeMap<u64, Vec<RefMove>> = BTreeMap::new();
    // The commit of each ref, and the entry that moved it there.
    let mut stands: BTreeMap<&RefName, (Option<Id>, u64)> = BTreeMap::new();
    let mut expect = |name: &RefName, now: (Option<Id>, u64), wanted: Option<Id>, by: u64| {
        let (old, since) = now;
        if old != wanted
            && let Some(number) = lost.range(since..by).next_back()
        {
            let one = RefMove { name: name.clone(), old, new: wanted };
            moves.entry(*number).or_default().push(one);
        }
    };
    for (number, entry) in entries {
        for moved in &entry.refs {
            let now = stands.get(&moved.name).copied().unwrap_or((None, 0));
            expect(&moved.name, now, moved.old, *number);
            stands.insert(&moved.name, (moved.new, *number));
        }
    }
    let end = known.number() + 1;
    let names: BTreeSet<&RefName> = stands.keys().copied().chain(known.refs.keys()).collect();
    for name in names {
        let now = stands.get(name).copied().unwrap_or((None, 0));
        expect(name, now, known.refs.get(name).copied(), end);
    }
    moves
}

/// Adds to the lost entries the renames that gave the known refs their former names.
fn add_renames(
    entries: &mut EntriesByNumber,
    lost: &BTreeSet<u64>,
    made: &ArtToml,
    known: &RemoteState,
) {
    let found = remote_state(entries, made).former_names;
    for FormerName { name, uuid, commit, .. } in known.former_names.difference(&found) {
        for entry in lost.iter().filter_map(|number| entries.get(number)) {
            let leaves = entry.refs.iter().any(|moved| moved.name == *name && moved.old.is_some());
            let reached = entry.refs.iter().find(|moved| moved.new == Some(*commit));
            if let (true, Some(reached)) = (leaves, reached) {
                let (from, to, number) = (name.clone(), reached.name.clone(), entry.number);
                if let Some(entry) = entries.get_mut(&number) {
                    entry.renamed.push(Renamed { uuid: *uuid, from, to });
                }
                break;
            }
        }
    }
}

/// Adds to the lost entries the files that they must have added or retired.
fn add_files(
    entries: &mut EntriesByNumber,
    lost: &BTreeSet<u64>,
    made: &ArtToml,
    known: &RemoteState,
) -> Option<()> {
    let (oldest, newest) = (lost.first()?, lost.last()?);
    let found = remote_state(entries, made);
    let missing = |known: &BTreeMap<Id, u64>, found: &BTreeMap<Id, u64>| -> Vec<Stored> {
        let missing = known.iter().filter(|(id, _)| !found.contains_key(id));
        missing.map(|(id, size)| Stored { id: *id, size: *size }).collect()
    };
    let late = entries.get_mut(newest)?;
    late.packs = missing(&known.packs, &found.packs);
    late.meta = missing(&known.meta, &found.meta);
    late.segments = missing(&known.segments, &found.segments);
    late.features.clone_from(&known.features);
    late.log = (known.protocol != found.protocol).then_some(known.protocol);
    for retired in known.retired.values().filter(|retired| !found.retired.contains_key(&retired.id))
    {
        let is_lost = lost.contains(&retired.number);
        if let Some(entry) = entries.get_mut(&retired.number).filter(|_| is_lost) {
            entry.retired.push(retired.id);
        } else {
            // The file was added before it was retired.
            let stored = Stored { id: retired.id, size: retired.size };
            files_of(entries.get_mut(oldest)?, retired.kind).push(stored);
        }
    }
    add_again(entries, known, &found)?;
    for number in lost {
        let before = remote_state(
            &entries.range(..number).map(|(at, one)| (*at, one.clone())).collect(),
            made,
        );
        let entry = entries.get_mut(number)?;
        entry.again = before.known_about(&entry.retired, &entry.deleted);
    }
    Some(())
}

fn files_of(entry: &mut Entry, kind: StoredKind) -> &mut Vec<Stored> {
    match kind {
        StoredKind::Pack => &mut entry.packs,
        StoredKind::Meta => &mut entry.meta,
        StoredKind::Segment => &mut entry.segments,
    }
}

/// Adds to the lost entries the files that they added again.
fn add_again(
    entries: &mut EntriesByNumber,
    known: &RemoteState,
    found: &RemoteState,
) -> Option<()> {
    for (id, write) in known.again.iter().filter(|(id, write)| found.again.get(id) != Some(write)) {
        let sizes = [
            (StoredKind::Pack, &known.packs),
            (StoredKind::Meta, &known.meta),
            (StoredKind::Segment, &known.segments),
        ];
        let (kind, size) =
            sizes.into_iter().find_map(|(kind, files)| Some((kind, *files.get(id)?)))?;
        let entry = entries.values_mut().find(|entry| entry.write == *write)?;
        let files = files_of(entry, kind);
        if files.iter().all(|stored| stored.id != *id) {
            files.push(Stored { id: *id, size });
        }
    }
    Some(())
}
