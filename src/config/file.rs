//! Reads and changes a settings file, without touching its other content.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::edit;
use super::keys::{Key, find_key};
use super::value::Value;
use crate::error::{Error, ErrorKind, IoResultExt, Result, ResultExt};
use crate::fs::atomic::{self, TempFile};
use crate::fs::guarded::guard;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::name::ProjectName;

/// The maximum size of a settings file in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The format version that this program reads and writes. A newer version is refused.
const FORMAT: i64 = 1;

/// The top-level key of the format version. A file without this key has version 1.
pub(super) const FORMAT_KEY: &str = "format";

/// The maximum wait for another process that changes the same file.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The owner of a settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The user, for all repositories.
    User,
    /// One repository.
    Repository,
}

/// A settings file that can be changed.
///
/// A change keeps the other keys, the comments, the order and the permissions. Each change is
/// atomic and durable. Concurrent changes of one file wait for each other.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    tmp: Option<PathBuf>,
    scope: Scope,
}

impl ConfigFile {
    /// The user's file at `path`, which does not need to exist.
    pub fn user(path: impl Into<PathBuf>) -> Self {
        ConfigFile { path: path.into(), tmp: None, scope: Scope::User }
    }

    /// The file of the repository in the directory `artifacts`.
    pub fn repository(artifacts: &Path) -> Self {
        guard(artifacts);
        ConfigFile {
            path: artifacts.join("config.toml"),
            tmp: Some(artifacts.join("tmp")),
            scope: Scope::Repository,
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Validates `text`, sets the setting `name` to it, and returns the value.
    pub fn set(&self, name: &str, text: &str) -> Result<Value> {
        let key = self.changeable(name)?;
        let value = key.kind.parse(text).map_err(|problem| {
            let shown: String = text.chars().take(80).collect();
            let shown = crate::tree_path::escaped(shown.as_bytes());
            Error::invalid(format!("'{shown}' is not a value of {name}: {problem}"))
                .with_hint(format!("{name} is {}", key.kind))
        })?;
        self.change(|text| edit::set(text, key, &value).map(Some))?;
        Ok(value)
    }

    /// Removes the setting `name` from the file. Returns true if it was set.
    pub fn unset(&self, name: &str) -> Result<bool> {
        let key = self.changeable(name)?;
        if read(&self.path)?.is_none() {
            return Ok(false);
        }
        self.change(|text| edit::unset(text, key))
    }

    /// Returns the key, or an error if this file cannot change it.
    fn changeable(&self, name: &str) -> Result<&'static Key> {
        let key = find_key(name)?;
        if key.fixed && self.scope == Scope::Repository {
            return Err(Error::refused(format!(
                "{name} is fixed since this repository was created: with another value, new \
                 uploads would share nothing with stored content"
            ))
            .with_hint(format!(
                "to change it for new repositories: art config set --user {name} VALUE"
            )));
        }
        Ok(key)
    }

    /// Returns the target of the path if it is a link, otherwise the path itself. Fails for a
    /// dangling link.
    fn real_path(&self) -> Result<PathBuf> {
        if read::try_metadata(&self.path)?.is_some() {
            return std::fs::canonicalize(&self.path).on("find", &self.path);
        }
        if !read::exists(&self.path)? {
            return Ok(self.path.clone());
        }
        let target = std::fs::read_link(&self.path).on("read", &self.path)?;
        let shown = self.path.display();
        Err(Error::not_found(format!(
            "'{shown}' is a link to '{}', which is missing",
            target.display()
        ))
        .with_hint(format!("create the target of the link, or remove the link: rm '{shown}'")))
    }

    /// Reads the file under a lock, passes the text to `edit`, and writes the new text, if there is
    /// one. Returns true if the file was written.
    pub(super) fn change(&self, edit: impl FnOnce(&str) -> Result<Option<String>>) -> Result<bool> {
        // Keep the link: some users link to settings that they keep elsewhere.
        let path = match self.scope {
            Scope::User => self.real_path()?,
            // In a repository, another user may have created the link.
            Scope::Repository => self.path.clone(),
        };
        let parent = path.parent().unwrap_or(Path::new("."));
        if self.scope == Scope::User {
            atomic::create_dir_all(parent)?;
        }
        let _lock = lock(&path)?;
        let text = read_text(&path)?.unwrap_or_default();
        check_format(&path, &parse(&path, &text)?)?;
        let edited = edit(&text).context(|| format!("cannot change '{}'", path.display()))?;
        let Some(edited) = edited else { return Ok(false) };
        let mode = std::fs::metadata(&path).on("read", &path)?.permissions().mode();
        let tmp = self.tmp.as_deref().unwrap_or(parent);
        atomic::create_dir_all(tmp)?;
        let mut new = TempFile::with_mode_in(tmp, mode & 0o777)?;
        new.write_all(edited.as_bytes()).on("write", &path)?;
        new.persist(&path)?;
        Ok(true)
    }
}

/// Locks the file at `path`, which is created if it is missing.
///
/// A change replaces the file, so the lock may be on a file that no longer exists. In that case,
/// the new file is locked.
fn lock(path: &Path) -> Result<FileLock> {
    let identity = || -> Option<(u64, u64)> {
        std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    };
    loop {
        let before = identity();
        let lock = FileLock::acquire(path, Mode::Exclusive, TIMEOUT)?;
        if before.is_some() && before == identity() {
            return Ok(lock);
        }
    }
}

/// Returns true if `path` is a directory, or a file that is empty or begins with a zero byte, as
/// after a system crash. A missing file does not count as lost.
pub fn is_lost(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return false };
    if !found.is_file() {
        return found.is_dir();
    }
    let mut first = [0];
    let read = read::open(path).and_then(|mut file| file.read(&mut first));
    read.is_ok_and(|length| length == 0 || first == [0])
}

