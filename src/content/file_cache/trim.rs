//! Removes cached files and directories of `art path`, least recently used first.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::{LOCK, directory_of, is_leftover, sweep};
use crate::content::ContentStore;
use crate::error::{IoResultExt, Result};
use crate::fs::lock::{FileLock, Mode};
use crate::fs::{atomic, read};

/// The result of [`trim_file_cache`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrimmedFiles {
    /// The number of removed directories of `art path`.
    pub trees: u64,
    /// The number of removed cached files.
    pub files: u64,
    /// The bytes of the removed files.
    pub bytes: u64,
    /// The bytes of the files that stay.
    pub kept_bytes: u64,
}

/// A cached file. Its names outside the cache are not known.
#[derive(Debug, Clone)]
struct Cached {
    path: PathBuf,
    bytes: u64,
    /// The number of names.
    names: u64,
    changed: (i64, i64),
}

/// Removes files and directories of the file cache, least recently used first, until at most
/// `max_bytes` of file content stay. With 0, all of it goes. With `dry_run`, only counts.
///
/// Files that no directory of `art path` uses go first. Hard links outside the cache stay, and the
/// system frees their bytes when the last name goes. Fails with `Locked` if another process works on
/// the cache for longer than `timeout`.
pub fn trim_file_cache(
    store: &ContentStore,
    max_bytes: u64,
    dry_run: bool,
    timeout: Duration,
) -> Result<TrimmedFiles> {
    let directory = directory_of(&store.root);
    let mut outcome = TrimmedFiles::default();
    if !read::is_dir(&directory)? {
        return Ok(outcome);
    }
    let _lock = if dry_run {
        None
    } else {
        let lock = FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, timeout)?;
        sweep(&directory)?;
        Some(lock)
    };
    let mut files = cached_files(&directory)?;
    outcome.kept_bytes = files.values().map(|file| file.bytes).sum();
    let mut trim = Trim { max_bytes, dry_run, outcome };
    let is_free = |file: &Cached| file.names <= 1;
    trim.remove_files(&mut files, &is_free)?;
    let trees = trees(&store.root.join("cache").join("trees"))?;
    for tree in trees {
        if trim.is_done() && !is_leftover(tree.file_name().unwrap_or_default().as_encoded_bytes()) {
            continue;
        }
        for inode in inodes(&tree)? {
            if let Some(file) = files.get_mut(&inode) {
                file.names -= 1;
            }
        }
        if !dry_run {
            // A killed removal must not leave a part under the final name.
            let aside = tree.with_file_name(atomic::unique_name());
            atomic::rename(&tree, &aside)?;
            atomic::remove_tree(&aside)?;
        }
        trim.outcome.trees += 1;
        trim.remove_files(&mut files, &is_free)?;
    }
    trim.remove_files(&mut files, &|_| true)?;
    if !dry_run && files.is_empty() {
        remove_records(&directory)?;
    }
    Ok(trim.outcome)
}

struct Trim {
    max_bytes: u64,
    dry_run: bool,
    outcome: TrimmedFiles,
}

impl Trim {
    /// With a maximum of 0, empty files and directories go, too.
    fn is_done(&self) -> bool {
        self.max_bytes > 0 && self.outcome.kept_bytes <= self.max_bytes
    }

    /// Removes the files that `is_meant` selects, the oldest first, until the rest is small enough.
    fn remove_files(
        &mut self,
        files: &mut HashMap<u64, Cached>,
        is_meant: &dyn Fn(&Cached) -> bool,
    ) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let mut chosen: Vec<(u64, Cached)> = files
            .iter()
            .filter(|(_, file)| is_meant(file))
            .map(|(inode, file)| (*inode, file.clone()))
            .collect();
        chosen.sort_by(|(_, a), (_, b)| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
        for (inode, file) in chosen {
            if self.is_done() {
                break;
            }
            if !self.dry_run {
                atomic::remove_tree(&file.path)?;
            }
            files.remove(&inode);
            self.outcome.files += 1;
            self.outcome.bytes += file.bytes;
            self.outcome.kept_bytes -= file.bytes;
        }
        Ok(())
    }
}

/// The cached files by inode.
fn cached_files(directory: &Path) -> Result<HashMap<u64, Cached>> {
    let mut files = HashMap::new();
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let entry = entry.on("read directory", directory)?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name == LOCK.as_bytes() || name.ends_with(b".stat") {
            continue;
        }
        let Some(found) = read::try_entry(&entry.path())? else { continue };
        let changed = (found.ctime(), found.ctime_nsec());
        let (path, bytes, names) = (entry.path(), found.len(), found.nlink());
        files.insert(found.ino(), Cached { path, bytes, names, changed });
    }
    Ok(files)
}

