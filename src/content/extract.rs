//! Extracts many files together. Every frame is decompressed once, on all cores, and the bytes of
//! every file are checked against its id before the file counts as written.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::ContentStore;
use super::read::{Reader, Supply, missing};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::id::{Id, ObjectHasher};
use crate::pack::{Chunk, FrameEntry, Location, MemberKind};
use crate::progress::{Progress, check_interrupt};
use crate::threads::{map_with, try_spawn};

/// The destination of the files.
pub trait Target: Sync {
    /// The writer for the bytes of one file.
    type Output: Write;
    /// Creates an empty output for the content with number `number`.
    fn create(&self, number: usize) -> Result<Self::Output>;
    /// Creates the output again, after a failed attempt to write it.
    fn create_again(&self, number: usize) -> Result<Self::Output>;
    /// Completes an output. On success, the file is complete and its bytes are right. On failure,
    /// the file must not become visible.
    fn finish(&self, number: usize, outcome: Result<Self::Output>) -> Result<()>;
}

/// A file up to this size is written by one worker.
const SMALL: u64 = 4 << 20;
/// A manifest up to this size stays in memory between planning and writing.
const KEPT_MANIFEST: u32 = 1 << 20;

/// A plan of the contents to extract.
pub struct Extract<'a> {
    store: &'a ContentStore,
    supply: Option<Supply<'a>>,
    ids: &'a [Id],
    small: Vec<FileJob>,
    /// The chunks of the small files that are chunked.
    chunked: HashMap<u32, Vec<Chunk>>,
    large: Vec<LargeJob>,
    missing: Vec<(usize, Error)>,
    /// Total number of bytes to write.
    pub bytes: u64,
}

/// A file that one worker writes. Because there may be millions of jobs, a job holds only a
/// location. The jobs of one frame are adjacent, in the order of the packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FileJob {
    /// The number of the pack, in the order of first occurrence.
    pack: u32,
    frame: u64,
    offset: u32,
    number: u32,
}

#[derive(Debug)]
struct LargeJob {
    number: usize,
    id: Id,
    size: u64,
}

impl ContentStore {
    /// Plans the extraction of the contents `ids`. A content's number is its position in `ids`.
    /// Content that another process removes meanwhile is read again after `supply`.
    pub fn plan_extract<'a>(
        &'a self,
        ids: &'a [Id],
        supply: Option<Supply<'a>>,
    ) -> Result<Extract<'a>> {
        self.refresh()?;
        let mut extract = Extract {
            store: self,
            supply,
            ids,
            small: Vec::new(),
            chunked: HashMap::new(),
            large: Vec::new(),
            missing: Vec::new(),
            bytes: 0,
        };
        let mut packs = HashMap::new();
        let mut manifests = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            match self.locate_known(id)? {
                None => extract.missing.push((number, missing(id))),
                Some(location) if location.kind == MemberKind::Manifest => {
                    manifests.push((number, location));
                }
                Some(location) => {
                    extract.bytes += u64::from(location.size);
                    extract.small.push(FileJob::at(number, &location, &mut packs));
                }
            }
        }
        manifests.sort_unstable_by_key(|(_, at)| (at.pack, at.frame.offset, at.offset));
        let mut reader = extract.reader();
        for (number, _) in manifests {
            if let Err(error) = extract.plan_chunked(&mut reader, number, &mut packs) {
                if error.kind() != ErrorKind::Corrupt {
                    return Err(error);
                }
                extract.missing.push((number, error));
            }
        }
        extract.small.sort_unstable();
        Ok(extract)
    }
}

impl FileJob {
    fn at(number: usize, location: &Location, packs: &mut HashMap<Id, u32>) -> Self {
        let next = packs.len() as u32;
        FileJob {
            pack: *packs.entry(location.pack).or_insert(next),
            frame: location.frame.offset,
            offset: location.offset,
            number: number as u32,
        }
    }
}

