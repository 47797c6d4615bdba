//! The formats of a content pack and its index, without I/O.
//!
//! A pack is a valid `.tar.zst`:
//!
//! ```text
//! frame … frame      independent zstd frames, each holding whole tar members
//! end frame          a zstd frame with the two zero blocks that end a tar archive
//! skippable frame    the pack's own index and a fixed footer; zstd and tar skip it
//! ```
//!
//! Members are `blobs/ID`, `chunks/ID` and `manifests/ID`. A blob and a chunk hold the bytes whose
//! blob id is ID. A manifest holds one line `CHUNK-ID SIZE` per chunk. The chunks, concatenated,
//! are the file whose blob id is ID. A pack's name is the SHA-256 of all its bytes.

mod index;
mod lookup;
mod manifest;
mod member;
mod segment;
mod segment_merge;

pub use index::{
    FOOTER_LEN, FrameEntry, PackIndex, SALT_FRAME_LEN, SKIPPABLE_HEADER_LEN, end_frame,
    read_footer, salt_frame, starts_with_salt,
};
pub use lookup::Lookup;
pub use manifest::{Chunk, parse_line, parse_manifest, write_line};
pub use member::{
    BLOCK, MemberEntry, MemberKind, append_member, member_span, parse_frame, parse_header,
    parse_members,
};
pub use segment::{Layout, Location, SEGMENT_SALT_AT, SegmentBuilder, SegmentView};
pub use segment_merge::{Keep, MergeError, merge};

/// The reason why bytes do not have the expected format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end too early.
    #[error("it ends early")]
    Truncated,
    /// The magic bytes or the structure of the format are missing.
    #[error("it is not {0}")]
    NotA(&'static str),
    /// A number contradicts another or is out of bounds.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// A checksum does not match.
    #[error("its checksum does not match")]
    Checksum,
    /// A tar member does not belong in a content pack.
    #[error("the member '{0}' is not one of a content pack")]
    Member(String),
    /// A manifest's line is not `CHUNK-ID SIZE`.
    #[error("line {0} of the manifest is not 'CHUNK-ID SIZE'")]
    ManifestLine(usize),
}

/// Reads little-endian numbers from a slice, never past its end.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(N)?;
        Ok(bytes.try_into().expect("because exactly N bytes were taken"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }
}
