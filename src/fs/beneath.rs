//! Opens files below a directory without following any link on the way, however long the path.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::error::{IoResultExt, Result};

/// A directory that is held open; paths are resolved below it and never leave it.
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
}

/// The longest path that one system call takes.
const LONG: usize = 4000;

impl Beneath {
    /// Holds the directory at `root` open.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty()).on("open directory", root)?;
        Ok(Beneath { root })
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

    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
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

    fn resolve_by_component(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let through = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