impl<'a> Extract<'a> {
    fn reader(&self) -> Reader<'a> {
        self.store.reader().with_supply(self.supply.clone())
    }

    fn plan_chunked(
        &mut self,
        reader: &mut Reader<'_>,
        number: usize,
        packs: &mut HashMap<Id, u32>,
    ) -> Result<()> {
        let id = self.ids[number];
        let manifest = reader.open_place(&id)?;
        let keep = manifest.size <= KEPT_MANIFEST;
        let mut chunks = Vec::new();
        let mut size = 0u64;
        reader.chunks(&manifest, |chunk| {
            size += u64::from(chunk.size);
            if keep {
                chunks.push(chunk);
            }
            Ok(())
        })?;
        self.bytes += size;
        if size > SMALL || !keep {
            self.large.push(LargeJob { number, id, size });
            return Ok(());
        }
        let first = chunks.first().map_or(id, |chunk| chunk.id);
        let first = reader.at_place(&first, &id, &mut |_, place| Ok(*place))?;
        self.small.push(FileJob::at(number, &first, packs));
        self.chunked.insert(number as u32, chunks);
        Ok(())
    }

    /// Writes all planned files to `target` with `threads` workers. Unreadable content is reported
    /// to the target and does not stop the others. Only an error of the target or an interrupt
    /// does.
    pub fn write<T: Target>(
        mut self,
        target: &T,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<()> {
        for (number, error) in std::mem::take(&mut self.missing) {
            target.finish(number, Err(error))?;
        }
        for job in &self.large {
            check_interrupt(progress)?;
            let mut outcome = write_large(self.store, job, target, threads, progress);
            if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
                // Packs may have been replaced in the middle of the file.
                outcome = write_alone(self.reader(), job, target, progress);
            }
            target.finish(job.number, outcome)?;
        }
        let groups = group(&self.small);
        let reader = || self.reader();
        map_with(threads, &groups, &reader, &|reader, range| {
            check_interrupt(progress)?;
            self.small[range.clone()].iter().try_for_each(|job| {
                let number = job.number as usize;
                let chunks = self.chunked.get(&job.number).map_or(&[][..], Vec::as_slice);
                let small = Small { number, id: self.ids[number], chunks };
                let outcome = small.write(reader, target);
                progress.advance(*outcome.as_ref().map_or(&0, |(_, size)| size));
                target.finish(number, outcome.map(|(output, _)| output))
            })
        })?;
        Ok(())
    }
}

/// Splits the jobs into ranges, one for each frame.
fn group(jobs: &[FileJob]) -> Vec<std::ops::Range<usize>> {
    let frame = |job: &FileJob| (job.pack, job.frame);
    let mut groups = Vec::new();
    let mut start = 0;
    for same in jobs.chunk_by(|a, b| frame(a) == frame(b)) {
        groups.push(start..start + same.len());
        start += same.len();
    }
    groups
}

/// A file that one worker writes as a whole.
struct Small<'a> {
    number: usize,
    id: Id,
    /// Empty for a file that is one blob.
    chunks: &'a [Chunk],
}

impl Small<'_> {
    /// Checks the file's bytes and writes the file. Returns the output and the number of bytes.
    fn write<T: Target>(&self, reader: &mut Reader<'_>, target: &T) -> Result<(T::Output, u64)> {
        if !self.chunks.is_empty() {
            let mut bytes = Vec::new();
            for chunk in self.chunks {
                reader.at_place(&chunk.id, &self.id, &mut |reader, place| {
                    check_chunk(chunk, place)?;
                    reader.with_bytes(place, |part| bytes.extend_from_slice(part))
                })?;
            }
            return self.write_bytes(&bytes, target);
        }
        reader.at_place(&self.id, &self.id, &mut |reader, place| {
            // An error of the target is not a reason to read again.
            reader.with_bytes(place, |bytes| self.write_bytes(bytes, target))
        })?
    }

    fn write_bytes<T: Target>(&self, bytes: &[u8], target: &T) -> Result<(T::Output, u64)> {
        if Id::of_blob(bytes) != self.id {
            return Err(Error::corrupt(format!("the content {} is damaged", self.id))
                .with_hint("art fsck --full"));
        }
        let mut output = target.create(self.number)?;
        output.write_all(bytes).on("write", self.id.short())?;
        Ok((output, bytes.len() as u64))
    }
}

