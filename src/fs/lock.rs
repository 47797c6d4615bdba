//! Advisory locks on files, released by the kernel when the process ends, however it ends.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, ErrorKind, IoResultExt, Result};

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Together with other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock on the file at `path` (made if missing), waiting up to `timeout`.
    pub fn acquire(path: &Path, mode: Mode, timeout: Duration) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .on("open", path)?;
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let start = Instant::now();
        let mut pause = Duration::from_micros(500);
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(FileLock { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).on("lock", path),
            }
            if start.elapsed() >= timeout {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("another process holds '{}'", path.display()),
                )
                .with_hint("wait for it to finish, or give --lock-timeout SECONDS"));
            }
            std::thread::sleep(pause.min(timeout.saturating_sub(start.elapsed())));
            pause = (pause * 2).min(Duration::from_millis(8));
        }
    }

    /// Takes the lock if it is free now.
    pub fn try_acquire(path: &Path, mode: Mode) -> Result<Option<Self>> {
        match Self::acquire(path, mode, Duration::ZERO) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.kind() == ErrorKind::Locked => Ok(None),
            Err(error) => Err(error),
        }
    }
}
