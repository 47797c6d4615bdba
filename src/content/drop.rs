//! Removes content that is stored elsewhere or no longer wanted. At every moment, the index names
//! only existing content.

use std::sync::Arc;

use super::copy::FrameCopier;
use super::needed_places::{NeededPlace, NeededPlaces, needed_frames, stored};
use super::packer::FullPack;
use super::prepared_drop::{Dropped, PreparedDrop};
use super::segments::SegmentSet;
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{FrameEntry, Location, MemberKind, PackIndex};
use crate::progress::{Progress, Unit, check_interrupt};

/// The packs to rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteRule {
    /// Rewrite a pack if that frees at least half of it.
    FreesHalf,
    /// Rewrite a pack if that frees any frame.
    FreesAny,
}

impl ContentStore {
    /// Removes all content except the files for which `is_kept` returns true. Without a session,
    /// only reports what it would remove. A chunked file keeps its chunks.
    ///
    /// Packs with nothing to keep are removed. A pack with something to keep is rewritten without
    /// the frames that hold nothing to keep, if that frees at least half of the pack. Otherwise it
    /// stays. Packs that the index does not name are left alone. After a crash at any point, all
    /// kept content is readable, and everything that the index names exists.
    ///
    /// With a session, the caller must hold the lock that excludes all writers. If damaged content
    /// must be copied, this fails with [`Corrupt`](crate::ErrorKind::Corrupt) before it removes
    /// anything.
    pub fn drop_content(
        &self,
        session: Option<&Session>,
        is_kept: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Dropped> {
        let prepared = self.prepare_drop(session, is_kept, RewriteRule::FreesHalf, progress)?;
        match session {
            Some(_) => prepared.apply(&[]),
            None => Ok(prepared.dropped()),
        }
    }

    /// Prepares [`ContentStore::drop_content`] beside running writers: chooses the packs, and copies
    /// kept frames into new packs, which are durable and not in the index yet. Nothing is removed
    /// before [`PreparedDrop::apply`].
    ///
    /// The caller holds the lock that excludes removals.
    pub fn prepare_drop<'a>(
        &'a self,
        session: Option<&'a Session>,
        is_kept: &'a dyn Fn(&Id) -> bool,
        rule: RewriteRule,
        progress: &dyn Progress,
    ) -> Result<PreparedDrop<'a>> {
        let segments = self.refresh()?;
        let kept = Kept::find(self, &segments, is_kept, progress)?;
        let mut cut = Cut {
            store: self,
            segments: &segments,
            rule,
            manifests: kept.manifests,
            output: session.map(|session| Output {
                session,
                copier: FrameCopier::new(session, self.params().pack_size),
                contents: SegmentSpill::new(session),
            }),
            entries: 0,
            made: Vec::new(),
            copied: Vec::new(),
            gone: Vec::new(),
            stays: Vec::new(),
            dropped: Dropped::default(),
        };
        progress.begin("choosing packs", Some(kept.places.packs() as u64), Unit::Items);
        for (pack, places) in kept.places.by_pack() {
            cut.take(pack, places, progress)?;
            progress.advance(1);
        }
        cut.finish(is_kept)
    }
}

/// The content to keep.
struct Kept {
    places: NeededPlaces,
    /// The manifests, sorted.
    manifests: Vec<Id>,
}

impl Kept {
    /// Finds the locations of the kept content: one for each id.
    fn find(
        store: &ContentStore,
        segments: &SegmentSet,
        is_kept: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut places = NeededPlaces::new(segments);
        let mut lists: Vec<(Id, Location)> = Vec::new();
        let total = segments.size().0;
        progress.begin("choosing contents", Some(total), Unit::Items);
        for (number, (id, _)) in segments.entries().enumerate() {
            if number % (1 << 12) == 0 {
                check_interrupt(progress)?;
            }
            progress.advance(1);
            if !is_kept(&id) {
                continue;
            }
            let Some(place) = segments.locate(&id, false)? else { continue };
            places.add(&id, &place)?;
            if place.kind == MemberKind::Manifest {
                lists.push((id, place));
            }
        }
        lists.sort_unstable_by_key(|(id, place)| {
            (place.pack, place.frame.offset, place.offset, *id)
        });
        lists.dedup();
        progress.begin("reading manifests", Some(lists.len() as u64), Unit::Items);
        let mut reader = store.reader();
        for (_, list) in &lists {
            check_interrupt(progress)?;
            reader.chunks(list, |chunk| {
                if let Some(place) = segments.locate(&chunk.id, true)? {
                    places.add(&chunk.id, &place)?;
                }
                Ok(())
            })?;
            progress.advance(1);
            places.settle_often();
        }
        places.settle();
        let mut manifests: Vec<Id> = lists.into_iter().map(|(id, _)| id).collect();
        manifests.sort_unstable();
        Ok(Kept { places, manifests })
    }
}

