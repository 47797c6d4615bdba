//! An index segment: an immutable sorted table from ids to locations in packs.
//!
//! All numbers are little-endian:
//!
//! ```text
//! "ARTSEG01"                    8 bytes
//! packs, frames, entries, zero  u32 × 4
//! fan-out                       u32 × 256: entries whose id's first byte is at most this
//! pack     × packs              id 32 bytes
//! frame    × frames             pack u32, stored u32, offset u64, size u64
//! id       × entries            32 bytes, sorted; equal ids sorted by kind
//! place    × entries            frame u32, offset u32, size u32, kind u32
//! SHA-256 of all before         32 bytes
//! ```

use std::io::{self, Write};
use std::ops::Range;

use super::{Fields, FormatError, FrameEntry, MemberKind, PackIndex};
use crate::id::{Digest, Id};

const MAGIC: &[u8; 8] = b"ARTSEG01";
const HEADER_LEN: usize = 24;
const FANOUT_LEN: usize = 256 * 4;
const FRAME_LEN: usize = 24;
const PLACE_LEN: usize = 16;

/// The location of an object in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The form in which the object is stored.
    pub kind: MemberKind,
    /// The pack.
    pub pack: Id,
    /// The frame within the pack.
    pub frame: FrameEntry,
    /// The offset of the content in the decompressed frame.
    pub offset: u32,
    /// The size of the content in bytes.
    pub size: u32,
}

/// The offset of the unused word of a segment's header. Readers ignore the word, and a random number
/// in it gives a segment another name.
pub const SEGMENT_SALT_AT: u64 = 20;

/// The bytes of a segment, with enough checks to read them safely.
#[derive(Debug, Clone, Copy)]
pub struct SegmentView<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

/// The sizes of a segment's columns. Stored beside mapped bytes, a layout makes repeated views
/// free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    packs: usize,
    frames: usize,
    entries: usize,
}

impl Layout {
    /// The size in bytes of the header and the fan-out, which begin a segment.
    pub(super) const HEAD: usize = HEADER_LEN + FANOUT_LEN;

    /// Reads the header and the fan-out of a segment of `size` bytes. Checks that the columns fit.
    pub(super) fn read(head: &[u8], size: u64) -> Result<(Self, [u32; 256]), FormatError> {
        let mut fields = Fields(head);
        if fields.bytes(8)? != MAGIC {
            return Err(FormatError::NotA("an index segment"));
        }
        let mut count = || fields.u32().map(|count| count as usize);
        let layout = Layout { packs: count()?, frames: count()?, entries: count()? };
        if layout.end() as u64 + Id::LEN as u64 != size {
            return Err(FormatError::OutOfBounds("the number of entries"));
        }
        fields.u32()?;
        let mut fanout = [0; 256];
        for next in &mut fanout {
            *next = fields.u32()?;
        }
        if !fanout.is_sorted() || fanout[255] as usize != layout.entries {
            return Err(FormatError::OutOfBounds("the fan-out"));
        }
        Ok((layout, fanout))
    }

    /// The byte range of a pack's row.
    pub(super) fn pack_row(&self, number: u32) -> Result<Range<u64>, FormatError> {
        if number as usize >= self.packs {
            return Err(FormatError::OutOfBounds("an entry's pack"));
        }
        Ok(row(Self::packs_at(), number as usize, Id::LEN))
    }

    /// The byte range of a frame's row.
    pub(super) fn frame_row(&self, number: u32) -> Result<Range<u64>, FormatError> {
        if number as usize >= self.frames {
            return Err(FormatError::OutOfBounds("an entry's frame"));
        }
        Ok(row(self.frames_at(), number as usize, FRAME_LEN))
    }

    /// The byte range of the ids of these entries.
    pub(super) fn id_rows(&self, entries: &Range<u32>) -> Range<u64> {
        let start = row(self.ids_at(), entries.start as usize, Id::LEN).start;
        start..row(self.ids_at(), entries.end as usize, Id::LEN).start
    }

    /// The byte range of an entry's place.
    pub(super) fn place_row(&self, entry: u32) -> Range<u64> {
        row(self.places_at(), entry as usize, PLACE_LEN)
    }

    /// The byte range of the pack column.
    pub(super) fn pack_rows(&self) -> Range<u64> {
        Self::packs_at() as u64..self.frames_at() as u64
    }

