//! Removes content that [`ContentStore::prepare_drop`] chose, after writers may have stored and
//! found more.
//!
//! The new index has three parts: the packs that stay and the copies, as prepared; the packs that
//! writers added since, whole; and each pack to remove that turned out to be needed, which then
//! stays. Everything that a manifest of the new index needs is in the new index.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::segments::SegmentSet;
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{atomic, fault};
use crate::id::Id;
use crate::pack::{Keep, Location, MemberKind, PackIndex, merge};

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

/// A removal of content that was prepared beside writers.
pub struct PreparedDrop<'a> {
    pub(super) store: &'a ContentStore,
    /// The index at the time of the preparation.
    pub(super) before: Arc<SegmentSet>,
    /// The entries of the new index; `None` in a dry run.
    pub(super) output: Option<(&'a Session, SegmentSpill<'a>)>,
    pub(super) is_kept: &'a dyn Fn(&Id) -> bool,
    /// The manifests to keep, sorted.
    pub(super) manifests: Vec<Id>,
    /// New packs with their sizes, sorted.
    pub(super) made: Vec<(Id, u64)>,
    /// The blobs and chunks of the new packs, sorted.
    pub(super) copied: Vec<Id>,
    /// Packs to remove, with their sizes.
    pub(super) gone: Vec<(Id, u64)>,
    /// Packs that stay.
    pub(super) stays: Vec<Id>,
    pub(super) dropped: Dropped,
}

impl std::fmt::Debug for PreparedDrop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedDrop").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl PreparedDrop<'_> {
    /// The amount of content to remove.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Returns true if all packs that the new index will name still exist. Another command may have
    /// removed content since the preparation, which is then worth nothing.
    pub fn is_current(&self) -> Result<bool> {
        let packs: HashSet<Id> = self.store.packs()?.into_iter().map(|(pack, _)| pack).collect();
        let made = self.made.iter().map(|(pack, _)| pack);
        Ok(self.stays.iter().chain(made).all(|pack| packs.contains(pack)))
    }

    /// Removes the content. First the index names only the kept content, then the packs go. Content
    /// that was stored since the preparation stays, and so does `also`: files that writers found in
    /// the store meanwhile.
    ///
    /// The caller must hold the lock that excludes all writers.
    pub fn apply(mut self, also: &[Id]) -> Result<Dropped> {
        let Some((session, mut contents)) = self.output.take() else {
            return Err(Error::internal("a dry run cannot remove content"));
        };
        let now = self.store.refresh()?;
        let known: HashSet<Id> =
            self.before.packs().into_iter().chain(self.made.iter().map(|(id, _)| *id)).collect();
        let rescue = self.find_needed(&now, &known, also)?;
        self.keep(&now, &rescue, &mut contents)?;
        self.dropped.packs = self.gone.len() as u64;
        if self.dropped.packs + self.dropped.contents == 0 {
            return Ok(self.dropped);
        }
        self.store.replace_index(session, &now, contents, &known)?;
        for (pack, _) in &self.gone {
            atomic::remove_file(&self.store.pack_path(pack))?;
            fault::reached("pack removed")?;
        }
        atomic::sync_dir(&self.store.packs_dir())?;
        Ok(self.dropped)
    }

    /// Finds the packs and manifests that `also` needs, and that manifests in new packs of writers
    /// need. `known` are the packs of the preparation.
    fn find_needed(&self, now: &SegmentSet, known: &HashSet<Id>, also: &[Id]) -> Result<Rescue> {
        let gone = self.gone.iter().map(|(pack, _)| *pack).collect();
        let mut rescue = Rescue { gone, ..Rescue::default() };
        let mut reader = self.store.reader();
        let earlier: HashSet<&std::path::Path> =
            self.before.all().iter().map(|segment| segment.path()).collect();
        let mut files: BTreeSet<Id> =
            also.iter().filter(|id| !(self.is_kept)(id)).copied().collect();
        for segment in now.all().iter().filter(|segment| !earlier.contains(segment.path())) {
            let view = segment.view();
            let places =
                (0..view.len()).filter_map(|at| Some((view.id(at), view.location(at).ok()?)));
            files.extend(places.filter_map(|(id, place)| {
                let is_new = place.kind == MemberKind::Manifest && !known.contains(&place.pack);
                is_new.then_some(id)
            }));
        }
        for id in files {
            if self.find_bytes(now, &id, &mut rescue) {
                continue;
            }
            let Some(list) = rescue.find_manifest(now, &id) else { continue };
            if known.contains(&list.pack) {
                rescue.manifests.entry(list.pack).or_default().push(id);
            }
            reader.chunks(&list, |chunk| {
                self.find_bytes(now, &chunk.id, &mut rescue);
                Ok(())
            })?;
        }
        Ok(rescue)
    }

    /// Returns true if the store has the bytes of `id`. If only a pack to remove has them, the pack
    /// is rescued.
    fn find_bytes(&self, now: &SegmentSet, id: &Id, rescue: &mut Rescue) -> bool {
        self.copied.binary_search(id).is_ok() || rescue.find_bytes(now, id)
    }

    /// Adds the rescued packs and manifests to the new index.
    fn keep(
        &mut self,
        now: &SegmentSet,
        rescue: &Rescue,
        contents: &mut SegmentSpill<'_>,
    ) -> Result<()> {
        for pack in rescue.packs.iter().chain(rescue.manifests.keys()).collect::<BTreeSet<_>>() {
            let files = rescue.manifests.get(pack).map(Vec::as_slice).unwrap_or_default();
            let mut index = match self.store.pack_index(pack) {
                Ok(index) => index,
                Err(error) if error.kind() == ErrorKind::Corrupt => indexed_members(now, pack),
                Err(error) => return Err(error),
            };
            let at = self.gone.iter().position(|(gone, _)| gone == pack);
            let manifests = &self.manifests;
            index.members.retain(|member| match member.kind {
                MemberKind::Manifest => {
                    files.contains(&member.id)
                        || at.is_some() && manifests.binary_search(&member.id).is_ok()
                }
                _ => at.is_some(),
            });
            self.add_rescued(*pack, &index, contents)?;
            if let Some(at) = at {
                let (_, size) = self.gone.swap_remove(at);
                self.dropped.bytes_freed = self.dropped.bytes_freed.saturating_sub(size);
            }
        }
        Ok(())
    }

    fn add_rescued(
        &mut self,
        pack: Id,
        index: &PackIndex,
        contents: &mut SegmentSpill<'_>,
    ) -> Result<()> {
        let members = index.members.len() as u64;
        self.dropped.contents = self.dropped.contents.saturating_sub(members);
        contents.add(pack, index)
    }
}

