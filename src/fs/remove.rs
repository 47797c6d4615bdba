//! Removes a directory and its contents, at any depth, without following links. Read-only
//! directories are made writable first.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::{Errno, Result};

/// Removes the entry `name` of `directory`, including the contents of a directory.
///
/// Nested directories are moved up to the top before they are emptied. A tree of any depth
/// therefore needs only two handles and no long path.
pub(super) fn remove_tree<P: rustix::path::Arg + Copy>(
    directory: BorrowedFd<'_>,
    name: P,
) -> Result<()> {
    match unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTDIR) => return unlinkat(directory, name, AtFlags::empty()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        // Some systems refuse before they check whether the directory is empty.
        other => return other,
    }
    let top = open_directory(directory, name)?;
    let mut count = 0_u64;
    loop {
        let below = empty(top.as_fd(), None, &mut count)?;
        if below.is_empty() {
            return unlinkat(directory, name, AtFlags::REMOVEDIR);
        }
        for inner in below {
            let Some(opened) = absent_as_none(open_directory(top.as_fd(), inner.as_c_str()))?
            else {
                continue;
            };
            empty(opened.as_fd(), Some(top.as_fd()), &mut count)?;
            absent_as_none(unlinkat(&top, inner.as_c_str(), AtFlags::REMOVEDIR))?;
        }
    }
}

fn open_directory<P: rustix::path::Arg>(directory: BorrowedFd<'_>, name: P) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// Removes the contents of `directory`. Directories that are not empty move to `top`. Without
/// `top`, their names are returned.
fn empty(
    directory: BorrowedFd<'_>,
    top: Option<BorrowedFd<'_>>,
    count: &mut u64,
) -> Result<Vec<CString>> {
    make_writable(directory);
    let mut left = Vec::new();
    let names: Vec<(CString, FileType)> = Dir::read_from(directory)?
        .map(|entry| entry.map(|entry| (entry.file_name().to_owned(), entry.file_type())))
        .collect::<Result<_>>()?;
    for (name, kind) in names {
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match kind {
            FileType::Unknown => {
                match absent_as_none(statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW))? {
                    Some(stat) => FileType::from_raw_mode(stat.st_mode),
                    None => continue,
                }
            }
            known => known,
        };
        if kind != FileType::Directory {
            absent_as_none(unlinkat(directory, &name, AtFlags::empty()))?;
            continue;
        }
        match unlinkat(directory, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        match top {
            None => left.push(name),
            Some(top) => move_up(directory, &name, top, count)?,
        }
    }
    Ok(left)
}

/// Moves a directory to `top` under an unused name.
fn move_up(
    directory: BorrowedFd<'_>,
    name: &CString,
    top: BorrowedFd<'_>,
    count: &mut u64,
) -> Result<()> {
    let mut is_retry = false;
    loop {
        *count += 1;
        // The system refuses a name that a directory with contents has.
        match renameat(directory, name, top, format!("{}-{count}", std::process::id())) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            Err(Errno::NOENT) => return Ok(()),
            // A directory that moves must itself be writable.
            Err(Errno::ACCESS) if !is_retry => {
                is_retry = true;
                make_writable(open_directory(directory, name.as_c_str())?.as_fd());
            }
            other => return other,
        }
    }
}

/// Lets the owner change the entries of `directory`. If this fails, so does the removal.
fn make_writable(directory: BorrowedFd<'_>) {
    let Ok(found) = fstat(directory) else { return };
    let mode = Mode::from_raw_mode(found.st_mode & 0o7777);
    if !mode.contains(Mode::RWXU) {
        let _ = fchmod(directory, mode | Mode::RWXU);
    }
}

fn absent_as_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, mkdirat};

    use super::*;

    #[test]
    fn a_very_deep_tree_is_removed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        crate::fs::atomic::write(&outside, directory.path(), b"kept").unwrap();
        let tree = directory.path().join("tree");
        crate::fs::atomic::create_dir_all(&tree).unwrap();
        std::os::unix::fs::symlink(directory.path(), tree.join("link")).unwrap();
        let mut at = open_directory(CWD, &tree).unwrap();
        for _ in 0..3000 {
            mkdirat(&at, "d", Mode::from_raw_mode(0o777)).unwrap();
            mkdirat(&at, "e", Mode::from_raw_mode(0o777)).unwrap();
            at = open_directory(at.as_fd(), "d").unwrap();
        }
        remove_tree(CWD, &tree).unwrap();
        assert!(tree.symlink_metadata().is_err());
        assert!(outside.symlink_metadata().is_ok());
        assert_eq!(remove_tree(CWD, &tree), Err(Errno::NOENT));
    }

    #[test]
    fn read_only_directories_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        crate::fs::atomic::create_dir_all(&tree.join("a/b/c")).unwrap();
        crate::fs::atomic::write(&tree.join("a/b/c/file"), directory.path(), b"x").unwrap();
        for path in ["a/b/c", "a/b", "a", ""] {
            let opened = open_directory(CWD, tree.join(path)).unwrap();
            fchmod(&opened, Mode::from_raw_mode(0o555)).unwrap();
        }
        remove_tree(CWD, &tree).unwrap();
        assert!(tree.symlink_metadata().is_err());
    }
}
