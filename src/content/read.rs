//! Reads content: frames from packs, objects from frames, files from their chunks.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::frame::{FrameDecoder, is_in_bounds};
use super::large_frame::lines;
use super::{ContentStore, Params};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{Chunk, FormatError, FrameEntry, Location, MemberKind, parse_line};
use crate::progress::{NoProgress, Progress, check_interrupt};

/// The number of decompressed frames that a reader keeps.
const CACHED_FRAMES: usize = 6;
/// The number of packs that a reader keeps open.
const OPEN_PACKS: usize = 16;

/// The number of times that a reader looks for the new place of content whose pack is gone.
const LOOKS: usize = 8;

/// Brings the content of a whole file back into the store, if it was removed and is stored
/// elsewhere.
pub type Supply<'a> = Arc<dyn Fn(&Id) -> Result<()> + Send + Sync + 'a>;

/// The pack and offset of a frame, and its decompressed bytes.
type CachedFrame = ((Id, u64), Arc<Vec<u8>>);

/// Reads from one store, with a cache of open packs and decompressed frames. Each thread needs its
/// own reader.
pub struct Reader<'a> {
    store: &'a ContentStore,
    packs: VecDeque<(Id, Arc<File>)>,
    frames: VecDeque<CachedFrame>,
    decoder: FrameDecoder,
    /// The maximum number of cached frames, and their maximum total size in bytes.
    cache: (usize, u64),
    compressed: Vec<u8>,
    supply: Option<Supply<'a>>,
}

impl ContentStore {
    /// Creates a reader of this store.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            store: self,
            packs: VecDeque::new(),
            frames: VecDeque::new(),
            decoder: FrameDecoder::default(),
            cache: (CACHED_FRAMES, u64::MAX),
            compressed: Vec::new(),
            supply: None,
        }
    }

    /// Returns true if `error` is due to a pack that no longer exists.
    fn is_gone(&self, pack: &Id, error: &Error) -> bool {
        error.kind() == ErrorKind::Corrupt
            && crate::fs::read::is_file(&self.pack_path(pack)).is_ok_and(|is_file| !is_file)
    }

    /// Opens the file of a pack. Fails if the pack does not exist.
    pub(super) fn open_pack(&self, pack: &Id) -> Result<File> {
        let path = self.pack_path(pack);
        crate::fs::read::open(&path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::IsADirectory {
                return damaged(pack, "its file is a directory");
            }
            let error = Error::io("open", &path, source);
            match error.kind() {
                ErrorKind::NotFound => Error::corrupt(format!("the pack {pack} is missing"))
                    .with_source(error)
                    .with_hint("art fsck"),
                _ => error,
            }
        })
    }
}

/// The error for content that the store does not have.
pub(crate) fn missing(id: &Id) -> Error {
    Error::corrupt(format!("the content {id} is missing from the store"))
        .with_hint("look for it in the packs: art fsck --repair")
}

pub(super) fn damaged(pack: &Id, what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the pack {pack} is damaged: {what}")).with_hint("art fsck --full")
}

impl<'a> Reader<'a> {
    /// Sets the cache to at most `frames` decompressed frames with at most `bytes` bytes in total,
    /// for reading in another order than that of the packs.
    #[must_use]
    pub fn with_cache(mut self, frames: usize, bytes: u64) -> Self {
        self.cache = (frames.max(1), bytes);
        self
    }

    /// Makes the reader ask `supply` for content that was removed from the store, once for each
    /// read.
    #[must_use]
    pub fn with_supply(mut self, supply: Option<Supply<'a>>) -> Self {
        self.supply = supply;
        self
    }

