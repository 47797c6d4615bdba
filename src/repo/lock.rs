//! The lock of a repository: shared by writers, exclusive for commands that remove packs.
//!
//! `flock` is not fair: if writers overlap, a process that waits for the exclusive lock would never
//! get it. Such a process therefore holds a second lock file, `gate`, while it waits. Writers pass
//! through the gate before they take the lock, so no new writer starts meanwhile.
//!
//! The gate is only about fairness. A writer that already holds the lock must not wait at the gate
//! for a process that waits for this writer. In this process, a counter shows that; a writer in a
//! process that such a writer waits for, such as a hook, passes after half of its time.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;

/// The file that holds the lock.
const LOCK: &str = "lock";
/// The file that a process holds while it waits for the exclusive lock.
const GATE: &str = "gate";
/// The file that a garbage collection holds from its start to its end.
const COLLECTION: &str = "gc.lock";

/// The number of shared locks that the users of one [`Repository`] hold.
pub(super) type SharedLocks = Arc<AtomicUsize>;

/// A held lock of a repository. Dropping it releases the lock.
#[derive(Debug)]
pub struct RepositoryLock {
    _file: FileLock,
    shared: Option<SharedLocks>,
}

impl Drop for RepositoryLock {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Repository {
    /// Locks out garbage collection while the caller writes. Several processes can hold this lock.
    pub fn lock_shared(&self) -> Result<RepositoryLock> {
        self.lock_within(Mode::Shared, self.settings.lock_timeout)
    }

    /// Locks out every other writer.
    pub fn lock_exclusive(&self) -> Result<RepositoryLock> {
        self.lock_within(Mode::Exclusive, self.settings.lock_timeout)
    }

    /// Locks out every other garbage collection, without waiting. Writers continue.
    pub(crate) fn lock_collection(&self) -> Result<FileLock> {
        let path = self.directory.join(COLLECTION);
        let lock = FileLock::acquire(&path, Mode::Exclusive, Duration::ZERO);
        // The mark sets the time of the file, by which other processes notice a collection.
        let marked = lock.and_then(|mut lock| lock.begin_work().map(|_| lock));
        marked.map_err(|error| match error.kind() {
            ErrorKind::Locked => {
                let message = "another garbage collection is running in this repository";
                Error::new(ErrorKind::Locked, message).with_hint("wait until it has finished")
            }
            ErrorKind::Unauthorized => self.read_only_error(error),
            _ => error,
        })
    }

