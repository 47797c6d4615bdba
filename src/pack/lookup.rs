//! A look-up in a remote index segment: determines step by step which bytes to read.
//!
//! The header and the fan-out come first, then parts of the id column, then the places, then the
//! frames. Ids are digests, so the position of an id within its part of the fan-out is nearly
//! known. If the ids are not spread evenly, the whole part is read.

use std::ops::Range;

use super::segment::{Layout, PlaceRow, read_frame};
use super::{FormatError, Location};
use crate::id::Id;

/// The number of bytes read first: header, fan-out, and in most segments all packs.
const FIRST: u64 = 64 << 10;
/// A pack column up to this many bytes is read together with the ids.
const PACKS: u64 = 1 << 20;
/// A part of the fan-out with up to this many entries is read as a whole.
const FEW: u32 = 2048;
/// The maximum number of entries to read for one id.
const MANY: usize = 1 << 21;

/// A look-up of some ids in one segment.
///
/// [`Lookup::ranges`] returns the ranges to read, and [`Lookup::add`] accepts their bytes. Repeat
/// both until no ranges are left: four times, or a few more times for a very large or unusual
/// segment. No number in the bytes is trusted.
#[derive(Debug, Clone)]
pub struct Lookup {
    size: u64,
    ids: Vec<Id>,
    /// The bytes read so far, each with its offset: sorted and without overlaps.
    known: Vec<(u64, Vec<u8>)>,
    found: Vec<(Id, Location)>,
}

/// The state of the search for one id.
enum Seek {
    Unread(Range<u64>),
    At(u32),
    Absent,
}

impl Lookup {
    /// Creates a look-up of `ids` in a segment of `size` bytes.
    pub fn new(size: u64, ids: &[Id]) -> Self {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        Lookup { size, ids, known: Vec::new(), found: Vec::new() }
    }

    /// Returns the same look-up for a range of its sorted ids, with a copy of the bytes read so
    /// far.
    #[must_use]
    pub fn part(&self, ids: Range<usize>) -> Self {
        let ids = self.ids.get(ids).unwrap_or_default().to_vec();
        Lookup { size: self.size, ids, known: self.known.clone(), found: Vec::new() }
    }

    /// The number of ids to look up.
    pub fn ids(&self) -> usize {
        self.ids.len()
    }

    /// Returns the first location of each found id, preferring bytes to a manifest.
    pub fn into_found(self) -> Vec<(Id, Location)> {
        self.found
    }

