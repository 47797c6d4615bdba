//! Imports a Git pack that someone else wrote.
//!
//! Nothing in the pack is trusted. It is written to `tmp/` as it arrives, and its digest is
//! compared. Then it is read back from disk: every entry must be a whole object of a size that can
//! be read, and its id is computed from its bytes. The contents of an object are checked when the
//! object is read. Only then do the pack and a newly computed index get their names, durably, the
//! pack first.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom, Take, Write as _};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::History;
use super::object::SIZE_LIMIT;
use super::object_pack::IndexEntry;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::id::{Digest, Id, ObjectHasher, ObjectKind};
use crate::progress::{Progress, check_interrupt};

/// Magic, version, number of objects.
const HEADER_LEN: u64 = 12;

/// More objects than any real history has. Each one needs about fifty bytes of memory.
const MAX_OBJECTS: u32 = 50_000_000;

const BLOCK: usize = 1 << 16;

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedPack {
    /// The number of objects in the pack. Some may have existed before.
    pub objects: u64,
}

impl History {
    /// Imports the Git pack from `source`, which has `size` bytes and the SHA-256 `expected`. On
    /// return, its objects are durable and readable through this history. Importing a pack twice is
    /// harmless.
    ///
    /// `progress` advances by the bytes received, within the phase that the caller began. The
    /// caller holds the repository's lock.
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) if the bytes do not match or are not a valid
    /// pack, and with [`Unsupported`](ErrorKind::Unsupported) for features that this program does
    /// not write. On failure, nothing is kept.
    pub fn import_pack(
        &self,
        source: &mut dyn Read,
        expected: Id,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<ImportedPack> {
        let body = body_length(size, &expected)?;
        atomic::create_dir_all(&self.tmp_dir())?;
        let pack = self.new_pack()?;
        let checksum = receive(&pack, source, expected, body, progress)?;
        let mut entries = read_entries(&pack, body, expected, progress)?;
        entries.sort_unstable_by_key(|entry| entry.id);
        if entries.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(bad_pack(&expected, "it contains an object twice"));
        }
        let objects = entries.len() as u64;
        if objects > 0 {
            self.place_pack(pack, entries, &checksum)?;
            self.reopen()?;
        }
        Ok(ImportedPack { objects })
    }
}

/// Returns the length of a pack of `size` bytes without its checksum.
pub(super) fn body_length(size: u64, id: &Id) -> Result<u64> {
    let body = size.checked_sub(Id::LEN as u64).filter(|body| *body >= HEADER_LEN);
    body.ok_or_else(|| bad_pack(id, "it is too short"))
}

/// Writes the pack from `source` to `file`: `body` bytes and a checksum. Together, they must have
/// the SHA-256 `expected`. Returns the checksum.
pub(super) fn receive(
    file: &TempFile,
    source: &mut dyn Read,
    expected: Id,
    body: u64,
    progress: &dyn Progress,
) -> Result<Id> {
    let bad = |what: &str| bad_pack(&expected, what);
    let mut receiver = Receiver { source, file: file.file(), expected, progress };
    let mut digest = Digest::default();
    receiver.receive(body, &mut |bytes| digest.update(bytes))?;
    let checksum = digest.clone().finish();
    let mut trailer = Vec::new();
    receiver.receive(Id::LEN as u64, &mut |bytes| trailer.extend_from_slice(bytes))?;
    digest.update(&trailer);
    receiver.expect_end()?;
    if digest.finish() != expected {
        return Err(bad("its bytes do not match its id"));
    }
    if trailer != checksum.as_bytes() {
        return Err(bad("its checksum is wrong"));
    }
    Ok(checksum)
}

/// Returns the entries of a received pack, in the order of the pack. Every object is read.
pub(super) fn read_entries(
    pack: &TempFile,
    body: u64,
    id: Id,
    progress: &dyn Progress,
) -> Result<Vec<IndexEntry>> {
    let mut file = pack.file();
    file.seek(SeekFrom::Start(0)).on("read", pack.path())?;
    PackEntries::open(file, body, id)?.read_all(progress)
}

fn bad_pack(id: &Id, what: &str) -> Error {
    Error::corrupt(format!("the history pack {id} is damaged: {what}"))
}

fn newer(id: &Id, what: &str) -> Error {
    let message = format!("the history pack {id} has {what}, made by a newer art");
    Error::new(ErrorKind::Unsupported, message).with_hint("update art")
}

/// Writes the bytes of a source to a file.
struct Receiver<'a> {
    source: &'a mut dyn Read,
    file: &'a File,
    expected: Id,
    progress: &'a dyn Progress,
}

impl Receiver<'_> {
    /// Receives `length` bytes, and passes them to `show`.
    fn receive(&mut self, length: u64, show: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut left = length;
        let mut block = vec![0; BLOCK];
        while left > 0 {
            check_interrupt(self.progress)?;
            let wanted = left.min(BLOCK as u64) as usize;
            let filled = self.read(&mut block[..wanted])?;
            if filled == 0 {
                return Err(bad_pack(&self.expected, "it ends early"));
            }
            let bytes = &block[..filled];
            show(bytes);
            self.file.write_all(bytes).on("write", format!("history pack {}", self.expected))?;
            self.progress.advance(filled as u64);
            left -= filled as u64;
        }
        Ok(())
    }

    fn expect_end(&mut self) -> Result<()> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(bad_pack(&self.expected, "it is longer than expected")),
        }
    }

    fn read(&mut self, block: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(block) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // An [`Error`] inside the I/O error is more precise.
                Err(error) => {
                    return Err(error.downcast::<Error>().unwrap_or_else(|error| {
                        Error::io("read", format!("history pack {}", self.expected), error)
                    }));
                }
            }
        }
    }
}

