//! The tar members of a pack.

use std::io::Read;

use super::FormatError;
use crate::id::Id;

/// The size of a tar block in bytes.
pub const BLOCK: usize = 512;

/// The kind of a pack's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberKind {
    /// A whole file.
    Blob = 0,
    /// A part of a chunked file.
    Chunk = 1,
    /// The list of a file's chunks.
    Manifest = 2,
}

impl MemberKind {
    /// The directory of this kind's members in the archive.
    pub fn directory(self) -> &'static str {
        match self {
            MemberKind::Blob => "blobs",
            MemberKind::Chunk => "chunks",
            MemberKind::Manifest => "manifests",
        }
    }

    /// Converts the number in an index to a kind.
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

/// One member of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberEntry {
    /// The id in the member's name.
    pub id: Id,
    /// The kind of the member.
    pub kind: MemberKind,
    /// The number of the member's frame.
    pub frame: u32,
    /// The offset of the content in the decompressed frame.
    pub offset: u32,
    /// The size of the content in bytes.
    pub size: u32,
}

/// The number of archive bytes that a member with `size` bytes of content takes.
pub fn member_span(size: usize) -> usize {
    BLOCK + size.next_multiple_of(BLOCK)
}

/// Appends a member to the archive in `tar` and returns the offset of its content.
///
/// Every writer uses the same headers (ustar, mode 0644, time 0), so equal members give equal
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

/// Parses the members of a frame's decompressed bytes: kind, id, and the range of the content.
///
/// The blocks that end an archive contain no members.
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

/// Parses the header of a member: kind, id, and size of the content in bytes.
pub fn parse_header(block: &[u8; BLOCK]) -> Result<(MemberKind, Id, u64), FormatError> {
    let header = tar::Header::from_byte_slice(block);
    let mut summed = header.clone();
    summed.set_cksum();
    if !matches!((header.cksum(), summed.cksum()), (Ok(stated), Ok(is)) if stated == is) {
        return Err(FormatError::NotA("the header of a tar member"));
    }
    let path = header.path_bytes();
    let strange = || FormatError::Member(crate::tree_path::escaped(&path));
    if header.entry_type() != tar::EntryType::Regular {
        return Err(strange());
    }
    let (kind, id) = MemberKind::parse_path(&path).ok_or_else(strange)?;
    let size = header.entry_size().map_err(|_| FormatError::OutOfBounds("a member's size"))?;
    Ok((kind, id, size))
}

/// Parses the members of a frame that holds only adjacent members. Writers of packs create such
/// frames, and frames from several packs can then be combined into a readable archive.
pub fn parse_frame(frame: &[u8]) -> Result<Vec<MemberEntry>, FormatError> {
    let mut members = Vec::new();
    let mut rest = frame;
    while let Some((header, behind)) = rest.split_first_chunk::<BLOCK>() {
        let (kind, id, size) = parse_header(header)?;
        let offset = u32::try_from(frame.len() - behind.len());
        let offset = offset.map_err(|_| FormatError::OutOfBounds("a member's place"))?;
        let size = u32::try_from(size).map_err(|_| FormatError::OutOfBounds("a member's size"))?;
        let span = (size as usize).next_multiple_of(BLOCK);
        rest = behind.get(span..).ok_or(FormatError::Truncated)?;
        members.push(MemberEntry { id, kind, frame: 0, offset, size });
    }
    if members.is_empty() || !rest.is_empty() {
        return Err(FormatError::NotA("a frame of whole members"));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_only_members() {
        let mut tar = Vec::new();
        for content in [&b"abc"[..], b"", &[7; 513]] {
            append_member(&mut tar, MemberKind::Blob, &Id::of_blob(content), content);
        }
        let members = parse_frame(&tar).unwrap();
        let found: Vec<_> = members
            .iter()
            .map(|m| (m.kind, m.id, m.offset as usize..m.offset as usize + m.size as usize))
            .collect();
        assert_eq!(found, parse_members(&tar).unwrap());
        for end in [0, 100, 512, tar.len() - 1, tar.len() - 512] {
            assert!(parse_frame(&tar[..end]).is_err(), "{end}");
        }
        // The blocks that end an archive would hide the members after them.
        let hidden = [&tar[..], &[0; 1024], &tar].concat();
        assert!(parse_frame(&hidden).is_err() && parse_members(&hidden).is_ok());
        tar[3] ^= 1;
        assert!(parse_frame(&tar).is_err());
    }

    #[test]
    fn members_are_read_back_and_fill_whole_blocks() {
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
    fn members_with_other_names_are_refused() {
        let mut tar = Vec::new();
        append_member(&mut tar, MemberKind::Blob, &Id::NULL, b"abc");
        tar[..5].copy_from_slice(b"../..");
        assert!(parse_members(&tar).is_err());
    }
}
