//! A writer's own directory in `tmp/`, so that what a killed writer left can be told from what a
//! living one is busy with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ContentStore;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::lock::{FileLock, Mode};
use crate::fs::stat::Stat;

const LOCK: &str = "lock";

/// A directory for temporary files, removed at the end; locked for as long as its writer lives.
#[derive(Debug)]
pub struct Session {
    directory: PathBuf,
    began: i64,
    _lock: FileLock,
}

impl Session {
    fn begin(tmp: &Path) -> Result<Self> {
        loop {
            let directory = tmp.join(format!("writer-{}", atomic::unique_name()));
            atomic::create_dir_all(&directory)?;
            let lock = FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, Duration::ZERO);
            match lock {
                Ok(lock) => {
                    let file = std::fs::File::open(directory.join(LOCK)).on("open", &directory)?;
                    let began = Stat::of_file(&file).on("read", &directory)?.ctime;
                    return Ok(Session { directory, began, _lock: lock });
                }
                // Another process swept the directory before it was locked.
                Err(_) if !directory.exists() => {}
                Err(error) => return Err(error),
            }
        }
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
        let session = Session::begin(&self.tmp_dir())?;
        if sweep(&self.tmp_dir(), &session.directory)? {
            self.adopt_orphans(&session)?;
        }
        Ok(session)
    }
}

/// Removes the directories and files of writers that are gone; whether there were any.
fn sweep(tmp: &Path, own: &Path) -> Result<bool> {
    let mut found = false;
    for entry in std::fs::read_dir(tmp).on("read directory", tmp)? {
        let path = entry.on("read directory", tmp)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path == own || !name.starts_with("writer-") {
            continue;
        }
        let lock_path = path.join(LOCK);
        if !lock_path.exists() {
            // Killed between making the directory and locking it, or just about to lock it. A
            // living writer begins again when its directory is gone.
            let _ = atomic::remove_tree(&path);
            continue;
        }
        if let Ok(Some(_lock)) = FileLock::try_acquire(&lock_path, Mode::Exclusive) {
            atomic::remove_tree(&path)?;
            found = true;
        }
    }
    Ok(found)
}
