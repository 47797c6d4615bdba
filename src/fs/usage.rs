//! How many files a directory holds, and their bytes.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::error::{IoResultExt, Result};

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Files, links and whatever is no directory.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Usage {
    /// Adds what another place holds.
    pub fn add(&mut self, other: Usage) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// What the file or directory at `path` holds, at any depth; nothing if there is none. Links are not
/// followed. What vanishes meanwhile is not counted.
pub fn usage(path: &Path) -> Result<Usage> {
    let mut sum = Usage::default();
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).on("read", &path),
        };
        if !metadata.is_dir() {
            sum.add(Usage { files: 1, bytes: metadata.len() });
            continue;
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).on("list", &path),
        };
        for entry in entries {
            left.push(entry.on("list", &path)?.path());
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;

    #[test]
    fn all_files_below_are_counted_and_nothing_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        atomic::create_dir_all(&dir.path().join("a/b")).unwrap();
        atomic::write(&dir.path().join("a/b/c"), dir.path(), b"123").unwrap();
        atomic::write(&dir.path().join("a/d"), dir.path(), b"4").unwrap();
        assert_eq!(usage(dir.path()).unwrap(), Usage { files: 2, bytes: 4 });
        assert_eq!(usage(&dir.path().join("a/d")).unwrap(), Usage { files: 1, bytes: 1 });
        assert_eq!(usage(&dir.path().join("none")).unwrap(), Usage::default());
    }
}
