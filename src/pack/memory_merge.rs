//! Merges segments in memory. The same segments always produce the same bytes.

use std::collections::HashMap;

use super::segment::PlaceRow;
use super::{FormatError, Location, SegmentBuilder, SegmentView};
use crate::id::Id;

/// A merge of segments in memory. Needs some hundred bytes per entry.
#[derive(Debug, Default)]
pub struct MemoryMerge {
    builder: SegmentBuilder,
    packs: HashMap<Id, u32>,
    /// The number of each frame, by pack number, offset, stored size and size.
    frames: HashMap<(u32, u64, u32, u64), u32>,
}

impl MemoryMerge {
    /// Adds the entries of a segment, except those of dead packs.
    pub fn add(
        &mut self,
        segment: &SegmentView<'_>,
        is_dead: &dyn Fn(&Id) -> bool,
    ) -> Result<(), FormatError> {
        for index in 0..segment.len() {
            let place = segment.location(index)?;
            if is_dead(&place.pack) {
                continue;
            }
            let id = segment.id(index);
            let place = self.place(&place);
            self.builder.entries.push((id, place));
        }
        Ok(())
    }

    fn place(&mut self, location: &Location) -> PlaceRow {
        let packs = &mut self.builder.packs;
        let pack = *self.packs.entry(location.pack).or_insert_with(|| {
            packs.push(location.pack);
            packs.len() as u32 - 1
        });
        let frames = &mut self.builder.frames;
        let own = location.frame;
        let said = (pack, own.offset, own.stored, own.size);
        let frame = *self.frames.entry(said).or_insert_with(|| {
            frames.push((pack, own));
            frames.len() as u32 - 1
        });
        let Location { offset, size, kind, .. } = *location;
        PlaceRow { frame, offset, size, kind }
    }

    /// Returns the merged segment without duplicate entries. The same segments in the same order
    /// produce the same bytes.
    pub fn finish(mut self) -> SegmentBuilder {
        let key = |(id, place): &(Id, PlaceRow)| (*id, place.kind, place.frame, place.offset);
        self.builder.entries.sort_unstable_by_key(key);
        self.builder.entries.dedup_by_key(|entry| key(entry));
        self.builder
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FrameEntry, MemberEntry, MemberKind, PackIndex};
    use super::*;

    /// Creates a segment of one pack with a chunk for each number.
    fn segment(pack: u8, numbers: std::ops::Range<u32>) -> Vec<u8> {
        let member = |n: u32| MemberEntry {
            id: Id::of_blob(&n.to_le_bytes()),
            kind: MemberKind::Chunk,
            frame: 0,
            offset: n,
            size: 4,
        };
        let frames = vec![FrameEntry { offset: 0, stored: 10, size: 1 << 20 }];
        let mut builder = SegmentBuilder::default();
        let index = PackIndex { frames, members: numbers.map(member).collect() };
        builder.add_pack(Id::of_blob(&[pack]), &index);
        let mut bytes = Vec::new();
        builder.write_to(&mut bytes).unwrap();
        bytes
    }

    fn merge(segments: &[&[u8]]) -> Vec<u8> {
        merge_without(segments, &|_| false)
    }

    fn merge_without(segments: &[&[u8]], is_dead: &dyn Fn(&Id) -> bool) -> Vec<u8> {
        let mut merge = MemoryMerge::default();
        for bytes in segments {
            merge.add(&SegmentView::open(bytes).unwrap(), is_dead).unwrap();
        }
        let mut bytes = Vec::new();
        merge.finish().write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_location_is_kept_exactly_once() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let once = merge(&[&a, &b]);
        let view = SegmentView::open(&once).unwrap();
        view.verify().unwrap();
        assert_eq!((view.len(), view.packs().count()), (1000, 2));
        let both: Vec<Id> = view
            .locations(&Id::of_blob(&550u32.to_le_bytes()))
            .map(|place| place.unwrap().pack)
            .collect();
        assert_eq!(both, [Id::of_blob(&[1]), Id::of_blob(&[2])]);
        let again = merge(&[&once, &a, &b]);
        let view = SegmentView::open(&again).unwrap();
        assert_eq!((view.len(), view.packs().count()), (1000, 2), "known entries add nothing");
        assert_eq!(merge(&[&a, &b]), once, "the same segments give the same bytes");
    }

    #[test]
    fn entries_of_dead_packs_are_omitted() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let alive = merge_without(&[&a, &b], &|pack| *pack == Id::of_blob(&[1]));
        let view = SegmentView::open(&alive).unwrap();
        view.verify().unwrap();
        assert_eq!((view.len(), view.packs().count()), (400, 1));
        let none = merge_without(&[&a, &b], &|_| true);
        let view = SegmentView::open(&none).unwrap();
        view.verify().unwrap();
        assert!(view.is_empty());
    }
}
