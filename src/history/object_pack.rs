//! Writes Git's pack format: deflated objects one after the other, and their index.
//!
//! The formats are described in Git's `gitformat-pack`: pack version 2 and index version 2, with
//! SHA-256 ids. Objects are never stored as deltas, because trees consist mostly of ids, which have
//! nothing in common.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;

use flate2::{Compress, Compression, FlushCompress, Status};
use gix::odb::pack::data;

use crate::id::{Digest, Id, ObjectKind};

/// Offsets from this value on are stored in the index's second table.
const LARGE_OFFSET: u64 = 1 << 31;

/// An object that is not in the repository yet.
pub(super) struct NewObject {
    pub(super) id: Id,
    pub(super) kind: ObjectKind,
    pub(super) bytes: Vec<u8>,
}

/// The index entry of one object.
pub(super) struct IndexEntry {
    pub(super) id: Id,
    pub(super) offset: u64,
    pub(super) crc32: u32,
}

/// Writes `objects` as a pack. Returns the checksum, which names the pack, and the index entries.
pub(super) fn write_pack(
    objects: &[NewObject],
    out: &mut dyn Write,
) -> io::Result<(Id, Vec<IndexEntry>)> {
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let mut hasher = Digest::default();
    let mut index = Vec::with_capacity(objects.len());
    let header = pack_header(count);
    hasher.update(&header);
    out.write_all(&header)?;
    let mut offset = header.len() as u64;
    let mut encoder = EntryEncoder::new();
    for object in objects {
        let packed = encoder.encode(object.kind, &object.bytes)?;
        index.push(IndexEntry { id: object.id, offset, crc32: crc32(packed) });
        hasher.update(packed);
        out.write_all(packed)?;
        offset += packed.len() as u64;
    }
    let checksum = hasher.finish();
    out.write_all(checksum.as_bytes())?;
    Ok((checksum, index))
}

/// Returns the header of a pack of `count` objects.
pub(super) fn pack_header(count: u32) -> [u8; 12] {
    data::header::encode(data::Version::V2, count)
}

/// The checksum of a pack entry, for the index.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Completes a pack that was started with [`pack_header`] of 0: writes the number of objects and
/// appends the checksum. Returns the SHA-256 and the length of the whole file.
pub(super) fn finish_pack(mut file: &File, count: u64) -> io::Result<(Id, u64)> {
    let count = u32::try_from(count).map_err(io::Error::other)?;
    file.write_all_at(&pack_header(count), 0)?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Digest::default();
    let mut size = 0;
    let mut block = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut block)?;
        if length == 0 {
            break;
        }
        hasher.update(&block[..length]);
        size += length as u64;
    }
    let checksum = hasher.clone().finish();
    file.write_all(checksum.as_bytes())?;
    hasher.update(checksum.as_bytes());
    Ok((hasher.finish(), size + Id::LEN as u64))
}

/// Encodes the index of the pack with the checksum `pack`.
pub(super) fn encode_index(mut entries: Vec<IndexEntry>, pack: &Id) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut bytes = Vec::with_capacity(8 + 1024 + entries.len() * (Id::LEN + 8) + 2 * Id::LEN);
    bytes.extend_from_slice(b"\xfftOc");
    bytes.extend_from_slice(&2u32.to_be_bytes());
    for first in 0..=u8::MAX {
        let below = entries.partition_point(|entry| entry.id.as_bytes()[0] <= first) as u32;
        bytes.extend_from_slice(&below.to_be_bytes());
    }
    for entry in &entries {
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    for entry in &entries {
        bytes.extend_from_slice(&entry.crc32.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in &entries {
        let offset = if entry.offset < LARGE_OFFSET {
            entry.offset as u32
        } else {
            large.push(entry.offset);
            (large.len() - 1) as u32 | LARGE_OFFSET as u32
        };
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in large {
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
    bytes.extend_from_slice(pack.as_bytes());
    let checksum = Digest::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Deflates objects one by one with shared buffers, because most objects are far smaller than the
/// buffers. Uses fast compression, because most of the data is ids, which do not compress.
pub(super) struct Deflater {
    state: Compress,
}

impl Deflater {
    pub(super) fn new() -> Self {
        Self::with_level(Compression::fast())
    }

    fn with_level(level: Compression) -> Self {
        Deflater { state: Compress::new(level, true) }
    }

    /// Appends `bytes` to `out` as a separate stream.
    pub(super) fn deflate(&mut self, out: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
        self.state.reset();
        loop {
            let consumed = self.state.total_in() as usize;
            out.reserve((bytes.len() - consumed) + 64);
            let status = self.state.compress_vec(&bytes[consumed..], out, FlushCompress::Finish)?;
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

/// Encodes entries of a pack with shared buffers.
pub(super) struct EntryEncoder {
    packed: Vec<u8>,
    deflaters: Vec<Deflater>,
    /// Decides which deflater each object gets, if there are several.
    choice: u64,
}

impl EntryEncoder {
    pub(super) fn new() -> Self {
        EntryEncoder { packed: Vec::new(), deflaters: vec![Deflater::new()], choice: 0 }
    }

    /// Creates an encoder that deflates each object in one of several ways, chosen at random. Equal
    /// objects thus make packs with different names.
    pub(super) fn varied() -> Self {
        let levels = [Compression::fast(), Compression::default(), Compression::best()];
        let deflaters = levels.into_iter().map(Deflater::with_level).collect();
        let choice = uuid::Uuid::new_v4().as_u64_pair().0;
        EntryEncoder { packed: Vec::new(), deflaters, choice }
    }

    /// Encodes an object with these bytes as a pack entry.
    pub(super) fn encode(&mut self, kind: ObjectKind, bytes: &[u8]) -> io::Result<&[u8]> {
        self.packed.clear();
        entry_header(kind).write_to(bytes.len() as u64, &mut self.packed)?;
        let count = self.deflaters.len();
        // A linear congruential generator: its high bits are random enough.
        self.choice = self
            .choice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let number = (self.choice >> 33) as usize % count;
        self.deflaters[number].deflate(&mut self.packed, bytes)?;
        Ok(&self.packed)
    }
}

fn entry_header(kind: ObjectKind) -> data::entry::Header {
    match kind {
        ObjectKind::Blob => data::entry::Header::Blob,
        ObjectKind::Tree => data::entry::Header::Tree,
        ObjectKind::Commit => data::entry::Header::Commit,
        ObjectKind::Tag => data::entry::Header::Tag,
    }
}
