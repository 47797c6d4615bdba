//! The maximum size of each kind of file on a remote.
//!
//! A remote is not trusted. A file is read as a whole only after its size is known to be within
//! these limits. Kinds of files that may exceed a few MiB are read in pieces to a temporary file. A
//! writer refuses to add a larger file.

use super::stored_kind::StoredKind;
use crate::error::{Error, Result};

/// `art.toml`, in bytes.
pub(super) const ART_TOML: u64 = 64 << 10;
/// `checkpoint/latest.toml`, in bytes.
pub(super) const HINT: u64 = 64 << 10;
/// A log entry, in bytes.
pub(super) const ENTRY: u64 = 32 << 20;
/// The number of refs that one entry moves. A larger push writes several entries.
pub(crate) const MOVES: usize = 100_000;
/// The total length of their names and commits, which leaves room for the rest of the entry.
pub(crate) const MOVES_TEXT: usize = 24 << 20;
/// A compressed checkpoint, in bytes.
pub(super) const CHECKPOINT: u64 = 256 << 20;
/// A decompressed checkpoint, in bytes: room for a million refs.
pub(super) const CHECKPOINT_TEXT: usize = 512 << 20;

/// Returns the name and the maximum size in bytes of a kind of file.
fn most(kind: StoredKind) -> (&'static str, u64) {
    match kind {
        StoredKind::Pack => ("a content pack", 16 << 30),
        StoredKind::Meta => ("a Git pack", 16 << 30),
        StoredKind::Segment => ("an index segment", 4 << 30),
    }
}

/// Checks the size that the log states for a file.
pub(super) fn check(kind: StoredKind, size: u64) -> Result<()> {
    let (name, most) = most(kind);
    if size <= most {
        return Ok(());
    }
    Err(Error::corrupt(format!("it names {name} of {size} bytes; the maximum is {most}")))
}
