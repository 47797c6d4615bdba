//! Unfinished clones. Such a repository lacks parts of its remote, and must not be used as if it
//! were complete.
//!
//! The file `unfinished-clone` in the repository contains the URI of the remote. It is created
//! before the repository gets its final name, and removed when the clone is complete.

use std::path::{Path, PathBuf};

use super::{Repository, Settings};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;

/// The file with the URI of the remote.
const NOTE: &str = "unfinished-clone";
/// The lock file that a clone into the repository holds.
const LOCK: &str = "unfinished-clone.lock";
/// The longest wait for a lock that a clone of this process has just released.
const HELD_BY_A_FORK: std::time::Duration = std::time::Duration::from_secs(1);
/// The maximum length of a URI.
const MAX_LEN: u64 = 64 << 10;

impl Repository {
    /// Returns the URI of the remote if the repository at `directory` is an unfinished clone.
    pub(crate) fn unfinished_clone(directory: &Path) -> Result<Option<String>> {
        use std::io::ErrorKind;
        let path = directory.join(NOTE);
        match read::read_text(&path, MAX_LEN) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            other => other.on("read", &path).map(|text| Some(text.trim_end().to_owned())),
        }
    }

    /// Opens the repository at `directory`, even if it is an unfinished clone.
    pub(crate) fn open_unfinished(directory: &Path, settings: Settings) -> Result<Self> {
        Self::open_any(directory, settings)
    }

    /// Locks out every other clone into the repository at `directory`.
    pub(crate) fn lock_unfinished(directory: &Path) -> Result<FileLock> {
        // A child process holds the lock for a moment, between its fork and its exec.
        let lock = FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, HELD_BY_A_FORK);
        lock.map_err(|error| error.context("another clone into this directory is running"))
    }

    /// Marks the clone as complete.
    pub(crate) fn finish_clone(&self) -> Result<()> {
        atomic::remove_file(&self.directory.join(LOCK))?;
        atomic::remove_file(&self.directory.join(NOTE))?;
        atomic::sync_dir(&self.directory)
    }

    /// Fails if the repository at `directory` is an unfinished clone.
    pub(super) fn check_finished(directory: &Path) -> Result<()> {
        let Some(uri) = Self::unfinished_clone(directory)? else { return Ok(()) };
        let place = directory.parent().unwrap_or(directory).display();
        Err(Error::refused(format!("the clone of '{uri}' in '{place}' did not finish"))
            .with_hint(format!("art clone {uri} {place}")))
    }
}

/// Returns the path in `directory` and the text of the file that marks an unfinished clone of
/// `uri`.
pub(super) fn note(directory: &Path, uri: &str) -> (PathBuf, String) {
    (directory.join(NOTE), format!("{uri}\n"))
}
