//! Rebuilds the index from the packs.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::frame::FrameDecoder;
use super::{ContentStore, Params, Session};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::pack::{
    FOOTER_LEN, FormatError, FrameEntry, Location, MemberEntry, MemberKind, PackIndex,
    SegmentBuilder, parse_members, read_footer,
};
use crate::progress::{Progress, Unit, check_interrupt};

/// An index larger than this many bytes is not read into memory.
const MAX_INDEX: usize = 1 << 30;

/// The bytes that begin every zstd frame.
pub(super) const FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The number of bytes per read during the search for a frame.
const WINDOW: usize = 2 << 20;

/// The outcome of a rebuild.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// The number of packs in the index.
    pub packs: u64,
    /// The number of entries in the index.
    pub entries: u64,
}

impl ContentStore {
    /// Reads a pack's own index from the pack's end.
    pub(crate) fn pack_index(&self, pack: &Id) -> Result<PackIndex> {
        let path = self.pack_path(pack);
        let file = read::open(&path).on("open", &path)?;
        let length = file.metadata().on("read", &path)?.len();
        let read = |range: Range<u64>| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start).on("read", &path)?;
            Ok(bytes)
        };
        index_at_end(&read, length, FOOTER_LEN as u64)?.map_err(|defect| {
            Error::corrupt(format!("the pack {pack} is damaged"))
                .with_source(defect)
                .with_hint("art fsck --full")
        })
    }

    /// Rebuilds the index of a pack whose own index is lost, from all frames that can be found and
    /// read.
    pub(super) fn scan_pack(&self, pack: &Id, progress: &dyn Progress) -> Result<PackIndex> {
        let path = self.pack_path(pack);
        let file = read::open(&path).on("open", &path)?;
        let length = file.metadata().on("read", &path)?.len();
        let mut scan = Scan { file, length, window: Vec::new(), decoder: FrameDecoder::default() };
        let mut index = PackIndex::default();
        let mut offset = 0;
        while offset < length {
            check_interrupt(progress)?;
            match scan.frame(offset) {
                Some((frame, members)) => {
                    offset += u64::from(frame.stored);
                    let number = index.frames.len() as u32;
                    index.frames.push(frame);
                    let members = members.into_iter();
                    index.members.extend(members.map(|m| MemberEntry { frame: number, ..m }));
                }
                None => offset = scan.next_frame(offset + 1).on("read", &path)?,
            }
        }
        Ok(index)
    }

    /// Adds complete packs that no segment names to the index. They remain if a writer is killed
    /// before it writes the segment. Manifests are omitted, because their chunks may never have
    /// been written.
    pub(super) fn adopt_orphans(&self, session: &Session) -> Result<()> {
        let known = self.refresh()?.packs();
        let mut builder = SegmentBuilder::default();
        for (pack, _) in self.packs()? {
            if known.contains(&pack) {
                continue;
            }
            // Ignore unreadable packs: fsck reports them, and they do no harm to other operations.
            if let Ok(mut index) = self.pack_index(&pack) {
                index.members.retain(|member| member.kind != MemberKind::Manifest);
                builder.add_pack(pack, &index);
            }
        }
        self.add_segment(session, builder)
    }

    /// Replaces the whole index with one built from the packs' own indexes, without the packs
    /// `left_out`. A manifest counts only if all its chunks exist. The `damaged` old segments are
    /// moved to the directory for damaged files.
    pub(super) fn rebuild_index(
        &self,
        session: &Session,
        left_out: &[Id],
        damaged: &[PathBuf],
        progress: &dyn Progress,
    ) -> Result<Rebuilt> {
        // The new segment may get the name of a directory that is in the way.
        for path in damaged {
            if read::is_dir(path)? {
                self.set_aside(path)?;
            }
        }
        let old = super::segments::segment_files(&self.index_dir())?;
        let mut packs = self.packs()?;
        packs.retain(|(pack, _)| !left_out.contains(pack));
        progress.begin("reading packs", Some(packs.len() as u64), Unit::Items);
        let mut bytes = SegmentBuilder::default();
        let mut manifests = Vec::new();
        let mut present = HashMap::new();
        for (pack, _) in &packs {
            check_interrupt(progress)?;
            let mut index = self.pack_index(pack)?;
            let apart: Vec<_> = index.members.extract_if(.., |m| is_manifest(m)).collect();
            present.extend(index.members.iter().map(|member| (member.id, member.size)));
            bytes.add_pack(*pack, &index);
            manifests.push((*pack, PackIndex { frames: index.frames, members: apart }));
            progress.advance(1);
        }
        let whole = self.whole_manifests(manifests, &present);
        let entries = (bytes.len() + whole.len()) as u64;
        // Write the new segments before removing the old ones, so that readers always find
        // everything.
        let fresh = [self.write_fresh(session, bytes)?, self.write_fresh(session, whole)?];
        for path in old.iter().filter(|path| !fresh.iter().flatten().any(|new| new == *path)) {
            if damaged.contains(path) {
                self.set_aside(path)?;
            } else {
                atomic::remove_file(path)?;
            }
        }
        atomic::sync_dir(&self.index_dir())?;
        self.refresh()?;
        Ok(Rebuilt { packs: packs.len() as u64, entries })
    }

    /// Keeps the manifests whose chunks all exist with the sizes that the manifest states.
    fn whole_manifests(
        &self,
        packs: Vec<(Id, PackIndex)>,
        present: &HashMap<Id, u32>,
    ) -> SegmentBuilder {
        let mut builder = SegmentBuilder::default();
        let mut reader = self.reader();
        for (pack, mut index) in packs {
            let frames = index.frames.clone();
            index.members.retain(|member| {
                let Some(frame) = frames.get(member.frame as usize) else { return false };
                let (kind, offset, size) = (member.kind, member.offset, member.size);
                let location = Location { kind, pack, frame: *frame, offset, size };
                let mut whole = true;
                let read = reader.chunks(&location, |chunk| {
                    whole &= present.get(&chunk.id) == Some(&chunk.size);
                    Ok(())
                });
                read.is_ok() && whole
            });
            if !index.members.is_empty() {
                builder.add_pack(pack, &index);
            }
        }
        builder
    }
}

