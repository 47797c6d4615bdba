//! Writes `zip` archives in one pass: the sizes and the checksum of a file follow its content.
//!
//! The format follows PKWARE's APPNOTE 6.3.10 and, for times, Info-ZIP. Names are written byte for
//! byte, and marked as UTF-8 if they are UTF-8. Sizes and offsets use 64 bits if 32 bits are too
//! few.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::format::{Archive, BLOCK, Blocks, GZIP_LEVEL};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::tree_path::escaped;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const END_64_LOCATOR: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;

/// The value of a 32-bit field whose real value is in the 64-bit extra field.
const IN_EXTRA: u32 = u32::MAX;
/// The value of a 16-bit field whose real value is in a 64-bit record.
const IN_RECORD: u16 = u16::MAX;

/// An incompressible file of this size may grow to 2^32 bytes.
const LARGE: u64 = 4_000_000_000;

/// The format versions that a reader needs, and the version (on Unix) that wrote the archive.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
const MADE_BY: u16 = 3 << 8 | VERSION_64;

/// Flags: the sizes follow the content; the name is UTF-8.
const SIZES_BEHIND: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The ids of the extra fields for 64-bit values and for a Unix time.
const EXTRA_64: u16 = 1;
const EXTRA_TIME: u16 = 0x5455;

/// A zip that is being written.
pub(super) struct ZipArchive<'w> {
    out: Blocks<Deflated<'w>>,
    /// The central directory so far.
    central: Vec<u8>,
    members: u64,
    dos_time: u32,
    /// The extra field with the time, which is equal in both headers.
    time_field: Vec<u8>,
    current: Option<Member>,
}

/// One member, with the values for its two headers.
struct Member {
    name: Vec<u8>,
    mode: u32,
    method: u16,
    flags: u16,
    is_large: bool,
    offset: u64,
    crc: u32,
    size: u64,
    stored: u64,
}

impl<'w> ZipArchive<'w> {
    pub(super) fn new(time: Timestamp, out: &'w mut dyn Write) -> Self {
        let mut time_field = Vec::new();
        if let Ok(seconds) = i32::try_from(time.seconds()) {
            // DOS times have no zone and are read as local time. This field is exact.
            put(&mut time_field, &[&EXTRA_TIME, &5u16, &1u8, &seconds]);
        }
        ZipArchive {
            out: Blocks::new(Deflated::new(out)),
            central: Vec::new(),
            members: 0,
            dos_time: dos_time(time),
            time_field,
            current: None,
        }
    }

    /// Adds a member whose complete content is in memory, without compression.
    fn whole(&mut self, name: Vec<u8>, mode: u32, content: &[u8]) -> Result<()> {
        let mut crc = Crc::new();
        crc.update(content);
        let mut member = self.member(name, mode)?;
        member.crc = crc.sum();
        (member.size, member.stored) = (content.len() as u64, content.len() as u64);
        self.begin(&member)?;
        self.out.out().write_plain(content).on("write", "the archive")?;
        self.note(&member);
        Ok(())
    }

