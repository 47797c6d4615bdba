//! Lock files as git makes them: while `X.lock` stands beside `X`, no git changes `X`.
//!
//! Ours are symbolic links that lead nowhere. A link is made in one step together with what it
//! says, so whoever holds the [`FileLock`](super::lock::FileLock) under which all of ours are made
//! can tell one that a killed process left behind (it may be taken over) from one that a git holds
//! (it must be waited for).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{atomic, read};
use crate::error::{Error, ErrorKind, IoResultExt, Result};

/// What our links say.
const MARK: &str = "held-by-art";

/// A held lock file; dropping it removes the file.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    is_made: bool,
}

impl LockFile {
    /// Locks `target`, whose directory must exist, waiting for a foreign holder until `deadline`.
    ///
    /// The caller holds the one lock under which all lock files of ours are made.
    pub fn acquire(target: &Path, deadline: Instant) -> Result<Self> {
        let path = path_of(target);
        let mut pause = Duration::from_micros(500);
        loop {
            match atomic::make_link(MARK, &path)? {
                Ok(()) => return Ok(LockFile { path, is_made: true }),
                Err(Errno::EXIST) => {
                    if is_ours(&path) {
                        return Ok(LockFile { path, is_made: true });
                    }
                }
                // A file system without links: a foreign lock is respected, none of ours is made.
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    if !read::is_there(&path)? {
                        return Ok(LockFile { path, is_made: false });
                    }
                }
                Err(error) => return Err(error).on("lock", target),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(held(&path));
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(8));
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.is_made {
            // What can't be removed now is recognised as ours and taken over by the next writer.
            let _ = atomic::remove_file(&self.path);
        }
    }
}

/// Whether the file at `path` is a lock file of ours.
pub fn is_ours(path: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target == Path::new(MARK))
}

/// The lock file of `target`.
pub fn path_of(target: &Path) -> PathBuf {
    let mut path = OsString::from(target);
    path.push(".lock");
    PathBuf::from(path)
}

fn held(path: &Path) -> Error {
    Error::new(ErrorKind::Locked, format!("a git process holds '{}'", path.display())).with_hint(
        format!("wait for it; if no git runs, remove what it left: rm '{}'", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_left_by_a_killed_process_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("r");
        std::mem::forget(LockFile::acquire(&target, Instant::now()).unwrap());
        drop(LockFile::acquire(&target, Instant::now()).unwrap());
        assert!(std::fs::symlink_metadata(path_of(&target)).is_err());
    }

    #[test]
    fn a_foreign_lock_is_waited_for_and_then_named() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("r");
        std::fs::File::create_new(path_of(&target)).unwrap();
        let start = Instant::now();
        let error = LockFile::acquire(&target, start + Duration::from_millis(30)).unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.message().contains("r.lock"), "{error:?}");
        assert!(read::is_there(&path_of(&target)).unwrap());
    }
}
