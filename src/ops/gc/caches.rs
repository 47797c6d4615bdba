//! Files that can be removed at any time: caches about removed remotes, and on request all caches.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoResultExt, Result};
use crate::fs::usage::usage;
use crate::fs::{atomic, read};
use crate::repo::Repository;

/// Entries of the cache directory that stay: the tag for backup programs, a note that settles
/// interrupted operations, and the memory of remotes.
const KEPT: [&str; 3] = ["CACHEDIR.TAG", "last-operation", "remotes"];

/// A file that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftPath {
    /// The path below the repository's directory.
    pub path: PathBuf,
    /// The reason.
    pub problem: String,
}

/// Caches to remove.
#[derive(Debug, Default)]
pub(super) struct Caches {
    directory: PathBuf,
    paths: Vec<PathBuf>,
    bytes: u64,
}

impl Caches {
    /// Finds the caches about removed remotes, and with `all` every cache.
    pub(super) fn find(repo: &Repository, all: bool) -> Result<Self> {
        let mut caches = Caches { directory: repo.directory().to_owned(), ..Caches::default() };
        let cache = repo.directory().join("cache");
        let remotes = repo.remote_names()?;
        for (name, path) in entries(&cache.join("remotes"))? {
            if !remotes.iter().any(|remote| remote.as_str() == name) {
                caches.add(path)?;
            }
        }
        for (name, path) in entries(&cache)? {
            if all && !KEPT.contains(&name.as_str()) {
                caches.add(path)?;
            }
        }
        Ok(caches)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        self.bytes += usage(&path)?.bytes;
        self.paths.push(path);
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the caches. Returns those that could not be removed.
    pub(super) fn remove(self) -> Vec<LeftPath> {
        let mut failed = Vec::new();
        for path in self.paths {
            if let Err(error) = atomic::remove_tree(&path) {
                let shown = path.strip_prefix(&self.directory).unwrap_or(&path).to_owned();
                failed.push(LeftPath { path: shown, problem: error.to_string() });
            }
        }
        failed
    }
}

/// The entries of a directory that may be missing.
fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    if !read::is_dir(directory)? {
        return Ok(found);
    }
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let entry = entry.on("read directory", directory)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}
