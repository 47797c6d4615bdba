//! Commits that git itself remembers outside of the refs that `art` reads: a detached `HEAD`, files
//! such as `ORIG_HEAD`, linked work trees, and refs whose names are not UTF-8.
//!
//! `art` writes none of them. A user who works in the repository with `git` expects that a garbage
//! collection keeps what they name.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{History, packed};
use crate::error::{IoResultExt, Result};
use crate::fs::read;
use crate::id::Id;

impl History {
    /// Returns the existing objects that git remembers outside of named refs.
    pub(super) fn git_roots(&self) -> Result<BTreeSet<Id>> {
        let mut found = BTreeSet::new();
        let mut directories = entries(&self.git_dir().join("worktrees"))?;
        for directory in &directories {
            found.extend(ids_in(&directory.join("logs/HEAD"))?);
        }
        directories.push(self.git_dir().to_owned());
        for directory in directories {
            for path in entries(&directory)? {
                let name = path.file_name().unwrap_or_default().as_bytes();
                if name == b"HEAD" || name.ends_with(b"_HEAD") {
                    found.extend(ids_in(&path)?);
                }
            }
        }
        self.add_odd_refs(&mut found)?;
        let mut roots = BTreeSet::new();
        for id in found {
            if self.try_kind(&id)?.is_some() {
                roots.insert(id);
            }
        }
        Ok(roots)
    }

    /// Adds the targets of refs whose names are not UTF-8.
    fn add_odd_refs(&self, found: &mut BTreeSet<Id>) -> Result<()> {
        let packed_refs = self.git_dir().join("packed-refs");
        if read::exists(&packed_refs)? {
            let bytes = read::read_bounded(&packed_refs, read::LARGE).on("read", &packed_refs)?;
            let odd = packed::salvage(&bytes).into_iter();
            let odd = odd.filter(|(name, _)| std::str::from_utf8(name).is_err());
            found.extend(odd.filter_map(|(_, value)| Some(value?.id)));
        }
        let mut left = vec![(self.git_dir().join("refs"), false)];
        while let Some((directory, is_odd)) = left.pop() {
            for path in entries(&directory)? {
                let name = path.file_name().unwrap_or_default().as_bytes();
                let is_odd = is_odd || std::str::from_utf8(name).is_err();
                if read::is_dir(&path)? {
                    left.push((path, is_odd));
                } else if is_odd {
                    found.extend(ids_in(&path)?);
                }
            }
        }
        Ok(())
    }
}

/// The ids that a text file contains. A missing file and a directory contain none.
fn ids_in(path: &Path) -> Result<Vec<Id>> {
    if !read::try_metadata(path)?.is_some_and(|found| found.is_file()) {
        return Ok(Vec::new());
    }
    let bytes = read::read_bounded(path, read::LARGE).on("read", path)?;
    let words = bytes.split(|byte| !byte.is_ascii_hexdigit());
    Ok(words.filter_map(Id::from_hex).collect())
}

/// The paths in a directory that may be missing.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    if !read::is_dir(directory)? {
        return Ok(Vec::new());
    }
    let listed = std::fs::read_dir(directory).on("list", directory)?;
    listed.map(|entry| Ok(entry.on("list", directory)?.path())).collect()
}
