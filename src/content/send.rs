//! What of this store must go to another place, and in which packs.
//!
//! A pack of which at least half is needed goes as it is; of the others the needed frames are copied
//! as they are stored. Nothing is compressed anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outgoing::Outgoing;
use super::places::Places;
use super::read::missing;
use super::segments::SegmentSet;
use super::{ContentStore, Session};
use crate::error::Result;
use crate::fs::atomic::TempFile;
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::{Progress, Unit, check_interrupt};

/// What a place must have of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The file: its bytes, or a manifest and all chunks of it.
    File,
    /// The bytes themselves, as a blob or a chunk. A part of a longer file must be there so.
    Bytes,
}

/// A pack that is to be sent.
#[derive(Debug)]
pub struct OutgoingPack {
    /// The SHA-256 of its bytes, its name. Who sends a pack of the store (one that is not new) hashes
    /// its bytes on the way: a damaged one must not arrive.
    pub id: Id,
    /// Its bytes.
    pub size: u64,
    /// Where they are.
    pub path: PathBuf,
    /// Whether it was made to be sent, and goes with the plan.
    pub is_new: bool,
    /// Keeps a new one.
    _file: Option<TempFile>,
}

impl OutgoingPack {
    pub(super) fn of_store(id: Id, size: u64, path: PathBuf) -> Self {
        OutgoingPack { id, size, path, is_new: false, _file: None }
    }

    pub(super) fn new(id: Id, size: u64, file: TempFile) -> Self {
        let path = file.path().to_owned();
        OutgoingPack { id, size, path, is_new: true, _file: Some(file) }
    }
}

/// The index segment of the packs that are to be sent.
#[derive(Debug)]
pub struct OutgoingSegment {
    /// The SHA-256 of all its bytes: its name elsewhere. In a store of its own a segment is named by
    /// the checksum at its end.
    pub id: Id,
    /// Its bytes.
    pub size: u64,
    file: TempFile,
}

impl OutgoingSegment {
    pub(super) fn new(id: Id, size: u64, file: TempFile) -> Self {
        OutgoingSegment { id, size, file }
    }

    /// Where its bytes are, for as long as this value lives.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// What is to be sent. New packs and the segment are temporary files that go with it.
#[derive(Debug, Default)]
pub struct SendPlan {
    /// The packs, in an order that depends on nothing but what is in them and in the store.
    pub packs: Vec<OutgoingPack>,
    /// What of the packs can be relied on: every blob and chunk, and of the manifests those that
    /// were asked for, for all their chunks are sent or there. `None` if no pack is sent.
    pub segment: Option<OutgoingSegment>,
    /// Files that were asked for and are in neither place, or not as a whole; sorted.
    pub missing: Vec<Id>,
    /// Bytes of the packs and the segment.
    pub bytes: u64,
}

/// Whether a place has what is needed of an id.
pub type IsThere<'a> = dyn FnMut(&Id, Need) -> Result<bool> + 'a;

/// So many ids of chunks are held at once before they are looked for.
const BATCH: usize = 1 << 20;

impl ContentStore {
    /// What of this store must go to a place so that it has the `files`. What is there already is
    /// asked of `is_there`, with the ids of a kind in their order; an id that is there counts with all
    /// that it needs.
    ///
    /// Every frame that is copied into a new pack is checked first. An error of kind
    /// [`Corrupt`](crate::ErrorKind::Corrupt) says that content here can't be sent as it is.
    pub fn plan_send(
        &self,
        session: &Session,
        files: &[Id],
        is_there: &mut IsThere<'_>,
        progress: &dyn Progress,
    ) -> Result<SendPlan> {
        let mut search = Search::new(self, progress)?;
        search.files(files, is_there)?;
        search.chunks(is_there)?;
        let Search { segments, mut places, mut manifests, mut missing, .. } = search;
        missing.sort_unstable();
        missing.dedup();
        places.settle();
        if places.is_empty() {
            return Ok(SendPlan { missing, ..SendPlan::default() });
        }
        manifests.sort_unstable_by_key(|manifest| manifest.id);
        let relied: Vec<Id> = manifests.into_iter().map(|manifest| manifest.id).collect();
        let mut outgoing = Outgoing::new(self, session, &segments, &relied);
        let needed = || places.by_pack().filter(|(_, own)| !own.is_empty());
        progress.begin("choosing packs", Some(needed().count() as u64), Unit::Items);
        for (pack, own) in needed() {
            outgoing.take(pack, own, progress)?;
            progress.advance(1);
        }
        let (packs, segment) = outgoing.finish()?;
        let bytes = packs.iter().map(|pack| pack.size).sum::<u64>();
        let bytes = bytes + segment.as_ref().map_or(0, |segment| segment.size);
        Ok(SendPlan { packs, segment, missing, bytes })
    }
}

/// A needed manifest and where it lies; they are read in the order of the packs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Manifest {
    pack: u32,
    frame: u64,
    offset: u32,
    id: Id,
}