    /// Returns the ranges of the segment to read next, sorted and disjoint. An empty result means
    /// that the look-up is complete.
    pub fn ranges(&mut self) -> Result<Vec<Range<u64>>, FormatError> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        if self.size < (Layout::HEAD + Id::LEN) as u64 {
            return Err(FormatError::Truncated);
        }
        let Some(head) = self.bytes(&(0..Layout::HEAD as u64)) else {
            return Ok(std::iter::once(0..FIRST.min(self.size)).collect());
        };
        let (layout, fanout) = Layout::read(head, self.size)?;
        let mut unread = Vec::new();
        let mut found = Vec::new();
        for id in &self.ids {
            match self.seek(id, &layout, &fanout)? {
                Seek::Unread(range) => unread.push(range),
                Seek::Absent => {}
                Seek::At(entry) => match self.location(entry, &layout)? {
                    Ok(location) => found.push((*id, location)),
                    Err(range) => unread.push(range),
                },
            }
        }
        let packs = layout.pack_rows();
        if !unread.is_empty() && packs.end - packs.start <= PACKS && self.bytes(&packs).is_none() {
            unread.push(packs);
        }
        self.found = found;
        Ok(self.without_known(unread))
    }

    /// Adds the bytes of the ranges that the last call of [`Lookup::ranges`] returned.
    pub fn add<B: AsRef<[u8]>>(
        &mut self,
        ranges: &[Range<u64>],
        bytes: &[B],
    ) -> Result<(), FormatError> {
        let lengths = bytes.iter().map(|bytes| bytes.as_ref().len() as u64);
        if !lengths.eq(ranges.iter().map(|range| range.end - range.start)) {
            return Err(FormatError::Truncated);
        }
        for (range, bytes) in ranges.iter().zip(bytes) {
            self.known.push((range.start, bytes.as_ref().to_vec()));
        }
        self.known.sort_unstable_by_key(|(start, _)| *start);
        // Merge adjacent pieces, so that each range is within one piece.
        self.known.dedup_by(|next, piece| {
            let is_next = piece.0 + piece.1.len() as u64 == next.0;
            if is_next {
                piece.1.append(&mut next.1);
            }
            is_next
        });
        Ok(())
    }

    fn bytes(&self, range: &Range<u64>) -> Option<&[u8]> {
        let at = self.known.partition_point(|(start, _)| *start <= range.start).checked_sub(1)?;
        let (start, bytes) = &self.known[at];
        let from = usize::try_from(range.start - start).ok()?;
        let to = usize::try_from(range.end - start).ok()?;
        bytes.get(from..to)
    }

    /// Finds the position of an id in the id column, or the range to read for it.
    fn seek(&self, id: &Id, layout: &Layout, fanout: &[u32; 256]) -> Result<Seek, FormatError> {
        let first = usize::from(id.as_bytes()[0]);
        let whole = if first == 0 { 0 } else { fanout[first - 1] }..fanout[first];
        for part in [near(id, &whole), whole.clone()] {
            if part.len() > MANY {
                return Err(FormatError::OutOfBounds("the fan-out"));
            }
            let rows = layout.id_rows(&part);
            let Some(ids) = self.bytes(&rows) else { return Ok(Seek::Unread(rows)) };
            let ids: &[[u8; Id::LEN]] = ids.as_chunks().0;
            let at = ids.partition_point(|other| other < id.as_bytes());
            let entry = part.start + at as u32;
            // The part does not show ids that are before or after it.
            let is_known =
                (at > 0 || part.start == whole.start) && (at < ids.len() || part.end == whole.end);
            if is_known {
                let is_match = ids.get(at) == Some(id.as_bytes());
                return Ok(if is_match { Seek::At(entry) } else { Seek::Absent });
            }
        }
        Ok(Seek::Absent)
    }

    /// Finds the location of an entry, or the range to read for it.
    fn location(
        &self,
        entry: u32,
        layout: &Layout,
    ) -> Result<Result<Location, Range<u64>>, FormatError> {
        let row = layout.place_row(entry);
        let Some(place) = self.bytes(&row) else { return Ok(Err(row)) };
        let place = PlaceRow::read(place)?;
        let row = layout.frame_row(place.frame)?;
        let Some(frame) = self.bytes(&row) else { return Ok(Err(row)) };
        let (pack, frame) = read_frame(frame)?;
        let row = layout.pack_row(pack)?;
        let Some(pack) = self.bytes(&row) else { return Ok(Err(row)) };
        let pack = Id::from_slice(pack).ok_or(FormatError::Truncated)?;
        place.within(pack, frame).map(Ok)
    }

    /// Returns the unread parts of the ranges, sorted, with adjacent ranges merged.
    fn without_known(&self, mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut unread: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            let mut start = range.start.max(unread.last().map_or(0, |last| last.end));
            let from = self.known.partition_point(|(at, bytes)| at + bytes.len() as u64 <= start);
            for (at, bytes) in &self.known[from..] {
                if *at >= range.end {
                    break;
                }
                push(&mut unread, start..*at);
                start = start.max(at + bytes.len() as u64);
            }
            push(&mut unread, start..range.end);
        }
        unread
    }
}

/// Appends a range, and merges it with the last range if they are adjacent.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// Returns the entries that almost certainly include an id, if ids are spread evenly over `part`.
fn near(id: &Id, part: &Range<u32>) -> Range<u32> {
    let count = part.end - part.start;
    if count <= FEW {
        return part.clone();
    }
    let fraction = id.as_bytes()[1..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let middle = part.start + ((u64::from(count) * u64::from(fraction)) >> 32) as u32;
    // Eight times the standard deviation of the id's position.
    let spread = 4 * count.isqrt() + 16;
    middle.saturating_sub(spread).max(part.start)..middle.saturating_add(spread).min(part.end)
}
