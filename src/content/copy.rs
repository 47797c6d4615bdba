//! Copies stored frames from pack to pack after checking every member.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;

use super::frame::is_in_bounds;
use super::frame_check::FrameChecker;
use super::packer::{Frame, FullPack, OpenPack};
use super::read::{Span, damaged};
use super::{Session, large_frame};
use crate::error::Result;
use crate::id::Id;
use crate::pack::FrameEntry;

/// Writes copied frames into packs of about the given size.
pub(super) struct FrameCopier<'a> {
    session: &'a Session,
    pack_size: u64,
    open: Option<OpenPack>,
    checker: FrameChecker,
}

impl<'a> FrameCopier<'a> {
    pub(super) fn new(session: &'a Session, pack_size: u64) -> Self {
        FrameCopier { session, pack_size, open: None, checker: FrameChecker::default() }
    }

    /// Copies a frame of `pack`, whose file is `file`. If the output pack is now full, returns it.
    pub(super) fn copy(
        &mut self,
        file: &File,
        pack: &Id,
        frame: &FrameEntry,
    ) -> Result<Option<FullPack>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenPack::new(self.session)?,
        };
        if is_in_bounds(frame) {
            let mut bytes = vec![0; frame.stored as usize];
            file.read_exact_at(&mut bytes, frame.offset).map_err(|error| damaged(pack, error))?;
            let members = self.checker.members(&bytes, frame);
            let members = members.map_err(|problem| damaged(pack, problem))?;
            open.add(Frame { bytes, size: frame.size, members })?;
        } else {
            let span = || Span::new(file, frame.offset, u64::from(frame.stored));
            let member = large_frame::check(&mut BufReader::new(span()), frame.size);
            let member = member.map_err(|problem| damaged(pack, problem))?;
            open.add_large(&mut span(), frame.stored, frame.size, member)?;
        }
        if open.bytes >= self.pack_size {
            return open.close().map(Some);
        }
        self.open = Some(open);
        Ok(None)
    }

    /// Closes and returns the last pack, which is not full.
    pub(super) fn finish(&mut self) -> Result<Option<FullPack>> {
        self.open.take().map(OpenPack::close).transpose()
    }
}
