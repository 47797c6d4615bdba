//! Finds the content that a remote must keep, and the packs that hold it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;

use super::super::connection::Connection;
use super::super::content::RemoteContent;
use super::super::object_reader::ObjectReader;
use super::super::remote_file::{lost, read_segment};
use super::ages::EntryAges;
use crate::content::{Need, visit_manifests, visit_segment};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Expiry;
use crate::id::Id;
use crate::name::RefName;
use crate::pack::{FrameEntry, Location, MemberKind};
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::layout::EntryName;
use crate::remote::log::Forgotten;
use crate::remote::{FileKind, Store};

/// The number of log entries that are read at a time.
const AT_ONCE: usize = 64;
/// The number of entries older than the prune time in which replaced commits are looked for, to say
/// in the log that their content is not kept.
const MOST_OLD: usize = 1024;

/// The needed content of a remote.
pub(super) struct Marked {
    /// The files that kept commits need; sorted.
    files: Vec<Id>,
    /// The chunks of these files; true for a chunk that refs need.
    chunks: HashMap<Id, bool>,
    /// The files that refs need; sorted. The other files are needed only by replaced commits, and may
    /// be missing.
    of_refs: Vec<Id>,
    /// The bytes of the live index segments, with their ids.
    pub(super) segments: Vec<(Id, Bytes)>,
    /// The frames with needed content, by live pack.
    pub(super) frames: BTreeMap<Id, NeededFrames>,
    /// Frames of retired packs that hold needed content which no live pack has.
    pub(super) rescued: BTreeMap<Id, NeededFrames>,
    /// The commits that refs need.
    pub(super) tips: Vec<Id>,
    /// Replaced commits that are kept no longer.
    pub(super) replaced: Vec<Forgotten>,
    /// The age at which the next replaced commit is kept no longer is reached after this time.
    pub(super) next: Option<Duration>,
}

/// The frames of one pack that hold needed content.
#[derive(Debug, Default, Clone)]
pub(super) struct NeededFrames {
    /// The offsets of the frames.
    pub(super) offsets: BTreeSet<u64>,
    /// The stored bytes of the frames.
    pub(super) bytes: u64,
}

impl NeededFrames {
    fn add(&mut self, frame: &FrameEntry) {
        if self.offsets.insert(frame.offset) {
            self.bytes += u64::from(frame.stored);
        }
    }
}

/// The commits that the log moved refs away from.
#[derive(Default)]
struct ReplacedCommits {
    /// Commits that are kept because the move is young.
    young: BTreeSet<Id>,
    /// Commits whose moves are old, with their refs.
    old: BTreeMap<Id, RefName>,
    /// The time until the next young move is old.
    next: Option<Duration>,
}

impl Marked {
    /// Returns true if the entry of the index at `place` belongs in a new index: a list of chunks
    /// stays only if its file is needed, because only then all its chunks stay.
    pub(super) fn keeps_entry(&self, id: &Id, kind: MemberKind) -> bool {
        kind != MemberKind::Manifest || self.files.binary_search(id).is_ok()
    }

    /// Returns true if the content `id` in this form is needed.
    pub(super) fn is_needed(&self, id: &Id, kind: MemberKind) -> bool {
        self.files.binary_search(id).is_ok()
            || kind != MemberKind::Manifest && self.chunks.contains_key(id)
    }
}

