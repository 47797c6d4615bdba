//! Writes `tar` archives in GNU format, which allows names of any bytes and length, and files of
//! any size.

use std::io::Write;

use tar::{EntryType, Header};

use super::format::{Archive, Blocks, Compressor};
use crate::clock::Timestamp;
use crate::error::{IoResultExt, Result};

/// The size of a tar block, in bytes.
const BLOCK: u64 = 512;

/// The longest name that fits into a header. A longer name is written as a separate member first.
const MAX_NAME: usize = 100;

/// A tar that is being written.
pub(super) struct TarArchive<'w> {
    out: Blocks<Compressor<'w>>,
    time: u64,
    /// The number of bytes that fill the last block of the current file.
    padding: u64,
}

/// One member of the archive.
struct Member<'a> {
    kind: EntryType,
    path: &'a [u8],
    target: &'a [u8],
    mode: u32,
    size: u64,
}

impl<'w> TarArchive<'w> {
    pub(super) fn new(time: Timestamp, out: Compressor<'w>) -> Self {
        let time = u64::try_from(time.seconds()).unwrap_or(0);
        TarArchive { out: Blocks::new(out), time, padding: 0 }
    }

    fn member(&mut self, member: &Member<'_>) -> Result<()> {
        if member.target.len() > MAX_NAME {
            self.long_name(EntryType::GNULongLink, member.target)?;
        }
        if member.path.len() > MAX_NAME {
            self.long_name(EntryType::GNULongName, member.path)?;
        }
        self.header(member, self.time)
    }

    /// Writes a member that contains a long name for the next member.
    fn long_name(&mut self, kind: EntryType, name: &[u8]) -> Result<()> {
        let size = name.len() as u64 + 1;
        let path = b"././@LongLink";
        self.header(&Member { kind, path, target: b"", mode: 0o644, size }, 0)?;
        self.write(name)?;
        self.zeros(1 + size.next_multiple_of(BLOCK) - size)
    }

    fn header(&mut self, member: &Member<'_>, time: u64) -> Result<()> {
        let mut header = Header::new_gnu();
        let fields = header.as_old_mut();
        put(&mut fields.name, member.path);
        put(&mut fields.linkname, member.target);
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(member.size);
        header.set_mtime(time);
        header.set_cksum();
        self.write(header.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).on("write", "the archive")
    }

    fn zeros(&mut self, count: u64) -> Result<()> {
        let zeros = [0; 2 * BLOCK as usize];
        self.write(&zeros[..count as usize])
    }
}

/// Copies as much of `value` as fits into `field`.
fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

impl Archive for TarArchive<'_> {
    fn directory(&mut self, path: &[u8]) -> Result<()> {
        let path = [path, b"/"].concat();
        let kind = EntryType::Directory;
        self.member(&Member { kind, path: &path, target: b"", mode: 0o755, size: 0 })
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<()> {
        self.member(&Member { kind: EntryType::Symlink, path, target, mode: 0o777, size: 0 })
    }

    fn begin_file(&mut self, path: &[u8], size: u64, executable: bool) -> Result<()> {
        let mode = if executable { 0o755 } else { 0o644 };
        self.padding = size.next_multiple_of(BLOCK) - size;
        self.member(&Member { kind: EntryType::Regular, path, target: b"", mode, size })
    }

    fn content(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    fn end_file(&mut self) -> Result<()> {
        self.zeros(self.padding)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.zeros(2 * BLOCK)?;
        self.out.end().on("write", "the archive")?;
        self.out.into_out().finish().on("write", "the archive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut TarArchive<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let time = Timestamp::from_seconds(1_700_000_000);
        let mut archive = TarArchive::new(time, Compressor::None(&mut bytes));
        fill(&mut archive);
        Box::new(archive).finish().unwrap();
        bytes
    }

    #[test]
    fn members_are_read_back_unchanged() {
        let long = [&b"d/"[..], &[b'n'; 300]].concat();
        let target = [b't'; 200];
        let bytes = written(|archive| {
            archive.directory(b"d").unwrap();
            archive.begin_file(&long, 3, true).unwrap();
            archive.content().write_all(b"abc").unwrap();
            archive.end_file().unwrap();
            archive.link(b"l\xff", &target).unwrap();
        });
        assert_eq!(bytes.len() % 512, 0);
        let mut members = Vec::new();
        for member in ::tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let member = member.unwrap();
            let header = member.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            let target = member.link_name_bytes().map(|name| name.len());
            members.push((member.path_bytes().into_owned(), header.mode().unwrap(), target));
        }
        let expected = [
            (b"d/".to_vec(), 0o755, None),
            (long, 0o755, None),
            (b"l\xff".to_vec(), 0o777, Some(200)),
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn a_name_that_fills_the_field_needs_no_extra_member() {
        for (length, blocks) in [(100, 1), (101, 3), (511, 3), (512, 4)] {
            let name = vec![b'n'; length];
            let bytes = written(|archive| archive.begin_file(&name, 0, false).unwrap());
            assert_eq!(bytes.len(), (blocks + 2) * 512, "{length}");
            let mut archive = ::tar::Archive::new(bytes.as_slice());
            let first = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(*first.path_bytes(), *name);
        }
    }

    #[test]
    fn a_file_of_any_size_has_a_header() {
        for size in [(8 << 30) - 1, 8 << 30, 20 << 40] {
            let bytes = written(|archive| archive.begin_file(b"big", size, false).unwrap());
            let header = Header::from_byte_slice(&bytes[..512]);
            assert_eq!(header.entry_size().unwrap(), size);
        }
    }
}
