//! Locates content on a remote and downloads it.
//!
//! Only requested content is downloaded: the frames that hold it, as coalesced ranges, in parallel.
//! If nearly all of a pack is requested, the whole pack is downloaded. Every member is verified
//! against its id. It is then stored in local packs like any other content, so all other code reads
//! it as usual.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::compactions::Compactions;
use super::connection::Connection;
use super::object_reader::ObjectReader;
use super::remote_file::{UnreadableSegment, lost, read_segment};
use super::remote_memory::RemoteMemory;
use crate::content::{ForeignIndex, Need, OutgoingSegment, Session, find_remotely, merge_segments};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::log::RemoteState;
use crate::remote::{FileKind, Store};
use crate::repo::Repository;

/// For at most this many ids, whole segments are not fetched.
const FEW: usize = 64;
/// Segments are fetched whole, smallest first, up to this total of bytes, however few ids are
/// requested.
const WHOLE: u64 = 2 << 20;
/// The most bytes of small segments that are fetched along with the history.
const BESIDE_HISTORY: u64 = 1 << 20;
/// The most bytes of segments held in memory at a time.
const HELD: u64 = 32 << 20;

/// Ids of files and their sizes in bytes.
type SizedFiles = Vec<(Id, u64)>;

/// The content of a remote, as far as its log has been read.
pub(crate) struct RemoteContent<'a> {
    repo: &'a Repository,
    store: &'a Store,
    state: &'a RemoteState,
    compactions: Compactions,
    index: Mutex<ForeignIndex>,
}

impl Connection<'_> {
    /// The content of the remote, as of the state of this connection.
    pub(crate) fn content(&self) -> Result<RemoteContent<'_>> {
        let (store, remote_state) = (self.log.store(), self.state.remote_state());
        RemoteContent::new(self.repo, store, remote_state, &self.memory)
    }
}

impl<'a> RemoteContent<'a> {
    /// Creates a view of the content on `store`, whose remote state is `state`.
    pub(crate) fn new(
        repo: &'a Repository,
        store: &'a Store,
        state: &'a RemoteState,
        memory: &RemoteMemory,
    ) -> Result<Self> {
        let compactions = memory.compactions(state);
        // A compacted segment covers all entries of its inputs.
        let segments: Vec<Id> = state.segments.keys().copied().chain(compactions.parts()).collect();
        let index = memory.index(&segments)?;
        let content = RemoteContent { repo, store, state, compactions, index: Mutex::new(index) };
        // If nothing can be written locally, the compacted segment is fetched, or searched on the
        // remote.
        let _ = content.note_compacted_segments();
        Ok(content)
    }

