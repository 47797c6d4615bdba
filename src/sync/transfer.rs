//! Downloads frames and packs of a remote in parallel.

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;

use super::content::{RemoteContent, absent};
use super::object_reader::ObjectReader;
use super::remote_file::lost;
use crate::content::{Need, Params, Receiver, Session};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{FrameEntry, Location};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::FileKind;

/// Frames with at most this many bytes between them share one request.
const GAP: u64 = 128 << 10;
/// The most bytes of one request for frames, unless a single frame is larger.
const SPAN: u64 = 4 << 20;
/// A pack is fetched whole if at least this percentage of its bytes is requested.
const NEARLY_ALL: u64 = 90;
/// The most chunks that are looked up in one batch, because their locations are held in memory.
const BATCH: usize = 1 << 20;

/// Part of a pack that is fetched by one worker.
enum FetchJob {
    /// The whole pack, with its size in bytes.
    Whole(Id, u64),
    /// Adjacent frames of one pack.
    Frames(Id, Vec<FrameEntry>),
}

/// The packs in which content is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packs {
    /// Packs that are not retired.
    Live,
    /// Packs that are not retired first, then retired packs as far as they still exist.
    All,
}

/// The amount of downloaded content.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Brought {
    /// Blobs, chunks and manifests.
    pub contents: u64,
    /// The bytes of the packs that hold these contents.
    pub bytes: u64,
}

impl RemoteContent<'_> {
    /// Downloads the contents of `wanted` that are missing locally, as far as the remote has them.
    /// Content that no other pack has may still be in a retired one.
    ///
    /// After a failure, content already downloaded is kept and is not downloaded again.
    pub(crate) fn bring(&self, wanted: &[Id], progress: &dyn Progress) -> Result<Brought> {
        if absent(self.repo(), wanted)?.is_empty() {
            return Ok(Brought::default());
        }
        let mut brought = self.bring_from(Packs::Live, wanted, progress)?;
        if !self.state().retired.is_empty() && !absent(self.repo(), wanted)?.is_empty() {
            let more = self.bring_from(Packs::All, wanted, progress)?;
            brought.contents += more.contents;
            brought.bytes += more.bytes;
        }
        Ok(brought)
    }

    fn bring_from(&self, packs: Packs, wanted: &[Id], progress: &dyn Progress) -> Result<Brought> {
        let content = self.repo().content();
        // This also imports the packs that a killed process downloaded before.
        let session = content.begin()?;
        let missing = absent(self.repo(), wanted)?;
        let receiver = content.receive(&session);
        let transfer =
            Transfer { remote: self, packs, session: &session, receiver: &receiver, progress };
        let outcome = transfer.all(&missing);
        let is_wanted = |id: &Id| missing.binary_search(id).is_ok();
        let came = receiver.finish(&is_wanted, progress);
        outcome.map_err(|error| {
            let next = "run the command again to get the rest";
            error.or_interrupted("downloaded content is kept", next)
        })?;
        let came = came?;
        Ok(Brought { contents: came.contents, bytes: came.bytes })
    }

    /// Downloads the contents of `wanted`, which is sorted, that can be read in `frames` of damaged
    /// packs. Skips unreadable frames.
    pub(crate) fn salvage(
        &self,
        frames: &[(Id, FrameEntry)],
        wanted: &[Id],
        progress: &dyn Progress,
    ) -> Result<Brought> {
        let session = self.repo().content().begin()?;
        let receiver = self.repo().content().receive(&session);
        let transfer = Transfer {
            remote: self,
            packs: Packs::Live,
            session: &session,
            receiver: &receiver,
            progress,
        };
        progress.begin("reading damaged packs", Some(frames.len() as u64), Unit::Items);
        self.store().at_once(frames, &|(pack, frame)| {
            check_interrupt(progress)?;
            let read = transfer.frames(pack, std::slice::from_ref(frame));
            read.or_else(|error| {
                self.store().defect_of(&FileKind::Pack.key(*pack), error).map(drop)
            })
        })?;
        let is_wanted = |id: &Id| wanted.binary_search(id).is_ok();
        let came = receiver.finish(&is_wanted, progress)?;
        Ok(Brought { contents: came.contents, bytes: came.bytes })
    }
}

/// A download in progress.
struct Transfer<'t, 'a> {
    remote: &'t RemoteContent<'a>,
    packs: Packs,
    session: &'t Session,
    receiver: &'t Receiver<'t>,
    progress: &'t dyn Progress,
}

impl Transfer<'_, '_> {
    /// Downloads files, and the chunks of files that are stored as chunks.
    fn all(&self, files: &[Id]) -> Result<()> {
        let mut taken = HashSet::new();
        self.batch(files, Need::File, &mut taken)?;
        let is_wanted = |id: &Id| files.binary_search(id).is_ok();
        let mut chunks: Vec<Id> = Vec::new();
        self.receiver.chunks(&is_wanted, &mut |_, chunk| {
            chunks.push(chunk.id);
            if chunks.len() >= BATCH {
                self.chunks(&mut chunks, &mut taken)?;
            }
            Ok(())
        })?;
        self.chunks(&mut chunks, &mut taken)
    }

    fn chunks(&self, chunks: &mut Vec<Id>, taken: &mut HashSet<(Id, u64)>) -> Result<()> {
        chunks.sort_unstable();
        chunks.dedup();
        let content = self.remote.repo().content();
        let mut missing = Vec::new();
        for id in chunks.drain(..) {
            if !content.has_bytes(&id)? {
                missing.push(id);
            }
        }
        self.batch(&missing, Need::Bytes, taken)
    }

