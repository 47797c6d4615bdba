//! A file of settings: read, and changed without touching what else stands in it.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::edit;
use super::keys::{Key, find_key};
use super::layers::Config;
use super::value::Value;
use crate::error::{Error, ErrorKind, IoResultExt, Result, ResultExt};
use crate::fs::atomic::{self, TempFile};
use crate::fs::guarded::guard;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::name::ProjectName;

/// The longest file that is read, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The number of the layout that this program reads and writes; a larger one is refused.
const FORMAT: i64 = 1;

/// The key of that number, at the top of the file; a file without it has the first layout.
pub(super) const FORMAT_KEY: &str = "format";

/// How long to wait for another process that changes the same file.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The user's, for all repositories.
    User,
    /// One repository's.
    Repository,
}

/// A file of settings that can be changed.
///
/// A change keeps the other keys, the comments, the order and the permissions. It becomes visible
/// whole and durable; two processes that change one file take turns.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    tmp: Option<PathBuf>,
    scope: Scope,
}

impl ConfigFile {
    /// The user's file at `path`; it need not exist.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the setting called `name` to `text`, checked, and returns the value.
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

    /// Takes the setting called `name` out of the file. Returns whether it was there.
    pub fn unset(&self, name: &str) -> Result<bool> {
        let key = self.changeable(name)?;
        if read(&self.path)?.is_none() {
            return Ok(false);
        }
        self.change(|text| edit::unset(text, key))
    }

    /// The key, if this file may change it.
    fn changeable(&self, name: &str) -> Result<&'static Key> {
        let key = find_key(name)?;
        if key.fixed && self.scope == Scope::Repository {
            return Err(Error::refused(format!(
                "{name} was settled when this repository was made: cut in another way, new uploads \
                 would share nothing with what is stored"
            ))
            .with_hint("set it in the user's file; it counts for repositories made from then on"));
        }
        Ok(key)
    }

    /// The file that the path leads to, or the path itself if nothing is there.
    fn real_path(&self) -> Result<PathBuf> {
        if read::try_metadata(&self.path)?.is_some() {
            return std::fs::canonicalize(&self.path).on("find", &self.path);
        }
        if !read::is_there(&self.path)? {
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

    /// Reads the file under a lock and writes the text that `edit` makes of it, if it makes one.
    pub(super) fn change(&self, edit: impl FnOnce(&str) -> Result<Option<String>>) -> Result<bool> {
        // A link, as people keep who have their settings elsewhere, stays one.
        let path = match self.scope {
            Scope::User => self.real_path()?,
            // In a repository, a link may be another user's.
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

/// Locks the file at `path`, which is made if missing.
///
/// A change puts another file in its place, so the lock may turn out to be on a file that is gone;
/// then the new one is locked.
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

/// Whether a directory stands in the place of the file at `path`, or the file is empty or holds zero bytes,
/// as a crash of the machine may leave it. A missing file is not lost.
pub fn is_lost(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return false };
    if !found.is_file() {
        return found.is_dir();
    }
    let mut first = [0];
    let read = read::open(path).and_then(|mut file| file.read(&mut first));
    read.is_ok_and(|length| length == 0 || first == [0])
}

/// The content of a file of settings; `None` if there is none.
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
    // The first lines say where; a hostile line must not fill the screen.
    let problem: String = error.to_string().chars().take(300).collect();
    let lines = problem.trim_end().split('\n');
    let shown: Vec<String> = lines.map(|line| crate::tree_path::escaped(line.as_bytes())).collect();
    Error::invalid(format!("'{}' is not TOML", path.display()))
        .with_source(shown.join("\n"))
        .with_hint("edit the file, or move it away")
}

fn check_format(path: &Path, table: &toml::Table) -> Result<()> {
    match table.get(FORMAT_KEY) {
        None => Ok(()),
        Some(toml::Value::Integer(format)) if *format == FORMAT => Ok(()),
        Some(toml::Value::Integer(format)) if *format > FORMAT => Err(Error::new(
            ErrorKind::Unsupported,
            format!("'{}' has format {format}: it was made by a newer art", path.display()),
        )
        .with_hint("install the newest art and try again")),
        Some(other) => Err(Error::invalid(format!(
            "'{}' says format {other}, which never was",
            path.display()
        ))),
    }
}

/// The text of a new repository's file: its project, and what is settled for good.
pub fn initial(config: &Config, project: Option<&ProjectName>) -> Result<String> {
    let content = config.content()?;
    let mut text = "# The settings of this repository; `art config list --origin` shows all that \
                    apply.\nformat = 1\n"
        .to_owned();
    if let Some(project) = project {
        // A name has no character that TOML would want escaped.
        text.push_str(&format!("\n[core]\nproject = \"{project}\"\n"));
    }
    let [min, avg, max] = [content.chunk_min, content.chunk_avg, content.chunk_max]
        .map(|size| Value::Size(size.into()));
    text.push_str(&format!(
        "\n# How contents are cut, settled for good: cut in another way, new uploads would share\n\
         # nothing with what is stored.\n[content]\nchunk_min = \"{min}\"\nchunk_avg = \"{avg}\"\n\
         chunk_max = \"{max}\"\n"
    ));
    Ok(text)
}