/// Consecutive chunks of a file in one frame.
struct Run {
    number: u64,
    pack: Id,
    frame: FrameEntry,
    parts: Vec<(u32, u32)>,
}

/// A run's decompressed frame and the parts of it, in order.
type Decoded = (u64, Result<(Arc<Vec<u8>>, Vec<(u32, u32)>)>);

/// Writes one large file: a thread lists its runs, workers decompress them, and this thread hashes
/// and writes them in their order. If the system starts no more threads, this thread does it all.
fn write_large<T: Target>(
    store: &ContentStore,
    job: &LargeJob,
    target: &T,
    threads: usize,
    progress: &dyn Progress,
) -> Result<T::Output> {
    let mut file = target.create(job.number)?;
    let depth = threads + 2;
    let (send_run, runs) = bounded::<Run>(depth);
    let (send_bytes, decoded) = bounded::<Decoded>(depth);
    // Each run needs a permit between listing and writing, which bounds the memory in use.
    let (release, permits) = bounded::<()>(2 * depth);
    for _ in 0..2 * depth {
        let _ = release.send(());
    }
    let permits = Mutex::new(permits);
    let mut output = LargeOutput::new(job, &mut file, progress);
    let is_done = std::thread::scope(|scope| -> Result<bool> {
        let planner = try_spawn(scope, || list_runs(store, job, send_run, &permits));
        let decoders = (0..threads.max(1)).map_while(|_| {
            let (runs, send_bytes) = (runs.clone(), send_bytes.clone());
            try_spawn(scope, move || decode_runs(store, &runs, &send_bytes))
        });
        // One decoder is enough.
        let has_decoders = planner.is_some() && decoders.count() > 0;
        drop((runs, send_bytes));
        let Some(planner) = planner.filter(|_| has_decoders) else { return Ok(false) };
        let written = write_in_order(&decoded, &release, &mut output);
        // Unblocks the others where the writing failed.
        drop((decoded, release));
        let listed = planner.join().map_err(|_| Error::internal("a listing thread ended early"))?;
        written.and(listed).map(|()| true)
    })?;
    if !is_done {
        copy_chunks(store.reader(), job, &mut output)?;
    }
    output.finish()?;
    Ok(file)
}

/// Writes one large file chunk by chunk.
fn write_alone<T: Target>(
    reader: Reader<'_>,
    job: &LargeJob,
    target: &T,
    progress: &dyn Progress,
) -> Result<T::Output> {
    let mut file = target.create_again(job.number)?;
    let mut output = LargeOutput::new(job, &mut file, progress);
    copy_chunks(reader, job, &mut output)?;
    output.finish()?;
    Ok(file)
}

fn copy_chunks(
    mut manifest: Reader<'_>,
    job: &LargeJob,
    output: &mut LargeOutput<'_>,
) -> Result<()> {
    let mut frames = manifest.like();
    let place = manifest.open_place(&job.id)?;
    manifest.chunks(&place, |chunk| {
        let (frame, place) = frames.at_place(&chunk.id, &job.id, &mut |frames, place| {
            check_chunk(&chunk, place)?;
            Ok((frames.frame(&place.pack, &place.frame)?, *place))
        })?;
        output.write(&frame, (place.offset, place.size))
    })
}

/// A large file that is written part by part; its id is checked at the end.
struct LargeOutput<'a> {
    id: Id,
    hasher: ObjectHasher,
    file: &'a mut dyn Write,
    progress: &'a dyn Progress,
}

