//! Writes frames into packs, and makes full packs durable in parallel.
//!
//! Frames come from many threads over a bounded channel to one writer. A full pack is handed to a
//! sealer, which syncs it and gives it its name while the next one fills. If the system starts no more
//! threads, the thread that makes the frames does both.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::buffers::Buffers;
use super::{ContentStore, Session};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::{Digest, Id};
use crate::pack::{FrameEntry, MemberEntry, MemberKind, PackIndex, SegmentBuilder, end_frame};
use crate::threads::try_spawn;

/// A compressed frame on its way into a pack.
#[derive(Debug)]
pub(super) struct Frame {
    /// The stored (compressed) bytes.
    pub(super) bytes: Vec<u8>,
    /// The number of bytes when decompressed.
    pub(super) size: u64,
    /// The members. The writer fills in the frame number.
    pub(super) members: Vec<MemberEntry>,
}

/// The block size for copying a large frame.
const BLOCK: usize = 1 << 20;

/// The number of durable packs that the index need not name yet. A killed writer loses at most
/// these.
pub(super) const PACKS_PER_SEGMENT: usize = 16;

/// Ids that this writer is storing and that the index may not have yet.
#[derive(Debug)]
pub(super) struct InFlight {
    shards: Vec<Mutex<HashSet<Id>>>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        InFlight { shards: (0..64).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, id: &Id) -> std::sync::MutexGuard<'_, HashSet<Id>> {
        let shard = usize::from(id.as_bytes()[1]) % self.shards.len();
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims `id`. Returns false if it is already claimed.
    pub(super) fn take(&self, id: &Id) -> bool {
        self.shard(id).insert(*id)
    }

    /// Releases ids that the index has now.
    fn release<'a>(&self, ids: impl Iterator<Item = &'a Id>) {
        for id in ids {
            self.shard(id).remove(id);
        }
    }
}

/// The amount of written data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The number of packs.
    pub(super) packs: u64,
    /// The total size of the packs in bytes.
    pub(super) bytes: u64,
}

/// The writer and sealer of one session: two threads, or neither.
pub(super) enum Packer<'scope> {
    Threads {
        frames: Sender<Frame>,
        writer: std::thread::ScopedJoinHandle<'scope, Result<()>>,
        sealer: std::thread::ScopedJoinHandle<'scope, Result<Written>>,
    },
    Inline(Arc<InlinePacker<'scope>>),
}

/// Where frames go.
pub(super) enum Frames<'scope> {
    Channel(Sender<Frame>),
    Inline(Arc<InlinePacker<'scope>>),
}

impl Frames<'_> {
    /// Hands on a frame. This fails only if the writer failed; [`Packer::finish`] says why.
    pub(super) fn send(&self, frame: Frame) -> Result<()> {
        match self {
            Frames::Channel(frames) => frames.send(frame).map_err(|_| ended()),
            Frames::Inline(packer) => packer.add(frame),
        }
    }
}

fn ended() -> Error {
    Error::internal("the pack writer ended early")
}

impl<'scope> Packer<'scope> {
    /// Starts the two threads in `scope`.
    pub(super) fn start<'env>(
        scope: &'scope std::thread::Scope<'scope, 'env>,
        store: &'env ContentStore,
        session: &'env Session,
        in_flight: &'env InFlight,
        buffers: &'env Buffers,
    ) -> Self {
        let (frames, incoming) = bounded::<Frame>(8);
        let (full, sealing) = bounded::<FullPack>(2);
        let writer = PackWriter { store, session, buffers, open: None };
        let sealer = Sealer::new(store, session, in_flight);
        let writing = try_spawn(scope, move || writer.run(&incoming, &full));
        let sealing = try_spawn(scope, move || sealer.run(&sealing));
        if let (Some(writer), Some(sealer)) = (writing, sealing) {
            return Packer::Threads { frames, writer, sealer };
        }
        // A thread that did start ends: its channel is closed here.
        let writer = PackWriter { store, session, buffers, open: None };
        let sealer = Sealer::new(store, session, in_flight);
        Packer::Inline(Arc::new(InlinePacker(Mutex::new(Ok((writer, sealer))))))
    }

    /// Where frames go.
    pub(super) fn frames(&self) -> Frames<'scope> {
        match self {
            Packer::Threads { frames, .. } => Frames::Channel(frames.clone()),
            Packer::Inline(packer) => Frames::Inline(Arc::clone(packer)),
        }
    }

    /// Waits until all frames are in durable packs and in the index.
    pub(super) fn finish(self) -> Result<Written> {
        let (writer, sealer) = match self {
            Packer::Threads { frames, writer, sealer } => {
                drop(frames);
                (writer, sealer)
            }
            Packer::Inline(packer) => return packer.finish(),
        };
        let writer = writer.join().map_err(|_| ended())?;
        let sealer = sealer.join().map_err(|_| ended())?;
        // If the sealer failed, the writer failed only for that.
        let written = sealer?;
        writer?;
        Ok(written)
    }
}

