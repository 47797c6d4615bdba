//! Counts and measures the changes of a commit, and the totals of a tree.

use serde::Serialize;

use crate::error::Result;
use crate::history::diff::{Change, DiffSide, find_renames};
use crate::history::{EntryMode, Visit};
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;
use crate::sync::Sizes;
use crate::tree_path::hex_unless_text;

/// The numbers of changed files, and the bytes that a commit added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeCount {
    /// Files and links that are new.
    pub added: u64,
    /// Files and links with a different content or mode.
    pub modified: u64,
    /// Files and links that were deleted.
    pub deleted: u64,
    /// Files that moved to another path.
    pub renamed: u64,
    /// Empty directories that were added or deleted.
    pub directories: u64,
    /// The bytes of the added and modified files, in their new state.
    pub bytes: u64,
    /// Files not counted in `bytes`, because their content is missing locally or damaged.
    pub unknown: u64,
    /// True if every change was counted. Otherwise, the counts cover only the first changes.
    pub complete: bool,
}

impl ChangeCount {
    /// The total number of changed files.
    pub fn files(&self) -> u64 {
        self.added + self.modified + self.deleted + self.renamed
    }
}

/// A change of one file, with its sizes.
#[derive(Debug, Clone, Serialize)]
pub struct FileChange {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// The bytes of the path in hexadecimal, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The old size in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_size: Option<u64>,
    /// The new size in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_size: Option<u64>,
}

/// The totals of a tree of artifacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Files and links.
    pub files: u64,
    /// The total size of the files, in bytes.
    pub bytes: u64,
    /// Files not counted in `bytes`, because their content is missing locally or damaged.
    pub unknown: u64,
    /// True if every file was counted.
    pub complete: bool,
}

/// The differences between two trees of artifacts.
pub(crate) struct Compared {
    pub(crate) count: ChangeCount,
    pub(crate) changes: Vec<Change>,
}

/// Compares the artifacts `before` and `after`, and detects renames of equal content. Covers only
/// the first `limit` differences.
pub(crate) fn compare(
    repo: &Repository,
    sizes: &mut Sizes<'_>,
    (before, after): (Option<Id>, Option<Id>),
    limit: usize,
    progress: &dyn Progress,
) -> Result<Compared> {
    let before = before.filter(|id| *id != Id::EMPTY_TREE);
    let after = after.filter(|id| *id != Id::EMPTY_TREE);
    let mut changes = repo.history().diff_up_to(before, after, limit.saturating_add(1))?;
    let complete = changes.len() <= limit;
    changes.truncate(limit);
    let changes = find_renames(changes, None)?;
    let mut count = ChangeCount {
        added: 0,
        modified: 0,
        deleted: 0,
        renamed: 0,
        directories: 0,
        bytes: 0,
        unknown: 0,
        complete,
    };
    for change in &changes {
        check_interrupt(progress)?;
        count.add(sizes, change)?;
    }
    Ok(Compared { count, changes })
}

impl ChangeCount {
    fn add(&mut self, sizes: &mut Sizes<'_>, change: &Change) -> Result<()> {
        let is_directory =
            |side: Option<DiffSide>| side.is_none_or(|side| side.mode.is_directory());
        if is_directory(change.before()) && is_directory(change.after()) {
            self.directories += 1;
            return Ok(());
        }
        match change {
            Change::Added { .. } => self.added += 1,
            Change::Modified { .. } => self.modified += 1,
            Change::Deleted { .. } => self.deleted += 1,
            Change::Renamed { .. } => self.renamed += 1,
        }
        let (Change::Added { new, .. } | Change::Modified { new, .. }) = change else {
            return Ok(());
        };
        match size(sizes, Some(*new))? {
            Some(size) => self.bytes += size,
            None => self.unknown += u64::from(!new.mode.is_directory()),
        }
        Ok(())
    }
}

impl FileChange {
    /// Finds the sizes of both sides of `change`.
    pub(crate) fn measure(sizes: &mut Sizes<'_>, change: &Change) -> Result<Self> {
        Ok(FileChange {
            path_bytes: hex_unless_text(change.path().as_bytes()),
            old_size: size(sizes, change.before())?,
            new_size: size(sizes, change.after())?,
            change: change.clone(),
        })
    }
}

fn size(sizes: &mut Sizes<'_>, side: Option<DiffSide>) -> Result<Option<u64>> {
    match side {
        Some(side) if side.mode != EntryMode::Directory => sizes.find(&side.id),
        _ => Ok(None),
    }
}

/// The longest path that file systems support.
const PATH_MAX: usize = 4096;

/// Counts the first `limit` files of the artifacts `tree`.
pub(crate) fn total(
    repo: &Repository,
    sizes: &mut Sizes<'_>,
    tree: Option<Id>,
    limit: u64,
    progress: &dyn Progress,
) -> Result<Total> {
    let mut total = Total { complete: true, ..Total::default() };
    let Some(tree) = tree else { return Ok(total) };
    // Directories count too: a tree can have any number of directories without any file. A path
    // that is too long for every file system is not followed.
    let mut directories = 0;
    repo.history().visit_tree(&tree, &mut |path, entry| {
        check_interrupt(progress)?;
        if entry.mode.is_directory() && path.as_bytes().len() > PATH_MAX {
            total.complete = false;
            return Ok(Visit::Skip);
        }
        if entry.mode.is_directory() && directories < limit {
            directories += 1;
            return Ok(Visit::Enter);
        }
        if total.files == limit || entry.mode.is_directory() {
            total.complete = false;
            return Ok(Visit::Stop);
        }
        total.files += 1;
        match sizes.find(&entry.id)? {
            Some(size) => total.bytes += size,
            None => total.unknown += 1,
        }
        Ok(Visit::Enter)
    })?;
    Ok(total)
}
