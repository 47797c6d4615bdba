//! A directory tree that is kept in memory, to create it any number of times.

use std::fs::{File, Permissions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The content of a directory. Files are restored with their times and permissions. If a file
/// contains the path of the directory, its copy contains the path of the new one.
pub(crate) struct Saved {
    root: PathBuf,
    /// Paths relative to the directory. A directory comes before its content.
    entries: Vec<(PathBuf, Entry)>,
}

enum Entry {
    Directory(Permissions),
    File { bytes: Vec<u8>, permissions: Permissions, modified: SystemTime },
    Link(PathBuf),
}

impl Saved {
    /// Reads the content of `root`.
    pub(crate) fn of(root: &Path) -> Self {
        let mut saved = Saved { root: root.to_owned(), entries: Vec::new() };
        saved.add(root);
        saved
    }

    fn add(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let permissions = metadata.permissions();
            let entry = if metadata.is_dir() {
                Entry::Directory(permissions)
            } else if metadata.is_symlink() {
                Entry::Link(std::fs::read_link(&path).unwrap())
            } else {
                let modified = metadata.modified().unwrap();
                Entry::File { bytes: std::fs::read(&path).unwrap(), permissions, modified }
            };
            self.entries.push((path.strip_prefix(&self.root).unwrap().to_owned(), entry));
            if metadata.is_dir() {
                self.add(&path);
            }
        }
    }

    /// Writes the content to the directory `root`, which may have some of its directories.
    pub(crate) fn restore(&self, root: &Path) {
        let [from, to] = [&self.root, root].map(|path| path.as_os_str().as_encoded_bytes());
        for (path, entry) in &self.entries {
            let path = root.join(path);
            match entry {
                Entry::Directory(_) => std::fs::create_dir_all(&path).unwrap(),
                Entry::Link(target) => symlink(target, &path).unwrap(),
                Entry::File { bytes, permissions, modified } => {
                    if from == to {
                        std::fs::write(&path, bytes).unwrap();
                    } else {
                        std::fs::write(&path, moved(bytes, from, to)).unwrap();
                    }
                    File::open(&path).unwrap().set_modified(*modified).unwrap();
                    std::fs::set_permissions(&path, permissions.clone()).unwrap();
                }
            }
        }
        for (path, entry) in self.entries.iter().rev() {
            if let Entry::Directory(permissions) = entry {
                std::fs::set_permissions(root.join(path), permissions.clone()).unwrap();
            }
        }
    }
}

/// Replaces each path `from` by `to`.
fn moved(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut moved = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = bstr::ByteSlice::find(rest, from) {
        moved.extend_from_slice(&rest[..at]);
        moved.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    moved.extend_from_slice(rest);
    moved
}