    /// Creates another reader of the same store.
    pub(super) fn like(&self) -> Reader<'a> {
        self.store.reader().with_supply(self.supply.clone())
    }

    /// Calls `read` with the location of the content `id`, a part of the file `whole`.
    ///
    /// Readers hold no lock, so another process may have moved the content to another pack, or may
    /// have removed it because a remote has it. If the pack is gone, this reads the index again and
    /// calls `read` again. Only a pack that the index still names is damage.
    pub(super) fn at_place<T>(
        &mut self,
        id: &Id,
        whole: &Id,
        read: &mut dyn FnMut(&mut Self, &Location) -> Result<T>,
    ) -> Result<T> {
        let mut gone: Option<(Id, Error)> = None;
        let mut is_supplied = false;
        for _ in 0..LOOKS {
            let place = match (self.store.locate(id)?, &self.supply) {
                (Some(place), _) => place,
                (None, Some(supply)) if !is_supplied => {
                    is_supplied = true;
                    supply(whole)?;
                    continue;
                }
                (None, _) => return Err(missing(id)),
            };
            if let Some((pack, error)) = gone.take()
                && pack == place.pack
            {
                return Err(error);
            }
            match read(self, &place) {
                Err(error) if self.store.is_gone(&place.pack, &error) => {
                    self.store.refresh()?;
                    gone = Some((place.pack, error));
                }
                other => return other,
            }
        }
        Err(gone.map_or_else(|| missing(id), |(_, error)| error))
    }

    /// Opens the pack with the content `id`, a whole file. The open pack stays readable.
    pub(super) fn open_place(&mut self, id: &Id) -> Result<Location> {
        self.at_place(id, id, &mut |reader, place| reader.pack(&place.pack).map(|_| *place))
    }

    /// Makes the reader use `file` as the pack with this id.
    pub(super) fn with_pack(mut self, id: Id, file: File) -> Self {
        self.packs.push_front((id, Arc::new(file)));
        self
    }

    fn pack(&mut self, id: &Id) -> Result<Arc<File>> {
        if let Some((_, file)) = self.packs.iter().find(|(open, _)| open == id) {
            return Ok(Arc::clone(file));
        }
        let file = self.store.open_pack(id)?;
        let file = Arc::new(file);
        self.packs.push_front((*id, Arc::clone(&file)));
        self.packs.truncate(OPEN_PACKS);
        Ok(file)
    }

    /// Returns the decompressed bytes of a frame.
    pub(crate) fn frame(&mut self, pack: &Id, frame: &FrameEntry) -> Result<Arc<Vec<u8>>> {
        let key = (*pack, frame.offset);
        if let Some(at) = self.frames.iter().position(|(cached, _)| *cached == key) {
            let cached = self.frames.remove(at).expect("because it was found there");
            let bytes = Arc::clone(&cached.1);
            self.frames.push_front(cached);
            return Ok(bytes);
        }
        let bytes = Arc::new(self.decompress(pack, frame)?);
        self.frames.push_front((key, Arc::clone(&bytes)));
        self.frames.truncate(self.cache.0);
        let mut bytes_kept = self.frames.iter().map(|(_, frame)| frame.len() as u64).sum::<u64>();
        while bytes_kept > self.cache.1 && self.frames.len() > 1 {
            let dropped = self.frames.pop_back();
            bytes_kept -= dropped.map_or(0, |(_, frame)| frame.len() as u64);
        }
        Ok(bytes)
    }

    fn decompress(&mut self, pack: &Id, frame: &FrameEntry) -> Result<Vec<u8>> {
        if !is_in_bounds(frame) {
            return Err(damaged(pack, FormatError::OutOfBounds("a frame's size")));
        }
        let file = self.pack(pack)?;
        self.compressed.resize(frame.stored as usize, 0);
        file.read_exact_at(&mut self.compressed, frame.offset).map_err(|error| {
            let error = Error::io("read", self.store.pack_path(pack), error);
            match error.kind() {
                // The file is shorter than the index says.
                ErrorKind::Corrupt => damaged(pack, FormatError::Truncated),
                _ => error,
            }
        })?;
        let mut bytes = Vec::new();
        self.decoder
            .decode(&self.compressed, frame, &mut bytes)
            .map_err(|problem| damaged(pack, problem))?;
        Ok(bytes)
    }

    /// Calls `use_bytes` with the bytes at `location`, which are not checked against an id.
    pub(crate) fn with_bytes<T>(
        &mut self,
        location: &Location,
        use_bytes: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let frame = self.frame(&location.pack, &location.frame)?;
        let start = location.offset as usize;
        let bytes = frame.get(start..start + location.size as usize);
        let bytes = bytes.ok_or_else(|| damaged(&location.pack, FormatError::Truncated))?;
        Ok(use_bytes(bytes))
    }

    /// Calls `each` with every chunk of the manifest at `location`, in order and in bounded memory.
    pub(crate) fn chunks(
        &mut self,
        location: &Location,
        mut each: impl FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        let defect = |defect: FormatError| damaged(&location.pack, defect);
        let mut number = 0;
        let line = |line: &[u8]| -> Result<()> {
            number += 1;
            each(parse_line(line, number).map_err(defect)?)
        };
        if location.frame.size <= Params::MAX_FRAME {
            let text = self.with_bytes(location, <[u8]>::to_vec)?;
            let text = text.strip_suffix(b"\n").ok_or_else(|| defect(FormatError::Truncated))?;
            return text.split(|byte| *byte == b'\n').try_for_each(line);
        }
        let mut text = self.stream(location)?;
        lines(&mut text, |problem| damaged(&location.pack, problem), line)
    }

    /// Decompresses the bytes at `location` as a stream, for manifests that are too large for
    /// memory.
    fn stream(&mut self, location: &Location) -> Result<impl Read> {
        let stored = u64::from(location.frame.stored);
        let span = Span::new(self.pack(&location.pack)?, location.frame.offset, stored);
        let broken = |error| damaged(&location.pack, error);
        let mut decoder = zstd::stream::Decoder::new(span).map_err(broken)?;
        let skip = u64::from(location.offset);
        std::io::copy(&mut decoder.by_ref().take(skip), &mut std::io::sink()).map_err(broken)?;
        Ok(decoder.take(u64::from(location.size)))
    }

    /// Returns the size in bytes of the file with `id`, without reading the file.
    pub fn size(&mut self, id: &Id) -> Result<u64> {
        let location = match self.store.locate(id)? {
            Some(location) if location.kind != MemberKind::Manifest => location,
            _ => self.open_place(id)?,
        };
        if location.kind != MemberKind::Manifest {
            if !is_in_bounds(&location.frame) {
                return Err(damaged(&location.pack, FormatError::OutOfBounds("a frame's size")));
            }
            return Ok(u64::from(location.size));
        }
        let mut sum = 0;
        self.chunks(&location, |chunk| {
            sum += u64::from(chunk.size);
            Ok(())
        })?;
        Ok(sum)
    }

    /// Reads and checks the content with `id`. Fails if it has more than `limit` bytes.
    pub fn read(&mut self, id: &Id, limit: u64) -> Result<Vec<u8>> {
        let size = self.size(id)?;
        if size > limit {
            return Err(Error::invalid(format!("{id} has {size} bytes, more than {limit}")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        self.copy(id, &mut bytes, &NoProgress)?;
        if Id::of_blob(&bytes) != *id {
            return Err(Error::corrupt(format!("the content {id} does not match its id"))
                .with_hint("art fsck --full"));
        }
        Ok(bytes)
    }

    /// Writes the content with `id` to `out` and returns the number of bytes. Each chunk is checked
    /// before it is written. An error in the list of chunks is detected only at the end.
    pub fn copy(&mut self, id: &Id, out: &mut dyn Write, progress: &dyn Progress) -> Result<u64> {
        check_interrupt(progress)?;
        let size = self.at_place(id, id, &mut |reader, location| {
            if location.kind == MemberKind::Manifest {
                return Ok(None);
            }
            reader.copy_part(id, location, out).map(Some)
        })?;
        if let Some(size) = size {
            progress.advance(size);
            return Ok(size);
        }
        let total = self.size(id)?;
        let location = self.open_place(id)?;
        let mut whole = crate::id::ObjectHasher::blob(total);
        let mut parts = self.like();
        self.chunks(&location, |chunk| {
            check_interrupt(progress)?;
            let size = parts.at_place(&chunk.id, id, &mut |parts, place| {
                let mut both = Tee { hasher: &mut whole, out };
                parts.copy_part(&chunk.id, place, &mut both)
            })?;
            if size != u64::from(chunk.size) {
                return Err(Error::corrupt(format!("the manifest of {id} has a wrong size")));
            }
            progress.advance(size);
            Ok(())
        })?;
        if whole.finish() != *id {
            return Err(Error::corrupt(format!("the manifest of {id} lists the wrong chunks"))
                .with_hint("art fsck --full"));
        }
        Ok(total)
    }

    /// Writes `length` bytes of the content with `id` to `out`, from the byte at `start`, or fewer at
    /// the end of the content. Returns the number of bytes.
    ///
    /// Reads only the chunks that contain the bytes, and checks each of them. The list of chunks is
    /// not checked against `id`.
    pub fn copy_range(
        &mut self,
        id: &Id,
        (start, length): (u64, u64),
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let end = start.saturating_add(length);
        let mut window = Window { out, at: 0, start, end, written: 0 };
        let is_whole = self.at_place(id, id, &mut |reader, location| {
            if location.kind == MemberKind::Manifest {
                return Ok(false);
            }
            reader.copy_part(id, location, &mut window).map(|_| true)
        })?;
        if is_whole {
            return Ok(window.written);
        }
        let location = self.open_place(id)?;
        let mut parts = self.like();
        self.chunks(&location, |chunk| {
            check_interrupt(progress)?;
            let size = u64::from(chunk.size);
            if window.at + size <= start || window.at >= end {
                window.at += size;
                return Ok(());
            }
            let read = parts.at_place(&chunk.id, id, &mut |parts, place| {
                parts.copy_part(&chunk.id, place, &mut window)
            })?;
            if read != size {
                return Err(Error::corrupt(format!("the manifest of {id} has a wrong size")));
            }
            Ok(())
        })?;
        Ok(window.written)
    }

    fn copy_part(&mut self, id: &Id, location: &Location, out: &mut dyn Write) -> Result<u64> {
        if location.kind == MemberKind::Manifest {
            return Err(Error::corrupt(format!(
                "the bytes of {id} are missing, only a manifest exists"
            )));
        }
        let pack = location.pack;
        let frame = self.frame(&pack, &location.frame)?;
        let start = location.offset as usize;
        let bytes = frame.get(start..start + location.size as usize);
        let bytes = bytes.ok_or_else(|| damaged(&pack, FormatError::Truncated))?;
        if Id::of_blob(bytes) != *id {
            return Err(damaged(&pack, format!("content {id} does not match its id")));
        }
        out.write_all(bytes).on("write", "the output")?;
        Ok(bytes.len() as u64)
    }
}

/// A part of a file: the file, the offset and the number of bytes.
pub(super) struct Span<F>(F, u64, u64);

impl<F: Deref<Target = File>> Span<F> {
    pub(super) fn new(file: F, offset: u64, length: u64) -> Self {
        Span(file, offset, length)
    }
}

impl<F: Deref<Target = File>> Read for Span<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.2).unwrap_or(usize::MAX));
        let got = self.0.read_at(&mut buffer[..want], self.1)?;
        self.1 += got as u64;
        self.2 -= got as u64;
        Ok(got)
    }
}

/// Passes on the bytes from the offset `start` up to the offset `end`.
struct Window<'a> {
    out: &'a mut dyn Write,
    at: u64,
    start: u64,
    end: u64,
    written: u64,
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = bytes.len() as u64;
        let from = self.start.saturating_sub(self.at).min(length);
        let to = self.end.saturating_sub(self.at).min(length).max(from);
        self.out.write_all(&bytes[from as usize..to as usize])?;
        self.at += length;
        self.written += to - from;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Hashes the bytes that it passes on.
struct Tee<'a> {
    hasher: &'a mut crate::id::ObjectHasher,
    out: &'a mut dyn Write,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
