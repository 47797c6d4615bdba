//! Reads files of a remote, and tells a damaged file from an unreachable remote.

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Digest, Id};
use crate::remote::layout::ART_TOML;
use crate::remote::{FileKind, Store};

/// An unreadable index segment of a remote whose store serves other objects.
#[derive(Debug)]
pub(crate) struct UnreadableSegment {
    /// The key of the segment.
    pub(crate) key: String,
    /// The defect.
    pub(crate) problem: String,
}

/// Returns the error for a missing file: damage of the remote, unless the whole remote is
/// unreachable.
pub(super) fn lost(store: &Store, error: Error, what: &str, id: &Id) -> Error {
    match error.kind() {
        ErrorKind::NotFound if matches!(store.try_size(ART_TOML), Ok(None)) => error
            .with_kind(ErrorKind::Unavailable)
            .context("nothing is left of the remote")
            .with_hint("check the location and mount its disk; to try again: art remote show"),
        ErrorKind::NotFound | ErrorKind::Corrupt => error
            .with_kind(ErrorKind::Corrupt)
            .context(format!("the {what} {id} of the remote is missing or damaged"))
            .with_hint(
                "see what is damaged: art fsck --remote NAME; to repair the remote from a repository \
                 with a good copy: art push --repair",
            ),
        _ => error,
    }
}

/// Reads the bytes of an index segment and verifies them against its id.
pub(super) fn read_segment(store: &Store, id: &Id, size: u64) -> Result<Bytes> {
    store.read_sound(|| {
        let bytes = store.read(&FileKind::Segment.key(*id), size)?;
        let is_right = Digest::of(&bytes) == *id;
        is_right.then_some(bytes).ok_or_else(|| Error::corrupt("its bytes do not match its name"))
    })
}
