//! Imports files into the store: reads, hashes, cuts, looks up, compresses and writes them, on all
//! cores and in bounded memory.
//!
//! Small files are sorted so that similar files are adjacent, and processed in batches of about a
//! frame. One worker processes a batch from reading to compressing. One worker reads a large file
//! and hands its pieces to all workers (see `large`). One more thread writes packs (see `packer`).

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bstr::BString;
use crossbeam_channel::bounded;

use super::batch::Batch;
use super::buffers::Buffers;
use super::large_queue::{LargeQueue, Piece};
use super::packer::{Frames, InFlight, Packer};
use super::{ContentStore, Params, Session};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::stat::Stat;
use crate::id::Id;
use crate::pack::{Chunk, MemberKind, write_line};
use crate::progress::{Progress, check_interrupt};
use crate::threads::try_spawn;
use crate::tree_path::escaped;

/// A file or link to import.
#[derive(Debug, Clone)]
pub struct IngestItem {
    /// The path relative to the root of the upload.
    pub path: BString,
    /// The kind of the item.
    pub kind: ItemKind,
}

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A regular file that had this metadata when it was found.
    File(Stat),
    /// A symbolic link; the store keeps its target.
    Symlink,
}

impl IngestItem {
    /// The size in bytes according to the metadata, or a guess for a link.
    pub fn size(&self) -> u64 {
        match self.kind {
            ItemKind::File(stat) => stat.size,
            ItemKind::Symlink => 64,
        }
    }
}

/// Statistics of newly stored content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stored {
    /// Bytes read.
    pub read: u64,
    /// Bytes of blobs and chunks that the store did not have before.
    pub new: u64,
    /// Packs written.
    pub packs: u64,
    /// Total size of those packs in bytes: the growth of the store.
    pub stored: u64,
}

impl Stored {
    /// Adds the statistics of another import.
    pub fn add(&mut self, other: Stored) {
        self.read += other.read;
        self.new += other.new;
        self.packs += other.packs;
        self.stored += other.stored;
    }
}

/// The outcome of an import.
#[derive(Debug)]
pub struct Ingested {
    /// For each item, in order: its id and, for a file, the metadata that its bytes belong to; or
    /// the reason why it could not be read.
    pub items: Vec<Result<(Id, Option<Stat>)>>,
    /// Statistics of the stored content.
    pub stored: Stored,
}

/// One worker reads a file up to this size as a whole.
pub(super) const SMALL: u64 = 4 << 20;

/// The number of attempts to read a file that changes during the read.
const TRIES: usize = 3;

type HashResult = Result<(Id, Option<Stat>)>;

/// The state that the workers of one import share.
pub(super) struct Shared<'a> {
    pub(super) store: &'a ContentStore,
    pub(super) root: &'a Beneath,
    pub(super) items: &'a [IngestItem],
    pub(super) in_flight: &'a InFlight,
    pub(super) progress: &'a dyn Progress,
    pub(super) manifests: Mutex<Vec<(Id, Vec<u8>)>>,
    pub(super) buffers: &'a Buffers,
    batches: Vec<Vec<u32>>,
    next_batch: AtomicUsize,
    pub(super) large: LargeQueue,
    failed: AtomicBool,
}

/// One worker's results and counters.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) found: Vec<(u32, HashResult)>,
    pub(super) read: u64,
    pub(super) new: u64,
}

impl Tally {
    /// Records an item's outcome. Only a defect of the item itself stays with the item; a failure
    /// of the store fails the whole import.
    pub(super) fn settle(
        &mut self,
        index: u32,
        found: std::result::Result<(Id, Option<Stat>), ItemError>,
    ) -> Result<()> {
        let found = match found {
            Ok(found) => Ok(found),
            Err(ItemError::Item(error)) => Err(error),
            Err(ItemError::Store(error)) => return Err(error),
        };
        self.found.push((index, found));
        Ok(())
    }
}