impl<'a> LargeOutput<'a> {
    fn new(job: &LargeJob, file: &'a mut dyn Write, progress: &'a dyn Progress) -> Self {
        LargeOutput { id: job.id, hasher: ObjectHasher::blob(job.size), file, progress }
    }

    /// Writes the `size` bytes at `offset` of a decompressed frame.
    fn write(&mut self, frame: &[u8], (offset, size): (u32, u32)) -> Result<()> {
        check_interrupt(self.progress)?;
        let start = offset as usize;
        let bytes = frame.get(start..start + size as usize).ok_or_else(|| self.damaged())?;
        self.hasher.update(bytes);
        self.file.write_all(bytes).on("write", self.id.short())?;
        self.progress.advance(bytes.len() as u64);
        Ok(())
    }

    fn damaged(&self) -> Error {
        Error::corrupt(format!("the content {} is damaged", self.id)).with_hint("art fsck --full")
    }

    fn finish(self) -> Result<()> {
        let damaged = self.damaged();
        if self.hasher.finish() == self.id { Ok(()) } else { Err(damaged) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the decoders end when the sender is dropped")]
fn list_runs(
    store: &ContentStore,
    job: &LargeJob,
    runs: Sender<Run>,
    permits: &Mutex<Receiver<()>>,
) -> Result<()> {
    let mut reader = store.reader();
    let mut finder = store.reader();
    let manifest = reader.open_place(&job.id)?;
    let mut open: Option<Run> = None;
    let stopped = || Error::internal("the writing thread stopped");
    let send = |run: Run| -> Result<()> {
        let permit = permits.lock().unwrap_or_else(PoisonError::into_inner).recv();
        permit.map_err(|_| stopped())?;
        runs.send(run).map_err(|_| stopped())
    };
    let mut number = 0;
    reader.chunks(&manifest, |chunk| {
        let location = finder.at_place(&chunk.id, &job.id, &mut |_, place| Ok(*place))?;
        check_chunk(&chunk, &location)?;
        let part = (location.offset, location.size);
        match &mut open {
            Some(run) if (run.pack, run.frame.offset) == (location.pack, location.frame.offset) => {
                run.parts.push(part);
            }
            _ => {
                if let Some(run) = open.take() {
                    send(run)?;
                }
                let (pack, frame) = (location.pack, location.frame);
                open = Some(Run { number, pack, frame, parts: vec![part] });
                number += 1;
            }
        }
        Ok(())
    })?;
    open.map_or(Ok(()), send)
}

fn decode_runs(store: &ContentStore, runs: &Receiver<Run>, decoded: &Sender<Decoded>) {
    let mut reader = store.reader();
    for run in runs {
        let frame = reader.frame(&run.pack, &run.frame);
        if decoded.send((run.number, frame.map(|frame| (frame, run.parts)))).is_err() {
            return;
        }
    }
}

fn write_in_order(
    decoded: &Receiver<Decoded>,
    release: &Sender<()>,
    output: &mut LargeOutput<'_>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, frame) in decoded {
        early.insert(number, frame?);
        while let Some((frame, parts)) = early.remove(&next) {
            for part in parts {
                output.write(&frame, part)?;
            }
            next += 1;
            let _ = release.try_send(());
        }
    }
    Ok(())
}

/// Checks the location of a chunk. It must have the size that the manifest states, so that memory
/// reserved by the manifest's sizes is enough.
fn check_chunk(chunk: &Chunk, location: &Location) -> Result<()> {
    let id = &chunk.id;
    if location.kind == MemberKind::Manifest {
        return Err(Error::corrupt(format!("the chunk {id} is itself chunked")));
    }
    if location.size != chunk.size {
        let (is, stated) = (location.size, chunk.size);
        return Err(Error::corrupt(format!(
            "the chunk {id} has {is} bytes, but a manifest states {stated}"
        ))
        .with_hint("art fsck --full"));
    }
    Ok(())
}
