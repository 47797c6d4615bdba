//! Removes content that is stored elsewhere or no longer wanted. At every moment, the index names
//! only existing content.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::copy::FrameCopier;
use super::needed_places::{NeededPlace, NeededPlaces, needed_frames, stored};
use super::packer::FullPack;
use super::segments::SegmentSet;
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::{atomic, fault};
use crate::id::Id;
use crate::pack::{FrameEntry, Keep, Location, MemberKind, PackIndex, merge};
use crate::progress::{Progress, Unit, check_interrupt};

/// The amount of removed content, or in a dry run the amount to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Removed packs, including the packs that were rewritten.
    pub packs: u64,
    /// Entries removed from the index.
    pub contents: u64,
    /// The reduction in the total size of all packs. A dry run does not count the indexes of new
    /// packs.
    pub bytes_freed: u64,
    /// Bytes of frames copied into new packs.
    pub bytes_rewritten: u64,
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
        let segments = self.refresh()?;
        let kept = Kept::find(self, &segments, is_kept, progress)?;
        let mut cut = Cut {
            store: self,
            segments: &segments,
            manifests: kept.manifests,
            output: session.map(|session| Output {
                session,
                copier: FrameCopier::new(session, self.params().pack_size),
                contents: SegmentSpill::new(session),
            }),
            entries: 0,
            made: Vec::new(),
            gone: Vec::new(),
            dropped: Dropped::default(),
        };
        progress.begin("choosing packs", Some(kept.places.packs() as u64), Unit::Items);
        for (pack, places) in kept.places.by_pack() {
            cut.take(pack, places, progress)?;
            progress.advance(1);
        }
        cut.finish()
    }

    /// Replaces the whole index with `fresh`. At every moment, the index has all chunks of all its
    /// manifests: the old index first becomes a single file, which a single step removes.
    fn replace_index(
        &self,
        session: &Session,
        old: &SegmentSet,
        fresh: SegmentSpill<'_>,
    ) -> Result<()> {
        let mut old_files: Vec<PathBuf> =
            old.all().iter().map(|segment| segment.path().to_owned()).collect();
        if old_files.len() > 1 {
            let views: Vec<_> = old.all().iter().map(|segment| segment.view()).collect();
            let merged =
                self.write_segment(session, |out| merge(&views, Keep::OnePlace, &|_| false, out))?;
            old_files.retain(|path| *path != merged);
            self.remove_segments(&old_files)?;
            old_files = vec![merged];
        }
        if let Some(written) = fresh.finish()? {
            let path = self.index_dir().join(format!("{}.idx", written.checksum));
            written.file.persist(&path)?;
            old_files.retain(|old| *old != path);
        }
        self.remove_segments(&old_files)?;
        self.refresh()?;
        Ok(())
    }

    fn remove_segments(&self, files: &[PathBuf]) -> Result<()> {
        for path in files {
            atomic::remove_file(path)?;
            fault::reached("segment removed")?;
        }
        atomic::sync_dir(&self.index_dir())
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
struct Cut<'a> {
    store: &'a ContentStore,
    segments: &'a Arc<SegmentSet>,
    manifests: Vec<Id>,
    /// `None` in a dry run.
    output: Option<Output<'a>>,
    entries: u64,
    /// New packs.
    made: Vec<Id>,
    /// Packs to remove.
    gone: Vec<Id>,
    dropped: Dropped,
}

/// The files that replace the packs and the index.
struct Output<'a> {
    session: &'a Session,
    copier: FrameCopier<'a>,
    /// The entries of the new index.
    contents: SegmentSpill<'a>,
}

impl Cut<'_> {
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
            self.gone.push(*pack);
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
        if 2 * bytes > size {
            return self.add_contents(*pack, index);
        }
        self.gone.push(*pack);
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
        self.made.push(id);
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

    /// Applies the cut. First the new packs become durable, then the index names only the kept
    /// content, then the old packs are removed.
    fn finish(mut self) -> Result<Dropped> {
        let last = self.output.as_mut().map(|output| output.copier.finish()).transpose()?;
        if let Some(full) = last.flatten() {
            self.add_new(full)?;
        }
        self.made.sort_unstable();
        self.gone.retain(|pack| self.made.binary_search(pack).is_err());
        self.dropped.packs = self.gone.len() as u64;
        self.dropped.contents = self.segments.size().0.saturating_sub(self.entries);
        let is_unchanged = self.dropped.packs + self.dropped.contents == 0;
        let Some(output) = self.output.filter(|_| !is_unchanged) else { return Ok(self.dropped) };
        self.store.replace_index(output.session, self.segments, output.contents)?;
        for pack in &self.gone {
            atomic::remove_file(&self.store.pack_path(pack))?;
            fault::reached("pack removed")?;
        }
        atomic::sync_dir(&self.store.packs_dir())?;
        Ok(self.dropped)
    }
}

/// Returns the index of some frames of a pack, given by their sorted numbers.
fn of_frames(index: &PackIndex, numbers: &[u32]) -> PackIndex {
    let members = index.members.iter().copied();
    let members = members.filter(|member| numbers.binary_search(&member.frame).is_ok());
    PackIndex { frames: index.frames.clone(), members: members.collect() }
}
