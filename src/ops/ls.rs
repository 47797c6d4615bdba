//! `art ls`: lists the files of a revision.

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::resolve;
use crate::error::Result;
use crate::history::{EntryMode, Revision, TreeEntry, Visit};
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;
use crate::sync::Sizes;
use crate::tree_path::{self, TreePath};

/// The entries to list, and their details.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct LsOptions {
    /// The revision, and the directory or file in it.
    pub revision: Revision,
    /// Lists only these files and the contents of these directories, from the root of the revision.
    /// If empty, lists the target of the revision.
    #[setters(into)]
    pub paths: Vec<TreePath>,
    /// Lists the contents of subdirectories too. Only empty directories are then listed
    /// themselves.
    pub recursive: bool,
    /// Looks up the sizes.
    pub sizes: bool,
}

impl LsOptions {
    /// Creates options that list the top directory of `revision`.
    pub fn new(revision: Revision) -> Self {
        LsOptions { revision, paths: Vec::new(), recursive: false, sizes: false }
    }
}

/// One file, link or directory.
#[derive(Debug, Clone, Serialize)]
pub struct LsEntry {
    /// The path below the directory that the revision names. For a single file and for requested
    /// paths, the path from the root of the revision.
    pub path: TreePath,
    /// The bytes of the path in hexadecimal, if they are not UTF-8. `path` is then for display
    /// only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The kind of entry.
    pub kind: EntryMode,
    /// The mode as git writes it, such as `100644`.
    pub mode: &'static str,
    /// The id of the blob or tree.
    pub id: Id,
    /// The size in bytes of a file or of a link's target, if requested and known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// The totals of a listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LsOutcome {
    /// The number of entries.
    pub entries: u64,
    /// The number of files with an unknown size, because their content is missing or damaged.
    pub unknown: u64,
    /// The number of files with an unknown size, because their content is only on a remote.
    pub elsewhere: u64,
}

/// Passes every entry to `show`, in git's order. Keeps one directory per level in memory.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if the revision or the path does not exist.
pub fn ls(
    repo: &Repository,
    options: &LsOptions,
    show: &mut dyn FnMut(&LsEntry) -> Result<()>,
    progress: &dyn Progress,
) -> Result<LsOutcome> {
    let resolved = resolve(repo, &options.revision)?;
    let mut outcome = LsOutcome::default();
    let mut tops = Vec::new();
    for path in &options.paths {
        tops.extend(resolved.entry_at(repo, path)?.map(|entry| (path.clone(), entry)));
    }
    if options.paths.is_empty() {
        tops.extend(resolved.entry(repo)?.map(|entry| (TreePath::root(), entry)));
    }
    let mut sizes = options.sizes.then(|| Sizes::new(repo));
    let mut show = |path: &TreePath, entry: &TreeEntry| -> Result<()> {
        check_interrupt(progress)?;
        let mut size = None;
        outcome.entries += 1;
        if let Some(sizes) = sizes.as_mut().filter(|_| !entry.mode.is_directory()) {
            size = sizes.find(&entry.id)?;
            if size.is_none() && sizes.may_be_elsewhere(&entry.id)? {
                outcome.elsewhere += 1;
            } else {
                outcome.unknown += u64::from(size.is_none());
            }
        }
        show(&LsEntry::new(path, entry, size))
    };
    for (place, top) in tops {
        if !top.mode.is_directory() {
            show(if place.is_root() { &resolved.path } else { &place }, &top)?;
            continue;
        }
        repo.history().visit_tree(&top.id, &mut |path, entry| {
            let is_inner = entry.mode.is_directory() && entry.id != Id::EMPTY_TREE;
            if options.recursive && is_inner {
                return Ok(Visit::Enter);
            }
            show(&place.join_path(path), entry).map(|()| Visit::Skip)
        })?;
    }
    Ok(outcome)
}

impl LsEntry {
    fn new(path: &TreePath, entry: &TreeEntry, size: Option<u64>) -> Self {
        LsEntry {
            path: path.clone(),
            path_bytes: tree_path::hex_unless_text(path.as_bytes()),
            kind: entry.mode,
            mode: entry.mode.octal(),
            id: entry.id,
            size,
        }
    }
}
