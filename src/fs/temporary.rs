//! Removes temporary files whose writers ended. A running writer holds a lock on each of its files.
//! The kernel releases the lock when the writer ends, even if it is killed.

use std::fs::TryLockError;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::guarded::GuardedPath;
use super::{atomic, read};
use crate::error::{IoResultExt, Result};

/// The age, in nanoseconds, from which a temporary entry without a lock can be removed. Applies to
/// directories, and to files on file systems without locks.
const OLD: i64 = 24 * 3600 * 1_000_000_000;

/// Removes the temporary files and directories in `directory` that no running writer holds. `now`
/// is the time by the clock of the file system, in nanoseconds since 1970.
pub fn sweep(directory: &Path, now: i64) -> Result<()> {
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let entry = entry.on("read directory", directory)?;
        if !is_temporary(entry.file_name().as_encoded_bytes()) {
            continue;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_file() => sweep_file(&path, now),
            Ok(kind) if kind.is_dir() && is_old(&path, now) => {
                // If removal fails, the next sweep tries again.
                let _ = atomic::remove_tree(&path);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns true if the name has the format of [`atomic::unique_name`]: a process id, a count and a
/// random number.
fn is_temporary(name: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let parts: Vec<&[u8]> = name.split(|byte| *byte == b'-').collect();
    match parts[..] {
        [process, count, random] => {
            is_number(process)
                && is_number(count)
                && random.len() == 32
                && random.iter().all(u8::is_ascii_hexdigit)
        }
        _ => false,
    }
}

/// Removes the file if its writer ended. Ignores errors: another sweep may be faster, and another
/// user's file stays.
fn sweep_file(path: &Path, now: i64) {
    let open = |target: GuardedPath<'_>| target.open("open", OFlags::RDONLY | OFlags::NOFOLLOW, 0);
    let Ok(file) = GuardedPath::resolve("open", path).and_then(open) else { return };
    let is_left = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => is_old(path, now),
    };
    if is_left {
        let _ = atomic::remove_file(path);
    }
}

fn is_old(path: &Path, now: i64) -> bool {
    let changed = || -> std::io::Result<i64> {
        let found = read::try_entry(path).map_err(|_| ErrorKind::Other)?;
        let found = found.ok_or(ErrorKind::NotFound)?;
        Ok(found.ctime().saturating_mul(1_000_000_000))
    };
    changed().is_ok_and(|changed| now.saturating_sub(changed) > OLD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic::{TempFile, hold, unique_name, write};
    use crate::fs::stat::Stat;

    #[test]
    fn a_sweep_removes_only_the_files_of_ended_writers() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let left = at(&unique_name());
        write(&left, directory.path(), b"left").unwrap();
        let other = at("notes-1-2");
        write(&other, directory.path(), b"kept").unwrap();
        let young = at(&unique_name());
        atomic::create_dir_all(&young).unwrap();
        let living = TempFile::new_in(directory.path()).unwrap();
        let now = Stat::of_file(living.file()).unwrap().ctime;
        sweep(directory.path(), now).unwrap();
        assert!(!read::exists(&left).unwrap());
        assert!(read::exists(living.path()).unwrap(), "its writer is running");
        assert!(read::exists(&other).unwrap() && read::exists(&young).unwrap());
        sweep(directory.path(), now + 2 * OLD).unwrap();
        assert!(!read::exists(&young).unwrap() && read::exists(living.path()).unwrap());
        living.persist(&at("done")).unwrap();
        sweep(directory.path(), now).unwrap();
        assert!(read::exists(&at("done")).unwrap());
    }

    #[test]
    fn a_new_file_that_a_sweep_removed_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        write(&path, directory.path(), b"").unwrap();
        let file = read::open(&path).unwrap();
        assert!(hold(&file));
        atomic::remove_file(&path).unwrap();
        assert!(!hold(&file));
    }
}