/// Returns the defect of a repository's settings file that is not a valid text of settings. Fails if
/// the file cannot be read, or if a newer program wrote it.
pub fn find_defect(path: &Path) -> Result<Option<Error>> {
    match read(path) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Invalid => Ok(Some(
            error
                .context("the settings can't be read; a repair moves them to 'damaged'")
                .with_kind(ErrorKind::Corrupt),
        )),
        Err(error) => Err(error),
    }
}

/// Reads a settings file. Returns `None` if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<toml::Table>> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let table = parse(path, &text)?;
    check_format(path, &table)?;
    Ok(Some(table))
}

fn read_text(path: &Path) -> Result<Option<String>> {
    let file = match read::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).on("read", path),
    };
    let bytes = read::read_to_limit(file, MAX_LEN)
        .on("read", path)
        .map_err(|error| error.with_kind(ErrorKind::Invalid))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            Err(Error::invalid(format!("'{}' is not UTF-8", path.display())).with_source(error))
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<toml::Table> {
    text.parse().map_err(|error| not_toml(path, &error))
}

fn not_toml(path: &Path, error: &impl std::fmt::Display) -> Error {
    // The first lines contain the position. A malicious line must not fill the screen.
    let problem: String = error.to_string().chars().take(300).collect();
    let lines = problem.trim_end().split('\n');
    let shown: Vec<String> = lines.map(|line| crate::tree_path::escaped(line.as_bytes())).collect();
    Error::invalid(format!("'{}' is not valid TOML", path.display()))
        .with_source(shown.join("\n"))
        .with_hint("fix the file, or move it elsewhere")
}

fn check_format(path: &Path, table: &toml::Table) -> Result<()> {
    match table.get(FORMAT_KEY) {
        None => Ok(()),
        Some(toml::Value::Integer(format)) if *format == FORMAT => Ok(()),
        Some(toml::Value::Integer(format)) if *format > FORMAT => Err(Error::new(
            ErrorKind::Unsupported,
            format!("'{}' has format {format}: it was made by a newer art", path.display()),
        )
        .with_hint("install the newest art, then try again")),
        Some(other) => {
            Err(Error::invalid(format!("'{}' has the unknown format {other}", path.display())))
        }
    }
}

/// Returns the text of a new repository's file: its project and its chunk sizes (minimum, average and
/// maximum, in bytes), which are fixed.
pub fn initial(chunk_sizes: [u32; 3], project: Option<&ProjectName>) -> String {
    let mut text = "# The settings of this repository. All effective settings: \
                    `art config list --origin`.\nformat = 1\n"
        .to_owned();
    if let Some(project) = project {
        // No character of a name needs escaping in TOML.
        text.push_str(&format!("\n[core]\nproject = \"{project}\"\n"));
    }
    let [min, avg, max] = chunk_sizes.map(|size| Value::Size(size.into()));
    text.push_str(&format!(
        "\n# The chunk sizes are fixed: with other values, new uploads would share nothing with\n\
         # stored content.\n[content]\nchunk_min = \"{min}\"\nchunk_avg = \"{avg}\"\n\
         chunk_max = \"{max}\"\n"
    ));
    text
}
