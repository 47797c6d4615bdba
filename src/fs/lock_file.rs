//! Lock files like those of git: while `X.lock` exists, git does not change `X`.
//!
//! The lock files of `art` are dangling symbolic links. A link and its target are created in one
//! step. A holder of the [`FileLock`](super::lock::FileLock) that guards their creation can
//! therefore distinguish a link of a killed process, which can be taken over, from the lock file of
//! a running git, which must be waited for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{atomic, read};
use crate::error::{Error, ErrorKind, IoResultExt, Result};

/// The target of the links that `art` creates.
const MARK: &str = "held-by-art";

/// A held lock file. Dropping it removes the file.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    is_made: bool,
}

impl LockFile {
    /// Locks `target`, whose directory must exist. Waits for a lock of git until `deadline`.
    ///
    /// The caller holds the lock that guards the creation of lock files.
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
                // A file system without links: respect git's lock, but create none.
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    if !read::exists(&path)? {
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
            // If the file cannot be removed, the next writer recognizes it and takes it over.
            let _ = atomic::remove_file(&self.path);
        }
    }
}

/// Returns true if the file at `path` is a lock file of `art`.
pub fn is_ours(path: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target == Path::new(MARK))
}

/// Returns the path of the lock file of `target`.
pub fn path_of(target: &Path) -> PathBuf {
    let mut path = OsString::from(target);
    path.push(".lock");
    PathBuf::from(path)
}

fn held(path: &Path) -> Error {
    Error::new(ErrorKind::Locked, format!("a git process holds '{}'", path.display())).with_hint(
        format!(
            "wait for git; if no git process is running, remove the lock: rm '{}'",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads;

    #[test]
    fn the_lock_of_a_killed_process_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("r");
        std::mem::forget(LockFile::acquire(&target, Instant::now()).unwrap());
        drop(LockFile::acquire(&target, Instant::now()).unwrap());
        assert!(std::fs::symlink_metadata(path_of(&target)).is_err());
    }

    #[test]
    fn a_lock_of_git_is_waited_for_until_git_removes_it() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("r");
        let path = path_of(&target);
        std::fs::File::create_new(&path).unwrap();
        std::thread::scope(|scope| {
            let git = threads::spawn(scope, || {
                std::thread::sleep(Duration::from_millis(30));
                atomic::remove_file(&path).unwrap();
            });
            LockFile::acquire(&target, Instant::now() + Duration::from_hours(1)).unwrap();
            git.unwrap().join().unwrap();
        });
    }

    #[test]
    fn a_lock_that_git_keeps_is_named_at_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("r");
        std::fs::File::create_new(path_of(&target)).unwrap();
        let deadline = Instant::now() + Duration::from_millis(1);
        let error = LockFile::acquire(&target, deadline).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.message().contains("r.lock"), "{error:?}");
        assert!(read::exists(&path_of(&target)).unwrap());
    }
}
