//! The tar members of a pack.

use std::io::Read;

use super::FormatError;
use crate::id::Id;

/// Bytes in a tar block.
pub const BLOCK: usize = 512;

/// What a member of a pack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberKind {
    /// A whole file.
    Blob = 0,
    /// A part of a longer file.
    Chunk = 1,
    /// The list of a file's chunks.
    Manifest = 2,
}

impl MemberKind {
    /// The directory its members are in.
    pub fn directory(self) -> &'static str {
        match self {
            MemberKind::Blob => "blobs",
            MemberKind::Chunk => "chunks",
            MemberKind::Manifest => "manifests",
        }
    }

    /// From its number in an index.
    pub fn from_number(number: u32) -> Result<Self, FormatError> {
        match number {
            0 => Ok(MemberKind::Blob),
            1 => Ok(MemberKind::Chunk),
            2 => Ok(MemberKind::Manifest),
            _ => Err(FormatError::OutOfBounds("a member's kind")),
        }
    }

    fn parse_path(path: &[u8]) -> Option<(Self, Id)> {
        let slash = path.iter().position(|byte| *byte == b'/')?;
        let kind = match &path[..slash] {
            b"blobs" => MemberKind::Blob,
            b"chunks" => MemberKind::Chunk,
            b"manifests" => MemberKind::Manifest,
            _ => return None,
        };
        Some((kind, Id::from_hex(&path[slash + 1..])?))
    }
}

/// Bytes that a member with `size` bytes of content takes in the archive.
pub fn member_span(size: usize) -> usize {
    BLOCK + size.next_multiple_of(BLOCK)
}

/// Appends a member to the archive in `tar`; returns where its content begins.
///
/// Headers are the same for every writer (ustar, mode 0644, time 0), so equal members give equal
/// bytes.
pub fn append_member(tar: &mut Vec<u8>, kind: MemberKind, id: &Id, content: &[u8]) -> usize {
    let mut header = tar::Header::new_ustar();
    let path = format!("{}/{id}", kind.directory());
    header.set_path(path).expect("because the path is short ASCII without '..'");
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    let start = tar.len();
    tar.extend_from_slice(content);
    tar.resize(start + content.len().next_multiple_of(BLOCK), 0);
    start
}

/// The members of one frame's decompressed bytes: kind, id, and where the content lies.
///
/// The end-of-archive blocks give none.
pub fn parse_members(
    frame: &[u8],
) -> Result<Vec<(MemberKind, Id, std::ops::Range<usize>)>, FormatError> {
    let mut members = Vec::new();
    let mut archive = tar::Archive::new(frame);
    let entries = archive.entries().map_err(|_| FormatError::NotA("a tar archive"))?;
    for entry in entries {
        let mut entry = entry.map_err(|_| FormatError::NotA("a tar archive"))?;
        let path = entry.path_bytes().into_owned();
        let strange = || FormatError::Member(crate::tree_path::escaped(&path));
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(strange());
        }
        let (kind, id) = MemberKind::parse_path(&path).ok_or_else(strange)?;
        let start =
            usize::try_from(entry.raw_file_position()).map_err(|_| FormatError::Truncated)?;
        let size = usize::try_from(entry.size()).map_err(|_| FormatError::Truncated)?;
        let end = start.checked_add(size).filter(|end| *end <= frame.len());
        let end = end.ok_or(FormatError::Truncated)?;
        std::io::copy(&mut entry.by_ref().take(u64::MAX), &mut std::io::sink())
            .map_err(|_| FormatError::Truncated)?;
        members.push((kind, id, start..end));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_round_trip_and_fill_whole_blocks() {
        let mut tar = Vec::new();
        let mut expected = Vec::new();
        for content in [&b""[..], b"x", &[7; 512], &[1; 1000]] {
            let id = Id::of_blob(content);
            let start = append_member(&mut tar, MemberKind::Chunk, &id, content);
            expected.push((MemberKind::Chunk, id, start..start + content.len()));
            assert_eq!(tar.len() % BLOCK, 0);
        }
        assert_eq!(parse_members(&tar).unwrap(), expected);
        assert_eq!(parse_members(&[0; 1024]).unwrap(), []);
    }

    #[test]
    fn foreign_members_are_refused() {
        let mut tar = Vec::new();
        append_member(&mut tar, MemberKind::Blob, &Id::NULL, b"abc");
        tar[..5].copy_from_slice(b"../..");
        assert!(parse_members(&tar).is_err());
    }
}