    fn packs_at() -> usize {
        HEADER_LEN + FANOUT_LEN
    }

    fn frames_at(&self) -> usize {
        Self::packs_at() + self.packs * Id::LEN
    }

    fn ids_at(&self) -> usize {
        self.frames_at() + self.frames * FRAME_LEN
    }

    fn places_at(&self) -> usize {
        self.ids_at() + self.entries * Id::LEN
    }

    fn end(&self) -> usize {
        self.places_at() + self.entries * PLACE_LEN
    }
}

/// The byte range of the row `number` in the column that begins at `column`.
fn row(column: usize, number: usize, length: usize) -> Range<u64> {
    let start = column as u64 + number as u64 * length as u64;
    start..start + length as u64
}

impl<'a> SegmentView<'a> {
    /// Reads the header and checks that the columns fit the bytes, in constant time and without
    /// allocation. [`SegmentView::verify`] checks the rest.
    pub fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (layout, _) = Layout::read(bytes, bytes.len() as u64)?;
        Ok(SegmentView { bytes, layout })
    }

    /// Creates a view of bytes that [`SegmentView::open`] accepted before.
    pub fn trusted(bytes: &'a [u8], layout: Layout) -> Self {
        SegmentView { bytes, layout }
    }

    /// The layout, for [`SegmentView::trusted`].
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.layout.entries
    }

    /// Returns true if the table has no entries.
    pub fn is_empty(&self) -> bool {
        self.layout.entries == 0
    }

    /// Iterates over the packs that the segment names.
    pub fn packs(&self) -> impl Iterator<Item = Id> + 'a {
        let column = &self.bytes[Layout::packs_at()..self.layout.frames_at()];
        column.chunks_exact(Id::LEN).filter_map(Id::from_slice)
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    fn fanout(&self, byte: usize) -> usize {
        self.number(HEADER_LEN + byte * 4) as usize
    }

    fn id_bytes(&self, index: usize) -> &'a [u8] {
        let at = self.layout.ids_at() + index * Id::LEN;
        &self.bytes[at..at + Id::LEN]
    }

    /// The id of the entry at `index`.
    pub fn id(&self, index: usize) -> Id {
        Id::from_slice(self.id_bytes(index)).unwrap_or(Id::NULL)
    }

    /// Finds the index of the first entry of `id`.
    pub fn find(&self, id: &Id) -> Option<usize> {
        let first = usize::from(id.as_bytes()[0]);
        let (mut low, mut high) =
            (if first == 0 { 0 } else { self.fanout(first - 1) }, self.fanout(first));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.id_bytes(middle) < &id.as_bytes()[..] {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.len() && self.id_bytes(low) == &id.as_bytes()[..]).then_some(low)
    }

    /// Finds all locations of `id`.
    pub fn locations(&self, id: &Id) -> impl Iterator<Item = Result<Location, FormatError>> {
        let id = *id;
        let first = self.find(&id).unwrap_or(self.len());
        (first..self.len())
            .take_while(move |index| self.id(*index) == id)
            .map(|at| self.location(at))
    }

    /// The location of the entry at `index`.
    pub fn location(&self, index: usize) -> Result<Location, FormatError> {
        let (place, frame_at) = self.place(index)?;
        let (pack, frame) = read_frame(&self.bytes[frame_at..frame_at + FRAME_LEN])?;
        if pack as usize >= self.layout.packs {
            return Err(FormatError::OutOfBounds("an entry's pack"));
        }
        let pack_at = Layout::packs_at() + pack as usize * Id::LEN;
        let pack = Id::from_slice(&self.bytes[pack_at..pack_at + Id::LEN]);
        place.within(pack.ok_or(FormatError::Truncated)?, frame)
    }

    /// Iterates over the frames, each with the number of its pack.
    pub(super) fn frames(&self) -> impl Iterator<Item = Result<(u32, FrameEntry), FormatError>> {
        (0..self.layout.frames).map(|index| {
            let at = self.layout.frames_at() + index * FRAME_LEN;
            let (pack, frame) = read_frame(&self.bytes[at..at + FRAME_LEN])?;
            if pack as usize >= self.layout.packs {
                return Err(FormatError::OutOfBounds("a frame's pack"));
            }
            Ok((pack, frame))
        })
    }

    pub(super) fn place(&self, index: usize) -> Result<(PlaceRow, usize), FormatError> {
        let at = self.layout.places_at() + index * PLACE_LEN;
        let place =
            PlaceRow::read(self.bytes.get(at..at + PLACE_LEN).ok_or(FormatError::Truncated)?)?;
        if place.frame as usize >= self.layout.frames {
            return Err(FormatError::OutOfBounds("an entry's frame"));
        }
        Ok((place, self.layout.frames_at() + place.frame as usize * FRAME_LEN))
    }

    /// Checks everything: the checksum, the order, that each entry lies within its frame, and that
    /// each frame, even without entries, has a pack.
    pub fn verify(&self) -> Result<(), FormatError> {
        let (body, checksum) = self.bytes.split_at(self.layout.end());
        if Digest::of(body).as_bytes() != checksum {
            return Err(FormatError::Checksum);
        }
        for index in 0..self.len() {
            if index > 0 && self.id_bytes(index - 1) > self.id_bytes(index) {
                return Err(FormatError::OutOfBounds("the order of the ids"));
            }
            self.location(index)?;
        }
        self.frames().try_for_each(|frame| frame.map(drop))
    }
}

