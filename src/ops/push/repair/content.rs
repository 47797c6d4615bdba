//! Replaces content packs that are missing or damaged and have no identical local file.

use std::collections::{BTreeMap, BTreeSet};

use super::RepairRun;
use crate::content::Need;
use crate::error::Result;
use crate::id::Id;
use crate::pack::MemberKind;
use crate::remote::FileKind;

impl RepairRun<'_> {
    /// Plans to send the local content of damaged packs, and to retire the packs whose content is
    /// then complete. Retires damaged segments if no content is lost.
    pub(super) fn replace_content(&mut self, is_index_whole: bool) -> Result<()> {
        let (packs, wanted) = self.wanted();
        self.salvage(&wanted)?;
        let ids: Vec<Id> = wanted.keys().copied().collect();
        let found = &self.found;
        let mut relies_on = BTreeSet::new();
        let mut has_content = |id: &Id, need: Need| -> Result<bool> {
            // A chunk of a file must be stored as a chunk.
            let need = if wanted.get(id) == Some(&Need::Bytes) { Need::Bytes } else { need };
            let place = found.places().locate(id, need);
            relies_on.extend(place.iter().map(|place| place.pack));
            Ok(place.is_some())
        };
        let content = self.repo.content();
        let is_dead = |id: &Id| found.audit.remote_state.is_dead(id);
        let plan = content.plan_send_besides(
            &self.session,
            &ids,
            &mut has_content,
            &is_dead,
            self.progress,
        )?;
        let is_lost =
            |id: &Id| found.lost.contents.contains(id) && plan.missing.binary_search(id).is_ok();
        let nothing_is_lost = !found.lost.contents.iter().any(is_lost);
        let mut retired = Vec::new();
        for (pack, contents) in packs {
            // If the index was damaged, the other contents of the pack are unknown.
            if nothing_is_lost || (is_index_whole && !contents.iter().any(is_lost)) {
                retired.push((FileKind::Pack, pack));
            }
        }
        let segments = found.files.wrong(FileKind::Segment).keys().filter(|_| nothing_is_lost);
        retired.extend(segments.map(|id| (FileKind::Segment, *id)));
        // A pack that the remote already lists and that is sent again is whole again.
        retired.retain(|(_, id)| !plan.packs.iter().any(|pack| pack.id == *id));
        self.new.relies_on.extend(relies_on);
        self.new.retired.extend(retired);
        self.new.plan = plan;
        Ok(())
    }

    /// Returns the damaged packs with their contents according to the index, and all contents that
    /// must be stored in other packs, with the need for each.
    fn wanted(&self) -> (BTreeMap<Id, Vec<Id>>, BTreeMap<Id, Need>) {
        let found = &self.found;
        let wrong = found.files.wrong(FileKind::Pack).keys();
        let mut packs: BTreeMap<Id, Vec<Id>> = wrong.map(|pack| (*pack, Vec::new())).collect();
        let lost = found.lost.contents.iter().chain(&found.overtaken.lost.contents);
        let mut wanted: BTreeMap<Id, Need> = lost.map(|id| (*id, Need::File)).collect();
        if packs.is_empty() {
            return (packs, wanted);
        }
        found.index.visit(&mut |id, place| {
            if let Some(own) = packs.get_mut(&place.pack) {
                own.push(*id);
                if place.kind == MemberKind::Chunk {
                    wanted.insert(*id, Need::Bytes);
                } else {
                    wanted.entry(*id).or_insert(Need::File);
                }
            }
        });
        (packs, wanted)
    }
}
