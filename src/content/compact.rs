//! Copies the frames of several small packs into one pack.
//!
//! Frames keep their stored bytes, so nothing is compressed again. Every byte of an input is checked
//! before any of it is copied: damage does not spread.

use std::io::BufReader;
use std::path::Path;

use super::copy::FrameCopier;
use super::other_name::{IsDead, rename_pack};
use super::outgoing::NewSegment;
use super::outgoing_file::OutgoingSegment;
use super::packer::FullPack;
use super::{Session, verify_pack};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::read;
use crate::id::Id;
use crate::pack::{MemberEntry, PackIndex};
use crate::progress::Progress;

/// Writes one pack that holds all frames of the added packs. The same packs in the same order
/// always produce the same bytes.
pub struct PackCompactor<'a> {
    copier: FrameCopier<'a>,
    /// The input pack of each frame.
    from: Vec<Id>,
}

impl<'a> PackCompactor<'a> {
    /// Creates an empty compactor, whose file belongs to `session`.
    pub fn new(session: &'a Session) -> Self {
        PackCompactor { copier: FrameCopier::new(session, u64::MAX), from: Vec::new() }
    }

    /// Copies all frames of the pack `id`, whose bytes are in `path`.
    ///
    /// If any byte is wrong, fails with [`Corrupt`](crate::ErrorKind::Corrupt) and copies nothing.
    pub fn add(&mut self, id: &Id, path: &Path, progress: &dyn Progress) -> Result<()> {
        self.add_frames(id, path, &|_| true, progress)
    }

    /// Copies the frames of a pack as [`PackCompactor::add`] does, but only those at offsets for
    /// which `is_wanted` returns true.
    pub fn add_frames(
        &mut self,
        id: &Id,
        path: &Path,
        is_wanted: &dyn Fn(u64) -> bool,
        progress: &dyn Progress,
    ) -> Result<()> {
        let file = read::open(path).on("open", path)?;
        let index = verify_pack(&mut BufReader::new(&file), id, progress)?;
        for frame in index.frames.iter().filter(|frame| is_wanted(frame.offset)) {
            if self.copier.copy(&file, id, frame)?.is_some() {
                return Err(Error::internal("a compacted pack was closed early"));
            }
            self.from.push(*id);
        }
        Ok(())
    }

    /// Writes the end of the pack. Returns `None` if no frame was added.
    pub fn finish(mut self) -> Result<Option<CompactedPack>> {
        let full = self.copier.finish()?;
        Ok(full.map(|full| CompactedPack { full, from: self.from }))
    }
}

impl std::fmt::Debug for PackCompactor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackCompactor").field("frames", &self.from.len()).finish_non_exhaustive()
    }
}

/// A pack that holds the frames of several others, in a temporary file.
pub struct CompactedPack {
    full: FullPack,
    from: Vec<Id>,
}

impl CompactedPack {
    /// The pack's name: the SHA-256 of its bytes.
    pub fn id(&self) -> Id {
        self.full.id
    }

    /// The pack's size in bytes.
    pub fn size(&self) -> u64 {
        self.full.bytes
    }

    /// The path of the file, which exists as long as this value lives.
    pub fn path(&self) -> &Path {
        self.full.file.path()
    }

    /// Gives the pack another name if `is_dead` returns true for its name.
    pub(crate) fn with_free_name(self, session: &Session, is_dead: IsDead<'_>) -> Result<Self> {
        if !is_dead(&self.full.id) {
            return Ok(self);
        }
        let FullPack { file, bytes, index, .. } = self.full;
        let (id, bytes, file) = rename_pack(session, file.file(), bytes, is_dead)?;
        Ok(CompactedPack { full: FullPack { file, id, bytes, index }, from: self.from })
    }

    /// Creates the index segment of the pack. `is_named` returns true if an index names a member of
    /// an input pack: a manifest counts only if all its chunks are stored too.
    pub fn segment(
        &self,
        session: &Session,
        is_named: &dyn Fn(&Id, &MemberEntry) -> bool,
    ) -> Result<Option<OutgoingSegment>> {
        let PackIndex { frames, members } = &self.full.index;
        let is_kept = |member: &&MemberEntry| {
            self.from.get(member.frame as usize).is_some_and(|pack| is_named(pack, member))
        };
        let members: Vec<MemberEntry> = members.iter().filter(is_kept).copied().collect();
        let mut segment = NewSegment::new(session);
        segment.add(self.full.id, &PackIndex { frames: frames.clone(), members })?;
        segment.finish()
    }
}

impl std::fmt::Debug for CompactedPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompactedPack")
            .field("id", &self.full.id)
            .field("size", &self.full.bytes)
            .finish_non_exhaustive()
    }
}
