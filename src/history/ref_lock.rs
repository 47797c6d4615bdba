//! The lock for moving refs: it excludes other writers of `art`, and git.
//!
//! `refs.lock` is locked through the kernel, so the lock is released when its holder dies. The
//! holder also creates git's lock files, one for each file that will change. The next holder cleans
//! up after a killed one: lock files, log lines of moves that never happened, and a `HEAD` that was
//! not updated after its refs moved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::History;
use super::head::{HeadName, HeadTarget, NEXT_HEAD};
use super::operations::{self, PendingOperation};
use super::reflog::{self, LogEntries};
use super::refs::list;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::lock::{FileLock, Mode};
use crate::fs::lock_file::{self, LockFile};
use crate::fs::{atomic, fault};
use crate::name::RefName;

/// The held lock on all refs.
#[derive(Debug)]
pub(super) struct RefsLock<'h> {
    pub(super) history: &'h History,
    deadline: Instant,
    /// The directory of the newest lock file, which exists unless git has removed it since.
    directory: PathBuf,
    /// The lock files. They are released before `_lock`, which guards their creation.
    files: BTreeMap<String, LockFile>,
    _lock: FileLock,
}

impl<'h> RefsLock<'h> {
    /// Acquires the lock, waiting up to `timeout`, and settles unfinished operations.
    pub(super) fn acquire(history: &'h History, timeout: Duration) -> Result<Self> {
        let mut refs = Self::acquire_unsettled(history, timeout)?;
        refs.settle()?;
        Ok(refs)
    }

    /// Like [`RefsLock::acquire`], but does not need a readable operation log. The holder must not
    /// move refs.
    pub(super) fn acquire_unsettled(history: &'h History, timeout: Duration) -> Result<Self> {
        // Limit the timeout, because adding a very long one overflows.
        let deadline = Instant::now() + timeout.min(Duration::from_secs(u64::from(u32::MAX)));
        let path = history.git_dir().join("refs.lock");
        let mut lock = FileLock::acquire(&path, Mode::Exclusive, timeout)?;
        let was_left = lock.begin_work()?;
        let refs = RefsLock {
            history,
            deadline,
            directory: PathBuf::new(),
            files: BTreeMap::new(),
            _lock: lock,
        };
        if was_left {
            refs.remove_left_files()?;
        }
        history.complete_config()?;
        Ok(refs)
    }

    /// Locks the file `name` (a ref's full name, `HEAD` or `packed-refs`) against git, if it is not
    /// locked yet.
    pub(super) fn lock_file(&mut self, name: &str) -> Result<()> {
        if !self.files.contains_key(name) {
            let file = self.new_lock_file(name, self.deadline)?;
            self.files.insert(name.to_owned(), file);
        }
        Ok(())
    }

    /// Like [`RefsLock::lock_file`], but returns false immediately if git holds the lock.
    pub(super) fn try_lock_file(&mut self, name: &str) -> Result<bool> {
        if self.files.contains_key(name) {
            return Ok(true);
        }
        match self.new_lock_file(name, Instant::now()) {
            Ok(file) => {
                self.files.insert(name.to_owned(), file);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Locked => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn new_lock_file(&mut self, name: &str, deadline: Instant) -> Result<LockFile> {
        let target = self.history.git_dir().join(name);
        let directory = target.parent().unwrap_or(&target);
        let mut attempts = 0;
        loop {
            if self.directory != directory {
                atomic::create_dir_all_durably(directory)?;
                directory.clone_into(&mut self.directory);
            }
            match LockFile::acquire(&target, deadline) {
                // While git packs refs, it removes empty directories.
                Err(error) if error.kind() == ErrorKind::NotFound && attempts < 10 => {
                    attempts += 1;
                    self.directory.clear();
                }
                other => return other,
            }
        }
    }

    /// Removes the lock files of a killed holder.
    fn remove_left_files(&self) -> Result<()> {
        let git_dir = self.history.git_dir();
        let remove = |name: &str| {
            let path = git_dir.join(name);
            if lock_file::is_ours(&path) { atomic::remove_file(&path) } else { Ok(()) }
        };
        remove("HEAD.lock")?;
        remove("packed-refs.lock")?;
        let mut directories = vec!["refs".to_owned(), "heads".to_owned()];
        while let Some(directory) = directories.pop() {
            for (name, is_directory) in list(&git_dir.join(&directory))? {
                let name = format!("{directory}/{name}");
                if is_directory {
                    directories.push(name);
                } else {
                    remove(&name)?;
                }
            }
        }
        Ok(())
    }

    /// Completes or abandons the unfinished operation of a previous holder.
    fn settle(&mut self) -> Result<()> {
        let history = self.history;
        if let Some(pending) = history.pending_operation()? {
            self.forget_moves(&pending)?;
            operations::abandon(history.git_dir(), &pending.operation.id)?;
        } else if let Some(next) = history.next_head()
            && let Some(name) = history.due_head(&next)?
        {
            return self.move_head(&name);
        }
        // Last, because this file shows that a change of HEAD alone has not happened.
        atomic::remove_file(&history.git_dir().join(NEXT_HEAD))
    }

    /// Removes the reflog lines of an operation that never happened.
    fn forget_moves(&mut self, pending: &PendingOperation) -> Result<()> {
        let mut names: Vec<String> =
            pending.operation.changes.iter().map(|change| change.name.to_string()).collect();
        names.extend(pending.heads());
        for name in names {
            self.lock_file(&name)?;
            let path = reflog::path(self.history.git_dir(), &name);
            if let Some((start, newest)) = LogEntries::open(&path)?.next_entry()?
                && pending.wrote(&name, &newest)
            {
                atomic::truncate(&path, start)?;
            }
        }
        Ok(())
    }

    /// Lets the head `name` name `run`, or no run.
    pub(super) fn write_head(&mut self, name: &HeadName, run: Option<RefName>) -> Result<()> {
        let file = name.file();
        self.lock_file(&file)?;
        let history = self.history;
        let line = HeadTarget { run }.to_line();
        atomic::write(&history.git_dir().join(file), &history.tmp_dir(), line.as_bytes())
    }

    /// Renames `HEAD.next` to the head `name`.
    pub(super) fn move_head(&mut self, name: &HeadName) -> Result<()> {
        let file = name.file();
        self.lock_file(&file)?;
        let git_dir = self.history.git_dir();
        let path = git_dir.join(file);
        let directory = path.parent().unwrap_or(git_dir);
        atomic::rename(&git_dir.join(NEXT_HEAD), &path)?;
        fault::reached("HEAD moved")?;
        if directory != git_dir {
            atomic::sync_dir(directory)?;
        }
        atomic::sync_dir(git_dir)
    }

    /// The error for a ref that has an unexpected value.
    pub(super) fn moved(message: String) -> Error {
        Error::new(ErrorKind::Moved, message)
            .with_hint("see what changed: art reflog; then run the command again")
    }
}
