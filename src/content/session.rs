//! A writer's own directory in `tmp/`. It separates the remains of killed writers from the files of
//! running writers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ContentStore;
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::fs::stat::Stat;
use crate::fs::temporary;
use crate::fs::usage::{Usage, usage};

const LOCK: &str = "lock";
/// Tells backup programs that the directory can be deleted.
const TAG: &str = "CACHEDIR.TAG";
const PREFIX: &str = "writer-";
/// Held while a writer's directory is created or swept, so that no sweep removes a new directory.
const GUARD: &str = "guard";
/// The guard is only held for moments. A longer wait means that the machine is in trouble.
const GUARD_TIMEOUT: Duration = Duration::from_mins(1);

/// A directory for temporary files, locked while its writer lives and removed at the end.
#[derive(Debug)]
pub struct Session {
    directory: PathBuf,
    began: i64,
    _lock: FileLock,
}

impl Session {
    /// Creates and locks a directory. The caller holds the guard, so no sweep can interfere.
    fn begin(tmp: &Path) -> Result<Self> {
        let directory = tmp.join(format!("{PREFIX}{}", atomic::unique_name()));
        atomic::create_dir_all(&directory)?;
        let path = directory.join(LOCK);
        let lock = FileLock::acquire(&path, Mode::Exclusive, Duration::ZERO)?;
        let file = read::open(&path).on("open", &path)?;
        let began = Stat::of_file(&file).on("read", &path)?.ctime;
        Ok(Session { directory, began, _lock: lock })
    }

    /// The time when this writer began, by the file system's clock, in nanoseconds since 1970.
    pub fn began(&self) -> i64 {
        self.began
    }

    /// Creates a temporary file of this writer.
    pub fn temp_file(&self) -> Result<TempFile> {
        TempFile::new_in(&self.directory)
    }

    /// The directory of this writer's temporary files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The next writer sweeps files that can't be removed now.
        let _ = atomic::remove_tree(&self.directory);
    }
}

impl ContentStore {
    /// Begins to write: sweeps the remains of killed writers, and adds their complete packs to the
    /// index, so that an interrupted upload can resume.
    pub fn begin(&self) -> Result<Session> {
        let (session, was_killed) = self.begin_session()?;
        if was_killed {
            self.adopt_orphans(&session)?;
        }
        Ok(session)
    }

    /// Begins a garbage collection: like [`ContentStore::begin`], but adds all complete packs to the
    /// index, because only packs in the index are removed.
    pub fn begin_collection(&self) -> Result<Session> {
        let (session, _) = self.begin_session()?;
        self.adopt_orphans(&session)?;
        Ok(session)
    }

    /// Begins a repair: sweeps as [`ContentStore::begin`] does, but adds nothing to the index,
    /// which may itself need repair.
    pub fn begin_repair(&self) -> Result<Session> {
        self.begin_session().map(|(session, _)| session)
    }

    /// Creates a session. Also returns true if an earlier writer was killed.
    fn begin_session(&self) -> Result<(Session, bool)> {
        let tmp = self.tmp_dir();
        let _guard = FileLock::acquire(&tmp.join(GUARD), Mode::Exclusive, GUARD_TIMEOUT)?;
        let session = Session::begin(&tmp)?;
        let was_killed = sweep(&tmp, &session.directory)?;
        temporary::sweep(&tmp, session.began)?;
        Ok((session, was_killed))
    }
}

impl ContentStore {
    /// Measures the remains of killed writers in `tmp/`, which the next writer or clean-up removes.
    pub fn stale_files(&self) -> Result<Usage> {
        let tmp = self.tmp_dir();
        let mut sum = Usage::default();
        if !read::is_dir(&tmp)? {
            return Ok(sum);
        }
        for entry in std::fs::read_dir(&tmp).on("read directory", &tmp)? {
            let path = entry.on("read directory", &tmp)?.path();
            let name = path.file_name().unwrap_or_default();
            let lock = path.join(LOCK);
            let is_session = name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
            // If this user may not lock the file, a running writer cannot be recognized.
            let is_in_use = is_session
                && read::exists(&lock)?
                && matches!(FileLock::try_acquire(&lock, Mode::Exclusive), Ok(None));
            if !is_in_use && name != GUARD && name != TAG {
                sum.add(usage(&path)?);
            }
        }
        Ok(sum)
    }
}

/// Removes the directories of dead writers. Returns true if there were any.
fn sweep(tmp: &Path, own: &Path) -> Result<bool> {
    let mut found = false;
    for entry in std::fs::read_dir(tmp).on("read directory", tmp)? {
        let path = entry.on("read directory", tmp)?.path();
        let name = path.file_name().unwrap_or_default();
        if path == own || !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        if is_left(&path)? {
            // A writer that is just ending may also be removing the directory.
            let _ = atomic::remove_tree(&path);
            found = true;
        }
    }
    Ok(found)
}

/// Returns true if the writer of the directory at `path` is dead. A directory without a lock file
/// belongs to a writer that was killed before it wrote anything, or that is ending. In the latter
/// case, the directory may vanish at any moment.
fn is_left(path: &Path) -> Result<bool> {
    match FileLock::try_acquire_existing(&path.join(LOCK), Mode::Exclusive) {
        Ok(held) => Ok(held.is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_tolerates_a_writer_that_ends_meanwhile() {
        let tmp = tempfile::tempdir().unwrap();
        let session = Session::begin(tmp.path()).unwrap();
        assert!(!is_left(session.directory()).unwrap(), "the writer is alive");
        // The writer removes its lock first, then the directory: a sweep may run after either step.
        atomic::remove_file(&session.directory().join(LOCK)).unwrap();
        assert!(is_left(session.directory()).unwrap());
        let directory = session.directory().to_owned();
        drop(session);
        assert!(is_left(&directory).unwrap());
        sweep(tmp.path(), &directory).unwrap();
        assert!(!read::exists(&directory).unwrap(), "the sweep does not recreate the directory");
    }
}
