//! Taking in a Git pack that someone else wrote.
//!
//! Nothing in it is trusted. It is written to `tmp/` as it comes, its digest is compared, and then it
//! is read from there: every entry must be a whole object of a size that can be read back, and its
//! id is computed from its bytes. What an object says is checked when it is read. Only then do the
//! pack and an index of our own making get their names, durably, the pack first.

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

/// Magic, version, count of objects.
const HEADER_LEN: u64 = 12;

/// More objects than any history has; what is held of each is some fifty bytes.
const MAX_OBJECTS: u32 = 50_000_000;

const BLOCK: usize = 1 << 16;

/// What was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenIn {
    /// How many objects the pack has; some may have been here before.
    pub objects: u64,
}

impl History {
    /// Takes in the Git pack that `source` gives: `size` bytes with the SHA-256 `expected`. Its
    /// objects are durable and can be read through this history on return. To take one in again does
    /// no harm.
    ///
    /// `progress` is told of the bytes as they come, within the phase that the caller began. The
    /// caller holds the repository's lock.
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) if the bytes are not those or are no sound pack,
    /// with [`Unsupported`](ErrorKind::Unsupported) if it is of a kind that this program does not
    /// write. Then nothing of it stays.
    pub fn take_in_pack(
        &self,
        source: &mut dyn Read,
        expected: Id,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<TakenIn> {
        let body = body_length(size, &expected)?;
        atomic::create_dir_all(&self.tmp_dir())?;
        let pack = self.new_pack()?;
        let checksum = receive(&pack, source, expected, body, progress)?;
        let mut entries = read_entries(&pack, body, expected, progress)?;
        entries.sort_unstable_by_key(|entry| entry.id);
        if entries.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(bad_pack(&expected, "it has an object twice"));
        }
        let objects = entries.len() as u64;
        if objects > 0 {
            self.place_pack(pack, entries, &checksum)?;
            self.reopen()?;
        }
        Ok(TakenIn { objects })
    }
}

/// The length of a pack of `size` bytes without its checksum.
pub(super) fn body_length(size: u64, id: &Id) -> Result<u64> {
    let body = size.checked_sub(Id::LEN as u64).filter(|body| *body >= HEADER_LEN);
    body.ok_or_else(|| bad_pack(id, "it is too short"))
}

/// Writes the pack that `source` gives to `file`: `body` bytes and a checksum, all together with the
/// SHA-256 `expected`. Gives the checksum.
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
        return Err(bad("its bytes are not those that were sent"));
    }
    if trailer != checksum.as_bytes() {
        return Err(bad("its checksum is wrong"));
    }
    Ok(checksum)
}

/// What is in a received pack, in the order in which it is there; every object was read.
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

/// Writes to a file what a source gives.
struct Receiver<'a> {
    source: &'a mut dyn Read,
    file: &'a File,
    expected: Id,
    progress: &'a dyn Progress,
}

impl Receiver<'_> {
    /// Receives `length` bytes, and shows them.
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
            _ => Err(bad_pack(&self.expected, "it is longer than it should be")),
        }
    }

    fn read(&mut self, block: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(block) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // An error of ours that came through the standard interface knows more.
                Err(error) => {
                    return Err(error.downcast::<Error>().unwrap_or_else(|error| {
                        Error::io("read", format!("history pack {}", self.expected), error)
                    }));
                }
            }
        }
    }
}

/// Reads a pack's entries one after the other.
struct PackEntries<'a> {
    reader: BufReader<Take<&'a File>>,
    /// Where the reader is in the file.
    position: u64,
    count: u32,
    id: Id,
    inflater: Decompress,
    output: Vec<u8>,
}

impl<'a> PackEntries<'a> {
    /// Begins with the header; `length` is that of the pack without its checksum.
    fn open(file: &'a File, length: u64, id: Id) -> Result<Self> {
        let mut reader = BufReader::with_capacity(BLOCK, file.take(length));
        let mut header = [0; HEADER_LEN as usize];
        reader.read_exact(&mut header).on("read", format!("history pack {id}"))?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if &header[..4] != b"PACK" {
            return Err(bad_pack(&id, "it does not begin like one"));
        }
        if word(4) != 2 {
            return Err(newer(&id, &format!("the format {}", word(4))));
        }
        let count = word(8);
        if count > MAX_OBJECTS {
            return Err(bad_pack(&id, &format!("it says that it has {count} objects")));
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

    /// All entries. What is held grows with what is there, not with what the header says.
    fn read_all(mut self, progress: &dyn Progress) -> Result<Vec<IndexEntry>> {
        let mut entries = Vec::new();
        for _ in 0..self.count {
            check_interrupt(progress)?;
            entries.push(self.next_entry()?);
        }
        if self.fill()?.is_empty() {
            return Ok(entries);
        }
        Err(self.bad("it has more objects than it says"))
    }

    fn bad(&self, what: &str) -> Error {
        let message = format!("{what} (at byte {})", self.position);
        bad_pack(&self.id, &message)
    }

    /// What comes next; empty at the end.
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

    /// The kind and size in the first bytes of an entry: three bits and four, then seven a byte.
    fn entry_header(&mut self, crc: &mut Crc) -> Result<(ObjectKind, u64)> {
        let first = self.byte(crc)?;
        let kind = match (first >> 4) & 7 {
            1 => ObjectKind::Commit,
            2 => ObjectKind::Tree,
            3 => ObjectKind::Blob,
            4 => ObjectKind::Tag,
            6 | 7 => return Err(newer(&self.id, "objects that are deltas")),
            kind => return Err(self.bad(&format!("an object is of the unknown kind {kind}"))),
        };
        let mut size = u64::from(first & 15);
        let mut shift = 4;
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = self.byte(crc)?;
            // Seven bits more than any object's size has.
            if shift > 32 {
                return Err(self.bad("an object says that it is endless"));
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        if size > SIZE_LIMIT as u64 {
            return Err(self.bad(&format!("an object of {size} bytes is too large to be read")));
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

    /// Goes through the deflated bytes of an object of `size`, and gives its id.
    fn inflate(&mut self, kind: ObjectKind, size: u64, crc: &mut Crc) -> Result<Id> {
        let mut hasher = ObjectHasher::new(kind, size);
        self.inflater.reset(true);
        loop {
            let input = self.reader.fill_buf().on("read", format!("history pack {}", self.id))?;
            let (taken, given) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self.inflater.decompress(input, &mut self.output, FlushDecompress::None);
            let taken = (self.inflater.total_in() - taken) as usize;
            let given = (self.inflater.total_out() - given) as usize;
            crc.update(&input[..taken]);
            self.reader.consume(taken);
            self.position += taken as u64;
            hasher.update(&self.output[..given]);
            if self.inflater.total_out() > size {
                return Err(self.bad("an object is longer than it says"));
            }
            match status {
                Ok(Status::StreamEnd) => break,
                Ok(_) if taken + given > 0 => {}
                _ => return Err(self.bad("an object can't be inflated")),
            }
        }
        if self.inflater.total_out() != size {
            return Err(self.bad("an object is shorter than it says"));
        }
        Ok(hasher.finish())
    }
}
