//! A pack's own index, stored in the skippable frame at the pack's end.
//!
//! All numbers are little-endian:
//!
//! ```text
//! skippable frame header   magic 0x184D2A5A, length of the rest (u32, u32)
//! "ARTPIDX1"               8 bytes
//! frames, members          u32, u32
//! frame    × frames        offset u64, stored u32, size u64
//! member   × members       id 32 bytes, kind u32, frame u32, offset u32, size u32
//! SHA-256 of the index     32 bytes, from "ARTPIDX1" on
//! index length, "ARTPACK1" u64, 8 bytes: the footer
//! ```

use super::{Fields, FormatError, MemberEntry, MemberKind};
use crate::id::{Digest, Id};

const MAGIC: &[u8; 8] = b"ARTPIDX1";
const FOOTER_MAGIC: &[u8; 8] = b"ARTPACK1";
const SKIPPABLE_MAGIC: u32 = 0x184D_2A5A;
/// The magic number of a skippable frame with random bytes, which gives a pack another name.
const SALT_MAGIC: u32 = 0x184D_2A50;
/// The number of random bytes.
const SALT_LEN: usize = 16;
/// The number of bytes before the contents of a skippable frame.
pub const SKIPPABLE_HEADER_LEN: usize = 8;
/// The length of a skippable frame with random bytes.
pub const SALT_FRAME_LEN: usize = SKIPPABLE_HEADER_LEN + SALT_LEN;
const FRAME_LEN: usize = 20;
const MEMBER_LEN: usize = 48;

/// The size of the footer in bytes.
pub const FOOTER_LEN: usize = 16;

/// One zstd frame of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameEntry {
    /// The offset of the frame in the pack.
    pub offset: u64,
    /// The size of the frame in the pack, in bytes.
    pub stored: u32,
    /// The size of the frame when decompressed, in bytes.
    pub size: u64,
}

/// The index of one pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackIndex {
    /// The frames, in the order of the pack.
    pub frames: Vec<FrameEntry>,
    /// The members, in the order of the pack.
    pub members: Vec<MemberEntry>,
}

impl PackIndex {
    /// Creates the skippable frame that ends a pack: header, index, checksum, footer.
    pub fn to_skippable_frame(&self) -> Vec<u8> {
        let index_len = MAGIC.len()
            + 8
            + self.frames.len() * FRAME_LEN
            + self.members.len() * MEMBER_LEN
            + Id::LEN;
        let mut bytes = Vec::with_capacity(8 + index_len + FOOTER_LEN);
        bytes.extend_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&((index_len + FOOTER_LEN) as u32).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.members.len() as u32).to_le_bytes());
        for frame in &self.frames {
            bytes.extend_from_slice(&frame.offset.to_le_bytes());
            bytes.extend_from_slice(&frame.stored.to_le_bytes());
            bytes.extend_from_slice(&frame.size.to_le_bytes());
        }
        for member in &self.members {
            bytes.extend_from_slice(member.id.as_bytes());
            for number in [member.kind as u32, member.frame, member.offset, member.size] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        let checksum = Digest::of(&bytes[8..]);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes.extend_from_slice(&(index_len as u64).to_le_bytes());
        bytes.extend_from_slice(FOOTER_MAGIC);
        bytes
    }

    /// Parses the index from its bytes (`"ARTPIDX1"` to checksum). Frames must end within
    /// `pack_len`.
    pub fn parse(bytes: &[u8], pack_len: u64) -> Result<Self, FormatError> {
        let body_len = bytes.len().checked_sub(Id::LEN).ok_or(FormatError::Truncated)?;
        let (body, checksum) = bytes.split_at(body_len);
        if Digest::of(body).as_bytes() != checksum {
            return Err(FormatError::Checksum);
        }
        let mut fields = Fields(body);
        if fields.bytes(8)? != MAGIC {
            return Err(FormatError::NotA("the index of a content pack"));
        }
        let frames = fields.u32()? as usize;
        let members = fields.u32()? as usize;
        if frames as u64 * FRAME_LEN as u64 + members as u64 * MEMBER_LEN as u64
            != fields.0.len() as u64
        {
            return Err(FormatError::OutOfBounds("the number of members"));
        }
        let mut index = PackIndex::default();
        for _ in 0..frames {
            let frame =
                FrameEntry { offset: fields.u64()?, stored: fields.u32()?, size: fields.u64()? };
            let end = frame.offset.checked_add(u64::from(frame.stored));
            if end.is_none_or(|end| end > pack_len) {
                return Err(FormatError::OutOfBounds("a frame"));
            }
            index.frames.push(frame);
        }
        for _ in 0..members {
            let member = MemberEntry {
                id: Id::from_bytes(fields.array()?),
                kind: MemberKind::from_number(fields.u32()?)?,
                frame: fields.u32()?,
                offset: fields.u32()?,
                size: fields.u32()?,
            };
            let frame = index.frames.get(member.frame as usize);
            let frame = frame.ok_or(FormatError::OutOfBounds("a member's frame"))?;
            if u64::from(member.offset) + u64::from(member.size) > frame.size {
                return Err(FormatError::OutOfBounds("a member's place"));
            }
            index.members.push(member);
        }
        Ok(index)
    }
}