    fn member(&mut self, name: Vec<u8>, mode: u32) -> Result<Member> {
        if name.len() > usize::from(u16::MAX) {
            let shown = escaped(&name[..80]);
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("a zip cannot contain a name of {} bytes: '{shown}…'", name.len()),
            )
            .with_hint("choose another format: --format tar.zst"));
        }
        let is_utf8 = !name.is_ascii() && std::str::from_utf8(&name).is_ok();
        Ok(Member {
            mode,
            method: STORED,
            flags: if is_utf8 { UTF8 } else { 0 },
            is_large: false,
            offset: self.out.out().written,
            crc: 0,
            size: 0,
            stored: 0,
            name,
        })
    }

    /// Writes the header before the content.
    fn begin(&mut self, member: &Member) -> Result<()> {
        let mut extra = Vec::new();
        let mut sizes = (member.stored as u32, member.size as u32);
        if member.is_large {
            put(&mut extra, &[&EXTRA_64, &16u16, &0u64, &0u64]);
            sizes = (IN_EXTRA, IN_EXTRA);
        }
        extra.extend_from_slice(&self.time_field);
        let mut header = Vec::new();
        put(&mut header, &[&LOCAL_HEADER, &member.version(), &member.flags, &member.method]);
        put(&mut header, &[&self.dos_time, &member.crc, &sizes.0, &sizes.1]);
        put(&mut header, &[&(member.name.len() as u16), &(extra.len() as u16)]);
        header.extend_from_slice(&member.name);
        header.extend_from_slice(&extra);
        self.out.out().write_plain(&header).on("write", "the archive")
    }

    /// Adds a member to the central directory.
    fn note(&mut self, member: &Member) {
        let mut wide = Vec::new();
        let mut narrow = |value: u64, is_wide: bool| {
            if is_wide || value >= u64::from(IN_EXTRA) {
                put(&mut wide, &[&value]);
                return IN_EXTRA;
            }
            value as u32
        };
        let size = narrow(member.size, member.is_large);
        let stored = narrow(member.stored, member.is_large);
        let offset = narrow(member.offset, false);
        let version = if wide.is_empty() { VERSION } else { VERSION_64 };
        let mut extra = Vec::new();
        if !wide.is_empty() {
            put(&mut extra, &[&EXTRA_64, &(wide.len() as u16)]);
            extra.extend_from_slice(&wide);
        }
        extra.extend_from_slice(&self.time_field);
        let dos_attributes = if member.name.ends_with(b"/") { 0x10 } else { 0 };
        let header = &mut self.central;
        put(header, &[&CENTRAL_HEADER, &MADE_BY, &version, &member.flags, &member.method]);
        put(header, &[&self.dos_time, &member.crc, &stored, &size]);
        put(header, &[&(member.name.len() as u16), &(extra.len() as u16)]);
        // No comment, first disk, no internal attributes.
        put(header, &[&0u16, &0u16, &0u16, &(member.mode << 16 | dos_attributes), &offset]);
        header.extend_from_slice(&member.name);
        header.extend_from_slice(&extra);
        self.members += 1;
    }
}

impl Member {
    /// The format version that a reader of this member needs.
    fn version(&self) -> u16 {
        if self.is_large { VERSION_64 } else { VERSION }
    }
}

impl Archive for ZipArchive<'_> {
    fn directory(&mut self, path: &[u8]) -> Result<()> {
        self.whole([path, b"/"].concat(), 0o040_755, b"")
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<()> {
        self.whole(path.to_vec(), 0o120_777, target)
    }

    fn begin_file(&mut self, path: &[u8], size: u64, executable: bool) -> Result<()> {
        let mode = if executable { 0o100_755 } else { 0o100_644 };
        let mut member = self.member(path.to_vec(), mode)?;
        member.method = DEFLATED;
        member.flags |= SIZES_BEHIND;
        member.is_large = size >= LARGE;
        self.begin(&member)?;
        self.out.out().restart();
        self.current = Some(member);
        Ok(())
    }

    fn content(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    fn end_file(&mut self) -> Result<()> {
        let Some(mut member) = self.current.take() else {
            return Err(Error::internal("end_file without begin_file"));
        };
        let ended = self.out.end().and_then(|()| self.out.out().finish_file(&mut member));
        ended.on("write", "the archive")?;
        self.note(&member);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let offset = self.out.out().written;
        let (length, members) = (self.central.len() as u64, self.members);
        let mut end = std::mem::take(&mut self.central);
        let is_wide = members >= u64::from(IN_RECORD)
            || offset >= u64::from(IN_EXTRA)
            || length >= u64::from(IN_EXTRA);
        if is_wide {
            put(&mut end, &[&END_64, &44u64, &MADE_BY, &VERSION_64, &0u32, &0u32]);
            put(&mut end, &[&members, &members, &length, &offset]);
            put(&mut end, &[&END_64_LOCATOR, &0u32, &(offset + length), &1u32]);
        }
        let members = u16::try_from(members).unwrap_or(IN_RECORD);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(IN_EXTRA);
        put(&mut end, &[&END, &0u16, &0u16, &members, &members]);
        put(&mut end, &[&narrow(length), &narrow(offset), &0u16]);
        self.out.out().write_plain(&end).on("write", "the archive")
    }
}

/// Compresses its input, and counts its output.
struct Deflated<'w> {
    out: &'w mut dyn Write,
    written: u64,
    began: u64,
    compress: Compress,
    crc: Crc,
    buffer: Vec<u8>,
}

