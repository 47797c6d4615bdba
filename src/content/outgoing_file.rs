//! The files to send to another store: packs, and the segment that indexes them.

use std::path::{Path, PathBuf};

use super::Session;
use super::other_name::{IsDead, rename_segment};
use crate::error::Result;
use crate::fs::atomic::TempFile;
use crate::id::Id;

/// A pack to send.
#[derive(Debug)]
pub struct OutgoingPack {
    /// The pack's name: the SHA-256 of its bytes. The sender of a pack of the store (one that is
    /// not new) must hash the bytes during the transfer: a damaged pack must not arrive.
    pub id: Id,
    /// The pack's size in bytes.
    pub size: u64,
    /// The path of the pack's file.
    pub path: PathBuf,
    /// True for a temporary pack created for sending, which is deleted with the plan.
    pub is_new: bool,
    /// Keeps the file of a new pack alive.
    _file: Option<TempFile>,
}

impl OutgoingPack {
    pub(super) fn of_store(id: Id, size: u64, path: PathBuf) -> Self {
        OutgoingPack { id, size, path, is_new: false, _file: None }
    }

    pub(super) fn new(id: Id, size: u64, file: TempFile) -> Self {
        let path = file.path().to_owned();
        OutgoingPack { id, size, path, is_new: true, _file: Some(file) }
    }
}

/// The index segment of the packs to send.
#[derive(Debug)]
pub struct OutgoingSegment {
    /// The SHA-256 of all bytes: the segment's name on a remote. A local store names a segment by
    /// the checksum at its end.
    pub id: Id,
    /// The segment's size in bytes.
    pub size: u64,
    file: TempFile,
}

impl OutgoingSegment {
    pub(super) fn new(id: Id, size: u64, file: TempFile) -> Self {
        OutgoingSegment { id, size, file }
    }

    /// The path of the file, which exists as long as this value lives.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the segment another name if `is_dead` returns true for its name.
    pub(crate) fn with_free_name(self, session: &Session, is_dead: IsDead<'_>) -> Result<Self> {
        if !is_dead(&self.id) {
            return Ok(self);
        }
        let (id, file) = rename_segment(session, &self.file, is_dead)?;
        Ok(OutgoingSegment { id, size: self.size, file })
    }
}
