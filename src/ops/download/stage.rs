//! The staging directory, which holds files until they are complete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::plan::{DownloadPlan, PlannedFile};
use crate::content::Target;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::STAGING_PREFIX;
use crate::fs::atomic;
use crate::fs::beneath::Beneath;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::tree_path::TreePath;

const LOCK: &str = "lock";

/// A staging directory in a destination. It is removed on drop.
pub(super) struct Stage<'a> {
    plan: &'a DownloadPlan,
    destination: &'a Beneath,
    path: PathBuf,
    name: String,
    inside: Beneath,
    failed: Mutex<Vec<(usize, Error)>>,
    _lock: FileLock,
}

impl<'a> Stage<'a> {
    /// Creates the staging directory and the directories in it. Removes leftovers of killed
    /// downloads.
    pub(super) fn open(
        destination: &'a Beneath,
        to: &Path,
        plan: &'a DownloadPlan,
    ) -> Result<Self> {
        sweep(to)?;
        let (name, path, lock) = make_locked(to)?;
        let stage = Stage {
            plan,
            destination,
            inside: Beneath::open(&path)?,
            path,
            name,
            failed: Mutex::default(),
            _lock: lock,
        };
        for (root, directory) in &plan.directories {
            let staged = stage.staged(*root, directory);
            stage.inside.make_dir(&staged).on("create directory", to.join(directory.to_path()))?;
        }
        for link in &plan.links {
            let staged = stage.staged(link.root, &link.path);
            stage
                .inside
                .make_link(&link.target, &staged)
                .on("create link", to.join(link.path.to_path()))?;
        }
        Ok(stage)
    }

    /// Returns the path of `path` in the staging directory: the number of the root, then the path
    /// below the root.
    fn staged(&self, root: u32, path: &TreePath) -> Vec<u8> {
        let mut staged = root.to_string().into_bytes();
        let above = self.plan.roots[root as usize].path.as_bytes().len();
        staged.extend_from_slice(&path.as_bytes()[above..]);
        staged
    }

    fn file(&self, number: usize) -> (&PlannedFile, Vec<u8>) {
        let file = &self.plan.files[number];
        (file, self.staged(file.root, &file.path))
    }

    /// Returns the directory of the staged files, and the path of file `number` in it.
    pub(super) fn place_of(&self, number: usize) -> (&Beneath, Vec<u8>) {
        (&self.inside, self.file(number).1)
    }

    /// Moves every complete root to its final name. Returns the paths that could not be written.
    pub(super) fn publish(self) -> Vec<(TreePath, Error)> {
        let failed =
            std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        let mut defects = Vec::new();
        let mut lost_roots = std::collections::HashSet::new();
        for (number, error) in failed {
            let file = &self.plan.files[number];
            if self.plan.roots[file.root as usize].path == file.path {
                lost_roots.insert(file.root);
            }
            defects.push((file.path.clone(), error));
        }
        for (number, root) in self.plan.roots.iter().enumerate() {
            if lost_roots.contains(&(number as u32)) {
                continue;
            }
            let from = format!("{}/{number}", self.name);
            let renamed =
                self.destination.rename(from.as_bytes(), root.path.as_bytes(), root.replace);
            if let Err(source) = renamed {
                defects.push((root.path.clone(), Error::io("create", root.path.to_path(), source)));
            }
        }
        defects
    }
}

impl Target for Stage<'_> {
    type Output = File;

    fn create(&self, number: usize) -> Result<File> {
        let (file, staged) = self.file(number);
        let mode = if file.executable { 0o777 } else { 0o666 };
        self.inside.create_file(&staged, mode).on("create", file.path.to_path())
    }

    fn create_again(&self, number: usize) -> Result<File> {
        let (file, staged) = self.file(number);
        self.inside.remove_file(&staged).on("remove", file.path.to_path())?;
        self.create(number)
    }

    fn finish(&self, number: usize, outcome: Result<File>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        let (_, staged) = self.file(number);
        let path = self.plan.files[number].path.to_path();
        self.inside.remove_file(&staged).on("remove", &path)?;
        match error.kind() {
            ErrorKind::Interrupted => return Err(error),
            // A full disk fails all later files too.
            ErrorKind::Unavailable => {
                return Err(error.context(format!("cannot download '{}'", path.display())));
            }
            _ => {}
        }
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).push((number, error));
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // If the removal fails, the next download to this destination retries it.
        let _ = atomic::remove_tree(&self.path);
    }
}

/// Creates a staging directory and locks it. If another download sweeps the directory or its lock
/// in between, this tries again with a new name.
fn make_locked(to: &Path) -> Result<(String, PathBuf, FileLock)> {
    loop {
        let name = format!("{STAGING_PREFIX}{}", atomic::unique_name());
        let path = to.join(&name);
        atomic::create_dir_all(&path)?;
        let lock = path.join(LOCK);
        match FileLock::acquire(&lock, Mode::Exclusive, Duration::ZERO) {
            Ok(held) if read::is_file(&lock)? => return Ok((name, path, held)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Locked | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes the staging directories of killed downloads.
fn sweep(to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(to).on("read directory", to)? {
        let entry = entry.on("read directory", to)?;
        let is_staging =
            entry.file_name().as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes());
        // A link with such a name leads to something else.
        if !is_staging || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let lock = FileLock::try_acquire_existing(&entry.path().join(LOCK), Mode::Exclusive);
        if let Ok(Some(_lock)) = lock {
            // Another download may be sweeping too, so a failure is harmless.
            let _ = atomic::remove_tree(&entry.path());
        }
    }
    Ok(())
}
