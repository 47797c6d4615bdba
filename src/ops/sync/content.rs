//! Content of a remote: where it lies there, and how it comes here.
//!
//! Only what is wanted comes: the frames that hold it, as coalesced ranges, several at once; or
//! whole packs, where nearly all of one is wanted. Every member is checked against its id before it
//! counts, and stays here in packs like any other, so that everything else reads it as usual.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use super::object_reader::ObjectReader;
use super::unions::Unions;
use crate::content::{
    ForeignIndex, Need, OutgoingSegment, Params, Receiver, Session, find_remotely, join_segments,
};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::id::{Digest, Id};
use crate::pack::{FrameEntry, Location, MemberKind};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::{ART_TOML, pack_key, segment_key};
use crate::remote::log::Fold;
use crate::repo::Repository;

/// For so few ids it is not worth it to fetch whole segments.
const FEW: usize = 64;
/// So many bytes of segments, the smallest first, are fetched whole, however few ids are looked for.
const WHOLE: u64 = 2 << 20;
/// So many are fetched along with the history.
const BESIDE_HISTORY: u64 = 1 << 20;
/// Frames with at most so many bytes between them are one request.
const GAP: u64 = 128 << 10;
/// A request for frames has at most so many bytes, unless one frame has more.
const SPAN: u64 = 4 << 20;
/// A pack of which so many of a hundred bytes are wanted comes whole.
const NEARLY_ALL: u64 = 90;
/// So many bytes of segments are held at once.
const HELD: u64 = 32 << 20;
/// So many chunks are looked for at once: what is known of them is held.
const BATCH: usize = 1 << 20;

/// Ids of files and their sizes in bytes.
type Files = Vec<(Id, u64)>;

/// What came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Brought {
    /// Blobs, chunks and manifests.
    pub contents: u64,
    /// The bytes of the packs that hold them.
    pub bytes: u64,
}

/// The content that a remote has, as far as its log is known.
pub(crate) struct RemoteContent<'a> {
    repo: &'a Repository,
    store: &'a Store,
    fold: &'a Fold,
    unions: Unions,
    index: Mutex<ForeignIndex>,
}

/// Part of a pack that is fetched by one worker.
enum Job {
    /// The whole pack of so many bytes.
    Whole(Id, u64),
    /// Frames that lie close together.
    Frames(Id, Vec<FrameEntry>),
}

impl<'a> RemoteContent<'a> {
    /// Content of the remote on `store`, whose log comes to `fold`; `directory` is where what is
    /// known of the remote is kept.
    pub(crate) fn new(
        repo: &'a Repository,
        store: &'a Store,
        fold: &'a Fold,
        directory: &Path,
    ) -> Result<Self> {
        let unions = Unions::load(directory, fold);
        // What a part of a segment says, the segment says.
        let segments: Vec<Id> = fold.segments.keys().copied().chain(unions.parts()).collect();
        let index = ForeignIndex::open(&directory.join("index"), &segments)?;
        let content = RemoteContent { repo, store, fold, unions, index: Mutex::new(index) };
        // Where nothing can be written the union is fetched, or searched where it is.
        let _ = content.take_unions();
        Ok(content)
    }