impl<'w> Deflated<'w> {
    fn new(out: &'w mut dyn Write) -> Self {
        let compress = Compress::new(Compression::new(GZIP_LEVEL), false);
        Deflated { out, written: 0, began: 0, compress, crc: Crc::new(), buffer: vec![0; BLOCK] }
    }

    /// Begins a file at the current position.
    fn restart(&mut self) {
        self.compress.reset();
        self.crc.reset();
        self.began = self.written;
    }

    fn write_plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn deflate(&mut self, mut input: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            let before = (self.compress.total_in(), self.compress.total_out());
            let status = self.compress.compress(input, &mut self.buffer, flush)?;
            input = &input[(self.compress.total_in() - before.0) as usize..];
            let made = (self.compress.total_out() - before.1) as usize;
            self.out.write_all(&self.buffer[..made])?;
            self.written += made as u64;
            let is_drained = input.is_empty() && made < self.buffer.len();
            if status == Status::StreamEnd || (flush == FlushCompress::None && is_drained) {
                return Ok(());
            }
        }
    }

    /// Ends the file, and writes its sizes after it.
    fn finish_file(&mut self, member: &mut Member) -> io::Result<()> {
        self.deflate(&[], FlushCompress::Finish)?;
        member.crc = self.crc.sum();
        member.size = self.compress.total_in();
        member.stored = self.written - self.began;
        let mut descriptor = Vec::new();
        put(&mut descriptor, &[&DESCRIPTOR, &member.crc]);
        if member.is_large {
            put(&mut descriptor, &[&member.stored, &member.size]);
        } else {
            put(&mut descriptor, &[&(member.stored as u32), &(member.size as u32)]);
        }
        self.write_plain(&descriptor)
    }
}

impl Write for Deflated<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc.update(bytes);
        self.deflate(bytes, FlushCompress::None)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A number in the byte order of zip.
trait ZipNumber {
    fn put(&self, bytes: &mut Vec<u8>);
}

macro_rules! fields {
    ($($number:ty)*) => {
        $(impl ZipNumber for $number {
            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

fields! { u8 u16 u32 u64 i32 }

fn put(bytes: &mut Vec<u8>, fields: &[&dyn ZipNumber]) {
    for field in fields {
        field.put(bytes);
    }
}

/// Converts to DOS date and time, from 1980 to 2107 with a resolution of two seconds. Other times
/// are clamped.
fn dos_time(time: Timestamp) -> u32 {
    let (year, month, day, hour, minute, second) = time.civil();
    let (year, month, day, hour, minute, second) = match year {
        ..1980 => (1980, 1, 1, 0, 0, 0),
        2108.. => (2107, 12, 31, 23, 59, 58),
        year => (year as u32, month, day, hour, minute, second),
    };
    let two_seconds = u32::from(second) / 2;
    let date = (year - 1980) << 9 | u32::from(month) << 5 | u32::from(day);
    let time = u32::from(hour) << 11 | u32::from(minute) << 5 | two_seconds;
    date << 16 | time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_the_dos_range_are_clamped() {
        let encoded = |time: &str| dos_time(time.parse().unwrap());
        // The expected values are from Info-ZIP's zip with TZ=UTC, read with od.
        assert_eq!(encoded("1970-01-01"), 0x0021_0000);
        assert_eq!(encoded("2026-11-21 12:34:56"), 0x5d75_645c);
        assert_eq!(encoded("2026-11-21 12:34:57"), 0x5d75_645c);
        assert_eq!(encoded("2107-12-31 23:59:59"), encoded("2300-01-01"));
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_with_a_hint() {
        let mut bytes = Vec::new();
        let mut archive = ZipArchive::new(Timestamp::from_seconds(0), &mut bytes);
        let error = archive.directory(&vec![b'n'; 70_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().unwrap().contains("--format"), "{error:?}");
    }
}
