//! A clone that did not finish: a repository that lacks what its remote has, and must not answer as if
//! that were all.
//!
//! The note `unfinished-clone` in it names the remote. It is there before the repository has its name,
//! and goes when all else is done.

use std::path::{Path, PathBuf};

use super::{Repository, Settings};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;

/// The file with the URI of the remote.
const NOTE: &str = "unfinished-clone";
/// Whoever clones into the repository holds the lock on this file.
const LOCK: &str = "unfinished-clone.lock";
/// A URI is not longer.
const MAX_LEN: u64 = 64 << 10;

impl Repository {
    /// The URI of the remote of which the repository at `directory` is a clone that did not finish.
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

    /// Opens the repository at `directory`, even if it is a clone that did not finish.
    pub(crate) fn open_unfinished(directory: &Path, settings: Settings) -> Result<Self> {
        Self::open_any(directory, settings)
    }

    /// Keeps every other clone out of the repository at `directory`.
    pub(crate) fn lock_unfinished(directory: &Path) -> Result<FileLock> {
        let lock =
            FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, std::time::Duration::ZERO);
        lock.map_err(|error| error.context("another clone into this directory is running"))
    }

    /// Removes the note: the clone is complete.
    pub(crate) fn finish_clone(&self) -> Result<()> {
        atomic::remove_file(&self.directory.join(LOCK))?;
        atomic::remove_file(&self.directory.join(NOTE))?;
        atomic::sync_dir(&self.directory)
    }

    /// Fails if the repository at `directory` is a clone that did not finish.
    pub(super) fn check_finished(directory: &Path) -> Result<()> {
        let Some(uri) = Self::unfinished_clone(directory)? else { return Ok(()) };
        let place = directory.parent().unwrap_or(directory).display();
        Err(Error::refused(format!("the clone of '{uri}' in '{place}' did not finish"))
            .with_hint(format!("art clone {uri} {place}")))
    }
}

/// The note for a clone of the remote at `uri`: its path in `directory`, and its text.
pub(super) fn note(directory: &Path, uri: &str) -> (PathBuf, String) {
    (directory.join(NOTE), format!("{uri}\n"))
}
