//! A look-up in an index segment that is elsewhere: which bytes of it must be read, step by step.
//!
//! The header and the fan-out come first, then parts of the column of ids, then the places, then the
//! frames. Ids are digests, so where one lies in its part of the fan-out is nearly known; should
//! they not be spread evenly, the whole part is read.

use std::ops::Range;

use super::segment::{Layout, Place, read_frame};
use super::{FormatError, Location};
use crate::id::Id;

/// What is read first, in bytes: header, fan-out, and in most segments all packs.
const FIRST: u64 = 64 << 10;
/// Packs that take no more bytes than this are read together with the ids.
const PACKS: u64 = 1 << 20;
/// So many entries of one part of the fan-out are read as a whole.
const FEW: u32 = 2048;
/// No more entries are read at once, for one id.
const MANY: usize = 1 << 21;

/// A look-up of some ids in one segment.
///
/// [`Lookup::ranges`] says what must be read, [`Lookup::add`] takes it; both are done until there is
/// nothing to be read: four times, or a few more where the segment is very large or odd. No number
/// in the bytes is trusted.
#[derive(Debug, Clone)]
pub struct Lookup {
    size: u64,
    ids: Vec<Id>,
    /// What was read: where it begins and the bytes, in order, without overlaps.
    known: Vec<(u64, Vec<u8>)>,
    found: Vec<(Id, Location)>,
}

/// What is known of where an id is.
enum Seek {
    Unread(Range<u64>),
    At(u32),
    Absent,
}

impl Lookup {
    /// A look-up of `ids` in a segment of `size` bytes.
    pub fn new(size: u64, ids: &[Id]) -> Self {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        Lookup { size, ids, known: Vec::new(), found: Vec::new() }
    }

    /// The same look-up for a part of its ids, which are in their order; what was read is shared.
    #[must_use]
    pub fn part(&self, ids: Range<usize>) -> Self {
        let ids = self.ids.get(ids).unwrap_or_default().to_vec();
        Lookup { size: self.size, ids, known: self.known.clone(), found: Vec::new() }
    }

    /// How many ids are looked up.
    pub fn ids(&self) -> usize {
        self.ids.len()
    }

    /// What was found: of each id the first place, which is of bytes if there are some.
    pub fn into_found(self) -> Vec<(Id, Location)> {
        self.found
    }

    /// The ranges of the segment that must be read next, in order and apart from each other; none
    /// if the look-up is done.
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

    /// Takes the bytes of the ranges that [`Lookup::ranges`] gave last.
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
        // What lies together is one piece, so that a range is found in one.
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

    /// Where an id is in the column of ids, or what of that must be read.
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
            // An id before the part, or behind it, would not be seen.
            let is_known =
                (at > 0 || part.start == whole.start) && (at < ids.len() || part.end == whole.end);
            if is_known {
                let is_there = ids.get(at) == Some(id.as_bytes());
                return Ok(if is_there { Seek::At(entry) } else { Seek::Absent });
            }
        }
        Ok(Seek::Absent)
    }

    /// The place of an entry, or what must be read for it.
    fn location(
        &self,
        entry: u32,
        layout: &Layout,
    ) -> Result<Result<Location, Range<u64>>, FormatError> {
        let row = layout.place_row(entry);
        let Some(place) = self.bytes(&row) else { return Ok(Err(row)) };
        let place = Place::read(place)?;
        let row = layout.frame_row(place.frame)?;
        let Some(frame) = self.bytes(&row) else { return Ok(Err(row)) };
        let (pack, frame) = read_frame(frame)?;
        let row = layout.pack_row(pack)?;
        let Some(pack) = self.bytes(&row) else { return Ok(Err(row)) };
        let pack = Id::from_slice(pack).ok_or(FormatError::Truncated)?;
        place.within(pack, frame).map(Ok)
    }

    /// What of the ranges was not read yet, in order, joined where they touch.
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

/// Adds a range behind the others, to the last one where they touch.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The entries among which an id is nearly for sure, if ids are spread evenly over `part`.
fn near(id: &Id, part: &Range<u32>) -> Range<u32> {
    let count = part.end - part.start;
    if count <= FEW {
        return part.clone();
    }
    let fraction = id.as_bytes()[1..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let middle = part.start + ((u64::from(count) * u64::from(fraction)) >> 32) as u32;
    // Eight times the standard deviation of where it may be.
    let spread = 4 * count.isqrt() + 16;
    middle.saturating_sub(spread).max(part.start)..middle.saturating_add(spread).min(part.end)
}
