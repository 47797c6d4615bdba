//! Imports content from another store: single frames or whole packs.
//!
//! Every member is checked against its id before it counts as imported, and frames are stored
//! unchanged. Full packs become durable, then the index names them. After a kill, the next writer
//! finds the complete packs, and only the rest must be transferred again.

use std::io::{BufReader, Read, Seek};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::frame_check::FrameChecker;
use super::packer::{FullPack, OpenPack, PACKS_PER_SEGMENT};
use super::{ContentStore, Params, Session, large_frame, verify_pack};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::Id;
use crate::pack::{
    Chunk, FrameEntry, Location, MemberEntry, MemberKind, PackIndex, SegmentBuilder, parse_manifest,
};
use crate::progress::{Progress, check_interrupt};

/// The outcome of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// The number of written packs.
    pub packs: u64,
    /// The total size of the packs in bytes.
    pub bytes: u64,
    /// The number of blobs, chunks and manifests added to the index.
    pub contents: u64,
    /// Wanted manifests that are not in the index because some of their chunks are missing; sorted.
    pub incomplete: Vec<Id>,
}

/// Imports content from another store. Many threads may use a receiver: each checks its own frames,
/// and one at a time writes.
///
/// Call [`Receiver::finish`] after a failure too: it keeps the content received so far.
pub struct Receiver<'s> {
    store: &'s ContentStore,
    session: &'s Session,
    checkers: Mutex<Vec<FrameChecker>>,
    state: Mutex<ReceiveState>,
    /// Held while a pack becomes durable. Acquired only while `state` is held, which is then
    /// released.
    sealing: Mutex<()>,
}

#[derive(Default)]
struct ReceiveState {
    open: Option<OpenPack>,
    /// The received manifests. In a pack that is still open, the pack id is [`Id::NULL`].
    manifests: Vec<(Id, Location)>,
    /// Blobs and chunks of durable packs that the index does not name yet.
    builder: SegmentBuilder,
    unindexed: usize,
    received: Received,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ContentStore {
    /// Begins an import from another store.
    pub fn receive<'s>(&'s self, session: &'s Session) -> Receiver<'s> {
        Receiver {
            store: self,
            session,
            checkers: Mutex::default(),
            state: Mutex::default(),
            sealing: Mutex::default(),
        }
    }
}

fn damaged(problem: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("a received frame is damaged: {problem}"))
}

/// Checks a stored frame that has `size` bytes when decompressed, at most [`Params::MAX_FRAME`].
/// The frame must be complete, and the bytes of every member must match its id.
pub fn check_frame(compressed: &[u8], size: u64) -> Result<()> {
    let stored = u32::try_from(compressed.len()).map_err(|_| damaged("it is too long"))?;
    let frame = FrameEntry { offset: 0, stored, size };
    FrameChecker::default().members(compressed, &frame).map_err(damaged).map(drop)
}

/// Checks a frame of any size and calls `each` with the id of each manifest in it and each of its
/// chunks. The `frame.stored` bytes of the frame are read from `input`.
pub fn visit_manifests(
    input: &mut dyn Read,
    frame: &FrameEntry,
    each: &mut dyn FnMut(&Id, Chunk),
) -> Result<()> {
    let mut input = input.take(u64::from(frame.stored));
    if frame.size > Params::MAX_FRAME {
        let mut input = BufReader::new(input);
        return large_frame::visit(&mut input, frame.size, each).map_err(damaged).map(drop);
    }
    let mut compressed = Vec::new();
    input.read_to_end(&mut compressed).on("read", "a frame")?;
    let mut checker = FrameChecker::default();
    let members = checker.members(&compressed, frame).map_err(damaged)?;
    for member in members.iter().filter(|member| member.kind == MemberKind::Manifest) {
        let text = checker.content(member).unwrap_or_default();
        let chunks = parse_manifest(text).map_err(damaged)?;
        for chunk in chunks {
            each(&member.id, chunk);
        }
    }
    Ok(())
}

