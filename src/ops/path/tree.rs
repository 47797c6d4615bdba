//! One directory below `cache/trees`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::catalog::revision::Resolved;
use crate::content::{CachedFile, FileCache};
use crate::error::{IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::{atomic, fault, read};
use crate::id::Id;
use crate::ops::download::plan::{DownloadPlan, PlannedFile};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::tree_path::TreePath;

/// The longest path of a directory whose entries are counted.
const LONGEST: usize = 2000;

/// Returns the name of the directory of `source`: the commit, and a digest of the path, if any.
pub(super) fn name_of(source: &Resolved) -> String {
    if source.path.is_root() {
        return source.commit.to_hex();
    }
    let digest = Id::of_blob(source.path.as_bytes()).to_hex();
    format!("{}.{}", source.commit, &digest[..32])
}

/// Removes the leftovers of killed processes. The caller holds the lock of the file cache.
pub(super) fn sweep(trees: &Path) -> Result<()> {
    for entry in std::fs::read_dir(trees).on("read directory", trees)? {
        let entry = entry.on("read directory", trees)?;
        // The name of a finished directory has no hyphen.
        if entry.file_name().as_encoded_bytes().contains(&b'-') {
            atomic::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// The cached files of the plan, in the order of its files.
pub(super) fn files(plan: &DownloadPlan) -> Vec<CachedFile> {
    let pairs = plan.files.iter().zip(&plan.ids);
    pairs.map(|(file, id)| CachedFile { id: *id, executable: file.executable }).collect()
}

/// A directory, as it is or will be.
pub(super) struct Tree<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a Path,
    pub(super) plan: &'a DownloadPlan,
}

impl Tree<'_> {
    fn entries(&self) -> impl Iterator<Item = (&PlannedFile, CachedFile)> {
        self.plan.files.iter().zip(files(self.plan))
    }

    /// The key of a file that is a copy and not a link.
    fn key(&self, path: &TreePath) -> Vec<u8> {
        [self.name.as_bytes(), b"/", path.as_bytes()].concat()
    }

    /// Returns true if the directory exists, with all files and links and nothing else.
    pub(super) fn is_intact(&self, cache: &FileCache<'_>) -> Result<bool> {
        match read::try_entry(self.place)? {
            Some(found) if found.is_dir() => {}
            _ => return Ok(false),
        }
        let tree = Beneath::open(self.place)?;
        if !self.has_only_planned_entries()? {
            return Ok(false);
        }
        for link in &self.plan.links {
            let path = link.path.as_bytes();
            if !tree.read_link(path).is_ok_and(|target| target == link.target) {
                return Ok(false);
            }
        }
        for (file, cached) in self.entries() {
            let path = file.path.as_bytes();
            if !cache.is_link(cached, &tree, path)?
                && !cache.is_copy(cached, &self.key(&file.path), &tree, path)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares the number of entries of each directory.
    fn has_only_planned_entries(&self) -> Result<bool> {
        let mut counts: HashMap<&[u8], usize> = HashMap::from([(&b""[..], 0)]);
        let directories = self.plan.directories.iter().map(|(_, path)| path);
        let links = self.plan.links.iter().map(|link| &link.path);
        let files = self.plan.files.iter().map(|file| &file.path);
        for path in directories.clone() {
            counts.entry(path.as_bytes()).or_default();
        }
        for path in directories.chain(links).chain(files) {
            let path = path.as_bytes();
            let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            *counts.entry(&path[..slash]).or_default() += 1;
        }
        for (directory, count) in counts {
            if directory.len() > LONGEST {
                continue;
            }
            let place = self.place.join(OsStr::from_bytes(directory));
            match read::try_entry(&place)? {
                Some(found) if found.is_dir() => {}
                _ => return Ok(false),
            }
            if std::fs::read_dir(&place).on("read directory", &place)?.count() != count {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Creates the directory under a temporary name, and moves it into place.
    pub(super) fn build(&self, cache: &mut FileCache<'_>, progress: &dyn Progress) -> Result<()> {
        let staged = self.place.with_file_name(atomic::unique_name());
        atomic::create_dir_all(&staged)?;
        let built = self.build_in(&staged, cache, progress).and_then(|()| self.publish(&staged));
        if built.is_err() {
            // If this fails, the next use of the cache removes it.
            let _ = atomic::remove_tree(&staged);
        }
        built
    }

    fn build_in(
        &self,
        staged: &Path,
        cache: &mut FileCache<'_>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let plan = self.plan;
        let tree = Beneath::open(staged)?;
        let total = plan.files.len() as u64;
        progress.begin("linking", Some(total), Unit::Items);
        for (_, directory) in &plan.directories {
            tree.make_dir(directory.as_bytes()).on("create directory", directory.to_path())?;
        }
        for link in &plan.links {
            tree.make_link(&link.target, link.path.as_bytes())
                .on("create link", link.path.to_path())?;
        }
        for (file, cached) in self.entries() {
            check_interrupt(progress)?;
            let key = self.key(&file.path);
            cache.link_or_copy(cached, &key, &tree, file.path.as_bytes())?;
            progress.advance(1);
        }
        let below = plan.directories.iter().rev().map(|(_, path)| path.as_bytes());
        for directory in below.chain([&b""[..]]) {
            tree.make_read_only(directory).on("protect", staged)?;
        }
        fault::reached("directory staged")
    }

    fn publish(&self, staged: &Path) -> Result<()> {
        let old = self.place.with_file_name(atomic::unique_name());
        if read::exists(self.place)? {
            atomic::rename(self.place, &old)?;
        }
        atomic::rename(staged, self.place)?;
        // If this fails, the next use of the cache removes it.
        let _ = atomic::remove_tree(&old);
        Ok(())
    }
}