/// A row of the place column.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceRow {
    pub(super) frame: u32,
    pub(super) offset: u32,
    pub(super) size: u32,
    pub(super) kind: MemberKind,
}

impl PlaceRow {
    pub(super) fn read(row: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields(row);
        Ok(PlaceRow {
            frame: fields.u32()?,
            offset: fields.u32()?,
            size: fields.u32()?,
            kind: MemberKind::from_number(fields.u32()?)?,
        })
    }

    /// Converts the place to a location. The place must lie within its frame.
    pub(super) fn within(self, pack: Id, frame: FrameEntry) -> Result<Location, FormatError> {
        let PlaceRow { kind, offset, size, .. } = self;
        if u64::from(offset) + u64::from(size) > frame.size {
            return Err(FormatError::OutOfBounds("an entry's place"));
        }
        Ok(Location { kind, pack, frame, offset, size })
    }
}

/// Parses the row of a frame: the number of its pack, and the frame.
pub(super) fn read_frame(row: &[u8]) -> Result<(u32, FrameEntry), FormatError> {
    let mut fields = Fields(row);
    let pack = fields.u32()?;
    let (stored, offset, size) = (fields.u32()?, fields.u64()?, fields.u64()?);
    Ok((pack, FrameEntry { offset, stored, size }))
}

/// Collects the indexes of packs into one new segment.
#[derive(Debug, Default)]
pub struct SegmentBuilder {
    pub(super) packs: Vec<Id>,
    pub(super) frames: Vec<(u32, FrameEntry)>,
    pub(super) entries: Vec<(Id, PlaceRow)>,
}

impl SegmentBuilder {
    /// Adds all members of a pack.
    pub fn add_pack(&mut self, pack: Id, index: &PackIndex) {
        let number = self.packs.len() as u32;
        let first_frame = self.frames.len() as u32;
        self.packs.push(pack);
        self.frames.extend(index.frames.iter().map(|frame| (number, *frame)));
        self.entries.extend(index.members.iter().map(|member| {
            let frame = first_frame + member.frame;
            let (offset, size, kind) = (member.offset, member.size, member.kind);
            (member.id, PlaceRow { frame, offset, size, kind })
        }));
    }

    /// Returns true if nothing was added.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }

    /// The number of added entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Writes the segment. Returns the SHA-256 of all bytes before the checksum.
    pub fn write_to(mut self, out: &mut dyn Write) -> io::Result<Id> {
        self.entries
            .sort_unstable_by_key(|(id, place)| (*id, place.kind, place.frame, place.offset));
        let ids = self.entries.iter().map(|(id, _)| *id);
        let mut columns = Columns::begin(out, &self.packs, &self.frames, ids)?;
        for (id, _) in &self.entries {
            columns.put(id.as_bytes())?;
        }
        for (_, place) in &self.entries {
            columns.place(*place)?;
        }
        columns.finish()
    }
}

/// Writes the columns of a segment in order.
pub(super) struct Columns<'w> {
    out: &'w mut dyn Write,
    digest: Digest,
}