impl Receiver<'_> {
    /// Imports a stored frame that has `size` bytes when decompressed, at most
    /// [`Params::MAX_FRAME`](super::Params::MAX_FRAME). Returns the ids and kinds of its members.
    /// An incomplete or wrong frame is refused as [`Corrupt`](crate::ErrorKind::Corrupt), and
    /// nothing of it is stored.
    pub fn add_frame(&self, compressed: &[u8], size: u64) -> Result<Vec<(Id, MemberKind)>> {
        let stored = u32::try_from(compressed.len()).map_err(|_| damaged("it is too long"))?;
        let frame = FrameEntry { offset: 0, stored, size };
        let mut checker = lock(&self.checkers).pop().unwrap_or_default();
        let members = checker.members(compressed, &frame);
        lock(&self.checkers).push(checker);
        let members = members.map_err(damaged)?;
        let held = members.iter().map(|member| (member.id, member.kind)).collect();
        self.append(&members, stored, size, |open| {
            open.add_bytes(compressed, size, members.iter().copied())
        })?;
        Ok(held)
    }

    /// Imports a frame that is too large for memory, reading its `stored` bytes from `input`. Such
    /// a frame holds one manifest, whose id is returned.
    pub fn add_large_frame(&self, input: &mut dyn Read, stored: u64, size: u64) -> Result<Id> {
        let stored = u32::try_from(stored).map_err(|_| damaged("it is too long"))?;
        let mut spool = self.session.temp_file()?;
        let copied = std::io::copy(&mut input.take(u64::from(stored)), &mut spool);
        if copied.on("read", "a frame")? != u64::from(stored) {
            return Err(damaged("it ends early"));
        }
        let rewind = || {
            let mut file = spool.file();
            file.rewind().on("read", spool.path()).map(|()| file)
        };
        let mut reader = BufReader::new(rewind()?);
        let member = large_frame::check(&mut reader, size).map_err(damaged)?;
        if reader.read(&mut [0]).on("read", spool.path())? != 0 {
            return Err(damaged("more than one frame"));
        }
        let mut file = rewind()?;
        self.append(&[member], stored, size, |open| {
            open.add_large(&mut file, stored, size, member)
        })?;
        Ok(member.id)
    }

    /// Imports the whole pack `id` after checking every byte.
    pub fn add_pack(&self, file: TempFile, id: &Id, progress: &dyn Progress) -> Result<()> {
        let mut bytes = file.file();
        bytes.rewind().on("read", file.path())?;
        let index = verify_pack(&mut bytes, id, progress)?;
        let size = bytes.metadata().on("read", file.path())?.len();
        file.persist(&self.store.pack_path(id))?;
        let manifests: Vec<_> = manifests(&index, *id).collect();
        lock(&self.state).manifests.extend(manifests);
        self.index_durable_pack(*id, index, size)
    }

    /// Calls `each` with the chunks of the received and wanted manifests, in the order of the
    /// packs.
    pub fn chunks(
        &self,
        is_wanted: &dyn Fn(&Id) -> bool,
        each: &mut dyn FnMut(&Id, Chunk) -> Result<()>,
    ) -> Result<()> {
        let (manifests, open) = {
            let state = lock(&self.state);
            let wanted = state.manifests.iter().filter(|(id, _)| is_wanted(id));
            let mut manifests: Vec<(Id, Location)> = wanted.copied().collect();
            manifests.sort_unstable_by_key(in_packs);
            manifests.dedup();
            let open = state.open.as_ref().map(|open| open.file.file().try_clone());
            // Waiting for this lock ensures that every pack sealed so far has its final name.
            drop(lock(&self.sealing));
            (manifests, open.transpose().on("read", "a pack")?)
        };
        let mut reader = self.store.reader();
        if let Some(file) = open {
            reader = reader.with_pack(Id::NULL, file);
        }
        for (id, place) in manifests {
            reader.chunks(&place, |chunk| each(&id, chunk))?;
        }
        Ok(())
    }

    /// Makes the received content durable and adds it to the index: first the packs, then their
    /// blobs and chunks, then the wanted manifests whose chunks are all in the index.
    pub fn finish(
        self,
        is_wanted: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Received> {
        let mut state = lock(&self.state);
        let full = close(&mut state)?;
        self.seal(state, full)?;
        let mut state = lock(&self.state);
        self.write_index(&mut state)?;
        let mut manifests = std::mem::take(&mut state.manifests);
        manifests.retain(|(id, _)| is_wanted(id));
        let (whole, incomplete) = self.whole_manifests(manifests, progress)?;
        state.received.contents += whole.len() as u64;
        self.store.add_segment(self.session, whole)?;
        self.store.merge_segments(self.session)?;
        Ok(Received { incomplete, ..std::mem::take(&mut state.received) })
    }

    /// Splits the manifests into those whose chunks are all in the index, and the ids of the
    /// others.
    fn whole_manifests(
        &self,
        mut manifests: Vec<(Id, Location)>,
        progress: &dyn Progress,
    ) -> Result<(SegmentBuilder, Vec<Id>)> {
        manifests.sort_unstable_by_key(|manifest| (manifest.0, in_packs(manifest)));
        manifests.dedup();
        manifests.sort_unstable_by_key(in_packs);
        let segments = self.store.refresh()?;
        let mut reader = self.store.reader();
        let (mut builder, mut incomplete) = (SegmentBuilder::default(), Vec::new());
        for own in manifests.chunk_by(|a, b| a.1.pack == b.1.pack) {
            let mut index = PackIndex::default();
            for (id, place) in own {
                check_interrupt(progress)?;
                if segments.locate(id, false)?.is_some() {
                    continue;
                }
                let mut is_whole = true;
                reader.chunks(place, |chunk| {
                    let found = segments.locate(&chunk.id, true)?;
                    is_whole &= found.is_some_and(|found| found.size == chunk.size);
                    Ok(())
                })?;
                if !is_whole {
                    incomplete.push(*id);
                    continue;
                }
                if index.frames.last() != Some(&place.frame) {
                    index.frames.push(place.frame);
                }
                let frame = index.frames.len() as u32 - 1;
                let (kind, offset, size) = (place.kind, place.offset, place.size);
                index.members.push(MemberEntry { id: *id, kind, frame, offset, size });
            }
            if !index.members.is_empty() {
                builder.add_pack(own[0].1.pack, &index);
            }
        }
        incomplete.sort_unstable();
        Ok((builder, incomplete))
    }

    /// Appends a frame with these members to the open pack, and seals the pack if it is full.
    fn append(
        &self,
        members: &[MemberEntry],
        stored: u32,
        size: u64,
        add: impl FnOnce(&mut OpenPack) -> Result<()>,
    ) -> Result<()> {
        let mut state = lock(&self.state);
        let mut open = match state.open.take() {
            Some(open) => open,
            None => OpenPack::new(self.session)?,
        };
        let frame = FrameEntry { offset: open.bytes, stored, size };
        if let Err(error) = add(&mut open) {
            // After a failed write, the open pack is unusable. Forget its manifests.
            state.manifests.retain(|(_, place)| !place.pack.is_null());
            return Err(error);
        }
        state.manifests.extend(manifests_of(members, Id::NULL, frame));
        let is_full = open.bytes >= self.store.params().pack_size;
        state.open = Some(open);
        if is_full {
            let full = close(&mut state)?;
            self.seal(state, full)?;
        }
        Ok(())
    }

    /// Makes a full pack durable while other threads fill the next one.
    fn seal(&self, state: MutexGuard<'_, ReceiveState>, full: Option<FullPack>) -> Result<()> {
        let Some(full) = full else { return Ok(()) };
        let sealing = lock(&self.sealing);
        drop(state);
        full.file.persist(&self.store.pack_path(&full.id))?;
        drop(sealing);
        self.index_durable_pack(full.id, full.index, full.bytes)
    }

    /// Adds the blobs and chunks of a durable pack to the index.
    fn index_durable_pack(&self, id: Id, mut index: PackIndex, bytes: u64) -> Result<()> {
        let mut state = lock(&self.state);
        state.received.packs += 1;
        state.received.bytes += bytes;
        index.members.retain(|member| member.kind != MemberKind::Manifest);
        if !index.members.is_empty() {
            state.received.contents += index.members.len() as u64;
            state.builder.add_pack(id, &index);
            state.unindexed += 1;
        }
        if state.unindexed >= PACKS_PER_SEGMENT {
            self.write_index(&mut state)?;
        }
        Ok(())
    }

    fn write_index(&self, state: &mut ReceiveState) -> Result<()> {
        state.unindexed = 0;
        self.store.add_segment(self.session, std::mem::take(&mut state.builder))
    }
}

