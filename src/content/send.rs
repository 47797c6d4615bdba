//! Plans the content to send to another store, and the packs to send it in.
//!
//! A pack is sent unchanged if at least half of it is needed. From other packs, the needed frames
//! are copied as they are stored. Nothing is compressed again.

use std::sync::Arc;

use super::foreign::Need;
use super::needed_places::NeededPlaces;
use super::other_name::IsDead;
use super::outgoing::Outgoing;
use super::outgoing_file::{OutgoingPack, OutgoingSegment};
use super::read::missing;
use super::segments::SegmentSet;
use super::{ContentStore, Session};
use crate::error::Result;
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::{Progress, Unit, check_interrupt};

/// The packs and the segment to send. New packs and the segment are temporary files that the plan
/// owns.
#[derive(Debug, Default)]
pub struct SendPlan {
    /// The packs, in an order that depends only on their contents and on the store.
    pub packs: Vec<OutgoingPack>,
    /// The reliable contents of the packs: every blob and chunk, and the requested manifests, whose
    /// chunks are all sent or on the destination. `None` if no pack is sent.
    pub segment: Option<OutgoingSegment>,
    /// Requested files that neither store has completely; sorted.
    pub missing: Vec<Id>,
    /// The total size of the packs and the segment in bytes.
    pub bytes: u64,
}

/// Returns true if the destination has an id in the needed form.
pub type HasContent<'a> = dyn FnMut(&Id, Need) -> Result<bool> + 'a;

/// The number of chunk ids to collect before looking them up.
const BATCH: usize = 1 << 20;

impl ContentStore {
    /// Plans what to send so that the destination has `files`. `has_content` reports what the
    /// destination already has. It is called with the ids of each kind in sorted order. An id on
    /// the destination counts as complete, with everything that it needs.
    ///
    /// Checks every frame that is copied into a new pack. An error of kind
    /// [`Corrupt`](crate::ErrorKind::Corrupt) means that local content is too damaged to send.
    pub fn plan_send(
        &self,
        session: &Session,
        files: &[Id],
        has_content: &mut HasContent<'_>,
        progress: &dyn Progress,
    ) -> Result<SendPlan> {
        self.plan_send_besides(session, files, has_content, &|_| false, progress)
    }

    /// Plans as [`ContentStore::plan_send`] does. No file of the plan has a name for which `is_dead`
    /// returns true: it has the same content and another name.
    pub(crate) fn plan_send_besides(
        &self,
        session: &Session,
        files: &[Id],
        has_content: &mut HasContent<'_>,
        is_dead: IsDead<'_>,
        progress: &dyn Progress,
    ) -> Result<SendPlan> {
        let mut search = SendSearch::new(self, progress)?;
        search.files(files, has_content)?;
        search.chunks(has_content)?;
        let SendSearch { segments, mut places, mut manifests, mut missing, .. } = search;
        missing.sort_unstable();
        missing.dedup();
        places.settle();
        if places.is_empty() {
            return Ok(SendPlan { missing, ..SendPlan::default() });
        }
        manifests.sort_unstable_by_key(|manifest| manifest.id);
        let relied: Vec<Id> = manifests.into_iter().map(|manifest| manifest.id).collect();
        let mut outgoing = Outgoing::new(self, session, (&segments, &relied), is_dead);
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

/// A needed manifest and its location. Manifests are read in the order of the packs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Manifest {
    pack: u32,
    frame: u64,
    offset: u32,
    id: Id,
}

/// The search for the needed content.
struct SendSearch<'a> {
    store: &'a ContentStore,
    segments: Arc<SegmentSet>,
    progress: &'a dyn Progress,
    places: NeededPlaces,
    manifests: Vec<Manifest>,
    missing: Vec<Id>,
}

impl<'a> SendSearch<'a> {
    fn new(store: &'a ContentStore, progress: &'a dyn Progress) -> Result<Self> {
        let segments = store.refresh()?;
        let places = NeededPlaces::new(&segments);
        let (manifests, missing) = Default::default();
        Ok(SendSearch { store, segments, progress, places, manifests, missing })
    }

    /// Finds the files that the destination does not have.
    fn files(&mut self, files: &[Id], has_content: &mut HasContent<'_>) -> Result<()> {
        let mut files = files.to_vec();
        files.sort_unstable();
        files.dedup();
        let total = files.len() as u64;
        self.progress.begin("comparing contents", Some(total), Unit::Items);
        for ids in files.chunks(1 << 12) {
            check_interrupt(self.progress)?;
            for id in ids {
                if has_content(id, Need::File)? {
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

    /// Finds the chunks of those files that the destination does not have.
    fn chunks(&mut self, has_content: &mut HasContent<'_>) -> Result<()> {
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
                    self.take_chunks(&mut batch, &mut absent, has_content)?;
                }
                Ok(())
            })?;
            self.progress.advance(1);
        }
        self.take_chunks(&mut batch, &mut absent, has_content)?;
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
        has_content: &mut HasContent<'_>,
    ) -> Result<()> {
        batch.sort_unstable();
        batch.dedup();
        for id in batch.drain(..) {
            if has_content(&id, Need::Bytes)? {
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

    /// Marks files as missing if neither store has all their chunks.
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
