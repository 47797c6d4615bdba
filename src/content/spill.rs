//! Builds one segment from many packs in bounded memory.

use std::collections::BTreeMap;
use std::io::Write;

use super::Session;
use super::map::map;
use super::outgoing_file::OutgoingSegment;
use super::segment_check::{checked, damaged};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::{Digest, Id};
use crate::pack::{
    Keep, Location, MemberEntry, MergeError, PackIndex, SegmentBuilder, SegmentView, merge,
};

/// The number of entries to hold in memory before writing them to a separate part.
const HELD: usize = 1 << 20;

/// A segment under construction.
pub(super) struct SegmentSpill<'a> {
    session: &'a Session,
    builder: SegmentBuilder,
    parts: Vec<TempFile>,
    held: usize,
}

/// A written segment without a name.
pub(super) struct Written {
    /// The checksum at the segment's end: its name in a local store.
    pub(super) checksum: Id,
    /// The SHA-256 of all bytes: its name on a remote.
    pub(super) digest: Id,
    /// The segment's size in bytes.
    pub(super) size: u64,
    /// The temporary file.
    pub(super) file: TempFile,
}

impl<'a> SegmentSpill<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        SegmentSpill { session, builder: SegmentBuilder::default(), parts: Vec::new(), held: HELD }
    }

    /// Adds the members of a pack.
    pub(super) fn add(&mut self, pack: Id, index: &PackIndex) -> Result<()> {
        self.builder.add_pack(pack, index);
        if self.builder.len() >= self.held {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let builder = std::mem::take(&mut self.builder);
        let written = write(self.session, |out| Ok(builder.write_to(out)?))?;
        self.parts.push(written.file);
        Ok(())
    }

    /// Writes the segment. Returns `None` if no pack was added.
    pub(super) fn finish(mut self) -> Result<Option<Written>> {
        if self.parts.is_empty() {
            if self.builder.is_empty() {
                return Ok(None);
            }
            let builder = self.builder;
            return write(self.session, |out| Ok(builder.write_to(out)?)).map(Some);
        }
        if !self.builder.is_empty() {
            self.spill()?;
        }
        let mapped: Result<Vec<_>> = self.parts.iter().map(|part| map(part.path())).collect();
        let mapped = mapped?;
        let view = |bytes| SegmentView::open(bytes).map_err(MergeError::from);
        write(self.session, |out| {
            let views: Vec<_> = mapped.iter().map(|bytes| view(bytes)).collect::<Result<_, _>>()?;
            merge(&views, Keep::OnePlace, &|_| false, out)
        })
        .map(Some)
    }
}

/// Writes a segment to a temporary file.
pub(super) fn write(
    session: &Session,
    write: impl FnOnce(&mut dyn Write) -> Result<Id, MergeError>,
) -> Result<Written> {
    let file = session.temp_file()?;
    let path = file.path().to_owned();
    let buffered = std::io::BufWriter::with_capacity(1 << 18, file);
    let mut out = Hashed { out: buffered, digest: Digest::default(), size: 0 };
    let checksum = write(&mut out).map_err(|error| match error {
        MergeError::Io(source) => Error::io("write", &path, source),
        MergeError::Format(defect) => damaged(&path, defect),
    })?;
    let file = out.out.into_inner().map_err(std::io::IntoInnerError::into_error);
    let file = file.on("write", &path)?;
    Ok(Written { checksum, digest: out.digest.finish(), size: out.size, file })
}

/// Merges segments of another store into one that keeps all their entries. Each segment comes with
/// its id, the SHA-256 of its bytes.
///
/// Entries of packs for which `is_dead` returns true are omitted: nobody may rely on those packs.
///
/// Fails with [`Corrupt`](crate::ErrorKind::Corrupt)
/// if the bytes of a segment do not match its id or are not a segment.
pub fn merge_segments<B: AsRef<[u8]>>(
    session: &Session,
    segments: &[(Id, B)],
    is_dead: &dyn Fn(&Id) -> bool,
) -> Result<OutgoingSegment> {
    let views = segments.iter().map(|(id, bytes)| checked(id, bytes.as_ref()));
    let views = views.collect::<Result<Vec<_>>>()?;
    let written = write(session, |out| merge(&views, Keep::AllPlaces, is_dead, out))?;
    Ok(OutgoingSegment::new(written.digest, written.size, written.file))
}

