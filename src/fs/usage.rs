//! Counts the files in a directory and their bytes.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::error::{IoResultExt, Result};

/// A number of files and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The number of files, links and other entries that are not directories.
    pub files: u64,
    /// The size in bytes.
    pub bytes: u64,
}

impl Usage {
    /// Adds another usage.
    pub fn add(&mut self, other: Usage) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// Counts the files at `path`, at any depth, without following links. A file with several names
/// counts once. A missing path counts as
/// empty. Entries that disappear during the walk are not counted.
pub fn usage(path: &Path) -> Result<Usage> {
    let mut sum = Usage::default();
    let mut left = vec![path.to_owned()];
    let mut linked = HashSet::new();
    while let Some(path) = left.pop() {
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).on("read", &path),
        };
        if !metadata.is_dir() {
            if metadata.nlink() > 1 && !linked.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
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
    fn all_files_are_counted_and_a_missing_path_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        atomic::create_dir_all(&dir.path().join("a/b")).unwrap();
        atomic::write(&dir.path().join("a/b/c"), dir.path(), b"123").unwrap();
        atomic::write(&dir.path().join("a/d"), dir.path(), b"4").unwrap();
        assert_eq!(usage(dir.path()).unwrap(), Usage { files: 2, bytes: 4 });
        std::fs::hard_link(dir.path().join("a/d"), dir.path().join("a/e")).unwrap();
        assert_eq!(usage(dir.path()).unwrap(), Usage { files: 2, bytes: 4 });
        assert_eq!(usage(&dir.path().join("a/d")).unwrap(), Usage { files: 1, bytes: 1 });
        assert_eq!(usage(&dir.path().join("none")).unwrap(), Usage::default());
    }
}