    /// Segments of which all parts are here are here.
    fn take_unions(&self) -> Result<()> {
        let mut index = self.index();
        for (union, parts) in self.unions.whole(&|id| index.has_segment(id)) {
            index.stand_for(&union, &parts)?;
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, ForeignIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All places of `id` that are enough for what is needed of it, in packs that are not retired.
    pub(crate) fn is_there(&self, id: &Id, need: Need) -> Vec<Location> {
        let places = self.index().locations(id);
        let is_enough = |place: &Location| {
            self.fold.packs.contains_key(&place.pack)
                && (need == Need::File || place.kind != MemberKind::Manifest)
        };
        places.into_iter().filter(is_enough).collect()
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// The size of a pack in bytes, as the log says; 0 if it has no such pack.
    pub(super) fn size_of(&self, pack: &Id) -> u64 {
        self.fold.packs.get(pack).copied().unwrap_or(0)
    }

    /// Keeps the segment `id`, which is in `file`.
    pub(crate) fn keep_segment(&self, id: &Id, file: &Path) -> Result<()> {
        self.index().add_file(id, file)
    }

    /// All places of `id` that the copies of segments name, in whatever packs.
    pub(super) fn locations(&self, id: &Id) -> Vec<Location> {
        self.index().locations(id)
    }

    /// The bytes of the segments of which there is no copy.
    pub(super) fn missing_index(&self) -> u64 {
        self.missing_segments().iter().map(|(_, size)| size).sum()
    }

    /// Puts segments of the remote together as one, in a file that goes with `session`. Entries of
    /// retired packs, and of those that `is_replaced` names, are left out: whoever adds such a pack
    /// again adds a segment over it too.
    pub(super) fn join_segments(
        &self,
        segments: &[(Id, u64)],
        is_replaced: &dyn Fn(&Id) -> bool,
        session: &Session,
    ) -> Result<OutgoingSegment> {
        let read = |(id, size): &(Id, u64)| {
            let bytes = read_segment(self.store, id, *size);
            Ok((*id, bytes.map_err(|error| lost(self.store, error, "index segment", id))?))
        };
        let is_dead = |pack: &Id| self.fold.retired.contains_key(pack) || is_replaced(pack);
        join_segments(session, &self.store.at_once(segments, &read)?, &is_dead)
    }

    /// Segments that are not here, and their bytes.
    fn missing_segments(&self) -> Files {
        let index = self.index();
        let segments = self.fold.segments.iter();
        segments.filter(|(id, _)| !index.has_segment(id)).map(|(id, size)| (*id, *size)).collect()
    }

    /// Gets all segments that are not here.
    pub(crate) fn complete_index(&self, progress: &dyn Progress) -> Result<()> {
        self.fetch_segments(&self.missing_segments(), progress)
    }

    /// As [`RemoteContent::complete_index`], but warns of segments that can't be read while the store
    /// gives others: the contents that only they name count as not there.
    pub(crate) fn complete_readable_index(&self, progress: &dyn Progress) -> Result<()> {
        use ErrorKind::{Corrupt, NotFound, Unauthorized, Unavailable};
        match self.complete_index(progress) {
            Err(error)
                if matches!(error.kind(), Corrupt | NotFound | Unauthorized | Unavailable) => {}
            other => return other,
        }
        for one in self.missing_segments() {
            let key = segment_key(one.0);
            if let Err(error) = self.fetch_files(&[one], progress) {
                let problem = self.store.defect_of(&key, error)?;
                progress.warn(&format!(
                    "'{key}' on the remote can't be used: {problem}; content that only it names stays"
                ));
            }
        }
        Ok(())
    }

    /// Gets the smallest of the segments that are not here.
    pub(super) fn complete_small(&self, progress: &dyn Progress) -> Result<()> {
        let (small, _) = smallest(self.missing_segments(), BESIDE_HISTORY);
        self.fetch_segments(&small, progress)
    }

    /// Gets segments, in the place of a union what is lacking of it if that is less.
    fn fetch_segments(&self, wanted: &[(Id, u64)], progress: &dyn Progress) -> Result<()> {
        let parts = self.unions.cheapest(wanted, &|id| self.index().has_segment(id));
        if parts == wanted {
            return self.fetch_files(wanted, progress);
        }
        let fetched = self.fetch_files(&parts, progress).and_then(|()| self.take_unions());
        // A part that was replaced may be gone; the union is not.
        fetched.or_else(
            |error| if error.kind() == ErrorKind::Corrupt { Ok(()) } else { Err(error) },
        )?;
        let mut left = wanted.to_vec();
        left.retain(|(id, _)| !self.index().has_segment(id));
        self.fetch_files(&left, progress)
    }

    fn fetch_files(&self, wanted: &[(Id, u64)], progress: &dyn Progress) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let total = wanted.iter().map(|(_, size)| size).sum();
        progress.begin("fetching the index", Some(total), Unit::Bytes);
        let (large, small): (Vec<_>, Vec<_>) = wanted.iter().partition(|(_, size)| *size > HELD);
        for (id, size) in &large {
            self.fetch_large_segment(id, *size, progress)?;
        }
        // Together they become one file, and no more of them are held than that is worth.
        let mut rest = &small[..];
        while !rest.is_empty() {
            let mut sum = 0;
            let count = rest.iter().take_while(|(_, size)| {
                sum += size;
                sum <= HELD
            });
            let (now, later) = rest.split_at(count.count().max(1));
            rest = later;
            let fetched = self.store.at_once(now, &|(id, size)| {
                check_interrupt(progress)?;
                let bytes = read_segment(self.store, id, *size);
                let bytes = bytes.map_err(|error| lost(self.store, error, "index segment", id))?;
                progress.advance(*size);
                Ok((*id, bytes))
            })?;
            self.index().add_segments(&fetched)?;
        }
        Ok(())
    }

    /// Gets a segment that is not held in memory.
    fn fetch_large_segment(&self, id: &Id, size: u64, progress: &dyn Progress) -> Result<()> {
        let session = self.repo.content().begin()?;
        let fetched = self.store.read_sound(|| {
            let mut file = session.temp_file()?;
            let mut source = ObjectReader::new(self.store, segment_key(*id), 0..size, progress);
            std::io::copy(&mut source, &mut file).on("write", file.path())?;
            self.keep_segment(id, file.path())
        });
        fetched.map_err(|error| lost(self.store, error, "index segment", id))
    }

    /// Finds the contents `ids`; gives their places, sorted by pack and frame. Those that are
    /// nowhere are left out.
    fn locate_all(&self, ids: &[Id], need: Need, progress: &dyn Progress) -> Result<Vec<Location>> {
        if ids.len() > FEW {
            self.complete_index(progress)?;
        } else {
            let (small, large) = smallest(self.missing_segments(), WHOLE);
            self.fetch_segments(&small, progress)?;
            return self.locate_few(ids, need, &large, progress);
        }
        let mut places = Vec::with_capacity(ids.len());
        for id in ids {
            places.extend(self.is_there(id, need).into_iter().next());
        }
        Ok(sorted(places))
    }

    /// Finds a few contents without fetching the segments `large`.
    fn locate_few(
        &self,
        ids: &[Id],
        need: Need,
        large: &[(Id, u64)],
        progress: &dyn Progress,
    ) -> Result<Vec<Location>> {
        let mut places = Vec::new();
        let mut left = Vec::new();
        for id in ids {
            match self.is_there(id, need).first() {
                Some(place) => places.push(*place),
                None => left.push(*id),
            }
        }
        // Found in a pack that is gone, or as what does not do; there may be other places.
        let mut doubtful = Vec::new();
        for (segment, size) in large {
            if left.is_empty() {
                break;
            }
            let key = segment_key(*segment);
            let read = |ranges: &[Range<u64>]| {
                let read = self.store.read_ranges(&key, ranges);
                read.map_err(|error| lost(self.store, error, "index segment", segment))
            };
            let found = self.store.read_sound(|| find_remotely(*size, &left, &read))?;
            for (id, place) in found {
                let is_usable = self.fold.packs.contains_key(&place.pack);
                if is_usable && (need == Need::File || place.kind != MemberKind::Manifest) {
                    left.retain(|one| *one != id);
                    places.push(place);
                } else {
                    doubtful.push((*segment, *size));
                }
            }
        }
        if !left.is_empty() && !doubtful.is_empty() {
            doubtful.dedup();
            self.fetch_segments(&doubtful, progress)?;
            places.extend(left.iter().filter_map(|id| self.is_there(id, need).into_iter().next()));
        }
        Ok(sorted(places))
    }

    /// Brings the contents `wanted` that are not here, as far as the remote has them; gives what
    /// came.
    ///
    /// What came before a failure stays, and does not come again.
    pub(crate) fn bring(&self, wanted: &[Id], progress: &dyn Progress) -> Result<Brought> {
        let content = self.repo.content();
        if absent(self.repo, wanted)?.is_empty() {
            return Ok(Brought::default());
        }
        // What a killed one before brought is taken in by this.
        let session = content.begin()?;
        let missing = absent(self.repo, wanted)?;
        let receiver = content.receive(&session);
        let transfer = Transfer { there: self, session: &session, receiver: &receiver, progress };
        let outcome = transfer.all(&missing);
        let is_wanted = |id: &Id| missing.binary_search(id).is_ok();
        let came = receiver.finish(&is_wanted, progress);
        outcome.map_err(|error| {
            let next = "run the same command again to get the rest";
            error.or_interrupted("content that came is kept", next)
        })?;
        let came = came?;
        Ok(Brought { contents: came.contents, bytes: came.bytes })
    }

    /// Brings those of the contents `wanted`, sorted, that can be read in `frames`: of packs that are
    /// damaged. A frame that can't be read is passed over.
    pub(crate) fn salvage(
        &self,
        frames: &[(Id, FrameEntry)],
        wanted: &[Id],
        progress: &dyn Progress,
    ) -> Result<Brought> {
        let session = self.repo.content().begin()?;
        let receiver = self.repo.content().receive(&session);
        let transfer = Transfer { there: self, session: &session, receiver: &receiver, progress };
        progress.begin("reading damaged packs", Some(frames.len() as u64), Unit::Items);
        self.store.at_once(frames, &|(pack, frame)| {
            check_interrupt(progress)?;
            let read = transfer.frames(pack, std::slice::from_ref(frame));
            read.or_else(|error| self.store.defect_of(&pack_key(*pack), error).map(drop))
        })?;
        let is_wanted = |id: &Id| wanted.binary_search(id).is_ok();
        let came = receiver.finish(&is_wanted, progress)?;
        Ok(Brought { contents: came.contents, bytes: came.bytes })
    }
}

/// Those of `ids` whose content is not here, sorted, each once.
pub(super) fn absent(repo: &Repository, ids: &[Id]) -> Result<Vec<Id>> {
    let mut missing = Vec::new();
    // The first question looks at the disk, the others rely on it.
    if let Some(first) = ids.first() {
        repo.content().contains(first)?;
    }
    for id in ids {
        if !repo.content().is_indexed(id)? {
            missing.push(*id);
        }
    }
    missing.sort_unstable();
    missing.dedup();
    Ok(missing)
}

/// Parts files into the smallest, which have at most `most` bytes together, and the others.
fn smallest(mut files: Files, most: u64) -> (Files, Files) {
    files.sort_unstable_by_key(|(id, size)| (*size, *id));
    let mut sum = 0u64;
    let is_within = |(_, size): &&(Id, u64)| {
        sum = sum.saturating_add(*size);
        sum <= most
    };
    let large = files.split_off(files.iter().take_while(is_within).count());
    (files, large)
}

fn sorted(mut places: Vec<Location>) -> Vec<Location> {
    places.sort_unstable_by_key(|place| (place.pack, place.frame.offset));
    places.dedup_by_key(|place| (place.pack, place.frame.offset));
    places
}

/// A file of the remote that is not there is damage of the remote, unless all of it is away.
fn lost(store: &Store, error: Error, what: &str, id: &Id) -> Error {
    match error.kind() {
        ErrorKind::NotFound if matches!(store.try_size(ART_TOML), Ok(None)) => error
            .with_kind(ErrorKind::Unavailable)
            .context("nothing is left of the remote")
            .with_hint("check the place, and mount its disk; to ask it again: art remote show"),
        ErrorKind::NotFound | ErrorKind::Corrupt => error
            .with_kind(ErrorKind::Corrupt)
            .context(format!("the {what} {id} of the remote is missing or damaged"))
            .with_hint(
                "see what is damaged: art fsck --remote NAME; where a good copy is, this mends it: \
                 art push --repair",
            ),
        _ => error,
    }
}

/// The bytes of an index segment, which are those that it is named after.
fn read_segment(store: &Store, id: &Id, size: u64) -> Result<Bytes> {
    store.read_sound(|| {
        let bytes = store.read(&segment_key(*id), size)?;
        let is_right = Digest::of(&bytes) == *id;
        is_right.then_some(bytes).ok_or_else(|| Error::corrupt("its bytes do not match its name"))
    })
}

/// Content on its way here.
struct Transfer<'t, 'a> {
    there: &'t RemoteContent<'a>,
    session: &'t Session,
    receiver: &'t Receiver<'t>,
    progress: &'t dyn Progress,
}

impl Transfer<'_, '_> {
    /// Brings files, and the chunks of those that are stored as chunks.
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
        let content = self.there.repo.content();
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
        let mut places = self.there.locate_all(ids, need, self.progress)?;
        places.retain(|place| taken.insert((place.pack, place.frame.offset)));
        let jobs = self.jobs(&places);
        let total = jobs.iter().map(Job::bytes).sum();
        self.progress.begin("fetching", Some(total), Unit::Bytes);
        self.there.store.at_once(&jobs, &|job| self.fetch(job))?;
        Ok(())
    }

    fn jobs(&self, places: &[Location]) -> Vec<Job> {
        let mut jobs = Vec::new();
        for own in places.chunk_by(|a, b| a.pack == b.pack) {
            let pack = own[0].pack;
            let wanted: u64 = own.iter().map(|place| u64::from(place.frame.stored)).sum();
            match self.there.fold.packs.get(&pack) {
                Some(size) if wanted * 100 >= size * NEARLY_ALL => {
                    jobs.push(Job::Whole(pack, *size));
                }
                _ => {
                    let frames: Vec<FrameEntry> = own.iter().map(|place| place.frame).collect();
                    jobs.extend(spans(&frames).into_iter().map(|span| Job::Frames(pack, span)));
                }
            }
        }
        jobs
    }

    fn fetch(&self, job: &Job) -> Result<()> {
        check_interrupt(self.progress)?;
        match job {
            Job::Whole(pack, size) => {
                self.whole(pack, *size).map_err(|error| lost(self.there.store, error, "pack", pack))
            }
            Job::Frames(pack, frames) => self
                .frames(pack, frames)
                .map_err(|error| lost(self.there.store, error, "pack", pack)),
        }
    }

    fn whole(&self, pack: &Id, size: u64) -> Result<()> {
        self.there.store.read_sound(|| {
            let key = pack_key(*pack);
            let mut source = ObjectReader::new(self.there.store, key, 0..size, self.progress);
            let mut file = self.session.temp_file()?;
            std::io::copy(&mut source, &mut file).on("write", file.path())?;
            self.receiver.add_pack(file, pack, self.progress)
        })
    }

    fn frames(&self, pack: &Id, frames: &[FrameEntry]) -> Result<()> {
        let (store, key) = (self.there.store, pack_key(*pack));
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
        // What the index says is not believed before memory is taken.
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

impl Job {
    /// Bytes that are wanted of the remote.
    fn bytes(&self) -> u64 {
        match self {
            Job::Whole(_, size) => *size,
            Job::Frames(_, frames) => frames.iter().map(|frame| u64::from(frame.stored)).sum(),
        }
    }
}

fn range(frame: &FrameEntry) -> Range<u64> {
    frame.offset..frame.offset.saturating_add(u64::from(frame.stored))
}

/// Groups frames, sorted by where they begin, so that those that lie close together are one request.
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