/// Reads the offset and the length of the index from the footer (the last [`FOOTER_LEN`] bytes) of
/// a pack of `pack_len` bytes.
pub fn read_footer(footer: &[u8], pack_len: u64) -> Result<(u64, usize), FormatError> {
    let mut fields = Fields(footer);
    let index_len = fields.u64()?;
    if fields.bytes(8)? != FOOTER_MAGIC {
        return Err(FormatError::NotA("a content pack"));
    }
    let from_end = index_len.checked_add(FOOTER_LEN as u64);
    let offset = from_end.and_then(|from_end| pack_len.checked_sub(from_end));
    let offset = offset.ok_or(FormatError::OutOfBounds("the index"))?;
    let index_len = usize::try_from(index_len).map_err(|_| FormatError::Truncated)?;
    Ok((offset, index_len))
}

/// Creates a skippable frame with these bytes. Before the index frame of a pack, it changes the
/// pack's name only.
pub fn salt_frame(salt: [u8; SALT_LEN]) -> [u8; SALT_FRAME_LEN] {
    let mut frame = [0; SALT_FRAME_LEN];
    frame[..4].copy_from_slice(&SALT_MAGIC.to_le_bytes());
    frame[4..8].copy_from_slice(&(SALT_LEN as u32).to_le_bytes());
    frame[8..].copy_from_slice(&salt);
    frame
}

/// Returns true if a pack continues with a frame of [`salt_frame`].
pub fn starts_with_salt(bytes: &[u8]) -> bool {
    bytes.len() >= SALT_FRAME_LEN && bytes.starts_with(&salt_frame([0; SALT_LEN])[..8])
}

/// Creates the zstd frame that ends the tar archive: two zero blocks, as one run-length block.
pub fn end_frame() -> [u8; 11] {
    let [m0, m1, m2, m3] = 0xFD2F_B528_u32.to_le_bytes();
    // A single segment with a two-byte size field, which counts from 256.
    let [s0, s1] = (1024u16 - 256).to_le_bytes();
    // The last block, of type RLE: 1024 copies of the byte that follows.
    let [b0, b1, b2, _] = (1u32 | 1 << 1 | 1024 << 3).to_le_bytes();
    [m0, m1, m2, m3, 0x60, s0, s1, b0, b1, b2, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PackIndex {
        PackIndex {
            frames: vec![FrameEntry { offset: 0, stored: 90, size: 2048 }],
            members: vec![MemberEntry {
                id: Id::of_blob(b"a"),
                kind: MemberKind::Chunk,
                frame: 0,
                offset: 512,
                size: 1,
            }],
        }
    }

    #[test]
    fn an_index_is_read_back_through_the_footer() {
        let frame = sample().to_skippable_frame();
        let pack_len = 200 + frame.len() as u64;
        let footer = &frame[frame.len() - FOOTER_LEN..];
        let (offset, len) = read_footer(footer, pack_len).unwrap();
        let start = usize::try_from(offset - 200).unwrap();
        assert_eq!(PackIndex::parse(&frame[start..start + len], pack_len).unwrap(), sample());
    }

    #[test]
    fn the_end_frame_is_two_blocks_of_zeros() {
        assert_eq!(zstd::decode_all(&end_frame()[..]).unwrap(), vec![0; 1024]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let mut index = sample();
        index.frames[0].stored = 100_000;
        let frame = index.to_skippable_frame();
        let body = &frame[8..frame.len() - FOOTER_LEN];
        assert_eq!(PackIndex::parse(body, 300), Err(FormatError::OutOfBounds("a frame")));
        assert!(read_footer(&frame[frame.len() - FOOTER_LEN..], 10).is_err());
    }
}
