//! Advisory file locks. The kernel releases them when the process ends, even if it is killed.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::guarded::GuardedPath;
use crate::error::{Error, ErrorKind, IoResultExt, Result};

/// The mode of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Other processes can hold shared locks at the same time.
    Shared,
    /// No other process can hold the lock.
    Exclusive,
}

/// A held lock. Dropping it releases the lock.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
    is_working: bool,
}

impl FileLock {
    /// Locks the file at `path`, which is created if it is missing. Waits up to `timeout`. A
    /// symbolic link is refused.
    pub fn acquire(path: &Path, mode: Mode, timeout: Duration) -> Result<Self> {
        Self::acquire_with(path, OFlags::CREATE, mode, timeout)
    }

    fn acquire_with(path: &Path, create: OFlags, mode: Mode, timeout: Duration) -> Result<Self> {
        let flags = create | OFlags::RDWR | OFlags::NOFOLLOW;
        let file = GuardedPath::resolve("open", path)?.open("open", flags, 0o666)?;
        let start = Instant::now();
        let mut pause = Duration::from_micros(500);
        loop {
            let locked = match mode {
                Mode::Shared => file.try_lock_shared(),
                Mode::Exclusive => file.try_lock(),
            };
            match locked {
                Ok(()) => return Ok(FileLock { file, path: path.to_owned(), is_working: false }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error).on("lock", path),
            }
            if start.elapsed() >= timeout {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("another process holds '{}'", path.display()),
                )
                .with_hint("wait for the other process, or pass --lock-timeout SECONDS"));
            }
            std::thread::sleep(pause.min(timeout.saturating_sub(start.elapsed())));
            pause = (pause * 2).min(Duration::from_millis(8));
        }
    }

    /// Marks the file as in use until the lock is dropped. Returns true if the mark already
    /// existed: the previous holder was killed in the middle of its work.
    ///
    /// Only for an exclusive lock. The mark survives the end of the process, but not a loss of
    /// power.
    pub fn begin_work(&mut self) -> Result<bool> {
        let was_working = self.file.metadata().on("read", &self.path)?.len() > 0;
        if !was_working {
            self.file.write_all_at(b"working\n", 0).on("write", &self.path)?;
        }
        self.is_working = true;
        Ok(was_working)
    }

    /// Returns the path of the lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Acquires the lock if it is free. Otherwise, returns `None`.
    pub fn try_acquire(path: &Path, mode: Mode) -> Result<Option<Self>> {
        held_as_none(Self::acquire(path, mode, Duration::ZERO))
    }

    /// Like [`FileLock::try_acquire`], but fails with `NotFound` if the lock file does not exist.
    pub fn try_acquire_existing(path: &Path, mode: Mode) -> Result<Option<Self>> {
        held_as_none(Self::acquire_with(path, OFlags::empty(), mode, Duration::ZERO))
    }
}

fn held_as_none(acquired: Result<FileLock>) -> Result<Option<FileLock>> {
    match acquired {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == ErrorKind::Locked => Ok(None),
        Err(error) => Err(error),
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.is_working {
            // If the mark stays, the next holder searches for leftovers and finds none.
            let _ = self.file.set_len(0);
        }
        // A child process that another thread is starting has the file open until it runs its
        // program, so closing the file here would not release the lock yet.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lock_is_free_although_a_starting_child_has_the_file_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = FileLock::acquire(&path, Mode::Exclusive, Duration::ZERO).unwrap();
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        assert!(FileLock::try_acquire(&path, Mode::Exclusive).unwrap().is_some());
        drop(inherited);
    }

    #[test]
    fn the_next_holder_sees_the_mark_of_a_killed_holder_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let acquire = || FileLock::acquire(&path, Mode::Exclusive, Duration::ZERO);
        assert!(!acquire().unwrap().begin_work().unwrap());
        assert!(!acquire().unwrap().begin_work().unwrap());
        File::options().write(true).open(&path).unwrap().set_len(3).unwrap();
        assert!(acquire().unwrap().begin_work().unwrap());
        assert!(!acquire().unwrap().begin_work().unwrap());
    }
}
