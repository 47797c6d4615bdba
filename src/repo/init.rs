//! Makes a repository, whole or not at all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DIRECTORY, Repository, outline, unfinished};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::guarded::guard;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::history::History;

impl Repository {
    /// Makes a repository in `directory` (which is made if missing), with `config` as the text of
    /// its settings. One that is there already is left as it is; then this is false.
    pub fn init(directory: &Path, config: &str) -> Result<bool> {
        make(directory, config, None)
    }

    /// As [`Repository::init`], for a clone of the remote at `uri` that is not finished yet.
    pub(crate) fn init_unfinished(directory: &Path, config: &str, uri: &str) -> Result<bool> {
        make(directory, config, Some(uri))
    }

    /// Removes the repositories in `directory` that killed processes were building.
    pub(crate) fn sweep_builds(directory: &Path) -> Result<()> {
        sweep(directory)
    }
}

fn make(directory: &Path, config: &str, clone_of: Option<&str>) -> Result<bool> {
    atomic::create_dir_all(directory)?;
    let target = directory.join(DIRECTORY);
    guard(&target);
    if Repository::is_at(&target)? {
        Repository::check_finished(&target)?;
        History::open(&target).map_err(|error| outline::explain(&target, error))?;
        return Ok(false);
    }
    // What a killed process left is nobody's; that it can't be removed is no reason to fail.
    let _ = sweep(directory);
    let (building, _lock) = claim(directory)?;
    let new = building.join(NEW);
    let made = build(&new, config, clone_of).and_then(|()| put_in_place(&new, &target));
    // Whatever is left of it is nobody's; an error before is the one that counts.
    let _ = atomic::remove_tree(&building);
    made
}

/// Creates and locks a directory to build a repository in.
///
/// Until the lock is held, another process may take the directory for an abandoned one and remove it.
/// Then the next one is tried.
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

/// So often a directory to build in may vanish before `init` fails.
const MAX_CLAIMS: u32 = 100;
/// How the directories begin in which repositories are built.
const BUILDING: &str = ".artifacts-";
/// The repository in such a directory.
const NEW: &str = "new";
/// The file in it that is locked by whoever builds there.
const LOCK: &str = "lock";

fn build(directory: &Path, settings: &str, clone_of: Option<&str>) -> Result<()> {
    atomic::create_dir_all(directory)?;
    History::init(directory)?;
    ContentStore::init(directory)?;
    // An empty file is a damaged one.
    let settings = if settings.is_empty() { "format = 1\n" } else { settings };
    let tmp = directory.join("tmp");
    atomic::write(&directory.join("config.toml"), &tmp, settings.as_bytes())?;
    let Some(uri) = clone_of else { return Ok(()) };
    let (path, text) = unfinished::note(directory, uri);
    atomic::write(&path, &tmp, text.as_bytes())
}

/// Removes the repositories in `directory` that killed processes were building.
fn sweep(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).on("list", directory)? {
        let entry = entry.on("list", directory)?;
        let is_ours = entry.file_name().to_str().is_some_and(is_building_name);
        let lock = entry.path().join(LOCK);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if !read::is_file(&lock)? {
            // Its process was killed before it took the lock, or takes the lock now.
            let _ = atomic::remove_empty_dir(&entry.path());
        } else if let Some(_lock) = FileLock::try_acquire(&lock, Mode::Exclusive)? {
            atomic::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether this is the name of a directory in which a repository is built: `PID-COUNT-UUID` behind the
/// prefix.
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

/// Gives the finished repository its name; false if another process was first.
fn put_in_place(building: &Path, target: &Path) -> Result<bool> {
    if let Err(error) = atomic::rename(building, target) {
        let theirs = read::is_file(&target.join("HEAD"))?;
        atomic::remove_tree(building)?;
        if theirs {
            return Ok(false);
        }
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(Error::refused(format!(
                "'{}' is there and is not a repository",
                target.display()
            ))
            .with_hint("move it away, then: art init"));
        }
        return Err(error);
    }
    atomic::sync_parent(target)?;
    Ok(true)
}
