//! Writes the intact content of a damaged pack to a new pack.
//!
//! Intact frames are copied as they are stored. If a frame can be decompressed but has wrong
//! members, the members with the right bytes are packed again.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::batch::Compressor;
use super::frame::is_in_bounds;
use super::frame_check::FrameChecker;
use super::packer::{Frame, OpenPack};
use super::verify::{check_large, indexed_members};
use super::{ContentCheck, ContentStore, Reader, Session};
use crate::error::{IoResultExt, Result};
use crate::fs::read;
use crate::id::Id;
use crate::pack::{FrameEntry, MemberEntry, PackIndex, append_member};
use crate::progress::{Progress, check_interrupt};

/// The outcome of salvaging a damaged pack.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Salvaged {
    /// The damaged pack.
    pub pack: Id,
    /// The pack with the intact content; `None` if there was none.
    pub new: Option<Id>,
    /// The number of salvaged contents.
    pub kept: u64,
    /// The number of contents known to be lost.
    pub lost: u64,
}

impl ContentStore {
    /// Creates a new durable pack with the intact content of `pack`, which stays unchanged.
    pub(super) fn salvage(
        &self,
        session: &Session,
        pack: &Id,
        check: &ContentCheck,
        progress: &dyn Progress,
    ) -> Result<Salvaged> {
        let index = if let Ok(index) = self.pack_index(pack) {
            index
        } else {
            let found = self.scan_pack(pack, progress)?;
            both(found, &indexed_members(&check.segments, pack))
        };
        let path = self.pack_path(pack);
        let mut salvage = Salvage {
            file: read::open(&path).on("open", &path)?,
            length: std::fs::metadata(&path).on("read", &path)?.len(),
            out: OpenPack::new(session)?,
            checker: FrameChecker::default(),
            reader: self.reader(),
            wrong: &check.wrong_manifests,
            compressor: Compressor::new(self.params().level)?,
            done: Salvaged { pack: *pack, new: None, kept: 0, lost: 0 },
        };
        salvage.frames(&index, progress)?;
        let Salvage { out, mut done, .. } = salvage;
        if done.kept > 0 {
            let full = out.close()?;
            done.new = Some(full.id);
            full.file.persist(&self.pack_path(&full.id))?;
        }
        Ok(done)
    }
}

/// Merges the frames found in a pack with the frames that only the segments name.
fn both(mut found: PackIndex, indexed: &PackIndex) -> PackIndex {
    let seen: HashSet<u64> = found.frames.iter().map(|frame| frame.offset).collect();
    for (number, frame) in indexed.frames.iter().enumerate() {
        if seen.contains(&frame.offset) {
            continue;
        }
        let own = indexed.members.iter().filter(|member| member.frame as usize == number);
        let number = found.frames.len() as u32;
        found.members.extend(own.map(|member| MemberEntry { frame: number, ..*member }));
        found.frames.push(*frame);
    }
    found
}

struct Salvage<'a> {
    file: File,
    length: u64,
    out: OpenPack,
    checker: FrameChecker,
    reader: Reader<'a>,
    /// Manifests that must not be copied.
    wrong: &'a HashSet<Id>,
    compressor: Compressor,
    done: Salvaged,
}

impl Salvage<'_> {
    fn frames(&mut self, index: &PackIndex, progress: &dyn Progress) -> Result<()> {
        let mut members: Vec<MemberEntry> = index.members.clone();
        members.sort_by_key(|member| (member.frame, member.offset));
        for own in members.chunk_by(|a, b| a.frame == b.frame) {
            check_interrupt(progress)?;
            let kept = match index.frames.get(own[0].frame as usize) {
                Some(frame) => self.frame(frame, own)?,
                None => 0,
            };
            self.done.kept += kept;
            self.done.lost += own.len() as u64 - kept;
            progress.advance(1);
        }
        Ok(())
    }

    /// Copies the intact content of one frame. Returns the number of copied members.
    fn frame(&mut self, frame: &FrameEntry, own: &[MemberEntry]) -> Result<u64> {
        let end = frame.offset.checked_add(u64::from(frame.stored));
        if end.is_none_or(|end| end > self.length) {
            return Ok(0);
        }
        self.checker.compressed.resize(frame.stored as usize, 0);
        // Bytes that the disk cannot read count as lost.
        if self.file.read_exact_at(&mut self.checker.compressed, frame.offset).is_err() {
            return Ok(0);
        }
        self.checker.bytes.clear();
        let refs: Vec<&MemberEntry> = own.iter().collect();
        let is_wanted = |member: &&MemberEntry| !self.wrong.contains(&member.id);
        let is_right = if is_in_bounds(frame) {
            self.checker.check(frame, &refs, true).is_ok()
        } else {
            check_large(&mut self.reader, &self.done.pack, frame, &refs).is_ok()
        };
        if is_right && refs.iter().all(is_wanted) {
            let bytes = self.checker.compressed.clone();
            self.out.add(Frame { bytes, size: frame.size, members: own.to_vec() })?;
            return Ok(own.len() as u64);
        }
        let mut tar = Vec::new();
        let mut members = Vec::new();
        let is_right = |member: &&MemberEntry| self.checker.check_member(member).is_ok();
        for member in own.iter().filter(|member| is_wanted(member) && is_right(member)) {
            let content = self.checker.content(member).unwrap_or_default();
            let offset = append_member(&mut tar, member.kind, &member.id, content) as u32;
            members.push(MemberEntry { frame: 0, offset, ..*member });
        }
        let kept = members.len() as u64;
        if kept > 0 {
            let mut bytes = Vec::new();
            self.compressor.compress(&tar, &mut bytes)?;
            self.out.add(Frame { bytes, size: tar.len() as u64, members })?;
        }
        Ok(kept)
    }
}