impl ContentStore {
    /// Imports `items` below `root` with `threads` workers. On return, the imported content is
    /// durable and in the index.
    ///
    /// An unreadable item has its own error, and the other items are still imported. A failure to
    /// write fails the whole import.
    pub fn ingest(
        &self,
        session: &Session,
        root: &Beneath,
        items: &[IngestItem],
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Ingested> {
        self.refresh()?;
        let in_flight = InFlight::new();
        let buffers = Buffers::default();
        let (batches, large) = plan(items, self.params());
        let (send_piece, pieces) = bounded::<Piece>(threads + 1);
        let shared = Shared {
            store: self,
            root,
            items,
            in_flight: &in_flight,
            progress,
            manifests: Mutex::default(),
            buffers: &buffers,
            batches,
            next_batch: AtomicUsize::new(0),
            large: LargeQueue::new(large, send_piece, pieces),
            failed: AtomicBool::new(false),
        };
        let (tallies, written) = std::thread::scope(|scope| {
            let packer = Packer::start(scope, self, session, &in_flight, &buffers);
            let workers: Vec<_> = (0..threads.max(1))
                .map_while(|_| {
                    let frames = packer.frames();
                    let shared = &shared;
                    try_spawn(scope, move || shared.work(&frames))
                })
                .collect();
            let own = workers.is_empty().then(|| shared.work(&packer.frames()));
            let ended = || Error::internal("an upload thread ended early");
            let tallies: Vec<Result<Tally>> = workers
                .into_iter()
                .map(|worker| worker.join().map_err(|_| ended()).flatten())
                .chain(own)
                .collect();
            // A worker that stops early drops its open frame. Without a manifest, the next import
            // reads the file again and stores the chunks that are missing.
            let manifests = if tallies.iter().all(Result::is_ok) {
                shared.write_manifests(&packer.frames())
            } else {
                Ok(())
            };
            // A full disk stops the packer first; the workers' errors are only a consequence.
            let written = packer.finish()?;
            manifests?;
            Ok::<_, Error>((tallies, written))
        })?;
        let mut ingested = Ingested { items: Vec::new(), stored: Stored::default() };
        let mut found: Vec<Option<HashResult>> = Vec::new();
        found.resize_with(items.len(), || None);
        for tally in tallies {
            let tally = tally?;
            ingested.stored.read += tally.read;
            ingested.stored.new += tally.new;
            for (index, result) in tally.found {
                found[index as usize] = Some(result);
            }
        }
        ingested.stored.packs = written.packs;
        ingested.stored.stored = written.bytes;
        let missed = || Err(Error::internal("a file was skipped"));
        ingested.items = found.into_iter().map(|found| found.unwrap_or_else(missed)).collect();
        Ok(ingested)
    }
}

/// Sorts small items so that similar ones are adjacent, in batches of about a frame. Returns the
/// large items separately, the largest first.
fn plan(items: &[IngestItem], params: Params) -> (Vec<Vec<u32>>, Vec<u32>) {
    let (mut small, mut large): (Vec<u32>, Vec<u32>) =
        (0..items.len() as u32).partition(|index| items[*index as usize].size() <= SMALL);
    large.sort_by_key(|index| std::cmp::Reverse(items[*index as usize].size()));
    small.sort_by_cached_key(|index| likeness(&items[*index as usize].path));
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for index in small {
        batch.push(index);
        bytes += items[index as usize].size() + 512;
        if bytes >= u64::from(params.frame_size) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    (batches, large)
}

/// A file with a longer path is opened fastest after its neighbours in the tree.
const LONG_PATH: usize = 1000;

/// Returns a sort key: files with the same extension first, then files near each other in the tree.
/// Files with long paths come first, in the order of the tree.
fn likeness(path: &BString) -> (Vec<u8>, Vec<u8>) {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let extension = match name.iter().rposition(|byte| *byte == b'.') {
        _ if path.len() > LONG_PATH => Vec::new(),
        Some(dot) if dot > 0 => name[dot + 1..].to_ascii_lowercase(),
        // Files without an extension are similar if they have the same name: LICENSE, Makefile.
        _ => name.to_vec(),
    };
    (extension, path.to_vec())
}

impl Shared<'_> {
    fn work(&self, frames: &Frames<'_>) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut batch = Batch::new(self.store.params(), frames, self.buffers)?;
        let result = self.work_until_done(&mut batch, &mut tally);
        if result.is_err() {
            self.failed.store(true, Ordering::SeqCst);
        }
        result.map(|()| tally)
    }

    fn work_until_done(&self, batch: &mut Batch<'_, '_>, tally: &mut Tally) -> Result<()> {
        let mut buffer = Vec::new();
        loop {
            check_interrupt(self.progress)?;
            if self.failed.load(Ordering::SeqCst) {
                return Ok(());
            }
            if let Some(piece) = self.large.try_piece() {
                self.take_piece(piece, batch, tally)?;
            } else if let Some(index) = self.large.next() {
                self.read_large(index, batch, tally)?;
            } else if let Some(indices) = self.next_batch() {
                for index in indices {
                    let found = self.take_small(*index, &mut buffer, batch, tally);
                    tally.settle(*index, found)?;
                }
                // The next batch is usually of the same kind, so the frame stays open.
            } else if self.large.all_read() {
                batch.close()?;
                return Ok(());
            } else if let Some(piece) = self.large.wait_piece() {
                self.take_piece(piece, batch, tally)?;
            }
        }
    }

    fn next_batch(&self) -> Option<&[u32]> {
        let next = self.next_batch.fetch_add(1, Ordering::Relaxed);
        self.batches.get(next).map(Vec::as_slice)
    }

    pub(super) fn shown(&self, index: u32) -> String {
        escaped(&self.items[index as usize].path)
    }

    fn take_small(
        &self,
        index: u32,
        buffer: &mut Vec<u8>,
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> std::result::Result<(Id, Option<Stat>), ItemError> {
        let item = &self.items[index as usize];
        let stat = if item.kind == ItemKind::Symlink {
            *buffer = self.root.read_link(&item.path).on_path("read", || self.shown(index))?;
            None
        } else {
            Some(self.read_small(index, buffer)?)
        };
        tally.read += buffer.len() as u64;
        self.progress.advance(buffer.len() as u64);
        let id = Id::of_blob(buffer);
        self.store_bytes(id, buffer, batch, tally).map_err(ItemError::Store)?;
        Ok((id, stat))
    }

    /// Reads a whole file and checks that its metadata did not change meanwhile.
    fn read_small(&self, index: u32, buffer: &mut Vec<u8>) -> Result<Stat> {
        let item = &self.items[index as usize];
        for _ in 0..TRIES {
            let shown = || self.shown(index);
            let file = self.root.open_file(&item.path).on_path("read", shown)?;
            let before = regular(&file, shown)?;
            buffer.clear();
            if before.size > SMALL {
                return Err(changed(&shown()));
            }
            buffer.reserve(before.size as usize + 1);
            (&file).take(before.size + 1).read_to_end(buffer).on_path("read", shown)?;
            let after = Stat::of_file(&file).on_path("read", shown)?;
            if buffer.len() as u64 == before.size && before.same_content(&after) {
                return Ok(before);
            }
        }
        Err(changed(&self.shown(index)))
    }

    /// Stores bytes that are in memory as a whole, unless the store has them already.
    fn store_bytes(
        &self,
        id: Id,
        bytes: &[u8],
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> Result<()> {
        if self.store.locate_known(&id)?.is_some() || !self.in_flight.take(&id) {
            return Ok(());
        }
        let params = self.store.params();
        let mut chunks = cut(bytes, params).peekable();
        let first = chunks.next().unwrap_or(bytes);
        if chunks.peek().is_none() {
            tally.new += bytes.len() as u64;
            return batch.add(MemberKind::Blob, id, bytes);
        }
        let mut manifest = Vec::new();
        for bytes in std::iter::once(first).chain(chunks) {
            let chunk = self.store_chunk(bytes, batch, tally)?;
            write_line(&mut manifest, &chunk);
        }
        self.add_manifest(id, manifest);
        Ok(())
    }

    /// Stores one chunk, unless the store has it already.
    pub(super) fn store_chunk(
        &self,
        bytes: &[u8],
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> Result<Chunk> {
        let id = Id::of_blob(bytes);
        if !self.store.has_bytes(&id)? && self.in_flight.take(&id) {
            tally.new += bytes.len() as u64;
            batch.add(MemberKind::Chunk, id, bytes)?;
        }
        Ok(Chunk { id, size: bytes.len() as u32 })
    }

    pub(super) fn add_manifest(&self, id: Id, manifest: Vec<u8>) {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).push((id, manifest));
    }

    /// Writes the manifests after all chunks, in an order that does not depend on timing.
    fn write_manifests(&self, frames: &Frames<'_>) -> Result<()> {
        let mut manifests =
            std::mem::take(&mut *self.manifests.lock().unwrap_or_else(PoisonError::into_inner));
        manifests.sort_unstable();
        manifests.dedup_by(|a, b| a.0 == b.0);
        let mut batch = Batch::new(self.store.params(), frames, self.buffers)?;
        for (id, manifest) in manifests {
            batch.add(MemberKind::Manifest, id, &manifest)?;
        }
        batch.close()
    }
}

/// The reason why an item has no id.
pub(super) enum ItemError {
    /// The item is unreadable; other items may be readable.
    Item(Error),
    /// The store is unreadable or not writable.
    Store(Error),
}

impl From<Error> for ItemError {
    fn from(error: Error) -> Self {
        ItemError::Item(error)
    }
}

/// Cuts `bytes` into chunks. The last chunk ends at the end of the bytes.
pub(super) fn cut(bytes: &[u8], params: Params) -> impl Iterator<Item = &[u8]> {
    let (min, avg, max) = (params.chunk_min, params.chunk_avg, params.chunk_max);
    let chunker = (bytes.len() > min as usize)
        .then(|| fastcdc::v2020::FastCDC::new(bytes, min as usize, avg as usize, max as usize));
    let whole = (chunker.is_none() && !bytes.is_empty()).then_some(bytes);
    let chunks = chunker.into_iter().flatten();
    chunks.map(move |chunk| &bytes[chunk.offset..chunk.offset + chunk.length]).chain(whole)
}

pub(super) fn changed(path: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("'{path}' changed while it was being read"))
        .with_hint("upload again when no program writes to the file, or skip it with --keep-going")
}

/// Returns the metadata of an open file, which must be a regular file.
pub(super) fn regular(file: &File, shown: impl Fn() -> String) -> Result<Stat> {
    let metadata = file.metadata().on_path("read", &shown)?;
    if !metadata.is_file() {
        return Err(changed(&shown()));
    }
    Stat::of_file(file).on_path("read", shown)
}