/// Packs to remove that are needed, and manifests of known packs that the new index lacks.
#[derive(Default)]
struct Rescue {
    /// The packs to remove.
    gone: HashSet<Id>,
    packs: BTreeSet<Id>,
    manifests: BTreeMap<Id, Vec<Id>>,
}

impl Rescue {
    fn find_bytes(&mut self, now: &SegmentSet, id: &Id) -> bool {
        let mut doomed = None;
        for place in now.locations(id).filter(|place| place.kind != MemberKind::Manifest) {
            if !self.gone.contains(&place.pack) || self.packs.contains(&place.pack) {
                return true;
            }
            doomed = Some(place.pack);
        }
        self.packs.extend(doomed);
        doomed.is_some()
    }

    /// Finds the manifest of a file, if possible in a pack that stays.
    fn find_manifest(&self, now: &SegmentSet, id: &Id) -> Option<Location> {
        let is_manifest = |place: &Location| place.kind == MemberKind::Manifest;
        now.locations(id).filter(is_manifest).min_by_key(|place| self.gone.contains(&place.pack))
    }
}

impl ContentStore {
    /// Replaces the whole index with `fresh` and the entries of the packs that are not `known`. At
    /// every moment, the index has all chunks of all its manifests: the old index first becomes a
    /// single file, which a single step removes.
    fn replace_index(
        &self,
        session: &Session,
        old: &SegmentSet,
        fresh: SegmentSpill<'_>,
        known: &HashSet<Id>,
    ) -> Result<()> {
        let views: Vec<_> = old.all().iter().map(|segment| segment.view()).collect();
        let mut old_files: Vec<PathBuf> =
            old.all().iter().map(|segment| segment.path().to_owned()).collect();
        let has_new = old.packs().iter().any(|pack| !known.contains(pack));
        let added = if has_new {
            let is_known = |pack: &Id| known.contains(pack);
            Some(self.write_segment(session, |out| merge(&views, Keep::AllPlaces, &is_known, out))?)
        } else {
            None
        };
        if old_files.len() > 1 {
            let merged =
                self.write_segment(session, |out| merge(&views, Keep::OnePlace, &|_| false, out))?;
            old_files.retain(|path| *path != merged && Some(path) != added.as_ref());
            self.remove_segments(&old_files)?;
            old_files = vec![merged];
        }
        if let Some(written) = fresh.finish()? {
            let path = self.index_dir().join(format!("{}.idx", written.checksum));
            written.file.persist(&path)?;
            old_files.retain(|old| *old != path);
        }
        old_files.retain(|old| Some(old) != added.as_ref());
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