impl<'w> Columns<'w> {
    pub(super) fn begin(
        out: &'w mut dyn Write,
        packs: &[Id],
        frames: &[(u32, FrameEntry)],
        ids: impl Iterator<Item = Id>,
    ) -> io::Result<Self> {
        let mut fanout = [0u32; 256];
        let mut entries = 0u32;
        for id in ids {
            entries += 1;
            fanout[usize::from(id.as_bytes()[0])] += 1;
        }
        let mut columns = Columns { out, digest: Digest::default() };
        columns.put(MAGIC)?;
        for count in [packs.len() as u32, frames.len() as u32, entries, 0] {
            columns.put(&count.to_le_bytes())?;
        }
        let mut sum = 0u32;
        for count in fanout {
            sum += count;
            columns.put(&sum.to_le_bytes())?;
        }
        for pack in packs {
            columns.put(pack.as_bytes())?;
        }
        for (pack, frame) in frames {
            columns.put(&pack.to_le_bytes())?;
            columns.put(&frame.stored.to_le_bytes())?;
            columns.put(&frame.offset.to_le_bytes())?;
            columns.put(&frame.size.to_le_bytes())?;
        }
        Ok(columns)
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }

    pub(super) fn place(&mut self, place: PlaceRow) -> io::Result<()> {
        let mut bytes = [0; PLACE_LEN];
        let numbers = [place.frame, place.offset, place.size, place.kind as u32];
        for (slot, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        self.put(&bytes)
    }

    pub(super) fn finish(self) -> io::Result<Id> {
        let id = self.digest.finish();
        self.out.write_all(id.as_bytes())?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemberEntry;
    use super::*;

    fn pack(numbers: Range<u32>) -> PackIndex {
        let frames = vec![FrameEntry { offset: 0, stored: 10, size: 1 << 20 }];
        let member = |n: u32| MemberEntry {
            id: Id::of_blob(&n.to_le_bytes()),
            kind: MemberKind::Chunk,
            frame: 0,
            offset: n,
            size: 4,
        };
        PackIndex { frames, members: numbers.map(member).collect() }
    }

    fn segment(pack_number: u8, numbers: Range<u32>) -> Vec<u8> {
        let mut builder = SegmentBuilder::default();
        builder.add_pack(Id::of_blob(&[pack_number]), &pack(numbers));
        let mut bytes = Vec::new();
        builder.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_frame_without_entries_and_with_an_unknown_pack_is_damage() {
        let mut index = pack(0..10);
        index.frames.push(FrameEntry { offset: 10, stored: 10, size: 10 });
        let mut builder = SegmentBuilder::default();
        builder.add_pack(Id::of_blob(b"pack"), &index);
        builder.frames[1].0 = 1;
        let mut bytes = Vec::new();
        builder.write_to(&mut bytes).unwrap();
        let found = SegmentView::open(&bytes).unwrap().verify();
        assert_eq!(found, Err(FormatError::OutOfBounds("a frame's pack")));
    }

    #[test]
    fn only_entries_of_the_segment_are_found() {
        let bytes = segment(1, 0..1000);
        let view = SegmentView::open(&bytes).unwrap();
        view.verify().unwrap();
        for n in 0..1000u32 {
            let found: Vec<_> = view.locations(&Id::of_blob(&n.to_le_bytes())).collect();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].as_ref().unwrap().offset, n);
        }
        assert_eq!(view.find(&Id::of_blob(b"absent")), None);
    }

    proptest::proptest! {
        #[test]
        fn damaged_bytes_do_not_cause_a_panic(
            flips in proptest::collection::vec((0usize..4000, proptest::num::u8::ANY), 0..8),
            cut in 0usize..4000,
        ) {
            let mut bytes = segment(1, 0..40);
            for (at, value) in flips {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut % 64 * usize::from(cut % 3 == 0));
            if let Ok(view) = SegmentView::open(&bytes) {
                let _ = view.verify();
                for n in 0..40u32 {
                    view.locations(&Id::of_blob(&n.to_le_bytes())).for_each(drop);
                }
                let mut out = Vec::new();
                let _ = super::super::merge(&[view], super::super::Keep::AllPlaces, &|_| false, &mut out);
            }
        }
    }
}