impl Connection<'_> {
    /// Finds the content to keep: the content of the remote's refs and of both sides of conflicts,
    /// without expired content, and the content of commits that were replaced less than `prune`
    /// ago. The history of all refs must have been imported.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if any needed content is on neither a live
    /// nor a retired pack, or if anything that says what is needed cannot be read.
    pub(super) fn mark(
        &self,
        ages: &EntryAges,
        prune: Duration,
        progress: &dyn Progress,
    ) -> Result<Marked> {
        progress.begin("finding needed content", None, Unit::Items);
        let (history, remote_state) = (self.repo.history(), self.state.remote_state());
        let sides = remote_state.conflicts.values().flatten().filter_map(|side| side.commit);
        let tips: BTreeSet<Id> = remote_state.refs.values().copied().chain(sides).collect();
        let tips: Vec<Id> = tips.into_iter().collect();
        self.fetch_history(&tips, progress)?;
        let mut replaced = self.replaced_commits(ages, prune, progress)?;
        replaced.young.retain(|commit| !remote_state.forgotten.contains_key(commit));
        let mut kept = self.fetch_replaced(&replaced.young, progress)?;
        kept.extend(&tips);
        kept.sort_unstable();
        let expiry = if remote_state.conflicts.is_empty() {
            let refs = remote_state.refs.iter().map(|(name, id)| (name.kind(), *id));
            Expiry::of_refs(history, refs)?
        } else {
            // The merge of the sides decides what expired.
            Expiry::default()
        };
        let of_refs = history.needed_content(&tips, &expiry, progress)?;
        let files = history.needed_content(&kept, &expiry, progress)?;
        let content = self.content()?;
        content.complete_index(progress)?;
        let segments = remote_state.segments.iter().map(|(id, size)| (*id, *size));
        let segments = read_segments(self.log.store(), &segments.collect::<Vec<_>>())?;
        let mut marked = Marked {
            chunks: HashMap::new(),
            of_refs,
            files,
            segments,
            frames: BTreeMap::new(),
            rescued: BTreeMap::new(),
            tips,
            replaced: Vec::new(),
            next: replaced.next,
        };
        marked.find_chunks(self, &content, progress)?;
        marked.find_frames(self, &content, progress)?;
        for (commit, name) in replaced.old {
            let is_kept =
                kept.binary_search(&commit).is_ok() || remote_state.forgotten.contains_key(&commit);
            if !is_kept && history.try_kind(&commit)?.is_some() {
                marked.replaced.push(Forgotten { commit, name });
            }
        }
        marked.keep_lost(self, &content, &kept, progress);
        Ok(marked)
    }

    /// Fetches the history of replaced commits. Returns the commits whose history is complete.
    fn fetch_replaced(&self, commits: &BTreeSet<Id>, progress: &dyn Progress) -> Result<Vec<Id>> {
        let all: Vec<Id> = commits.iter().copied().collect();
        match self.fetch_history(&all, progress) {
            Ok(()) => return Ok(all),
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
        let mut complete = Vec::new();
        for commit in all {
            match self.fetch_history(&[commit], progress) {
                Ok(()) => complete.push(commit),
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(complete)
    }

    /// Reads the newest entries of the log, until all of them are older than `prune`.
    fn replaced_commits(
        &self,
        ages: &EntryAges,
        prune: Duration,
        progress: &dyn Progress,
    ) -> Result<ReplacedCommits> {
        let mut replaced = ReplacedCommits::default();
        let last = self.state.remote_state().last;
        let names: Vec<EntryName> =
            ages.names().filter(|name| Some(**name) <= last).copied().collect();
        let mut old = 0;
        for names in names.rchunks(AT_ONCE) {
            check_interrupt(progress)?;
            let mut is_all_old = true;
            for (name, entry) in self.log.entries(&self.state, names)? {
                let age = ages.age_of(&name, &entry);
                let is_old = age.is_some_and(|age| age >= prune);
                is_all_old &= is_old;
                let settled = entry.settled.iter().map(|one| (&one.name, one.commit));
                let moved = entry.refs.iter().map(|one| (&one.name, one.old));
                for (name, commit) in moved.chain(settled) {
                    let Some(commit) = commit else { continue };
                    if is_old {
                        replaced.old.insert(commit, name.clone());
                    } else {
                        replaced.young.insert(commit);
                    }
                }
                if is_old {
                    old += 1;
                } else if let Some(age) = age {
                    let left = prune.saturating_sub(age);
                    replaced.next = Some(replaced.next.map_or(left, |next| next.min(left)));
                }
            }
            if is_all_old && old >= MOST_OLD {
                break;
            }
        }
        replaced.old.retain(|commit, _| !replaced.young.contains(commit));
        Ok(replaced)
    }
}

impl Marked {
    /// Adds the chunks of the needed files. Reads the lists of chunks from the remote, as it has
    /// them.
    fn find_chunks(
        &mut self,
        connection: &Connection<'_>,
        content: &RemoteContent<'_>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut lists: BTreeMap<(Id, u64), FrameEntry> = BTreeMap::new();
        for id in &self.files {
            let places = content.find_locations(id, Need::File);
            // Readers may choose any place, so each form of the file must be whole.
            for place in places.iter().filter(|place| place.kind == MemberKind::Manifest) {
                lists.insert((place.pack, place.frame.offset), place.frame);
            }
        }
        let frames: Vec<(Id, FrameEntry)> =
            lists.into_iter().map(|((pack, _), frame)| (pack, frame)).collect();
        self.add_chunks(connection.log.store(), &frames, progress)
    }

    fn add_chunks(
        &mut self,
        store: &Store,
        frames: &[(Id, FrameEntry)],
        progress: &dyn Progress,
    ) -> Result<()> {
        progress.begin("reading lists of chunks", Some(frames.len() as u64), Unit::Items);
        let (files, of_refs) = (&self.files, &self.of_refs);
        let read = store.at_once(frames, &|(pack, frame)| -> Result<Vec<(Id, bool)>> {
            check_interrupt(progress)?;
            let end = frame.offset.saturating_add(u64::from(frame.stored));
            let chunks = store.read_sound(|| {
                let mut chunks = Vec::new();
                let key = FileKind::Pack.key(*pack);
                let mut source = ObjectReader::new(store, key, frame.offset..end, &NoProgress);
                visit_manifests(&mut source, frame, &mut |file, chunk| {
                    if files.binary_search(file).is_ok() {
                        chunks.push((chunk.id, of_refs.binary_search(file).is_ok()));
                    }
                })?;
                Ok(chunks)
            })?;
            progress.advance(1);
            Ok(chunks)
        })?;
        for (chunk, is_of_refs) in read.into_iter().flatten() {
            *self.chunks.entry(chunk).or_default() |= is_of_refs;
        }
        Ok(())
    }

    /// Finds the frames with needed content: in live packs, and in retired packs for content that no
    /// live pack has. Fails if any needed content is missing.
    fn find_frames(
        &mut self,
        connection: &Connection<'_>,
        content: &RemoteContent<'_>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (mut rescued, mut missing) = (BTreeSet::new(), BTreeSet::new());
        loop {
            check_interrupt(progress)?;
            let (frames, mut lost) = self.scan(&connection.state.remote_state().packs)?;
            self.frames = frames;
            lost.retain(|id| !rescued.contains(id) && !missing.contains(id));
            if lost.is_empty() {
                return Ok(());
            }
            let mut lists = Vec::new();
            for (id, place) in
                content.locate_retired(&lost, &|id| self.chunks.contains_key(id), progress)?
            {
                lost.remove(&id);
                rescued.insert(id);
                self.rescued.entry(place.pack).or_default().add(&place.frame);
                if place.kind == MemberKind::Manifest {
                    lists.push((place.pack, place.frame));
                }
            }
            // A replaced commit may have lost content in an earlier collection with a shorter time.
            missing.extend(lost.iter().filter(|id| !self.is_of_refs(id)).copied());
            if let Some(first) = lost.iter().find(|id| self.is_of_refs(id)) {
                let name = &connection.remote.name;
                let message = format!("'{name}' lacks content that its refs need: {first}");
                return Err(Error::corrupt(message).with_hint(format!(
                    "nothing was removed; see what is damaged: art fsck --remote {name}"
                )));
            }
            self.add_chunks(connection.log.store(), &lists, progress)?;
        }
    }

    fn is_of_refs(&self, id: &Id) -> bool {
        self.of_refs.binary_search(id).is_ok() || self.chunks.get(id) == Some(&true)
    }

    /// Finds the frames of live packs with needed content, and the needed content that no live
    /// segment finds in a live pack.
    fn scan(
        &self,
        packs: &BTreeMap<Id, u64>,
    ) -> Result<(BTreeMap<Id, NeededFrames>, BTreeSet<Id>)> {
        let mut found: HashSet<Id> = HashSet::new();
        let mut frames: BTreeMap<Id, NeededFrames> = BTreeMap::new();
        for (name, bytes) in &self.segments {
            visit_segment(name, bytes, &mut |id, place: Location| {
                if packs.contains_key(&place.pack) && self.is_needed(&id, place.kind) {
                    frames.entry(place.pack).or_default().add(&place.frame);
                    if place.kind != MemberKind::Manifest || !self.chunks.contains_key(&id) {
                        found.insert(id);
                    }
                }
                Ok(())
            })?;
        }
        let all = self.files.iter().chain(self.chunks.keys());
        let lost = all.filter(|id| !found.contains(*id)).copied().collect();
        Ok((frames, lost))
    }

    /// Keeps of the replaced commits those that have content which goes now: their own content is in
    /// a live pack and not needed.
    fn keep_lost(
        &mut self,
        connection: &Connection<'_>,
        content: &RemoteContent<'_>,
        tips: &[Id],
        progress: &dyn Progress,
    ) {
        let history = connection.repo.history();
        let mut kept = Vec::new();
        for forgotten in std::mem::take(&mut self.replaced) {
            let own = history.survey_pack_of(&[forgotten.commit], tips, progress);
            // An incomplete history says nothing about its content.
            let Ok(own) = own else { continue };
            let is_lost = |id: &&Id| {
                let places = content.find_locations(id, Need::File);
                self.files.binary_search(id).is_err() && !places.is_empty()
            };
            if own.content.iter().any(|id| is_lost(&id)) {
                kept.push(forgotten);
            }
        }
        self.replaced = kept;
    }
}

/// Reads index segments and verifies them.
pub(super) fn read_segments(store: &Store, segments: &[(Id, u64)]) -> Result<Vec<(Id, Bytes)>> {
    store.at_once(segments, &|(id, size)| {
        let bytes = read_segment(store, id, *size);
        Ok((*id, bytes.map_err(|error| lost(store, error, "index segment", id))?))
    })
}
