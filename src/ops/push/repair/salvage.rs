//! Salvages the readable content of damaged content packs.

use std::collections::{BTreeMap, BTreeSet};

use super::RepairRun;
use crate::content::Need;
use crate::error::Result;
use crate::id::Id;
use crate::pack::FrameEntry;
use crate::remote::FileKind;
use crate::sync::{RemoteContent, RemoteMemory};

impl RepairRun<'_> {
    /// Downloads those of the contents `wanted` that are missing locally and readable in damaged
    /// packs. A pack with one bad byte usually loses only one frame.
    pub(super) fn salvage(&self, wanted: &BTreeMap<Id, Need>) -> Result<()> {
        let packs = self.damaged_packs()?;
        if packs.is_empty() {
            return Ok(());
        }
        let mut absent = Vec::new();
        for (id, need) in wanted {
            let content = self.repo.content();
            let is_local = match need {
                Need::Bytes => content.has_bytes(id)?,
                Need::File => content.is_indexed(id)?,
            };
            if !is_local && self.found.places().locate(id, *need).is_none() {
                absent.push(*id);
            }
        }
        let mut frames: Vec<(Id, FrameEntry)> = Vec::new();
        for id in &absent {
            let places = self.found.index.locations(id).into_iter();
            let places = places.filter(|place| packs.contains(&place.pack));
            frames.extend(places.map(|place| (place.pack, place.frame)));
        }
        frames.sort_unstable_by_key(|(pack, frame)| (*pack, frame.offset));
        frames.dedup();
        let (found, repo) = (&self.found, self.repo);
        let memory = RemoteMemory::of(repo, &found.remote.name);
        let remote_content =
            RemoteContent::new(repo, &found.store, &found.audit.remote_state, &memory)?;
        remote_content.salvage(&frames, &absent, self.progress).map(drop)
    }

    /// The damaged packs that exist.
    fn damaged_packs(&self) -> Result<BTreeSet<Id>> {
        let mut packs = BTreeSet::new();
        for id in self.found.files.wrong(FileKind::Pack).keys() {
            let key = FileKind::Pack.key(*id);
            match self.found.store.try_size(&key) {
                Ok(Some(_)) => drop(packs.insert(*id)),
                Ok(None) => {}
                Err(error) => drop(self.found.store.defect_of(&key, error)?),
            }
        }
        Ok(packs)
    }
}