    /// Fetches the frames of the contents `ids` that were not fetched before.
    fn batch(&self, ids: &[Id], need: Need, taken: &mut HashSet<(Id, u64)>) -> Result<()> {
        let mut places = match self.packs {
            Packs::Live => self.remote.locate_all(ids, need, self.progress)?,
            Packs::All => self.remote.locate_anywhere(ids, need, self.progress)?,
        };
        places.retain(|place| taken.insert((place.pack, place.frame.offset)));
        let jobs = self.jobs(&places);
        let total = jobs.iter().map(FetchJob::bytes).sum();
        self.progress.begin("fetching", Some(total), Unit::Bytes);
        self.remote.store().at_once(&jobs, &|job| self.fetch(job))?;
        Ok(())
    }

    fn jobs(&self, places: &[Location]) -> Vec<FetchJob> {
        let mut jobs = Vec::new();
        for own in places.chunk_by(|a, b| a.pack == b.pack) {
            let pack = own[0].pack;
            let wanted: u64 = own.iter().map(|place| u64::from(place.frame.stored)).sum();
            match self.remote.state().packs.get(&pack) {
                Some(size) if wanted * 100 >= size * NEARLY_ALL => {
                    jobs.push(FetchJob::Whole(pack, *size));
                }
                _ => {
                    let frames: Vec<FrameEntry> = own.iter().map(|place| place.frame).collect();
                    jobs.extend(
                        spans(&frames).into_iter().map(|span| FetchJob::Frames(pack, span)),
                    );
                }
            }
        }
        jobs
    }

    fn fetch(&self, job: &FetchJob) -> Result<()> {
        check_interrupt(self.progress)?;
        let fetched = self.fetch_live(job);
        match fetched {
            // A retired pack may be deleted at any moment.
            Err(error)
                if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
                    && self.remote.state().retired.contains_key(job.pack()) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn fetch_live(&self, job: &FetchJob) -> Result<()> {
        match job {
            FetchJob::Whole(pack, size) => self
                .whole(pack, *size)
                .map_err(|error| lost(self.remote.store(), error, "pack", pack)),
            FetchJob::Frames(pack, frames) => self
                .frames(pack, frames)
                .map_err(|error| lost(self.remote.store(), error, "pack", pack)),
        }
    }

    fn whole(&self, pack: &Id, size: u64) -> Result<()> {
        self.remote.store().read_sound(|| {
            let key = FileKind::Pack.key(*pack);
            let mut source = ObjectReader::new(self.remote.store(), key, 0..size, self.progress);
            let mut file = self.session.temp_file()?;
            std::io::copy(&mut source, &mut file).on("write", file.path())?;
            self.receiver.add_pack(file, pack, self.progress)
        })
    }

    fn frames(&self, pack: &Id, frames: &[FrameEntry]) -> Result<()> {
        let (store, key) = (self.remote.store(), FileKind::Pack.key(*pack));
        if let [frame] = frames
            && frame.size > Params::MAX_FRAME
        {
            return store.read_sound(|| {
                let key = key.clone();
                let mut source = ObjectReader::new(store, key, range(frame), self.progress);
                let stored = u64::from(frame.stored);
                self.receiver.add_large_frame(&mut source, stored, frame.size).map(drop)
            });
        }
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return Ok(()) };
        let span = range(first).start..range(last).end;
        // The index is not trusted: check the size before allocating memory.
        if span.end - span.start > Params::MAX_FRAME {
            return Err(Error::corrupt("a frame's size is out of bounds"));
        }
        let mut left = frames;
        store.read_sound(|| {
            let bytes = store.read_range(&key, span.clone())?;
            while let Some((frame, rest)) = left.split_first() {
                let start = (frame.offset - span.start) as usize;
                let stored = bytes.get(start..start + frame.stored as usize);
                let stored = stored.ok_or_else(|| Error::corrupt("frames overlap"))?;
                self.receiver.add_frame(stored, frame.size)?;
                self.progress.advance(u64::from(frame.stored));
                left = rest;
            }
            Ok(())
        })
    }
}

impl FetchJob {
    fn pack(&self) -> &Id {
        match self {
            FetchJob::Whole(pack, _) | FetchJob::Frames(pack, _) => pack,
        }
    }

    /// The bytes to request from the remote.
    fn bytes(&self) -> u64 {
        match self {
            FetchJob::Whole(_, size) => *size,
            FetchJob::Frames(_, frames) => frames.iter().map(|frame| u64::from(frame.stored)).sum(),
        }
    }
}

fn range(frame: &FrameEntry) -> Range<u64> {
    frame.offset..frame.offset.saturating_add(u64::from(frame.stored))
}

/// Groups frames, sorted by offset, so that adjacent frames share one request.
fn spans(frames: &[FrameEntry]) -> Vec<Vec<FrameEntry>> {
    let mut spans: Vec<Vec<FrameEntry>> = Vec::new();
    for frame in frames {
        let fits = spans.last().is_some_and(|open| match (open.first(), open.last()) {
            (Some(first), Some(last)) => {
                let end = range(last).end;
                frame.size <= Params::MAX_FRAME
                    && last.size <= Params::MAX_FRAME
                    && frame.offset >= end
                    && frame.offset - end <= GAP
                    && range(frame).end - first.offset <= SPAN
            }
            _ => false,
        });
        match spans.last_mut().filter(|_| fits) {
            Some(open) => open.push(*frame),
            None => spans.push(vec![*frame]),
        }
    }
    spans
}
