//! Files mapped into memory, for sorted tables that are searched in place.

#![expect(unsafe_code, reason = "a memory map can't be made without it; see `map`")]

use std::ops::Deref;
use std::path::Path;

use crate::error::{Error, IoResultExt, Result};
use crate::fs::read;

/// The mapped bytes of a file that never changes after it gets its name.
#[derive(Debug)]
pub(crate) struct Mapped(memmap2::Mmap);

/// Maps the file at `path`.
pub(crate) fn map(path: &Path) -> Result<Mapped> {
    let file = match read::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            return Err(Error::corrupt(format!("'{}' is a directory", path.display()))
                .with_hint("art fsck --repair"));
        }
        other => other.on("open", path)?,
    };
    // SAFETY: the bytes must not change or be truncated while mapped. Index segments and stat
    // tables are written under a temporary name and renamed when complete. Nothing writes to them
    // afterwards, and deleting a file keeps its mapping intact. A user who edits a file in place
    // breaks the repository's contract; all reads are bounds-checked against the mapped length.
    let mapped = unsafe { memmap2::Mmap::map(&file) }.on("map", path)?;
    Ok(Mapped(mapped))
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
