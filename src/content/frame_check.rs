//! Checks one frame: what its members are, and that their bytes are right.

use super::frame::FrameDecoder;
use crate::id::Id;
use crate::pack::{
    FrameEntry, MemberEntry, MemberKind, parse_frame, parse_manifest, parse_members,
};

/// What is wrong with a frame.
#[derive(Debug)]
pub(super) struct FrameDefect {
    pub(super) problem: String,
    /// The members that can't be read for it; `None` for all.
    pub(super) wrong: Option<Vec<Id>>,
}

impl FrameDefect {
    /// A defect for which nothing in the frame can be read.
    pub(super) fn of_all(problem: String) -> Self {
        FrameDefect { problem, wrong: None }
    }
}

/// Decompresses frames and compares their members with what an index says.
#[derive(Default)]
pub(super) struct FrameChecker {
    /// The frame as stored.
    pub(super) compressed: Vec<u8>,
    /// The frame decompressed, after a check.
    pub(super) bytes: Vec<u8>,
    decoder: FrameDecoder,
}

impl FrameChecker {
    /// Checks the frame in `compressed`, which must have the members `own` with the right bytes;
    /// if these are `all`, no others and in that order.
    pub(super) fn check(
        &mut self,
        frame: &FrameEntry,
        own: &[&MemberEntry],
        all: bool,
    ) -> Result<(), FrameDefect> {
        self.bytes.clear();
        let decoded = self.decoder.decode(&self.compressed, frame, &mut self.bytes);
        decoded.map_err(FrameDefect::of_all)?;
        let compared = if all { self.compare(own) } else { Ok(()) };
        let mut wrong = Vec::new();
        let mut problems = Vec::from_iter(compared.err());
        for member in own {
            if let Err(problem) = self.is_right(member) {
                wrong.push(member.id);
                problems.push(problem);
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(FrameDefect { problem: problems.swap_remove(0), wrong: Some(wrong) })
    }

    /// The members of the frame in `compressed`, after a check: it is one zstd frame and nothing
    /// more, its members fill it, and each has the bytes of its id.
    pub(super) fn members(
        &mut self,
        compressed: &[u8],
        frame: &FrameEntry,
    ) -> Result<Vec<MemberEntry>, String> {
        self.bytes.clear();
        self.decoder.decode(compressed, frame, &mut self.bytes)?;
        // Behind the end of the frame another one might hide.
        if zstd::zstd_safe::find_frame_compressed_size(compressed) != Ok(compressed.len()) {
            return Err("there is more than one frame".to_owned());
        }
        let members = parse_frame(&self.bytes).map_err(|defect| defect.to_string())?;
        members.iter().try_for_each(|member| self.is_right(member))?;
        Ok(members)
    }

    /// Compares the archive's own headers with what the index says.
    fn compare(&self, own: &[&MemberEntry]) -> Result<(), String> {
        let found = parse_members(&self.bytes).map_err(|defect| defect.to_string())?;
        if found.len() != own.len() {
            return Err(format!("{} members where the index has {}", found.len(), own.len()));
        }
        for ((kind, id, range), member) in found.into_iter().zip(own) {
            if (kind, id, range.start) != (member.kind, member.id, member.offset as usize)
                || range.len() != member.size as usize
            {
                return Err(format!("the member {} is not where the index says", member.id));
            }
        }
        Ok(())
    }

    /// The bytes of one member of the frame that was checked last, as far as they are there.
    pub(super) fn content(&self, member: &MemberEntry) -> Option<&[u8]> {
        let start = member.offset as usize;
        self.bytes.get(start..start.checked_add(member.size as usize)?)
    }

    /// Checks the bytes of one member against its id, as far as they alone can show it.
    pub(super) fn is_right(&self, member: &MemberEntry) -> Result<(), String> {
        let content = self.content(member).ok_or("a member's place is out of bounds")?;
        match member.kind {
            MemberKind::Manifest => parse_manifest(content)
                .map(drop)
                .map_err(|defect| format!("the manifest {}: {defect}", member.id)),
            MemberKind::Blob | MemberKind::Chunk if Id::of_blob(content) == member.id => Ok(()),
            MemberKind::Blob | MemberKind::Chunk => {
                Err(format!("the bytes of {} are others", member.id))
            }
        }
    }
}