    /// Like [`Repository::lock_shared`], but does not wait: `None` if another process holds the lock
    /// or this user may not write.
    pub(crate) fn try_lock_shared(&self) -> Result<Option<RepositoryLock>> {
        match self.lock_within(Mode::Shared, Duration::ZERO) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if matches!(error.kind(), ErrorKind::Locked | ErrorKind::Unauthorized) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Fails with [`Unauthorized`](ErrorKind::Unauthorized) if the repository is not writable. For
    /// commands that contact a remote before they write.
    pub fn require_writable(&self) -> Result<()> {
        self.lock_shared().map(drop)
    }

    fn lock_within(&self, mode: Mode, timeout: Duration) -> Result<RepositoryLock> {
        // Create nothing in a deleted repository: the result would look like a damaged one.
        if !read::is_file(&self.directory.join("HEAD"))? {
            let message = format!("the repository '{}' no longer exists", self.directory.display());
            return Err(Error::new(ErrorKind::NotARepository, message));
        }
        // Another process may have removed the temporary directory.
        let lock = atomic::create_dir_all(&self.content.tmp_dir()).and_then(|()| match mode {
            Mode::Shared => acquire_shared(&self.directory, &self.locks, timeout),
            Mode::Exclusive => acquire_exclusive(&self.directory, timeout),
        });
        let lock = lock.map_err(|error| match error.kind() {
            ErrorKind::Unauthorized => self.read_only_error(error),
            _ => error,
        })?;
        self.notice_collections()?;
        Ok(lock)
    }

    /// Opens the objects again if a garbage collection ran since. Objects in a removed file can still
    /// be read through a handle, so they would look as if they could be relied on.
    fn notice_collections(&self) -> Result<()> {
        let last = last_collection(&self.directory)?;
        if self.collection.swap(last, Ordering::SeqCst) == last {
            return Ok(());
        }
        self.history.reopen()
    }

    fn read_only_error(&self, error: Error) -> Error {
        let shown = self.directory.display();
        let hint = error.hint().map_or_else(
            || format!("check the owner and the mount: ls -ld '{shown}' (reading still works)"),
            str::to_owned,
        );
        error.context(format!("the repository '{shown}' cannot be written")).with_hint(hint)
    }
}

/// The time at which the last garbage collection began or ended, in nanoseconds since 1970; 0 if there
/// was none.
pub(super) fn last_collection(directory: &Path) -> Result<i64> {
    let file = read::try_metadata(&directory.join(COLLECTION))?;
    Ok(file.map_or(0, |file| file.mtime() * 1_000_000_000 + file.mtime_nsec()))
}

/// Takes the exclusive lock of the repository in `directory`.
pub(super) fn acquire_exclusive(directory: &Path, timeout: Duration) -> Result<RepositoryLock> {
    let start = Instant::now();
    let _gate = FileLock::acquire(&directory.join(GATE), Mode::Exclusive, timeout)?;
    let left = timeout.saturating_sub(start.elapsed());
    let file = FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, left)?;
    Ok(RepositoryLock { _file: file, shared: None })
}

fn acquire_shared(
    directory: &Path,
    holders: &SharedLocks,
    timeout: Duration,
) -> Result<RepositoryLock> {
    let start = Instant::now();
    let is_nested = holders.load(Ordering::SeqCst) > 0;
    let _gate = if is_nested { None } else { pass_gate(directory, timeout / 2)? };
    let left = timeout.saturating_sub(start.elapsed());
    let file = FileLock::acquire(&directory.join(LOCK), Mode::Shared, left)?;
    holders.fetch_add(1, Ordering::SeqCst);
    Ok(RepositoryLock { _file: file, shared: Some(Arc::clone(holders)) })
}

/// Waits until no process waits for the exclusive lock, up to `timeout`.
fn pass_gate(directory: &Path, timeout: Duration) -> Result<Option<FileLock>> {
    match FileLock::acquire(&directory.join(GATE), Mode::Shared, timeout) {
        Ok(gate) => Ok(Some(gate)),
        Err(error) if error.kind() == ErrorKind::Locked => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::repo::Settings;
    use crate::threads;

    fn opened(work: &Path) -> Repository {
        opened_with(work, Duration::from_mins(10))
    }

    fn opened_with(work: &Path, lock_timeout: Duration) -> Repository {
        let settings = Settings { lock_timeout, ..Settings::default() };
        Repository::discover(work, settings).unwrap()
    }

    fn wait_for_gate(repo: &Repository) {
        let gate = repo.directory().join(GATE);
        while FileLock::try_acquire(&gate, Mode::Shared).unwrap().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_process_that_waits_for_the_exclusive_lock_goes_before_later_writers() {
        let work = tempfile::tempdir().unwrap();
        Repository::create(work.path(), Settings::default()).unwrap();
        let (first, waiting, late) =
            (opened(work.path()), opened(work.path()), opened(work.path()));
        let held = first.lock_shared().unwrap();
        let (send, order) = mpsc::channel();
        let send_late = send.clone();
        std::thread::scope(|scope| {
            threads::spawn(scope, move || {
                let _lock = waiting.lock_exclusive().unwrap();
                send.send("exclusive").unwrap();
            })
            .unwrap();
            wait_for_gate(&first);
            threads::spawn(scope, move || {
                let _lock = late.lock_shared().unwrap();
                send_late.send("shared").unwrap();
            })
            .unwrap();
            // Without the gate, the later writer has the lock immediately.
            assert!(order.recv_timeout(Duration::from_millis(200)).is_err());
            drop(held);
            assert_eq!(order.iter().collect::<Vec<_>>(), ["exclusive", "shared"]);
        });
    }

    #[test]
    fn a_writer_takes_its_lock_again_while_another_process_waits_for_it() {
        let work = tempfile::tempdir().unwrap();
        Repository::create(work.path(), Settings::default()).unwrap();
        let writer = opened(work.path());
        // Shorter than the time after which a writer that waits at the gate continues.
        let waiting = opened_with(work.path(), Duration::from_secs(30));
        let held = writer.lock_shared().unwrap();
        std::thread::scope(|scope| {
            let exclusive =
                threads::spawn(scope, move || waiting.lock_exclusive().map(drop)).unwrap();
            wait_for_gate(&writer);
            let again = writer.lock_shared().unwrap();
            drop((again, held));
            exclusive.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_writer_without_time_to_wait_takes_a_free_lock() {
        let work = tempfile::tempdir().unwrap();
        let repo = Repository::create(work.path(), Settings::default()).unwrap();
        let gate = repo.directory().join(GATE);
        let _gate = FileLock::acquire(&gate, Mode::Exclusive, Duration::ZERO).unwrap();
        assert!(repo.try_lock_shared().unwrap().is_some());
    }
}
