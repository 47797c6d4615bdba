//! How long each kind of file on a remote may be.
//!
//! A remote is not trusted: nothing is read whole before its length is known to be within these limits,
//! and files of the kinds that may be longer than a few MiB in use are read in pieces, to a temporary
//! file. A writer refuses to add a longer file.

use super::log::StoredKind;
use crate::error::{Error, Result};

/// `art.toml`, in bytes.
pub(super) const ART_TOML: u64 = 64 << 10;
/// `checkpoint/latest.toml`.
pub(super) const HINT: u64 = 64 << 10;
/// An entry of the log.
pub(super) const ENTRY: u64 = 32 << 20;
/// The refs that one entry moves: a push of more makes several entries.
pub(crate) const MOVES: usize = 100_000;
/// The bytes of their names and commits, which leave room for the rest of an entry.
pub(crate) const MOVES_TEXT: usize = 24 << 20;
/// A checkpoint as it is stored.
pub(super) const CHECKPOINT: u64 = 256 << 20;
/// A checkpoint once it is decompressed: room for a million refs.
pub(super) const CHECKPOINT_TEXT: usize = 512 << 20;

/// The longest file of a kind, in bytes.
fn most(kind: StoredKind) -> (&'static str, u64) {
    match kind {
        StoredKind::Pack => ("a content pack", 16 << 30),
        StoredKind::Meta => ("a Git pack", 16 << 30),
        StoredKind::Segment => ("an index segment", 4 << 30),
    }
}

/// Checks the length that the log gives for a file.
pub(super) fn check(kind: StoredKind, size: u64) -> Result<()> {
    let (name, most) = most(kind);
    if size <= most {
        return Ok(());
    }
    Err(Error::corrupt(format!("it names {name} of {size} bytes; the most is {most}")))
}
