//! Checks one frame: its list of members, and the bytes of each member.

use super::frame::FrameDecoder;
use crate::id::Id;
use crate::pack::{
    FrameEntry, MemberEntry, MemberKind, parse_frame, parse_manifest, parse_members,
};

/// A defect of a frame.
#[derive(Debug)]
pub(super) struct FrameDefect {
    pub(super) problem: String,
    /// The members that are unreadable because of the defect; `None` means all.
    pub(super) wrong: Option<Vec<Id>>,
}

impl FrameDefect {
    /// Creates a defect that makes the whole frame unreadable.
    pub(super) fn of_all(problem: String) -> Self {
        FrameDefect { problem, wrong: None }
    }
}

/// Decompresses frames and compares their members with an index.
#[derive(Default)]
pub(super) struct FrameChecker {
    /// The frame as stored.
    pub(super) compressed: Vec<u8>,
    /// The frame decompressed, after a check.
    pub(super) bytes: Vec<u8>,
    decoder: FrameDecoder,
}

impl FrameChecker {
    /// Checks that the frame in `compressed` has the members `own` with the right bytes. With `all`,
    /// these must be its only members, in this order.
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
            if let Err(problem) = self.check_member(member) {
                wrong.push(member.id);
                problems.push(problem);
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(FrameDefect { problem: problems.swap_remove(0), wrong: Some(wrong) })
    }

    /// Checks the frame in `compressed` and returns its members. It must be exactly one zstd frame,
    /// its members must fill it, and each member's bytes must match its id.
    pub(super) fn members(
        &mut self,
        compressed: &[u8],
        frame: &FrameEntry,
    ) -> Result<Vec<MemberEntry>, String> {
        self.bytes.clear();
        self.decoder.decode(compressed, frame, &mut self.bytes)?;
        // A second frame could follow the first.
        if zstd::zstd_safe::find_frame_compressed_size(compressed) != Ok(compressed.len()) {
            return Err("more than one frame".to_owned());
        }
        let members = parse_frame(&self.bytes).map_err(|defect| defect.to_string())?;
        members.iter().try_for_each(|member| self.check_member(member))?;
        Ok(members)
    }

    /// Compares the archive's own headers with the index.
    fn compare(&self, own: &[&MemberEntry]) -> Result<(), String> {
        let found = parse_members(&self.bytes).map_err(|defect| defect.to_string())?;
        if found.len() != own.len() {
            return Err(format!("{} members, but the index has {}", found.len(), own.len()));
        }
        for ((kind, id, range), member) in found.into_iter().zip(own) {
            if (kind, id, range.start) != (member.kind, member.id, member.offset as usize)
                || range.len() != member.size as usize
            {
                return Err(format!(
                    "the member {} is not at its location in the index",
                    member.id
                ));
            }
        }
        Ok(())
    }

    /// Returns the bytes of one member of the last checked frame, or `None` if they are out of
    /// bounds.
    pub(super) fn content(&self, member: &MemberEntry) -> Option<&[u8]> {
        let start = member.offset as usize;
        self.bytes.get(start..start.checked_add(member.size as usize)?)
    }

    /// Checks the bytes of one member against its id. A manifest is only checked for its format.
    pub(super) fn check_member(&self, member: &MemberEntry) -> Result<(), String> {
        let content = self.content(member).ok_or("a member's location is out of bounds")?;
        match member.kind {
            MemberKind::Manifest => parse_manifest(content)
                .map(drop)
                .map_err(|defect| format!("the manifest {}: {defect}", member.id)),
            MemberKind::Blob | MemberKind::Chunk if Id::of_blob(content) == member.id => Ok(()),
            MemberKind::Blob | MemberKind::Chunk => {
                Err(format!("content {} does not match its id", member.id))
            }
        }
    }
}
