//! Directories whose contents another user may have written: repositories and directory remotes.
//!
//! Nothing below a guarded directory is written, created or removed through a symbolic link,
//! because such a link could redirect the write to one of this user's files. The guarded directory
//! itself may be a link, and its path may contain links, because the user named that path.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, statat};
use rustix::io::Errno;

use super::beneath::Beneath;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::tree_path::escaped;

static GUARDED: RwLock<Option<HashSet<PathBuf>>> = RwLock::new(None);

/// Guards `directory` until the process ends, under the given path and the resolved path.
pub fn guard(directory: &Path) {
    let is_known = |guarded: &HashSet<PathBuf>| guarded.contains(directory);
    let known =
        GUARDED.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(is_known);
    if known {
        return;
    }
    let real = std::fs::canonicalize(directory);
    let mut guarded = GUARDED.write().unwrap_or_else(PoisonError::into_inner);
    let guarded = guarded.get_or_insert_default();
    guarded.insert(directory.to_owned());
    guarded.extend(real);
}

/// Returns the outermost guarded directory above `path`.
fn guard_of(path: &Path) -> Option<&Path> {
    let guarded = GUARDED.read().unwrap_or_else(PoisonError::into_inner);
    let guarded = guarded.as_ref()?;
    let is_above = |guard: &&PathBuf| path.starts_with(guard) && path != guard.as_path();
    let outermost =
        guarded.iter().filter(is_above).min_by_key(|guard| guard.components().count())?;
    path.ancestors().find(|above| *above == outermost)
}

/// Returns true if `path` is below a guarded directory.
pub(super) fn is_guarded(path: &Path) -> bool {
    guard_of(path).is_some()
}

/// A path whose parent directory is held open, so that no link can be inserted between a check and
/// a write.
pub(super) struct GuardedPath<'p> {
    /// `None` outside every guarded directory. The whole path is then resolved as usual.
    parent: Option<OwnedFd>,
    name: &'p Path,
    path: &'p Path,
}

impl<'p> GuardedPath<'p> {
    /// Opens the parent directory of `path`. Fails with `Unauthorized` if the path contains a link
    /// below a guarded directory.
    pub(super) fn resolve(action: &str, path: &'p Path) -> Result<Self> {
        let plain = GuardedPath { parent: None, name: path, path };
        let Some(guard) = guard_of(path) else { return Ok(plain) };
        let (Ok(inside), Some(name)) = (path.strip_prefix(guard), path.file_name()) else {
            return Ok(plain);
        };
        if inside.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Ok(plain);
        }
        let root = Beneath::open_to_pass(guard).on(action, path)?;
        let parent = inside.parent().unwrap_or(Path::new(""));
        let parent = if parent.as_os_str().is_empty() {
            root.into_handle()
        } else {
            match root.pass(parent.as_os_str().as_bytes()) {
                Ok(directory) => directory,
                Err(error) => return Err(explain(action, path, error)),
            }
        };
        Ok(GuardedPath { parent: Some(parent), name: Path::new(name), path })
    }

    /// Returns the directory that [`GuardedPath::name`] is relative to.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.parent.as_ref().map_or(CWD, |parent| parent.as_fd())
    }

    /// Returns the last component below a guarded directory, otherwise the whole path.
    pub(super) fn name(&self) -> &'p Path {
        self.name
    }

    /// Opens the regular file. Below a guarded directory, a link is not followed.
    pub(super) fn open(&self, action: &str, flags: OFlags, mode: u32) -> Result<std::fs::File> {
        let follow = if self.parent.is_some() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = flags | follow | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat(self.directory(), self.name, flags, Mode::from_raw_mode(mode));
        let file = file.map_err(|error| explain(action, self.path, error))?;
        let kind = FileType::from_raw_mode(fstat(&file).on("read", self.path)?.st_mode);
        match super::read::refusal(kind) {
            None => Ok(std::fs::File::from(file)),
            Some(refusal) => Err(Error::io(action, self.path, refusal)),
        }
    }

    /// Creates the directory. An existing directory is not an error.
    pub(super) fn make_directory(&self) -> Result<()> {
        let failed = match mkdirat(self.directory(), self.name, Mode::from_raw_mode(0o777)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let found = statat(self.directory(), self.name, AtFlags::SYMLINK_NOFOLLOW);
        match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Directory) => Ok(()),
            Ok(FileType::Symlink) => Err(explain("create directory", self.path, Errno::LOOP)),
            _ => Err(failed).on("create directory", self.path),
        }
    }

    /// Returns the error of a system call on this path.
    pub(super) fn failed(&self, action: &str, error: Errno) -> Error {
        explain(action, self.path, error)
    }
}

/// Returns the error for `path`, which names the link that was in the way, if any.
fn explain(action: &str, path: &Path, error: Errno) -> Error {
    let is_refusal = matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::MLINK);
    let guard = if is_refusal { guard_of(path) } else { None };
    match guard.and_then(|guard| first_link(guard, path)) {
        Some(link) => refused_link(&link),
        None => Error::io(action, path, error.into()),
    }
}

/// Returns the first link between `guard` and `path`.
fn first_link(guard: &Path, path: &Path) -> Option<PathBuf> {
    let mut ways: Vec<&Path> = path.ancestors().take_while(|way| *way != guard).collect();
    ways.reverse();
    let is_link = |way: &&Path| way.symlink_metadata().is_ok_and(|found| found.is_symlink());
    ways.into_iter().find(is_link).map(Path::to_owned)
}

fn refused_link(link: &Path) -> Error {
    let shown = |path: &Path| escaped(path.as_os_str().as_bytes());
    let owner = link.symlink_metadata().map_or_else(
        |_| "an unknown user".to_owned(),
        |found| format!("the user with uid {}", found.uid()),
    );
    let target = std::fs::read_link(link).unwrap_or_default();
    Error::new(
        ErrorKind::Unauthorized,
        format!("'{}' is a symbolic link, and art does not write through it", shown(link)),
    )
    .with_source(format!("the link belongs to {owner} and leads to '{}'", shown(&target)))
    .with_hint(format!("check who made the link, then remove it: rm '{}'", shown(link)))
}
