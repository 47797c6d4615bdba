//! Merges several segments without holding the result in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io::{self, Write};

use super::segment::{Columns, PlaceRow};
use super::{FormatError, FrameEntry, Location, MemberKind, SegmentView};
use crate::id::Id;

/// The number of locations to keep for an id that several segments have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// One location of each kind, which is enough if no pack is ever removed.
    OnePlace,
    /// All locations: if a pack is removed, another location is needed.
    AllPlaces,
}

/// Merges sorted segments without holding the result: the ids are merged twice, once for each
/// column. Omits entries of packs for which `is_dead` returns true. Duplicate locations are written
/// once. The same segments in the same order produce the same bytes.
pub fn merge(
    segments: &[SegmentView<'_>],
    keep: Keep,
    is_dead: &dyn Fn(&Id) -> bool,
    out: &mut dyn Write,
) -> Result<Id, MergeError> {
    let table = FrameTable::of(segments, is_dead)?;
    // Detect damaged entries before writing any byte.
    Merge::new(segments, &table, keep)?.try_for_each(|entry| entry.map(drop))?;
    let good = || Merge::new(segments, &table, keep).into_iter().flatten().filter_map(Result::ok);
    let mut columns = Columns::begin(out, &table.packs, &table.frames, good().map(|(id, _)| id))?;
    for (id, _) in good() {
        columns.put(id.as_bytes())?;
    }
    for (_, place) in good() {
        columns.place(place)?;
    }
    Ok(columns.finish()?)
}

/// The packs and frames of the merged segment, each once.
struct FrameTable {
    packs: Vec<Id>,
    frames: Vec<(u32, FrameEntry)>,
    /// For each input segment, the new numbers of its frames. `None` is a frame of a dead pack.
    numbers: Vec<Vec<Option<u32>>>,
}

impl FrameTable {
    fn of(
        segments: &[SegmentView<'_>],
        is_dead: &dyn Fn(&Id) -> bool,
    ) -> Result<Self, FormatError> {
        let mut table = FrameTable { packs: Vec::new(), frames: Vec::new(), numbers: Vec::new() };
        let (mut known, mut shared) = (HashMap::new(), HashSet::new());
        for pack in segments.iter().flat_map(SegmentView::packs).filter(|pack| !is_dead(pack)) {
            let number = table.packs.len() as u32;
            if *known.entry(pack).or_insert(number) == number {
                table.packs.push(pack);
            } else {
                shared.insert(pack);
            }
        }
        // Only frames of packs that several segments have can be duplicates.
        let mut duplicates: HashMap<(u32, u64, u32, u64), u32> = HashMap::new();
        for segment in segments {
            let packs: Vec<Id> = segment.packs().collect();
            let mut numbers = Vec::new();
            for row in segment.frames() {
                let (at, frame) = row?;
                let pack = packs.get(at as usize).ok_or(FormatError::Truncated)?;
                let Some(number) = known.get(pack).copied() else {
                    numbers.push(None);
                    continue;
                };
                let next = table.frames.len() as u32;
                let key = (number, frame.offset, frame.stored, frame.size);
                let is_shared = shared.contains(pack);
                let own = if is_shared { *duplicates.entry(key).or_insert(next) } else { next };
                if own == next {
                    table.frames.push((number, frame));
                }
                numbers.push(Some(own));
            }
            table.numbers.push(numbers);
        }
        Ok(table)
    }
}

/// The reason why segments could not be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the segments is damaged.
    #[error("a segment is damaged: {0}")]
    Format(#[from] FormatError),
    /// The merged segment could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Walks several segments in the order of ids and kinds.
struct Merge<'a, 'b> {
    segments: &'a [SegmentView<'b>],
    table: &'a FrameTable,
    keep: Keep,
    /// The next entry of each segment: the id, the kind, the segment and the entry's number in it.
    next: BinaryHeap<Reverse<(Id, MemberKind, usize, usize)>>,
    last: Option<(Id, MemberKind)>,
    /// The locations of the last id and kind so far.
    written: Vec<Location>,
}

impl<'a, 'b> Merge<'a, 'b> {
    fn new(
        segments: &'a [SegmentView<'b>],
        table: &'a FrameTable,
        keep: Keep,
    ) -> Result<Self, FormatError> {
        let (next, written) = Default::default();
        let mut merge = Merge { segments, table, keep, next, last: None, written };
        (0..segments.len()).try_for_each(|number| merge.push(number, 0))?;
        Ok(merge)
    }

    fn push(&mut self, number: usize, at: usize) -> Result<(), FormatError> {
        let segment = &self.segments[number];
        if at < segment.len() {
            let (place, _) = segment.place(at)?;
            self.next.push(Reverse((segment.id(at), place.kind, number, at)));
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<(Id, PlaceRow)>, FormatError> {
        while let Some(Reverse((id, kind, number, at))) = self.next.pop() {
            self.push(number, at + 1)?;
            let (place, _) = self.segments[number].place(at)?;
            let frame = self.table.numbers[number].get(place.frame as usize);
            // The pack of an entry without a frame is dead.
            let Some(frame) = frame.copied().flatten() else { continue };
            let is_first = self.last.replace((id, kind)) != Some((id, kind));
            if is_first || (self.keep == Keep::AllPlaces && self.is_another(number, at)?) {
                self.note(is_first, number, at)?;
                return Ok(Some((id, PlaceRow { frame, ..place })));
            }
        }
        Ok(None)
    }

    fn is_another(&self, number: usize, at: usize) -> Result<bool, FormatError> {
        Ok(!self.written.contains(&self.segments[number].location(at)?))
    }

    fn note(&mut self, is_first: bool, number: usize, at: usize) -> Result<(), FormatError> {
        if self.keep == Keep::AllPlaces {
            if is_first {
                self.written.clear();
            }
            self.written.push(self.segments[number].location(at)?);
        }
        Ok(())
    }
}

impl Iterator for Merge<'_, '_> {
    type Item = Result<(Id, PlaceRow), FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pop().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemberEntry, PackIndex, SegmentBuilder};
    use super::*;

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

    fn merged(segments: &[&[u8]], keep: Keep) -> Vec<u8> {
        merged_without(segments, keep, &|_| false)
    }

    fn merged_without(segments: &[&[u8]], keep: Keep, is_dead: &dyn Fn(&Id) -> bool) -> Vec<u8> {
        let views: Vec<_> = segments.iter().map(|one| SegmentView::open(one).unwrap()).collect();
        let mut bytes = Vec::new();
        merge(&views, keep, is_dead, &mut bytes).unwrap();
        SegmentView::open(&bytes).unwrap().verify().unwrap();
        bytes
    }

    fn packs_of(segment: &[u8], number: u32) -> Vec<Id> {
        let view = SegmentView::open(segment).unwrap();
        let id = Id::of_blob(&number.to_le_bytes());
        view.locations(&id).map(|place| place.unwrap().pack).collect()
    }

    #[test]
    fn a_merge_keeps_one_location_of_each_id() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let union = merged(&[&a, &b], Keep::OnePlace);
        assert_eq!(SegmentView::open(&union).unwrap().len(), 900);
        assert_eq!(packs_of(&union, 899), [Id::of_blob(&[2])]);
        assert_eq!(packs_of(&union, 550), [Id::of_blob(&[1])]);
    }

    #[test]
    fn a_merge_of_all_locations_keeps_each_once() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let union = merged(&[&a, &b], Keep::AllPlaces);
        assert_eq!(SegmentView::open(&union).unwrap().len(), 1000);
        let mut both = packs_of(&union, 550);
        both.sort_unstable();
        let mut expected = [Id::of_blob(&[1]), Id::of_blob(&[2])];
        expected.sort_unstable();
        assert_eq!(both, expected);
        let again = merged(&[&union, &b, &a], Keep::AllPlaces);
        assert_eq!(SegmentView::open(&again).unwrap().len(), 1000);
    }

    #[test]
    fn known_packs_and_entries_add_nothing_to_a_merge() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let once = merged(&[&a, &b], Keep::AllPlaces);
        let again = merged(&[&once, &a, &b], Keep::AllPlaces);
        assert_eq!(again.len(), once.len());
        let view = SegmentView::open(&again).unwrap();
        assert_eq!((view.len(), view.packs().count(), view.frames().count()), (1000, 2, 2));
        assert_eq!(
            merged(&[&a, &b], Keep::AllPlaces),
            once,
            "the same segments give the same bytes"
        );
    }

    #[test]
    fn entries_of_dead_packs_are_omitted() {
        let (a, b) = (segment(1, 0..600), segment(2, 500..900));
        let alive = merged_without(&[&a, &b], Keep::AllPlaces, &|pack| *pack == Id::of_blob(&[1]));
        let view = SegmentView::open(&alive).unwrap();
        assert_eq!((view.len(), view.packs().count(), view.frames().count()), (400, 1, 1));
        let none = merged_without(&[&a, &b], Keep::AllPlaces, &|_| true);
        assert!(SegmentView::open(&none).unwrap().is_empty());
    }
}