/// Reads the entries of a pack one by one.
struct PackEntries<'a> {
    reader: BufReader<Take<&'a File>>,
    /// The offset of the reader in the file.
    position: u64,
    count: u32,
    id: Id,
    inflater: Decompress,
    output: Vec<u8>,
}

impl<'a> PackEntries<'a> {
    /// Reads the header. `length` is the length of the pack without its checksum.
    fn open(file: &'a File, length: u64, id: Id) -> Result<Self> {
        let mut reader = BufReader::with_capacity(BLOCK, file.take(length));
        let mut header = [0; HEADER_LEN as usize];
        reader.read_exact(&mut header).on("read", format!("history pack {id}"))?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if &header[..4] != b"PACK" {
            return Err(bad_pack(&id, "it has no pack header"));
        }
        if word(4) != 2 {
            return Err(newer(&id, &format!("the format {}", word(4))));
        }
        let count = word(8);
        if count > MAX_OBJECTS {
            return Err(bad_pack(&id, &format!("its header claims {count} objects")));
        }
        let output = vec![0; BLOCK];

        Ok(PackEntries {
            reader,
            position: HEADER_LEN,
            count,
            id,
            inflater: Decompress::new(true),
            output,
        })
    }

    /// Reads all entries. Memory grows with the entries read, not with the count in the header.
    fn read_all(mut self, progress: &dyn Progress) -> Result<Vec<IndexEntry>> {
        let mut entries = Vec::new();
        for _ in 0..self.count {
            check_interrupt(progress)?;
            entries.push(self.next_entry()?);
        }
        if self.fill()?.is_empty() {
            return Ok(entries);
        }
        Err(self.bad("it has more objects than its header claims"))
    }

    fn bad(&self, what: &str) -> Error {
        let message = format!("{what} (at byte {})", self.position);
        bad_pack(&self.id, &message)
    }

    /// Returns the next bytes, or none at the end.
    fn fill(&mut self) -> Result<&[u8]> {
        self.reader.fill_buf().on("read", format!("history pack {}", self.id))
    }

    fn next_entry(&mut self) -> Result<IndexEntry> {
        let offset = self.position;
        let mut crc = Crc::new();
        let (kind, size) = self.entry_header(&mut crc)?;
        let id = self.inflate(kind, size, &mut crc)?;
        Ok(IndexEntry { id, offset, crc32: crc.sum() })
    }

    /// Reads the header of an entry: kind and size, with 3 and 4 bits in the first byte, then 7
    /// bits per byte.
    fn entry_header(&mut self, crc: &mut Crc) -> Result<(ObjectKind, u64)> {
        let first = self.byte(crc)?;
        let kind = match (first >> 4) & 7 {
            1 => ObjectKind::Commit,
            2 => ObjectKind::Tree,
            3 => ObjectKind::Blob,
            4 => ObjectKind::Tag,
            6 | 7 => return Err(newer(&self.id, "objects that are deltas")),
            kind => return Err(self.bad(&format!("an object has the unknown kind {kind}"))),
        };
        let mut size = u64::from(first & 15);
        let mut shift = 4;
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = self.byte(crc)?;
            // Seven bits more than any valid object size has.
            if shift > 32 {
                return Err(self.bad("an object claims an impossible size"));
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        if size > SIZE_LIMIT as u64 {
            return Err(self.bad(&format!("an object of {size} bytes is too large")));
        }
        Ok((kind, size))
    }

    fn byte(&mut self, crc: &mut Crc) -> Result<u8> {
        let Some(byte) = self.fill()?.first().copied() else {
            return Err(self.bad("it ends within an object"));
        };
        crc.update(&[byte]);
        self.reader.consume(1);
        self.position += 1;
        Ok(byte)
    }

    /// Inflates an object of `size` bytes, and returns its id.
    fn inflate(&mut self, kind: ObjectKind, size: u64, crc: &mut Crc) -> Result<Id> {
        let mut hasher = ObjectHasher::new(kind, size);
        self.inflater.reset(true);
        loop {
            let input = self.reader.fill_buf().on("read", format!("history pack {}", self.id))?;
            let (imported, given) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self.inflater.decompress(input, &mut self.output, FlushDecompress::None);
            let imported = (self.inflater.total_in() - imported) as usize;
            let given = (self.inflater.total_out() - given) as usize;
            crc.update(&input[..imported]);
            self.reader.consume(imported);
            self.position += imported as u64;
            hasher.update(&self.output[..given]);
            if self.inflater.total_out() > size {
                return Err(self.bad("an object is longer than its header claims"));
            }
            match status {
                Ok(Status::StreamEnd) => break,
                Ok(_) if imported + given > 0 => {}
                _ => return Err(self.bad("an object can't be inflated")),
            }
        }
        if self.inflater.total_out() != size {
            return Err(self.bad("an object is shorter than its header claims"));
        }
        Ok(hasher.finish())
    }
}
