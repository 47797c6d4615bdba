//! Finds content in retired packs, which may still exist.

use std::collections::BTreeSet;

use super::content::{RemoteContent, sorted};
use crate::content::Need;
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::Progress;
use crate::remote::log::StoredKind;

impl RemoteContent<'_> {
    /// Finds the contents `ids` like `locate_all`, but also in retired packs, for contents that no
    /// other pack has.
    pub(super) fn locate_anywhere(
        &self,
        ids: &[Id],
        need: Need,
        progress: &dyn Progress,
    ) -> Result<Vec<Location>> {
        self.complete_readable_index(progress)?;
        self.fetch_retired_segments(progress)?;
        let place = |id: &Id| {
            let live = self.find_locations(id, need).into_iter().next();
            live.or_else(|| self.find_retired(id, need))
        };
        Ok(sorted(ids.iter().filter_map(place).collect()))
    }

    /// Finds the contents `ids` in packs that no live segment names for them: retired packs, and live
    /// packs that only a retired segment names. Contents for which `is_chunk` returns true are needed
    /// as bytes.
    pub(super) fn locate_retired(
        &self,
        ids: &BTreeSet<Id>,
        is_chunk: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Vec<(Id, Location)>> {
        self.fetch_retired_segments(progress)?;
        let state = self.state();
        let exists = |pack: &Id| state.packs.contains_key(pack) || state.retired.contains_key(pack);
        let place = |id: &Id| {
            let is_enough = |place: &Location| {
                exists(&place.pack) && (place.kind != MemberKind::Manifest || !is_chunk(id))
            };
            Some((*id, self.locations(id).into_iter().find(is_enough)?))
        };
        Ok(ids.iter().filter_map(place).collect())
    }

    fn find_retired(&self, id: &Id, need: Need) -> Option<Location> {
        let is_enough = |place: &Location| {
            self.state().retired.contains_key(&place.pack)
                && (need == Need::File || place.kind != MemberKind::Manifest)
        };
        self.locations(id).into_iter().find(is_enough)
    }

    /// Fetches the retired segments that still exist, without the inputs of compacted segments.
    fn fetch_retired_segments(&self, progress: &dyn Progress) -> Result<()> {
        let retired = self.state().retired.values();
        let segments = retired.filter(|one| one.kind == StoredKind::Segment);
        for one in segments.filter(|one| !self.is_part(&one.id)) {
            match self.fetch_segment(one.id, one.size, progress) {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {}
                other => other?,
            }
        }
        Ok(())
    }
}
