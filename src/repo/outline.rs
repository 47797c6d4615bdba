//! A repository that can't be opened: how it is known, told of and made to open again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Repository;
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::lock::{FileLock, Mode};
use crate::history::History;

/// The directories of the content store that nothing can be read without.
const CONTENT: [&str; 2] = ["packs", "index"];

impl Repository {
    /// Whether `directory` is a repository, or what is left of one whose `HEAD` is gone.
    pub fn is_at(directory: &Path) -> bool {
        directory.join("HEAD").is_file() || has_ours(directory)
    }

    /// What keeps the repository at `directory` from being used at all: each an error that names it.
    ///
    /// Fails with [`ErrorKind::NotARepository`] if there is none, not even a damaged one, and with
    /// [`ErrorKind::Unsupported`] if there is one of another kind.
    pub fn check_outline(directory: &Path) -> Result<Vec<Error>> {
        if !has_ours(directory) {
            if !directory.is_dir() {
                return Err(super::not_a_repository(directory));
            }
            return History::open(directory).map(|_| Vec::new());
        }
        let mut damage = History::check_outline(directory);
        let paths = CONTENT.map(|name| directory.join(name));
        damage.extend(
            paths.iter().filter(|path| !path.is_dir()).map(|path| {
                Error::corrupt(format!("the directory '{}' is missing", path.display()))
            }),
        );
        Ok(damage)
    }

    /// Makes again what [`Repository::check_outline`] finds damaged, and gives the paths below
    /// `directory`. It can be opened then; what is lost beyond that is for a check to tell.
    pub fn restore_outline(directory: &Path, timeout: Duration) -> Result<Vec<PathBuf>> {
        if Self::check_outline(directory)?.is_empty() {
            return Ok(Vec::new());
        }
        let _lock = FileLock::acquire(&directory.join("lock"), Mode::Exclusive, timeout)?;
        atomic::create_dir_all(&directory.join("tmp"))?;
        let mut made = History::restore_outline(directory)?;
        let lost = CONTENT.into_iter().filter(|name| !directory.join(name).is_dir());
        made.extend(lost.map(PathBuf::from));
        ContentStore::init(directory)?;
        Ok(made)
    }
}

/// Whether something in `directory` is ours and no other tool's.
fn has_ours(directory: &Path) -> bool {
    directory.join("packs").is_dir()
        || directory.join("config.toml").is_file()
        || directory.join("logs/operations.jsonl").is_file()
}

/// The error for a repository that can't be opened, with what is damaged where that is known.
pub(super) fn explain(directory: &Path, error: Error) -> Error {
    let damage = Repository::check_outline(directory).unwrap_or_default();
    match damage.into_iter().next() {
        None => error,
        Some(first) => {
            let message = format!("the repository '{}' is damaged", directory.display());
            Error::new(ErrorKind::Corrupt, message)
                .with_source(first)
                .with_hint("see all that is damaged: art fsck; mend it: art fsck --repair")
        }
    }
}
