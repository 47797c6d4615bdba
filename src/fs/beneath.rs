//! Opens files below a directory without following any link on the way, however long the path.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, mkdirat, openat, openat2,
    readlinkat, renameat, renameat_with, statat, symlinkat,
};
use rustix::io::Errno;

use super::stat::Stat;
use crate::error::{IoResultExt, Result};

/// A directory that is held open; paths are resolved below it and never leave it.
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
}

/// How a directory is opened that is only passed through.
const PASS: OFlags = OFlags::DIRECTORY.union(OFlags::PATH).union(OFlags::CLOEXEC);

/// The longest path that one system call takes.
const LONG: usize = 4000;

impl Beneath {
    /// Holds the directory at `root` open.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty()).on("open directory", root)?;
        Ok(Beneath { root })
    }

    /// As [`Beneath::open`], with a handle that only names below it are resolved from: it needs no
    /// permission to list the directory.
    pub(super) fn open_to_pass(root: &Path) -> std::io::Result<Self> {
        Ok(Beneath { root: openat(CWD, root, PASS, Mode::empty())? })
    }

    /// A handle of the directory at `path` that only names below it are resolved from.
    pub(super) fn pass(&self, path: &[u8]) -> std::result::Result<OwnedFd, Errno> {
        self.resolve(path, PASS | OFlags::NOFOLLOW)
    }

    /// The handle of the directory itself.
    pub(super) fn into_handle(self) -> OwnedFd {
        self.root
    }

    /// Opens the regular file at `path` for reading. What is no file by now does not block.
    pub fn open_file(&self, path: &[u8]) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(self.resolve(path, flags)?))
    }

    /// The target of the symbolic link at `path`.
    pub fn read_link(&self, path: &[u8]) -> std::io::Result<Vec<u8>> {
        let (parent, name) = split(path);
        let target = if parent.is_empty() {
            readlinkat(&self.root, name, Vec::new())?
        } else {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            readlinkat(self.resolve(parent, flags)?, name, Vec::new())?
        };
        Ok(target.into_bytes())
    }

    /// The metadata of what is at `path`, itself if it is a link; `None` if nothing is.
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

    /// A new file at `path`, which must not exist; `mode` less the umask.
    pub fn create_file(&self, path: &[u8], mode: u32) -> std::io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        Ok(File::from(self.in_parent(path, |parent, name| openat(parent, name, flags, mode))?))
    }

    /// A new directory at `path`, whose parent exists.
    pub fn make_dir(&self, path: &[u8]) -> std::io::Result<()> {
        let mode = Mode::from_raw_mode(0o777);
        Ok(self.in_parent(path, |parent, name| mkdirat(parent, name, mode))?)
    }

    /// A new symbolic link at `path`.
    pub fn make_link(&self, target: &[u8], path: &[u8]) -> std::io::Result<()> {
        Ok(self.in_parent(path, |parent, name| symlinkat(target, parent, name))?)
    }

    /// Moves what is at `from` to `to`. What stands there is replaced if `replace`, else it is an
    /// error.
    pub fn rename(&self, from: &[u8], to: &[u8], replace: bool) -> std::io::Result<()> {
        let renamed = self.in_parent(from, |from_parent, from_name| {
            self.in_parent(to, |to_parent, to_name| {
                if replace {
                    return renameat(from_parent, from_name, to_parent, to_name);
                }
                let flags = RenameFlags::NOREPLACE;
                match renameat_with(from_parent, from_name, to_parent, to_name, flags) {
                    // File systems that can't promise it: the look before has to do.
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

    /// Calls `act` with the directory that holds `path`, and the last name.
    fn in_parent<T>(
        &self,
        path: &[u8],
        act: impl FnOnce(BorrowedFd<'_>, &[u8]) -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        let (parent, name) = split(path);
        if parent.is_empty() {
            return act(self.root.as_fd(), name);
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        act(self.resolve(parent, flags)?.as_fd(), name)
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
        if path.len() < LONG {
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.root, path, flags, Mode::empty(), how) {
                // Older kernels, and sandboxes that hide the call.
                Err(Errno::NOSYS | Errno::PERM) => {}
                other => return other,
            }
        }
        self.resolve_by_component(path, flags)
    }

    fn resolve_by_component(
        &self,
        path: &[u8],
        flags: OFlags,
    ) -> std::result::Result<OwnedFd, Errno> {
        let through = PASS | OFlags::NOFOLLOW;
        let (parents, name) = split(path);
        let mut directory: Option<OwnedFd> = None;
        for component in parents.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            let from = directory.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
            directory = Some(openat(from, component, through, Mode::empty())?);
        }
        let from = directory.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
        openat(from, name, flags, Mode::empty())
    }
}

/// What stands before and after the last slash.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
