//! Creates a repository atomically.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DIRECTORY, Repository, Settings, git_exclude, outline, unfinished};
use crate::config;
use crate::content::{ContentStore, Params};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::guarded::guard;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::history::History;
use crate::name::ProjectName;

impl Repository {
    /// Creates a repository in `directory` and opens it. The directory is created if it is missing.
    /// The repository belongs to the project of `settings`, and its chunk sizes are those of
    /// `settings`. A surrounding Git repository is told to ignore it.
    ///
    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if a repository already exists in
    /// `directory`.
    pub fn create(directory: &Path, settings: Settings) -> Result<Self> {
        if !Self::init(directory, &settings.params, Some(&settings.project))? {
            let message = format!("a repository already exists in '{}'", directory.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_hint("use the existing repository, or name another directory"));
        }
        let repository = directory.canonicalize().on("read", directory)?.join(DIRECTORY);
        // The outer Git repository belongs to someone else. A failure is not an error.
        let _ = git_exclude::exclude(&repository);
        Self::open(&repository, settings)
    }

    /// Creates a repository in `directory`, which is created if it is missing, for `project` and with
    /// the chunk sizes of `params`. Returns false, without changes, if a repository already exists.
    pub(crate) fn init(
        directory: &Path,
        params: &Params,
        project: Option<&ProjectName>,
    ) -> Result<bool> {
        make(directory, &config::initial(params.chunk_sizes(), project), None)
    }

    /// Like [`Repository::init`], for an unfinished clone of the remote at `uri`.
    pub(crate) fn init_unfinished(
        directory: &Path,
        params: &Params,
        project: Option<&ProjectName>,
        uri: &str,
    ) -> Result<bool> {
        make(directory, &config::initial(params.chunk_sizes(), project), Some(uri))
    }

    /// Removes the unfinished repositories of killed processes in `directory`.
    pub(crate) fn sweep_builds(directory: &Path) -> Result<()> {
        sweep(directory)
    }
}

fn make(directory: &Path, config: &str, clone_of: Option<&str>) -> Result<bool> {
    read::check_directory_path(directory)?;
    atomic::create_dir_all(directory)?;
    let target = directory.join(DIRECTORY);
    guard(&target);
    if Repository::is_at(&target)? {
        Repository::check_finished(&target)?;
        History::open(&target).map_err(|error| outline::explain(&target, error))?;
        return Ok(false);
    }
    // Remove leftovers of killed processes. Failing to do so is not an error.
    let _ = sweep(directory);
    let (building, _lock) = claim(directory).map_err(|error| {
        let shown = directory.display();
        let error = match error.kind() {
            ErrorKind::Unauthorized => error.with_hint(format!(
                "make the directory writable, or name another one; see: ls -ld '{shown}'"
            )),
            _ => error,
        };
        error.context(format!("cannot create a repository in '{shown}'"))
    })?;
    let new = building.join(NEW);
    let made = build(&new, config, clone_of).and_then(|()| put_in_place(&new, &target));
    // Remove the leftovers. An error of the build is more important than one of the removal.
    let _ = atomic::remove_tree(&building);
    made
}

/// Creates and locks a directory in which to build a repository.
///
/// Until the lock is held, another process may treat the directory as abandoned and remove it. Then
/// this function tries again.
fn claim(directory: &Path) -> Result<(PathBuf, FileLock)> {
    let mut tries = 0;
    loop {
        let building = directory.join(format!("{BUILDING}{}", atomic::unique_name()));
        atomic::create_dir_all(&building)?;
        let lock = building.join(LOCK);
        match FileLock::acquire(&lock, Mode::Exclusive, Duration::ZERO) {
            Ok(held) if read::is_file(&lock)? => return Ok((building, held)),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Locked) => {
                let _ = atomic::remove_tree(&building);
                return Err(error);
            }
            Err(error) if tries == MAX_CLAIMS => return Err(error),
            _ => tries += 1,
        }
    }
}

/// The number of times that the build directory may disappear before `init` fails.
const MAX_CLAIMS: u32 = 100;
/// The prefix of directories in which repositories are built.
const BUILDING: &str = ".artifacts-";
/// The repository in a build directory.
const NEW: &str = "new";
/// The lock file in a build directory. The building process holds the lock.
const LOCK: &str = "lock";

fn build(directory: &Path, settings: &str, clone_of: Option<&str>) -> Result<()> {
    atomic::create_dir_all(directory)?;
    History::init(directory)?;
    ContentStore::init(directory)?;
    let tmp = directory.join("tmp");
    atomic::write(&directory.join("config.toml"), &tmp, settings.as_bytes())?;
    let Some(uri) = clone_of else { return Ok(()) };
    let (path, text) = unfinished::note(directory, uri);
    atomic::write(&path, &tmp, text.as_bytes())
}

/// Removes the unfinished repositories of killed processes in `directory`.
fn sweep(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).on("list", directory)? {
        let entry = entry.on("list", directory)?;
        let is_ours = entry.file_name().to_str().is_some_and(is_building_name);
        let lock = entry.path().join(LOCK);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if !read::is_file(&lock)? {
            // The process was killed before it took the lock, or is about to take it.
            let _ = atomic::remove_empty_dir(&entry.path());
        } else if let Some(_lock) = FileLock::try_acquire(&lock, Mode::Exclusive)? {
            atomic::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns true if this is the name of a build directory: the prefix followed by `PID-COUNT-UUID`.
fn is_building_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(BUILDING) else { return false };
    let parts: Vec<&str> = rest.split('-').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [process, count, unique] => {
            is_number(process) && is_number(count) && uuid::Uuid::try_parse(unique).is_ok()
        }
        _ => false,
    }
}

/// Renames the finished repository to its final name. Returns false if another process was faster.
fn put_in_place(building: &Path, target: &Path) -> Result<bool> {
    if let Err(error) = atomic::rename(building, target) {
        let theirs = read::is_file(&target.join("HEAD"))?;
        atomic::remove_tree(building)?;
        if theirs {
            return Ok(false);
        }
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(Error::refused(format!(
                "'{}' already exists and is not a repository",
                target.display()
            ))
            .with_hint("move it elsewhere, then run: art init"));
        }
        return Err(error);
    }
    atomic::sync_parent(target)?;
    Ok(true)
}