/// Copies the entries of `segments` for which `is_kept` returns true into one segment; `None` if no
/// entry is kept. Each segment comes with its id, the SHA-256 of its bytes.
///
/// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if a segment is damaged.
pub fn filter_segments<B: AsRef<[u8]>>(
    session: &Session,
    segments: &[(Id, B)],
    is_kept: &dyn Fn(&Id, &Location) -> bool,
) -> Result<Option<OutgoingSegment>> {
    let mut kept = SegmentSpill::new(session);
    for (name, bytes) in segments {
        let mut by_pack: BTreeMap<Id, KeptEntries> = BTreeMap::new();
        visit_segment(name, bytes.as_ref(), &mut |id, place| {
            if is_kept(&id, &place) {
                by_pack.entry(place.pack).or_default().add(id, &place);
            }
            Ok(())
        })?;
        for (pack, entries) in by_pack {
            kept.add(pack, &entries.index)?;
        }
    }
    let made = kept.finish()?;
    Ok(made.map(|made| OutgoingSegment::new(made.digest, made.size, made.file)))
}

/// Visits all entries of a segment of another store, whose id is the SHA-256 of its bytes.
///
/// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the segment is damaged.
pub fn visit_segment(
    id: &Id,
    bytes: &[u8],
    each: &mut dyn FnMut(Id, Location) -> Result<()>,
) -> Result<()> {
    let view = checked(id, bytes)?;
    for at in 0..view.len() {
        let place = view.location(at).map_err(|error| {
            Error::corrupt(format!("the index segment {id} is damaged: {error}"))
        })?;
        each(view.id(at), place)?;
    }
    Ok(())
}

/// The kept entries of one pack.
#[derive(Default)]
struct KeptEntries {
    index: PackIndex,
    /// The numbers of the frames, by offset.
    frames: BTreeMap<u64, u32>,
}

impl KeptEntries {
    fn add(&mut self, id: Id, place: &Location) {
        let next = self.index.frames.len() as u32;
        let frame = *self.frames.entry(place.frame.offset).or_insert(next);
        if frame == next {
            self.index.frames.push(place.frame);
        }
        let Location { kind, offset, size, .. } = *place;
        self.index.members.push(MemberEntry { id, kind, frame, offset, size });
    }
}

/// Counts and hashes the bytes that it passes on.
struct Hashed<W> {
    out: W,
    digest: Digest,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ContentStore, Params};
    use super::*;
    use crate::pack::{FrameEntry, MemberEntry, MemberKind};

    #[test]
    fn a_segment_built_from_parts_has_the_same_entries() {
        let directory = tempfile::tempdir().unwrap();
        ContentStore::init(directory.path()).unwrap();
        let store = ContentStore::open(directory.path(), Params::default()).unwrap();
        let session = store.begin().unwrap();
        let pack = |pack: u32| {
            let frames = vec![FrameEntry { offset: 0, stored: 10, size: 1 << 20 }];
            let member = |n: u32| MemberEntry {
                id: Id::of_blob(&(pack * 100 + n).to_le_bytes()),
                kind: MemberKind::Blob,
                frame: 0,
                offset: n,
                size: 4,
            };
            (
                Id::of_blob(&[pack as u8]),
                PackIndex { frames, members: (0..50).map(member).collect() },
            )
        };
        let entries_with = |held: usize| {
            let mut spill = SegmentSpill::new(&session);
            spill.held = held;
            for (id, index) in (0..7).map(pack) {
                spill.add(id, &index).unwrap();
            }
            let written = spill.finish().unwrap().unwrap();
            let bytes = crate::fs::read::read_bounded(written.file.path(), 1 << 30).unwrap();
            assert_eq!((Digest::of(&bytes), bytes.len() as u64), (written.digest, written.size));
            assert!(bytes.ends_with(written.checksum.as_bytes()));
            let view = SegmentView::open(&bytes).unwrap();
            view.verify().unwrap();
            (0..view.len()).map(|at| (view.id(at), view.location(at).unwrap())).collect::<Vec<_>>()
        };
        let whole = entries_with(HELD);
        assert_eq!(whole.len(), 350);
        assert_eq!(entries_with(120), whole);
        assert_eq!(entries_with(1), whole);
    }
}
