//! Opens files below a directory without following links on the way. Paths can be of any length.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fchmod, fstat, linkat,
    mkdirat, openat, openat2, readlinkat, renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::deep_path::{DeepPaths, PASS};
use super::stat::Stat;
use crate::error::{IoResultExt, Result};

/// An open directory. Paths are resolved below it and never leave it.
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
    deep: Mutex<DeepPaths>,
}

/// A shorter path is resolved by one call. Handles on the way to a longer path are kept.
const LONG: usize = 1000;

impl Beneath {
    /// Opens the directory at `root`.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty()).on("open directory", root)?;
        Ok(Beneath { root, deep: Mutex::default() })
    }

    /// Like [`Beneath::open`], but the handle can only resolve names, and needs no permission to
    /// list the directory.
    pub(super) fn open_to_pass(root: &Path) -> std::io::Result<Self> {
        let flags = PASS.difference(OFlags::NOFOLLOW);
        Ok(Beneath { root: openat(CWD, root, flags, Mode::empty())?, deep: Mutex::default() })
    }

    /// Opens the directory at `path` with a handle that can only resolve names.
    pub(super) fn pass(&self, path: &[u8]) -> std::result::Result<OwnedFd, Errno> {
        self.resolve(path, PASS)
    }

    /// Returns the handle of the directory.
    pub(super) fn into_handle(self) -> OwnedFd {
        self.root
    }

    /// Opens the regular file at `path` for reading. If another kind of file has replaced it,
    /// opening does not block.
    pub fn open_file(&self, path: &[u8]) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(self.resolve(path, flags)?))
    }

    /// Reads the target of the symbolic link at `path`.
    pub fn read_link(&self, path: &[u8]) -> std::io::Result<Vec<u8>> {
        let target = self.in_parent(path, |parent, name| readlinkat(parent, name, Vec::new()))?;
        Ok(target.into_bytes())
    }

    /// Returns the metadata of the entry at `path`, without following a link. `None` if there is no
    /// entry.
    pub fn stat(&self, path: &[u8]) -> std::io::Result<Option<(FileType, Stat)>> {
        let found =
            self.in_parent(path, |parent, name| statat(parent, name, AtFlags::SYMLINK_NOFOLLOW));
        match found {
            Ok(stat) => {
                let file_type = FileType::from_raw_mode(stat.st_mode);
                Ok(Some((file_type, Stat::from_rustix(&stat))))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a file at `path`, which must not exist, with `mode` minus the umask.
    pub fn create_file(&self, path: &[u8], mode: u32) -> std::io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        Ok(File::from(self.in_parent(path, |parent, name| openat(parent, name, flags, mode))?))
    }

    /// Creates a directory at `path`. The parent must exist.
    pub fn make_dir(&self, path: &[u8]) -> std::io::Result<()> {
        let mode = Mode::from_raw_mode(0o777);
        Ok(self.in_parent(path, |parent, name| mkdirat(parent, name, mode))?)
    }

    /// Gives the file `from` of `source` the second name `path`. A symbolic link is not followed.
    pub fn hard_link(&self, source: &Beneath, from: &[u8], path: &[u8]) -> std::io::Result<()> {
        Ok(source.in_parent(from, |from_parent, from_name| {
            self.in_parent(path, |parent, name| {
                linkat(from_parent, from_name, parent, name, AtFlags::empty())
            })
        })?)
    }

    /// Removes the write permissions of the directory at `path`; empty for this directory.
    pub fn make_read_only(&self, path: &[u8]) -> std::io::Result<()> {
        let seal = |directory: BorrowedFd<'_>| {
            let mode = Mode::from_raw_mode(fstat(directory)?.st_mode & 0o7555);
            fchmod(directory, mode)
        };
        if path.is_empty() {
            return Ok(seal(self.root.as_fd())?);
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(seal(self.resolve(path, flags)?.as_fd())?)
    }

    /// Creates a symbolic link at `path`.
    pub fn make_link(&self, target: &[u8], path: &[u8]) -> std::io::Result<()> {
        Ok(self.in_parent(path, |parent, name| symlinkat(target, parent, name))?)
    }

    /// Removes the file or link at `path`. An absent file is fine.
    pub fn remove_file(&self, path: &[u8]) -> std::io::Result<()> {
        match self.in_parent(path, |parent, name| unlinkat(parent, name, AtFlags::empty())) {
            Err(Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Renames `from` to `to`. If `to` exists, it is replaced if `replace` is set; otherwise the
    /// call fails.
    pub fn rename(&self, from: &[u8], to: &[u8], replace: bool) -> std::io::Result<()> {
        let renamed = self.in_parent(from, |from_parent, from_name| {
            self.in_parent(to, |to_parent, to_name| {
                if replace {
                    return renameat(from_parent, from_name, to_parent, to_name);
                }
                let flags = RenameFlags::NOREPLACE;
                match renameat_with(from_parent, from_name, to_parent, to_name, flags) {
                    // The file system does not support NOREPLACE: check first instead.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        match statat(to_parent, to_name, AtFlags::SYMLINK_NOFOLLOW) {
                            Err(Errno::NOENT) => {
                                renameat(from_parent, from_name, to_parent, to_name)
                            }
                            Ok(_) => Err(Errno::EXIST),
                            Err(error) => Err(error),
                        }
                    }
                    other => other,
                }
            })
        });
        Ok(renamed?)
    }

    /// Calls `act` with the parent directory of `path` and the last component.
    fn in_parent<T>(
        &self,
        path: &[u8],
        act: impl FnOnce(BorrowedFd<'_>, &[u8]) -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        let (parent, name) = split(path);
        if parent.is_empty() {
            return act(self.root.as_fd(), name);
        }
        if path.len() >= LONG {
            return act(self.deep_directory(parent)?.as_fd(), name);
        }
        act(self.resolve(parent, PASS)?.as_fd(), name)
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
        if path.len() < LONG {
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.root, path, flags, Mode::empty(), how) {
                // Old kernels lack the call, and some sandboxes block it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                other => return other,
            }
        }
        let (parent, name) = split(path);
        if parent.is_empty() {
            return openat(&self.root, name, flags, Mode::empty());
        }
        openat(self.deep_directory(parent)?, name, flags, Mode::empty())
    }

    fn deep_directory(&self, path: &[u8]) -> std::result::Result<Arc<OwnedFd>, Errno> {
        let mut deep = self.deep.lock().unwrap_or_else(PoisonError::into_inner);
        deep.open(self.root.as_fd(), path)
    }
}

/// Splits a path at the last slash.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