/// Separates the content to keep from the content to remove.
struct Cut<'a, 's> {
    store: &'a ContentStore,
    segments: &'s Arc<SegmentSet>,
    rule: RewriteRule,
    manifests: Vec<Id>,
    /// `None` in a dry run.
    output: Option<Output<'a>>,
    entries: u64,
    /// New packs, with their sizes.
    made: Vec<(Id, u64)>,
    /// The blobs and chunks of new packs.
    copied: Vec<Id>,
    /// Packs to remove, with their sizes.
    gone: Vec<(Id, u64)>,
    /// Packs that stay.
    stays: Vec<Id>,
    dropped: Dropped,
}

/// The files that replace the packs and the index.
struct Output<'a> {
    session: &'a Session,
    copier: FrameCopier<'a>,
    /// The entries of the new index.
    contents: SegmentSpill<'a>,
}

impl<'a> Cut<'a, '_> {
    /// Decides what to do with one pack; `places` are the locations of its kept content.
    fn take(&mut self, pack: &Id, places: &[NeededPlace], progress: &dyn Progress) -> Result<()> {
        check_interrupt(progress)?;
        let path = self.store.pack_path(pack);
        let size = match self.store.open_pack(pack) {
            Ok(file) => file.metadata().on("read", &path)?.len(),
            // A missing pack is removed together with its index entries.
            Err(error) if error.kind() == ErrorKind::Corrupt && places.is_empty() => 0,
            Err(error) => return Err(error),
        };
        if places.is_empty() {
            self.gone.push((*pack, size));
            self.dropped.bytes_freed += size;
            return Ok(());
        }
        let index = match self.store.pack_index(pack) {
            Ok(index) => index,
            // If the pack's own index is damaged, the store's index of the pack may still be good.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                indexed_members(self.segments, pack)
            }
            Err(error) => return Err(error),
        };
        let needed = needed_frames(&index, pack, places)?;
        let frames = || needed.iter().map(|number| &index.frames[*number as usize]);
        let bytes = stored(frames());
        let is_worth_it = match self.rule {
            RewriteRule::FreesHalf => 2 * bytes <= size,
            RewriteRule::FreesAny => needed.len() < index.frames.len(),
        };
        if !is_worth_it {
            self.stays.push(*pack);
            return self.add_contents(*pack, index);
        }
        self.gone.push((*pack, size));
        self.dropped.bytes_rewritten += bytes;
        self.dropped.bytes_freed += size;
        if self.output.is_none() {
            self.dropped.bytes_freed -= bytes;
            let index = of_frames(&index, &needed);
            return self.add_contents(*pack, index);
        }
        self.copy(pack, frames(), progress)
    }

    fn copy<'f>(
        &mut self,
        pack: &Id,
        frames: impl Iterator<Item = &'f FrameEntry>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let file = self.store.open_pack(pack)?;
        for frame in frames {
            check_interrupt(progress)?;
            let Some(output) = &mut self.output else { return Ok(()) };
            if let Some(full) = output.copier.copy(&file, pack, frame)? {
                self.add_new(full)?;
            }
        }
        Ok(())
    }

    fn add_new(&mut self, full: FullPack) -> Result<()> {
        let FullPack { file, id, bytes, index } = full;
        file.persist(&self.store.pack_path(&id))?;
        self.made.push((id, bytes));
        let bytes_of = index.members.iter().filter(|it| it.kind != MemberKind::Manifest);
        self.copied.extend(bytes_of.map(|member| member.id));
        self.dropped.bytes_freed = self.dropped.bytes_freed.saturating_sub(bytes);
        self.add_contents(id, index)
    }

    /// Adds the blobs, chunks and kept manifests of a pack to the new index.
    fn add_contents(&mut self, pack: Id, mut index: PackIndex) -> Result<()> {
        index.members.retain(|member| {
            member.kind != MemberKind::Manifest || self.manifests.binary_search(&member.id).is_ok()
        });
        self.entries += index.members.len() as u64;
        match &mut self.output {
            Some(output) => output.contents.add(pack, &index),
            None => Ok(()),
        }
    }

    /// Closes the last new pack.
    fn finish(mut self, is_kept: &'a dyn Fn(&Id) -> bool) -> Result<PreparedDrop<'a>> {
        let last = self.output.as_mut().map(|output| output.copier.finish()).transpose()?;
        if let Some(full) = last.flatten() {
            self.add_new(full)?;
        }
        self.made.sort_unstable();
        self.copied.sort_unstable();
        let made = &self.made;
        self.gone.retain(|(pack, _)| made.binary_search_by_key(pack, |(id, _)| *id).is_err());
        self.dropped.packs = self.gone.len() as u64;
        self.dropped.contents = self.segments.size().0.saturating_sub(self.entries);
        Ok(PreparedDrop {
            store: self.store,
            before: Arc::clone(self.segments),
            output: self.output.map(|output| (output.session, output.contents)),
            is_kept,
            manifests: self.manifests,
            made: self.made,
            copied: self.copied,
            gone: self.gone,
            stays: self.stays,
            dropped: self.dropped,
        })
    }
}

/// Returns the index of some frames of a pack, given by their sorted numbers.
fn of_frames(index: &PackIndex, numbers: &[u32]) -> PackIndex {
    let members = index.members.iter().copied();
    let members = members.filter(|member| numbers.binary_search(&member.frame).is_ok());
    PackIndex { frames: index.frames.clone(), members: members.collect() }
}
