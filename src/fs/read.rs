//! Reads files that another user, another program or a damaged disk may have changed. Reading never
//! waits for a pipe or a device, and never returns more bytes than expected.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use crate::error::{Error, IoResultExt, Result};

/// The maximum size of a small file: settings, a ref, an ignore file.
pub const SMALL: u64 = 1 << 20;
/// The maximum size of a file that has one line for each of many objects.
pub const LARGE: u64 = 1 << 30;

/// Opens the regular file at `path` for reading. A named pipe, a socket, a device or a directory is
/// an error. Opening never blocks.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => check_regular(File::from(file)),
        // The error for a socket, and for a device without a driver.
        Err(error @ (rustix::io::Errno::NXIO | rustix::io::Errno::NODEV)) => {
            let kind = rustix::fs::stat(path).map(|found| FileType::from_raw_mode(found.st_mode));
            Err(kind.ok().and_then(refusal).unwrap_or_else(|| error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a file that the user names, which may be a pipe such as a shell's `<(command)`. Neither this
/// nor a read of the file waits for a writer: the caller waits, and bounds what is read.
pub fn open_given(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(openat(CWD, path, flags, Mode::empty())?))
}

/// Returns `file` if it is a regular file. Otherwise, fails.
pub fn check_regular(file: File) -> io::Result<File> {
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    match refusal(kind) {
        None => Ok(file),
        Some(refusal) => Err(refusal),
    }
}

/// Returns the error for a file of this kind, or `None` for a regular file.
pub(super) fn refusal(kind: FileType) -> Option<io::Error> {
    match kind {
        FileType::RegularFile => None,
        FileType::Directory => Some(io::ErrorKind::IsADirectory.into()),
        other => {
            let message = format!("expected a file, found {}", describe(other));
            Some(io::Error::other(Error::corrupt(message)))
        }
    }
}

/// Returns the name of a kind of file, for a message.
pub(crate) fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Socket => "a socket",
        FileType::Fifo => "a named pipe",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Unknown => "an unknown kind of file",
    }
}

/// Reads the regular file at `path`. Fails if it has more than `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_to_limit(open(path)?, limit)
}

/// Reads the text of the regular file at `path`. Fails if it has more than `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8");
    String::from_utf8(read_bounded(path, limit)?).map_err(not_text)
}

/// Reads `file`. Fails if it has more than `limit` bytes.
pub fn read_to_limit(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= limit {
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > limit {
        let message = format!("the file has {size} bytes, more than the limit of {limit}");
        return Err(io::Error::other(Error::corrupt(message)));
    }
    Ok(bytes)
}

/// Returns true if the error means that `path` has no entry: either the entry is missing, or a
/// parent is a file. Any other error does not tell whether the entry exists.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns the metadata of `path`, following links. `None` only if the target does not exist.
pub fn try_metadata(path: &Path) -> Result<Option<std::fs::Metadata>> {
    absent_as_none(std::fs::metadata(path)).on("access", path)
}

/// Returns the metadata of the entry `path`, without following a link. `None` only if there is no
/// entry.
pub fn try_entry(path: &Path) -> Result<Option<std::fs::Metadata>> {
    absent_as_none(std::fs::symlink_metadata(path)).on("access", path)
}

fn absent_as_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns true if `path` is a regular file or a link to one. An inaccessible entry is an error.
pub fn is_file(path: &Path) -> Result<bool> {
    Ok(try_metadata(path)?.is_some_and(|found| found.is_file()))
}

/// Returns true if `path` is a directory or a link to one. An inaccessible entry is an error.
pub fn is_dir(path: &Path) -> Result<bool> {
    Ok(try_metadata(path)?.is_some_and(|found| found.is_dir()))
}

/// Returns true if `path` has an entry, including a dangling link.
pub fn exists(path: &Path) -> Result<bool> {
    Ok(try_entry(path)?.is_some())
}

/// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `path` can't become a directory:
/// `path` or a parent is a file, or a symbolic link without a target.
pub fn check_directory_path(path: &Path) -> Result<()> {
    for level in path.ancestors().filter(|level| !level.as_os_str().is_empty()) {
        let shown = level.display();
        match try_metadata(level)? {
            Some(found) if found.is_dir() => break,
            Some(_) => {
                return Err(Error::invalid(format!("'{shown}' is not a directory"))
                    .with_hint("name another directory"));
            }
            None if exists(level)? => {
                let message = format!("'{shown}' is a symbolic link that leads nowhere");
                return Err(Error::invalid(message).with_hint(format!(
                    "create the directory that the link names, or remove the link: rm '{shown}'"
                )));
            }
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::fs::atomic;

    #[test]
    fn pipes_sockets_and_devices_are_named_without_blocking() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (pipe.as_path(), "a named pipe"),
            (socket.as_path(), "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = open(path).on("read", path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(error.causes(), [format!("expected a file, found {kind}")]);
        }
        assert!(open(directory.path()).is_err());
    }

    #[test]
    fn a_file_over_the_limit_is_refused_with_both_sizes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        atomic::write(&path, directory.path(), b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        let error = read_bounded(&path, 4).on("read", &path).unwrap_err();
        assert_eq!(error.causes(), ["the file has 5 bytes, more than the limit of 4"]);
    }

    #[test]
    fn only_a_missing_entry_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        atomic::write(&file, directory.path(), b"").unwrap();
        assert!(is_file(&file).unwrap());
        assert!(!is_file(&file.join("below")).unwrap());
        assert!(!is_dir(&directory.path().join("none")).unwrap());
        let turns = directory.path().join("loop");
        std::os::unix::fs::symlink("loop", &turns).unwrap();
        assert!(exists(&turns).unwrap());
        assert!(is_file(&turns).is_err());
    }
}