/// Closes the open pack and gives its manifests the pack's id.
fn close(state: &mut ReceiveState) -> Result<Option<FullPack>> {
    let Some(open) = state.open.take() else { return Ok(None) };
    let full = open.close()?;
    let places = state.manifests.iter_mut().map(|(_, place)| place);
    places.filter(|place| place.pack.is_null()).for_each(|place| place.pack = full.id);
    Ok(Some(full))
}

fn in_packs((id, place): &(Id, Location)) -> (Id, u64, u32, Id) {
    (place.pack, place.frame.offset, place.offset, *id)
}

/// Lists the manifests of a pack with their locations.
fn manifests(index: &PackIndex, pack: Id) -> impl Iterator<Item = (Id, Location)> {
    let place = move |member: &MemberEntry| {
        let frame = index.frames.get(member.frame as usize)?;
        manifests_of(std::slice::from_ref(member), pack, *frame).next()
    };
    index.members.iter().filter_map(place)
}

/// Lists the manifests among the members of a frame with their locations.
fn manifests_of(
    members: &[MemberEntry],
    pack: Id,
    frame: FrameEntry,
) -> impl Iterator<Item = (Id, Location)> {
    let is_manifest = |member: &&MemberEntry| member.kind == MemberKind::Manifest;
    members.iter().filter(is_manifest).map(move |member| {
        let (kind, offset, size) = (member.kind, member.offset, member.size);
        (member.id, Location { kind, pack, frame, offset, size })
    })
}