/// The search for what is needed.
struct Search<'a> {
    store: &'a ContentStore,
    segments: Arc<SegmentSet>,
    progress: &'a dyn Progress,
    places: Places,
    manifests: Vec<Manifest>,
    missing: Vec<Id>,
}

impl<'a> Search<'a> {
    fn new(store: &'a ContentStore, progress: &'a dyn Progress) -> Result<Self> {
        let segments = store.refresh()?;
        let places = Places::new(&segments);
        let (manifests, missing) = Default::default();
        Ok(Search { store, segments, progress, places, manifests, missing })
    }

    /// Finds the files that are not there.
    fn files(&mut self, files: &[Id], is_there: &mut IsThere<'_>) -> Result<()> {
        let mut files = files.to_vec();
        files.sort_unstable();
        files.dedup();
        let total = files.len() as u64;
        self.progress.begin("comparing contents", Some(total), Unit::Items);
        for ids in files.chunks(1 << 12) {
            check_interrupt(self.progress)?;
            for id in ids {
                if is_there(id, Need::File)? {
                    continue;
                }
                let Some(place) = self.segments.locate(id, false)? else {
                    self.missing.push(*id);
                    continue;
                };
                let pack = self.places.add(id, &place)?;
                if place.kind == MemberKind::Manifest {
                    let (frame, offset) = (place.frame.offset, place.offset);
                    self.manifests.push(Manifest { pack, frame, offset, id: *id });
                }
            }
            self.progress.advance(ids.len() as u64);
        }
        self.manifests.sort_unstable();
        Ok(())
    }

    /// Finds the chunks of those files that are not there.
    fn chunks(&mut self, is_there: &mut IsThere<'_>) -> Result<()> {
        if self.manifests.is_empty() {
            return Ok(());
        }
        let manifests = std::mem::take(&mut self.manifests);
        self.progress.begin("reading manifests", Some(manifests.len() as u64), Unit::Items);
        let (mut batch, mut absent) = (Vec::new(), Vec::new());
        let mut reader = self.store.reader();
        for manifest in &manifests {
            check_interrupt(self.progress)?;
            let place = self.manifest_place(manifest)?;
            reader.chunks(&place, |chunk| {
                batch.push(chunk.id);
                if batch.len() == BATCH {
                    self.take_chunks(&mut batch, &mut absent, is_there)?;
                }
                Ok(())
            })?;
            self.progress.advance(1);
        }
        self.take_chunks(&mut batch, &mut absent, is_there)?;
        self.manifests = manifests;
        if absent.is_empty() { Ok(()) } else { self.lose_files_with(absent) }
    }

    fn manifest_place(&self, manifest: &Manifest) -> Result<Location> {
        let place = self.segments.locate(&manifest.id, false)?;
        place.ok_or_else(|| missing(&manifest.id))
    }

    fn take_chunks(
        &mut self,
        batch: &mut Vec<Id>,
        absent: &mut Vec<Id>,
        is_there: &mut IsThere<'_>,
    ) -> Result<()> {
        batch.sort_unstable();
        batch.dedup();
        for id in batch.drain(..) {
            if is_there(&id, Need::Bytes)? {
                continue;
            }
            match self.segments.locate(&id, true)? {
                Some(place) => _ = self.places.add(&id, &place)?,
                None => absent.push(id),
            }
        }
        self.places.settle_often();
        Ok(())
    }

    /// Passes over the files that have a chunk which is in neither place.
    fn lose_files_with(&mut self, mut absent: Vec<Id>) -> Result<()> {
        absent.sort_unstable();
        let mut reader = self.store.reader();
        for manifest in std::mem::take(&mut self.manifests) {
            let mut is_whole = true;
            let place = self.manifest_place(&manifest)?;
            reader.chunks(&place, |chunk| {
                is_whole &= absent.binary_search(&chunk.id).is_err();
                Ok(())
            })?;
            if is_whole {
                self.manifests.push(manifest);
            } else {
                self.missing.push(manifest.id);
            }
        }
        Ok(())
    }
}
