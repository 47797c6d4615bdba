//! The outline of a history: the files and directories that are required to read anything. Checks
//! and recreates them.

use std::path::{Path, PathBuf};

use super::ref_check::DAMAGED;
use super::{DIRECTORIES, GIT_CONFIG, History, PACKED_REFS, open_repository, read_config};
use crate::error::{Error, Result};
use crate::fs::atomic;
use crate::fs::read;

/// The required settings in the file `config`: the object format, and no maintenance by git.
const NEEDED: [(&str, &str); 5] = [
    ("core.repositoryformatversion", "1"),
    ("core.bare", "true"),
    ("extensions.objectformat", "sha256"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];

/// The directories that git requires in a repository.
const NEEDED_DIRECTORIES: [&str; 2] = ["objects", "refs"];

impl History {
    /// Returns the damage to the outline of the history in `git_dir`. Each error names the damaged
    /// part. Except for `config`, the contents of existing files are not checked.
    pub fn check_outline(git_dir: &Path) -> Vec<Error> {
        let mut damage = Vec::new();
        let head = git_dir.join("HEAD");
        if !is_file(&head) {
            damage.push(missing(&head, "file"));
        }
        let directories = NEEDED_DIRECTORIES.map(|name| git_dir.join(name));
        damage.extend(
            directories.iter().filter(|path| !is_dir(path)).map(|path| missing(path, "directory")),
        );
        damage.extend(config_damage(git_dir));
        if damage.is_empty() {
            damage.extend(open_repository(git_dir).err());
        }
        damage
    }

    /// Recreates the parts that [`History::check_outline`] finds damaged, and returns their paths
    /// below `git_dir`. Entries in the way are moved to `damaged/`. `HEAD` is created empty, which
    /// [`History::restore_refs`] repairs. The contents of a lost directory are not restored.
    ///
    /// The caller locks out all other writers.
    pub fn restore_outline(git_dir: &Path) -> Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        for name in NEEDED_DIRECTORIES {
            if !read::is_dir(&git_dir.join(name))? {
                move_away(git_dir, name)?;
                made.push(PathBuf::from(name));
            }
        }
        for name in DIRECTORIES {
            atomic::create_dir_all_durably(&git_dir.join(name))?;
        }
        let head = git_dir.join("HEAD");
        if !read::is_file(&head)? {
            move_away(git_dir, "HEAD")?;
            atomic::write(&head, &git_dir.join("tmp"), b"")?;
            made.push(PathBuf::from("HEAD"));
        }
        if is_oversized(&git_dir.join(PACKED_REFS)) {
            move_away(git_dir, PACKED_REFS)?;
            made.push(PathBuf::from(PACKED_REFS));
        }
        if config_damage(git_dir).is_some() || open_repository(git_dir).is_err() {
            restore_config(git_dir)?;
            made.push(PathBuf::from("config"));
        }
        Ok(made)
    }
}

/// Returns true if the file at `path` is longer than a file of refs can be.
fn is_oversized(path: &Path) -> bool {
    let found = read::try_metadata(path).ok().flatten();
    found.is_some_and(|file| file.is_file() && file.len() > read::LARGE)
}

/// Returns true if the path is an accessible file. Otherwise, `missing` gives the reason.
fn is_file(path: &Path) -> bool {
    read::is_file(path).unwrap_or(false)
}

/// Returns true if the path is an accessible directory. Otherwise, `missing` gives the reason.
fn is_dir(path: &Path) -> bool {
    read::is_dir(path).unwrap_or(false)
}

fn missing(path: &Path, what: &str) -> Error {
    let problem = match read::try_entry(path) {
        Err(error) => return error,
        Ok(Some(_)) => format!("is not a {what}"),
        Ok(None) => "is missing".to_owned(),
    };
    Error::corrupt(format!("'{}' {problem}", path.display()))
}

fn config_damage(git_dir: &Path) -> Option<Error> {
    let path = git_dir.join("config");
    if !is_file(&path) {
        return Some(missing(&path, "file"));
    }
    let config = match read_config(git_dir) {
        Ok(config) => config,
        Err(error) => return Some(error),
    };
    let is_so = |key: &str, value: &str| {
        config.string(key).is_some_and(|is| is.eq_ignore_ascii_case(value.as_bytes()))
    };
    // A SHA-1 repository is not damaged, but unsupported.
    if is_so("extensions.objectformat", "sha1") {
        return None;
    }
    let (key, value) = NEEDED.into_iter().find(|(key, value)| !is_so(key, value))?;
    let message = format!("'{}' does not have {key} = {value}", path.display());
    Some(Error::corrupt(message))
}

/// Adds the required settings to `config` and keeps its other settings. An unreadable or unusable
/// file is replaced by that of a new repository.
fn restore_config(git_dir: &Path) -> Result<()> {
    let tmp = git_dir.join("tmp");
    let kept = read_config(git_dir).ok().and_then(|mut config| {
        for (key, value) in NEEDED.into_iter().chain(GIT_CONFIG) {
            config.set_raw_value(key, value).ok()?;
        }
        Some(config.to_bstring())
    });
    move_away(git_dir, "config")?;
    let path = git_dir.join("config");
    if let Some(kept) = kept {
        atomic::write(&path, &tmp, &kept)?;
        if open_repository(git_dir).is_ok() {
            return Ok(());
        }
    }
    let scratch = tmp.join(atomic::unique_name());
    atomic::create_dir_all(&scratch)?;
    let written = History::init(&scratch)
        .and_then(|()| atomic::rename(&scratch.join("config"), &path))
        .and_then(|()| atomic::sync_dir(git_dir));
    // A sweep of tmp/ removes leftovers. Report the first error.
    let _ = atomic::remove_tree(&scratch);
    written
}

/// Moves an existing entry to `damaged/`, to make room for a new one.
fn move_away(git_dir: &Path, name: &str) -> Result<()> {
    let path = git_dir.join(name);
    if !read::exists(&path)? {
        return Ok(());
    }
    atomic::set_aside(&path, &git_dir.join(DAMAGED), name).map(drop)
}
