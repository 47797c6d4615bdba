//! Detects, reports and repairs a repository that cannot be opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Repository, lock};
use crate::config;
use crate::content::{ContentStore, Params};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::guarded::guard;
use crate::fs::read;
use crate::history::History;
use crate::name::ProjectName;

/// The directories of the content store that are required for reading.
const CONTENT: [&str; 2] = ["packs", "index"];

impl Repository {
    /// Returns true if `directory` is a repository, or the remains of one without `HEAD`.
    ///
    /// Fails if `directory` cannot be read.
    pub fn is_at(directory: &Path) -> Result<bool> {
        Ok(read::is_file(&directory.join("HEAD"))? || has_ours(directory)?)
    }

    /// Returns the damage that prevents the repository at `directory` from being opened. Each error
    /// names the damaged file or directory.
    ///
    /// Fails with [`ErrorKind::NotARepository`] if there is no repository, not even a damaged one,
    /// with [`ErrorKind::Unsupported`] if it is of another kind, and with
    /// [`ErrorKind::Unauthorized`] if a part cannot be read: such a part may be sound.
    pub fn check_outline(directory: &Path) -> Result<Vec<Error>> {
        guard(directory);
        if !has_ours(directory)? {
            if !read::is_dir(directory)? {
                return Err(super::not_a_repository(directory));
            }
            return History::open(directory).map(|_| Vec::new());
        }
        let mut damage = History::check_outline(directory);
        damage.extend(match missing_settings(directory)? {
            None => config::find_defect(&directory.join(SETTINGS))?,
            missing => missing,
        });
        let paths = CONTENT.map(|name| directory.join(name));
        for path in &paths {
            if !read::is_dir(path)? {
                let message = format!("the directory '{}' is missing", path.display());
                damage.push(Error::corrupt(message));
            }
        }
        match damage.iter().position(|error| error.kind() == ErrorKind::Unauthorized) {
            Some(at) => Err(unreadable(directory, damage.swap_remove(at))),
            None => Ok(damage),
        }
    }

    /// Fails with [`ErrorKind::Corrupt`] if the settings of the repository at `directory` are lost. A
    /// change of the settings would write a file that names no project.
    pub fn check_settings(directory: &Path) -> Result<()> {
        match missing_settings(directory)? {
            None => Ok(()),
            Some(error) => Err(error.with_hint("restore the settings: art fsck --repair")),
        }
    }

    /// Makes again what [`Repository::check_outline`] finds damaged, and gives the paths below
    /// `directory`. It can be opened then; what is lost beyond that is for a check to tell.
    pub fn restore_outline(directory: &Path, timeout: Duration) -> Result<Vec<PathBuf>> {
        if Self::check_outline(directory)?.is_empty() {
            return Ok(Vec::new());
        }
        let _lock = lock::acquire_exclusive(directory, timeout)?;
        atomic::create_dir_all(&directory.join("tmp"))?;
        let mut made = History::restore_outline(directory)?;
        // Invalid settings are replaced only if the project is known: a user can correct them.
        let is_invalid = || -> Result<bool> {
            let defect = config::find_defect(&directory.join(SETTINGS))?;
            Ok(defect.is_some() && find_project(directory).is_some())
        };
        if missing_settings(directory)?.is_some() || is_invalid()? {
            restore_settings(directory)?;
            made.push(PathBuf::from(SETTINGS));
        }
        for name in CONTENT {
            if !read::is_dir(&directory.join(name))? {
                made.push(PathBuf::from(name));
            }
        }
        ContentStore::init(directory)?;
        Ok(made)
    }
}

/// The file of a repository's own settings.
const SETTINGS: &str = "config.toml";

/// Returns the error for a repository whose settings file is lost. The file names the project and
/// the remotes, and no other project may take their place.
pub(super) fn missing_settings(directory: &Path) -> Result<Option<Error>> {
    let path = directory.join(SETTINGS);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            Ok(Some(Error::corrupt(format!("'{}' is a directory", path.display()))))
        }
        Ok(_) if config::is_lost(&path) => {
            Ok(Some(Error::corrupt(format!("'{}' is empty or holds zero bytes", path.display()))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Some(Error::corrupt(format!("'{}' is missing", path.display()))))
        }
        Err(error) => Err(error).on("read", &path),
    }
}

/// Writes the settings of a new repository, for the project of the newest operation.
fn restore_settings(directory: &Path) -> Result<()> {
    let path = directory.join(SETTINGS);
    if std::fs::symlink_metadata(&path).is_ok() {
        atomic::set_aside(&path, &directory.join("damaged"), SETTINGS)?;
    }
    let project = find_project(directory);
    let text = config::initial(Params::default().chunk_sizes(), project.as_ref());
    atomic::write(&path, &directory.join("tmp"), text.as_bytes())
}

/// Returns the project that the history in `directory` names.
fn find_project(directory: &Path) -> Option<ProjectName> {
    History::open(directory).ok().and_then(|history| last_project(&history))
}

/// Returns the project of the newest operation, otherwise of any ref.
fn last_project(history: &History) -> Option<ProjectName> {
    let operations = history.operations().ok().into_iter().flatten().filter_map(Result::ok);
    let mut changes = operations.flat_map(|operation| operation.changes);
    let name = changes.next().map(|change| change.name);
    let any = || history.list_refs("refs/").ok()?.refs.into_iter().next().map(|(name, _)| name);
    name.or_else(any).map(|name| name.project().clone())
}

/// Returns true if `directory` contains something that only `art` creates.
fn has_ours(directory: &Path) -> Result<bool> {
    Ok(read::is_dir(&directory.join("packs"))?
        || read::is_file(&directory.join("config.toml"))?
        || read::is_file(&directory.join("operations.jsonl"))?)
}

/// The error for a repository with a part that this user may not read.
fn unreadable(directory: &Path, error: Error) -> Error {
    let shown = directory.display();
    error
        .context(format!("the repository '{shown}' cannot be read"))
        .with_hint(format!("ask its owner for access; see the modes: ls -la '{shown}'"))
}

/// Returns the error for a repository that cannot be opened, with the damage if it is known.
pub(super) fn explain(directory: &Path, error: Error) -> Error {
    let damage = match Repository::check_outline(directory) {
        Err(denied) if denied.kind() == ErrorKind::Unauthorized => return denied,
        other => other.unwrap_or_default(),
    };
    match damage.into_iter().next() {
        None => error,
        Some(first) => {
            let message = format!("the repository '{}' is damaged", directory.display());
            Error::new(ErrorKind::Corrupt, message)
                .with_source(first)
                .with_hint("see all damage: art fsck; repair it: art fsck --repair")
        }
    }
}