/// A writer and a sealer without threads, or the error that ended them: after it no frame is taken, as
/// what was lost with it may be needed by what would follow.
pub(super) struct InlinePacker<'a>(Mutex<Result<(PackWriter<'a>, Sealer<'a>)>>);

impl InlinePacker<'_> {
    fn add(&self, frame: Frame) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((writer, sealer)) = &mut *state else { return Err(ended()) };
        let added =
            writer.add(frame).and_then(|full| full.map_or(Ok(()), |full| sealer.seal(full)));
        added.map_err(|error| {
            *state = Err(error);
            ended()
        })
    }

    fn finish(&self) -> Result<Written> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, mut sealer) = std::mem::replace(&mut *state, Err(ended()))?;
        if let Some(last) = writer.finish()? {
            sealer.seal(last)?;
        }
        sealer.finish()
    }
}

/// A pack that has all its bytes and waits to be made durable.
pub(super) struct FullPack {
    pub(super) file: TempFile,
    pub(super) id: Id,
    pub(super) bytes: u64,
    pub(super) index: PackIndex,
}

/// A pack that is being written.
pub(super) struct OpenPack {
    pub(super) file: TempFile,
    digest: Digest,
    /// The number of bytes written so far.
    pub(super) bytes: u64,
    index: PackIndex,
}

