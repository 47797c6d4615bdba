//! A writer's own directory in `tmp/`, so that what a killed writer left can be told from what a
//! living one is busy with.

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
/// Says to backups that the directory can be thrown away.
const TAG: &str = "CACHEDIR.TAG";
const PREFIX: &str = "writer-";
/// Held while a writer's directory is made or swept, so that one is never taken for the other.
const GUARD: &str = "guard";
/// The guard is held for moments; who waits longer than this waits for a machine in trouble.
const GUARD_TIMEOUT: Duration = Duration::from_mins(1);

/// A directory for temporary files, removed at the end; locked for as long as its writer lives.
#[derive(Debug)]
pub struct Session {
    directory: PathBuf,
    began: i64,
    _lock: FileLock,
}

impl Session {
    /// Makes and locks a directory. The caller holds the guard, so no sweep comes between.
    fn begin(tmp: &Path) -> Result<Self> {
        let directory = tmp.join(format!("{PREFIX}{}", atomic::unique_name()));
        atomic::create_dir_all(&directory)?;
        let path = directory.join(LOCK);
        let lock = FileLock::acquire(&path, Mode::Exclusive, Duration::ZERO)?;
        let file = read::open(&path).on("open", &path)?;
        let began = Stat::of_file(&file).on("read", &path)?.ctime;
        Ok(Session { directory, began, _lock: lock })
    }

    /// When this writer began, by the clock of the file system, in nanoseconds since 1970.
    pub fn began(&self) -> i64 {
        self.began
    }

    /// A new temporary file of this writer.
    pub fn temp_file(&self) -> Result<TempFile> {
        TempFile::new_in(&self.directory)
    }

    /// Where this writer's temporary files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What can't be removed now, the next writer sweeps.
        let _ = atomic::remove_tree(&self.directory);
    }
}

impl ContentStore {
    /// Begins to write: sweeps what killed writers left, and takes their finished packs into the
    /// index, so that an interrupted upload does not begin anew.
    pub fn begin(&self) -> Result<Session> {
        let (session, was_killed) = self.begin_session()?;
        if was_killed {
            self.adopt_orphans(&session)?;
        }
        Ok(session)
    }

    /// Begins to mend: as [`ContentStore::begin`], but nothing is taken into the index, which may be
    /// what is to be mended.
    pub fn begin_repair(&self) -> Result<Session> {
        self.begin_session().map(|(session, _)| session)
    }

    /// A session, and whether writers before it were killed.
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
    /// What killed writers left in `tmp/`: the next writer or a clean-up removes it.
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
            // Where this user may not lock, what is in use can't be told.
            let is_in_use = is_session
                && read::is_there(&lock)?
                && matches!(FileLock::try_acquire(&lock, Mode::Exclusive), Ok(None));
            if !is_in_use && name != GUARD && name != TAG {
                sum.add(usage(&path)?);
            }
        }
        Ok(sum)
    }
}

/// Removes the directories and files of writers that are gone; whether there were any.
fn sweep(tmp: &Path, own: &Path) -> Result<bool> {
    let mut found = false;
    for entry in std::fs::read_dir(tmp).on("read directory", tmp)? {
        let path = entry.on("read directory", tmp)?.path();
        let name = path.file_name().unwrap_or_default();
        if path == own || !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        if is_left(&path)? {
            // A writer that is just ending may be removing it too.
            let _ = atomic::remove_tree(&path);
            found = true;
        }
    }
    Ok(found)
}

/// Whether the writer of the directory at `path` is gone. Without its lock file it was killed before it
/// had written anything, or it is ending: then the directory may vanish at any moment.
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
    fn a_writer_that_ends_during_a_sweep_does_not_fail_it() {
        let tmp = tempfile::tempdir().unwrap();
        let session = Session::begin(tmp.path()).unwrap();
        assert!(!is_left(session.directory()).unwrap(), "it lives");
        // The writer removes its lock first, then the directory: a sweep may come at both moments.
        atomic::remove_file(&session.directory().join(LOCK)).unwrap();
        assert!(is_left(session.directory()).unwrap());
        let directory = session.directory().to_owned();
        drop(session);
        assert!(is_left(&directory).unwrap());
        sweep(tmp.path(), &directory).unwrap();
        assert!(!read::is_there(&directory).unwrap(), "no sweep creates it again");
    }
}