    /// Marks compacted segments as present if all their inputs are present.
    fn note_compacted_segments(&self) -> Result<()> {
        let mut index = self.index();
        for (compacted, parts) in self.compactions.whole(&|id| index.has_segment(id)) {
            index.stand_for(&compacted, &parts)?;
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, ForeignIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all locations of `id` that satisfy `need`, in packs that are not retired.
    pub(crate) fn find_locations(&self, id: &Id, need: Need) -> Vec<Location> {
        let places = self.index().locations(id);
        let is_enough = |place: &Location| {
            self.state.packs.contains_key(&place.pack)
                && (need == Need::File || place.kind != MemberKind::Manifest)
        };
        places.into_iter().filter(is_enough).collect()
    }

    pub(super) fn repo(&self) -> &Repository {
        self.repo
    }

    pub(super) fn state(&self) -> &RemoteState {
        self.state
    }

    /// Returns true if the segment `id` has a local copy or is an input of a compacted segment.
    pub(super) fn is_part(&self, id: &Id) -> bool {
        self.index().has_segment(id) || self.compactions.parts().any(|part| part == *id)
    }

    /// Fetches one segment.
    pub(super) fn fetch_segment(&self, id: Id, size: u64, progress: &dyn Progress) -> Result<()> {
        self.fetch_files(&[(id, size)], progress)
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// The size of a pack in bytes according to the log; 0 if the log has no such pack.
    pub(super) fn size_of(&self, pack: &Id) -> u64 {
        self.state.packs.get(pack).copied().unwrap_or(0)
    }

    /// Stores the segment `id` from `file` in the local index of the remote.
    pub(crate) fn keep_segment(&self, id: &Id, file: &Path) -> Result<()> {
        self.index().add_file(id, file)
    }

    /// Returns all locations of `id` in the local copies of segments, including retired packs.
    pub(super) fn locations(&self, id: &Id) -> Vec<Location> {
        self.index().locations(id)
    }

    /// The total bytes of the segments without a local copy.
    pub(super) fn missing_index(&self) -> u64 {
        self.missing_segments().iter().map(|(_, size)| size).sum()
    }

    /// Compacts segments of the remote into one file that belongs to `session`. Omits entries of
    /// retired packs and of packs for which `is_replaced` returns true: a push that adds such a
    /// pack again also adds a segment for it.
    pub(super) fn merge_segments(
        &self,
        segments: &[(Id, u64)],
        is_replaced: &dyn Fn(&Id) -> bool,
        session: &Session,
    ) -> Result<OutgoingSegment> {
        let read = |(id, size): &(Id, u64)| {
            let bytes = read_segment(self.store, id, *size);
            Ok((*id, bytes.map_err(|error| lost(self.store, error, "index segment", id))?))
        };
        let is_dead = |pack: &Id| self.state.retired.contains_key(pack) || is_replaced(pack);
        merge_segments(session, &self.store.at_once(segments, &read)?, &is_dead)
    }

    /// The segments without a local copy, with their sizes.
    fn missing_segments(&self) -> SizedFiles {
        let index = self.index();
        let segments = self.state.segments.iter();
        segments.filter(|(id, _)| !index.has_segment(id)).map(|(id, size)| (*id, *size)).collect()
    }

    /// Fetches all segments without a local copy.
    pub(crate) fn complete_index(&self, progress: &dyn Progress) -> Result<()> {
        self.fetch_segments(&self.missing_segments(), progress)
    }

    /// Like [`RemoteContent::complete_index`], but returns the unreadable segments if the store serves
    /// other objects. Contents that only those segments name count as missing.
    pub(crate) fn complete_readable_index(
        &self,
        progress: &dyn Progress,
    ) -> Result<Vec<UnreadableSegment>> {
        use ErrorKind::{Corrupt, NotFound, Unauthorized, Unavailable};
        let mut unreadable = Vec::new();
        match self.complete_index(progress) {
            Err(error)
                if matches!(error.kind(), Corrupt | NotFound | Unauthorized | Unavailable) => {}
            other => return other.map(|()| unreadable),
        }
        for one in self.missing_segments() {
            let key = FileKind::Segment.key(one.0);
            if let Err(error) = self.fetch_files(&[one], progress) {
                let problem = self.store.defect_of(&key, error)?;
                unreadable.push(UnreadableSegment { key, problem });
            }
        }
        Ok(unreadable)
    }

    /// Fetches the smallest of the segments without a local copy.
    pub(super) fn complete_small(&self, progress: &dyn Progress) -> Result<()> {
        let (small, _) = smallest(self.missing_segments(), BESIDE_HISTORY);
        self.fetch_segments(&small, progress)
    }

    /// Fetches segments. For a compacted segment, fetches its missing inputs instead if they are
    /// smaller.
    fn fetch_segments(&self, wanted: &[(Id, u64)], progress: &dyn Progress) -> Result<()> {
        let parts = self.compactions.cheapest(wanted, &|id| self.index().has_segment(id));
        if parts == wanted {
            return self.fetch_files(wanted, progress);
        }
        let fetched =
            self.fetch_files(&parts, progress).and_then(|()| self.note_compacted_segments());
        // A replaced input may be deleted; the compacted segment still exists.
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
        // The small segments are merged into one file. At most `HELD` bytes of them are in memory
        // at a time.
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

    /// Fetches a segment that is too large to hold in memory.
    fn fetch_large_segment(&self, id: &Id, size: u64, progress: &dyn Progress) -> Result<()> {
        let session = self.repo.content().begin()?;
        let fetched = self.store.read_sound(|| {
            let mut file = session.temp_file()?;
            let mut source =
                ObjectReader::new(self.store, FileKind::Segment.key(*id), 0..size, progress);
            std::io::copy(&mut source, &mut file).on("write", file.path())?;
            self.keep_segment(id, file.path())
        });
        fetched.map_err(|error| lost(self.store, error, "index segment", id))
    }

    /// Finds the contents `ids` and returns their locations, sorted by pack and frame. Omits
    /// contents without a location.
    pub(super) fn locate_all(
        &self,
        ids: &[Id],
        need: Need,
        progress: &dyn Progress,
    ) -> Result<Vec<Location>> {
        let mut places = Vec::with_capacity(ids.len());
        let mut unknown = Vec::new();
        let find = |ids: &[Id], places: &mut Vec<Location>, unknown: &mut Vec<Id>| {
            for id in ids {
                match self.find_locations(id, need).first() {
                    Some(place) => places.push(*place),
                    None => unknown.push(*id),
                }
            }
        };
        // A local copy of the index answers without the store: an unreadable segment that no
        // content needs stops nothing.
        find(ids, &mut places, &mut unknown);
        if unknown.is_empty() {
            return Ok(sorted(places));
        }
        if unknown.len() > FEW {
            self.complete_index(progress)?;
            find(&std::mem::take(&mut unknown), &mut places, &mut unknown);
        } else {
            let (small, large) = smallest(self.missing_segments(), WHOLE);
            self.fetch_segments(&small, progress)?;
            places.extend(self.locate_few(&unknown, need, &large, progress)?);
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
            match self.find_locations(id, need).first() {
                Some(place) => places.push(*place),
                None => left.push(*id),
            }
        }
        // These ids were found in a deleted pack or in an unsuitable form. They may have other
        // locations.
        let mut doubtful = Vec::new();
        for (segment, size) in large {
            if left.is_empty() {
                break;
            }
            let key = FileKind::Segment.key(*segment);
            let read = |ranges: &[Range<u64>]| {
                let read = self.store.read_ranges(&key, ranges);
                read.map_err(|error| lost(self.store, error, "index segment", segment))
            };
            let found = self.store.read_sound(|| find_remotely(*size, &left, &read))?;
            for (id, place) in found {
                let is_usable = self.state.packs.contains_key(&place.pack);
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
            places.extend(
                left.iter().filter_map(|id| self.find_locations(id, need).into_iter().next()),
            );
        }
        Ok(sorted(places))
    }
}

/// The ids of `ids` whose content is missing locally, sorted and deduplicated.
pub(super) fn absent(repo: &Repository, ids: &[Id]) -> Result<Vec<Id>> {
    let mut missing = Vec::new();
    // The first lookup reads the directory again. The others use the result.
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

/// Splits files into the smallest ones, with at most `most` bytes in total, and the rest.
fn smallest(mut files: SizedFiles, most: u64) -> (SizedFiles, SizedFiles) {
    files.sort_unstable_by_key(|(id, size)| (*size, *id));
    let mut sum = 0u64;
    let is_within = |(_, size): &&(Id, u64)| {
        sum = sum.saturating_add(*size);
        sum <= most
    };
    let large = files.split_off(files.iter().take_while(is_within).count());
    (files, large)
}

pub(super) fn sorted(mut places: Vec<Location>) -> Vec<Location> {
    places.sort_unstable_by_key(|place| (place.pack, place.frame.offset));
    places.dedup_by_key(|place| (place.pack, place.frame.offset));
    places
}
