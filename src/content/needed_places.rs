//! The locations of needed contents, and the frames that hold them.

use super::segments::SegmentSet;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pack::{FrameEntry, Location, PackIndex};

/// The location of a needed content. Because there may be millions, a place holds only enough data
/// to find the content again and to recognize it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NeededPlace {
    /// The number of the pack, in the order of the pack ids.
    pub(super) pack: u32,
    frame: u64,
    offset: u32,
    /// The first 8 bytes of the id.
    id: u64,
}

impl NeededPlace {
    fn new(pack: u32, frame: u64, offset: u32, id: &Id) -> Self {
        let first = id.as_bytes().first_chunk().expect("because an id has more than 8 bytes");
        NeededPlace { pack, frame, offset, id: u64::from_be_bytes(*first) }
    }
}

/// The locations of needed contents.
pub(super) struct NeededPlaces {
    /// All packs of the index, sorted.
    packs: Vec<Id>,
    all: Vec<NeededPlace>,
    /// The number of places after the last sorting.
    settled: usize,
}

/// The number of additional places to hold before duplicates are removed.
const UNSETTLED: usize = 1 << 20;

impl NeededPlaces {
    /// Creates an empty collection for the packs that the segments name.
    pub(super) fn new(segments: &SegmentSet) -> Self {
        let mut packs: Vec<Id> = segments.packs().into_iter().collect();
        packs.sort_unstable();
        NeededPlaces { packs, all: Vec::new(), settled: 0 }
    }

    /// Adds the location of `id`; returns the number of the pack.
    pub(super) fn add(&mut self, id: &Id, place: &Location) -> Result<u32> {
        let pack = self.packs.binary_search(&place.pack);
        let pack = pack.map_err(|_| Error::internal("a place without a pack"))? as u32;
        self.all.push(NeededPlace::new(pack, place.frame.offset, place.offset, id));
        Ok(pack)
    }

    /// Sorts the places and removes duplicates.
    pub(super) fn settle(&mut self) {
        self.all.sort_unstable();
        self.all.dedup();
        self.settled = self.all.len();
    }

    /// Removes duplicates if many places were added since the last time.
    pub(super) fn settle_often(&mut self) {
        if self.all.len() >= 2 * self.settled + UNSETTLED {
            self.settle();
        }
    }

    /// The number of packs.
    pub(super) fn packs(&self) -> usize {
        self.packs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Iterates over all packs, each with its places. The places must be sorted (see
    /// [`NeededPlaces::settle`]).
    pub(super) fn by_pack(&self) -> impl Iterator<Item = (&Id, &[NeededPlace])> {
        let mut rest = &self.all[..];
        self.packs.iter().enumerate().map(move |(number, pack)| {
            let own = rest.partition_point(|place| place.pack <= number as u32);
            let (own, behind) = rest.split_at(own);
            rest = behind;
            (pack, own)
        })
    }
}

/// Returns the sorted numbers of the frames of a pack in which the places lie. Fails if the pack's
/// own index does not list a needed content.
pub(super) fn needed_frames(
    index: &PackIndex,
    pack: &Id,
    places: &[NeededPlace],
) -> Result<Vec<u32>> {
    let Some(first) = places.first() else { return Ok(Vec::new()) };
    let mut members: Vec<(NeededPlace, u32)> = Vec::with_capacity(index.members.len());
    members.extend(index.members.iter().filter_map(|member| {
        let frame = index.frames.get(member.frame as usize)?.offset;
        Some((NeededPlace::new(first.pack, frame, member.offset, &member.id), member.frame))
    }));
    members.sort_unstable();
    let mut needed = Vec::new();
    let mut members = members.into_iter().peekable();
    for place in places {
        while members.next_if(|(member, _)| member < place).is_some() {}
        match members.peek() {
            Some((member, frame)) if member == place => needed.push(*frame),
            _ => return Err(contradicted(pack)),
        }
    }
    needed.sort_unstable();
    needed.dedup();
    Ok(needed)
}

/// Sums the stored bytes of frames.
pub(super) fn stored<'a>(frames: impl Iterator<Item = &'a FrameEntry>) -> u64 {
    frames.map(|frame| u64::from(frame.stored)).sum()
}

fn contradicted(pack: &Id) -> Error {
    Error::corrupt(format!("the index contradicts the pack {pack}")).with_hint("art fsck --repair")
}
