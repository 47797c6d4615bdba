//! Lets go of content that is elsewhere or not wanted any more, without a moment in which the index
//! names what is not there.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::copy::FrameCopier;
use super::packer::FullPack;
use super::places::{Place, Places, needed_frames, stored};
use super::segments::SegmentSet;
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::{atomic, fault};
use crate::id::Id;
use crate::pack::{FrameEntry, Keep, Location, MemberKind, PackIndex, merge};
use crate::progress::{Progress, Unit, check_interrupt};

/// What was let go, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Packs that are gone, those that were written anew among them.
    pub packs: u64,
    /// Entries that the index does not have any more.
    pub contents: u64,
    /// By so many bytes all packs are smaller. A rehearsal does not count the indexes of new packs.
    pub bytes_freed: u64,
    /// Bytes of frames that were copied into new packs.
    pub bytes_rewritten: u64,
}

impl ContentStore {
    /// Lets go of all content but the files for which `is_kept` says yes; with `dry_run` only says
    /// what would go. A file in chunks keeps its chunks.
    ///
    /// Packs with nothing to keep are removed. One with something is written anew without the frames
    /// that hold nothing to keep if that frees at least half of it, else it stays. Packs that the
    /// index does not name are left alone. After a crash anywhere all that is kept can be read, and
    /// what the index names is there.
    ///
    /// The caller holds the lock that keeps all writers out. Content that is to be copied and is
    /// damaged is an error of kind [`Corrupt`](crate::ErrorKind::Corrupt), before anything is gone.
    pub fn drop_content(
        &self,
        session: &Session,
        is_kept: &dyn Fn(&Id) -> bool,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Dropped> {
        let segments = self.refresh()?;
        let kept = Kept::find(self, &segments, is_kept, progress)?;
        let mut cut = Cut {
            store: self,
            segments: &segments,
            manifests: kept.manifests,
            copier: FrameCopier::new(session, self.params().pack_size),
            contents: SegmentSpill::new(session),
            entries: 0,
            made: Vec::new(),
            gone: Vec::new(),
            dry_run,
            dropped: Dropped::default(),
        };
        progress.begin("choosing packs", Some(kept.places.packs() as u64), Unit::Items);
        for (pack, places) in kept.places.by_pack() {
            cut.take(pack, places, progress)?;
            progress.advance(1);
        }
        cut.finish(session)
    }

    /// Replaces the whole index by `fresh`, so that at every moment it has all of the chunks of all
    /// manifests that are in it: the old one becomes a single file, which goes at once.
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
            let merged = self.write_segment(session, |out| merge(&views, Keep::OnePlace, out))?;
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

/// What is kept.
struct Kept {
    places: Places,
    /// The manifests, sorted.
    manifests: Vec<Id>,
}

impl Kept {
    /// Finds the places of what is kept: one of each content.
    fn find(
        store: &ContentStore,
        segments: &SegmentSet,
        is_kept: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut places = Places::new(segments);
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

/// The cut between what stays and what goes.
struct Cut<'a> {
    store: &'a ContentStore,
    segments: &'a Arc<SegmentSet>,
    manifests: Vec<Id>,
    copier: FrameCopier<'a>,
    /// What the index will name.
    contents: SegmentSpill<'a>,
    entries: u64,
    /// New packs.
    made: Vec<Id>,
    /// Packs that are to go.
    gone: Vec<Id>,
    dry_run: bool,
    dropped: Dropped,
}

impl Cut<'_> {
    /// Decides about one pack; `places` are what is kept of it.
    fn take(&mut self, pack: &Id, places: &[Place], progress: &dyn Progress) -> Result<()> {
        check_interrupt(progress)?;
        let path = self.store.pack_path(pack);
        let size = match self.store.open_pack(pack) {
            Ok(file) => file.metadata().on("read", &path)?.len(),
            // One that is missing goes with what is said of it.
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
            // What the index of the store knows of it may be good all the same.
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
        if self.dry_run {
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
            if let Some(full) = self.copier.copy(&file, pack, frame)? {
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

    /// The index will name the blobs and chunks of a pack, and of its manifests those that are kept.
    fn add_contents(&mut self, pack: Id, mut index: PackIndex) -> Result<()> {
        index.members.retain(|member| {
            member.kind != MemberKind::Manifest || self.manifests.binary_search(&member.id).is_ok()
        });
        self.entries += index.members.len() as u64;
        if self.dry_run { Ok(()) } else { self.contents.add(pack, &index) }
    }

    /// Puts it into effect: new packs are durable, then the index names what stays, then the old
    /// packs go.
    fn finish(mut self, session: &Session) -> Result<Dropped> {
        if let Some(full) = self.copier.finish()? {
            self.add_new(full)?;
        }
        self.made.sort_unstable();
        self.gone.retain(|pack| self.made.binary_search(pack).is_err());
        self.dropped.packs = self.gone.len() as u64;
        self.dropped.contents = self.segments.size().0.saturating_sub(self.entries);
        if self.dry_run || self.dropped.packs + self.dropped.contents == 0 {
            return Ok(self.dropped);
        }
        self.store.replace_index(session, self.segments, self.contents)?;
        for pack in &self.gone {
            atomic::remove_file(&self.store.pack_path(pack))?;
            fault::reached("pack removed")?;
        }
        atomic::sync_dir(&self.store.packs_dir())?;
        Ok(self.dropped)
    }
}

/// The index of some frames of a pack, given by their numbers in order.
fn of_frames(index: &PackIndex, numbers: &[u32]) -> PackIndex {
    let members = index.members.iter().copied();
    let members = members.filter(|member| numbers.binary_search(&member.frame).is_ok());
    PackIndex { frames: index.frames.clone(), members: members.collect() }
}