impl OpenPack {
    pub(super) fn new(session: &Session) -> Result<Self> {
        Ok(OpenPack {
            file: session.temp_file()?,
            digest: Digest::default(),
            bytes: 0,
            index: PackIndex::default(),
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.digest.update(bytes);
        self.file.write_all(bytes).on("write", self.file.path())?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Adds a frame and returns its buffer.
    pub(super) fn add(&mut self, frame: Frame) -> Result<Vec<u8>> {
        self.add_bytes(&frame.bytes, frame.size, frame.members.into_iter())?;
        Ok(frame.bytes)
    }

    /// Adds a frame, given by its stored bytes, its decompressed size and its members.
    pub(super) fn add_bytes(
        &mut self,
        bytes: &[u8],
        size: u64,
        members: impl Iterator<Item = MemberEntry>,
    ) -> Result<()> {
        let stored = u32::try_from(bytes.len())
            .map_err(|_| Error::internal("a frame has more than 4 GiB"))?;
        let number = self.index.frames.len() as u32;
        self.index.frames.push(FrameEntry { offset: self.bytes, stored, size });
        self.index.members.extend(members.map(|member| MemberEntry { frame: number, ..member }));
        self.put(bytes)
    }

    /// Adds a frame that is too large for memory by copying its `stored` bytes from `input`.
    pub(super) fn add_large(
        &mut self,
        input: &mut dyn Read,
        stored: u32,
        size: u64,
        member: MemberEntry,
    ) -> Result<()> {
        let number = self.index.frames.len() as u32;
        self.index.frames.push(FrameEntry { offset: self.bytes, stored, size });
        self.index.members.push(MemberEntry { frame: number, ..member });
        let mut block = vec![0; BLOCK];
        let mut left = stored as usize;
        while left > 0 {
            let part = &mut block[..left.min(BLOCK)];
            input.read_exact(part).on("read", "a frame")?;
            left -= part.len();
            self.put(part)?;
        }
        Ok(())
    }

    pub(super) fn close(mut self) -> Result<FullPack> {
        self.put(&end_frame())?;
        let index = self.index.to_skippable_frame();
        self.put(&index)?;
        Ok(FullPack {
            file: self.file,
            id: self.digest.finish(),
            bytes: self.bytes,
            index: self.index,
        })
    }
}

/// Puts frames into packs.
struct PackWriter<'a> {
    store: &'a ContentStore,
    session: &'a Session,
    buffers: &'a Buffers,
    open: Option<OpenPack>,
}

impl PackWriter<'_> {
    fn run(mut self, incoming: &Receiver<Frame>, full: &Sender<FullPack>) -> Result<()> {
        let stopped = || Error::internal("the pack sealer ended early");
        for frame in incoming {
            if let Some(pack) = self.add(frame)? {
                full.send(pack).map_err(|_| stopped())?;
            }
        }
        match self.finish()? {
            Some(pack) => full.send(pack).map_err(|_| stopped()),
            None => Ok(()),
        }
    }

    /// Adds a frame; gives the pack if that is full now.
    fn add(&mut self, frame: Frame) -> Result<Option<FullPack>> {
        let mut pack = match self.open.take() {
            Some(pack) => pack,
            None => OpenPack::new(self.session)?,
        };
        self.buffers.put(pack.add(frame)?);
        if pack.bytes >= self.store.params().pack_size {
            return pack.close().map(Some);
        }
        self.open = Some(pack);
        Ok(None)
    }

    /// The last pack.
    fn finish(self) -> Result<Option<FullPack>> {
        self.open.map(OpenPack::close).transpose()
    }
}

/// Makes packs durable, then the segments that name them.
struct Sealer<'a> {
    store: &'a ContentStore,
    session: &'a Session,
    in_flight: &'a InFlight,
    builder: SegmentBuilder,
    packs: usize,
    /// Manifests are indexed last: until then, the chunks that they name may not be durable.
    manifests: Vec<(Id, PackIndex)>,
    taken: Vec<Id>,
    written: Written,
}

impl<'a> Sealer<'a> {
    fn new(store: &'a ContentStore, session: &'a Session, in_flight: &'a InFlight) -> Self {
        Sealer {
            store,
            session,
            in_flight,
            builder: SegmentBuilder::default(),
            packs: 0,
            manifests: Vec::new(),
            taken: Vec::new(),
            written: Written::default(),
        }
    }

    fn run(mut self, sealing: &Receiver<FullPack>) -> Result<Written> {
        for pack in sealing {
            self.seal(pack)?;
        }
        self.finish()
    }

    fn seal(&mut self, pack: FullPack) -> Result<()> {
        pack.file.persist(&self.store.pack_path(&pack.id))?;
        self.written.packs += 1;
        self.written.bytes += pack.bytes;
        self.index(pack.id, pack.index);
        if self.packs >= PACKS_PER_SEGMENT {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Written> {
        for (pack, manifests) in std::mem::take(&mut self.manifests) {
            self.builder.add_pack(pack, &manifests);
        }
        self.flush()?;
        self.store.merge_segments(self.session)?;
        Ok(self.written)
    }

    fn index(&mut self, pack: Id, mut index: PackIndex) {
        let is_manifest = |member: &MemberEntry| member.kind == MemberKind::Manifest;
        let manifests: Vec<_> =
            index.members.extract_if(.., |member| is_manifest(member)).collect();
        if !manifests.is_empty() {
            let frames = index.frames.clone();
            self.manifests.push((pack, PackIndex { frames, members: manifests }));
        }
        if !index.members.is_empty() {
            self.taken.extend(index.members.iter().map(|member| member.id));
            self.builder.add_pack(pack, &index);
            self.packs += 1;
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.store.add_segment(self.session, std::mem::take(&mut self.builder))?;
        self.in_flight.release(self.taken.iter());
        self.taken.clear();
        self.packs = 0;
        Ok(())
    }
}