/// The directories of `art path`, least recently used first.
fn trees(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut trees: Vec<((i64, i64), PathBuf)> = Vec::new();
    if !read::is_dir(directory)? {
        return Ok(Vec::new());
    }
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let path = entry.on("read directory", directory)?.path();
        if let Some(found) = read::try_entry(&path)? {
            trees.push(((found.mtime(), found.mtime_nsec()), path));
        }
    }
    trees.sort();
    Ok(trees.into_iter().map(|(_, path)| path).collect())
}

/// The inodes of the files below `tree`, once for each name.
fn inodes(tree: &Path) -> Result<Vec<u64>> {
    let mut inodes = Vec::new();
    let mut left = vec![tree.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).on("read directory", &directory)? {
            let entry = entry.on("read directory", &directory)?;
            let found = entry.metadata().on("read", entry.path())?;
            if found.is_dir() {
                left.push(entry.path());
            } else {
                inodes.push(found.ino());
            }
        }
    }
    Ok(inodes)
}

fn remove_records(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let path = entry.on("read directory", directory)?.path();
        if path.extension().is_some_and(|extension| extension == "stat") {
            atomic::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Params;
    use crate::fs::beneath::Beneath;

    /// A cache with the files `a` (linked by the older tree), `b` (by both trees) and `c`.
    fn cache(root: &Path) -> ContentStore {
        ContentStore::init(root).unwrap();
        let (files, trees) = (root.join("cache/files"), root.join("cache/trees"));
        atomic::create_dir_all(&files).unwrap();
        for (name, bytes) in [("a", 1000), ("b", 100), ("c", 10)] {
            atomic::write(&files.join(name), &files, &vec![b'x'; bytes]).unwrap();
        }
        let source = Beneath::open(&files).unwrap();
        for (number, (tree, linked)) in
            [("old", &["a", "b"][..]), ("new", &["b"])].iter().enumerate()
        {
            let directory = trees.join(tree);
            atomic::create_dir_all(&directory.join("sub")).unwrap();
            let opened = Beneath::open(&directory).unwrap();
            for name in *linked {
                opened
                    .hard_link(&source, name.as_bytes(), format!("sub/{name}").as_bytes())
                    .unwrap();
            }
            opened.make_read_only(b"sub").unwrap();
            opened.make_read_only(b"").unwrap();
            let time = rustix::fs::Timespec { tv_sec: number as i64, tv_nsec: 0 };
            let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
            let flags = rustix::fs::AtFlags::empty();
            rustix::fs::utimensat(rustix::fs::CWD, &directory, &times, flags).unwrap();
        }
        ContentStore::open(root, Params::default()).unwrap()
    }

    #[test]
    fn unused_files_go_first_and_then_the_least_recently_used_directory() {
        let root = tempfile::tempdir().unwrap();
        let store = cache(root.path());
        let trim = |max, dry_run| trim_file_cache(&store, max, dry_run, Duration::ZERO).unwrap();
        let exists = |path: &str| root.path().join("cache").join(path).symlink_metadata().is_ok();
        assert_eq!(trim(2000, false), TrimmedFiles { kept_bytes: 1110, ..TrimmedFiles::default() });
        let plan = trim(1105, true);
        assert_eq!(plan, TrimmedFiles { trees: 0, files: 1, bytes: 10, kept_bytes: 1100 });
        assert!(exists("files/c"));
        assert_eq!(trim(1105, false), plan);
        assert!(!exists("files/c") && exists("trees/old"));
        let plan = TrimmedFiles { trees: 1, files: 1, bytes: 1000, kept_bytes: 100 };
        assert_eq!((trim(500, true), trim(500, false)), (plan, plan));
        assert!(!exists("trees/old") && !exists("files/a") && exists("trees/new/sub/b"));
        assert_eq!(trim(0, false), TrimmedFiles { trees: 1, files: 1, bytes: 100, kept_bytes: 0 });
        assert!(!exists("trees/new") && !exists("files/b"));
    }

    #[test]
    fn a_busy_cache_is_not_trimmed() {
        let root = tempfile::tempdir().unwrap();
        let store = cache(root.path());
        let lock = root.path().join("cache/files/lock");
        let _lock = FileLock::acquire(&lock, Mode::Exclusive, Duration::ZERO).unwrap();
        let error = trim_file_cache(&store, 0, false, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Locked);
    }
}