/// Reads the own index of a remote pack of `size` bytes. `read` returns the bytes of a range and is
/// called once or twice. A defect of the index is an error of kind
/// [`Corrupt`](crate::ErrorKind::Corrupt).
pub fn read_pack_index_at<B: AsRef<[u8]>>(
    read: &dyn Fn(Range<u64>) -> Result<B>,
    size: u64,
) -> Result<PackIndex> {
    let damaged =
        |defect| Error::corrupt("the index of a remote pack is damaged").with_source(defect);
    index_at_end(read, size, TAIL)?.map_err(damaged)
}

/// The number of bytes first read from the end of a remote pack. Most indexes fit.
const TAIL: u64 = 128 << 10;

/// Reads the index at the end of a pack of `size` bytes, starting with the last `tail` bytes.
fn index_at_end<B: AsRef<[u8]>>(
    read: &dyn Fn(Range<u64>) -> Result<B>,
    size: u64,
    tail: u64,
) -> Result<Result<PackIndex, FormatError>> {
    let exactly = |range: Range<u64>| -> Result<Option<B>> {
        let bytes = read(range.clone())?;
        Ok((bytes.as_ref().len() as u64 == range.end - range.start).then_some(bytes))
    };
    if size < FOOTER_LEN as u64 {
        return Ok(Err(FormatError::Truncated));
    }
    let start = size.saturating_sub(tail);
    let Some(end) = exactly(start..size)? else { return Ok(Err(FormatError::Truncated)) };
    let end = end.as_ref();
    let (offset, length) = match read_footer(&end[end.len() - FOOTER_LEN..], size) {
        Ok((_, length)) if length > MAX_INDEX => {
            return Ok(Err(FormatError::OutOfBounds("the index")));
        }
        Ok(found) => found,
        Err(defect) => return Ok(Err(defect)),
    };
    if let Some(at) = offset.checked_sub(start) {
        let at = at as usize;
        return Ok(PackIndex::parse(&end[at..at + length], size));
    }
    let Some(bytes) = exactly(offset..offset + length as u64)? else {
        return Ok(Err(FormatError::Truncated));
    };
    Ok(PackIndex::parse(bytes.as_ref(), size))
}

/// Returns true if the member is a manifest.
fn is_manifest(member: &MemberEntry) -> bool {
    member.kind == MemberKind::Manifest
}

/// Searches a file for frames.
struct Scan {
    file: File,
    length: u64,
    window: Vec<u8>,
    decoder: FrameDecoder,
}

impl Scan {
    /// Reads the frame at `offset` and its members, if a complete frame of a pack begins there.
    fn frame(&mut self, offset: u64) -> Option<(FrameEntry, Vec<MemberEntry>)> {
        let mut limit = WINDOW;
        let stored = loop {
            self.window = read_at_most(&self.file, offset, limit).ok()?;
            if !self.window.starts_with(&FRAME_MAGIC) {
                return None;
            }
            match zstd::zstd_safe::find_frame_compressed_size(&self.window) {
                Ok(stored) => break stored,
                Err(_) if self.window.len() == limit && limit as u64 <= Params::MAX_FRAME => {
                    limit *= 2;
                }
                Err(_) => return None,
            }
        };
        let size = zstd::zstd_safe::get_frame_content_size(&self.window).ok()??;
        let frame = FrameEntry { offset, stored: u32::try_from(stored).ok()?, size };
        let mut bytes = Vec::new();
        self.decoder.decode(&self.window[..stored], &frame, &mut bytes).ok()?;
        let members = parse_members(&bytes).ok()?.into_iter().map(|(kind, id, range)| {
            let (offset, size) = (range.start as u32, range.len() as u32);
            MemberEntry { id, kind, frame: 0, offset, size }
        });
        Some((frame, members.collect()))
    }

    /// Finds the next possible start of a frame at or after `offset`. Returns the file's length if
    /// there is none.
    fn next_frame(&self, mut offset: u64) -> std::io::Result<u64> {
        loop {
            let window = read_at_most(&self.file, offset, WINDOW)?;
            if let Some(at) = bstr::ByteSlice::find(&window[..], FRAME_MAGIC) {
                return Ok(offset + at as u64);
            }
            if window.len() < WINDOW {
                return Ok(self.length);
            }
            // The start of a frame may cross the border of two windows.
            offset += (WINDOW - FRAME_MAGIC.len() + 1) as u64;
        }
    }
}

/// Reads up to `limit` bytes at `offset`, and fewer at the end of the file.
fn read_at_most(file: &File, offset: u64, limit: usize) -> std::io::Result<Vec<u8>> {
    struct At<'a>(&'a File, u64);
    impl Read for At<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let got = self.0.read_at(buffer, self.1)?;
            self.1 += got as u64;
            Ok(got)
        }
    }
    let mut bytes = Vec::new();
    At(file, offset).take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
