//! Compares two trees.

use std::cmp::Ordering;
use std::vec::IntoIter;

use bstr::BString;

use super::tree_entry::git_order;
use super::{
    EntryMode, History, ObjectWriter, RecentTrees, TreeEntry, Trees, WalkBudget, WalkLimits,
};
use crate::error::Result;
use crate::id::Id;
use crate::tree_path::TreePath;

pub use super::renames::{Similarity, find_renames};

/// A file, link or empty directory in one of two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct DiffSide {
    /// The mode.
    pub mode: EntryMode,
    /// The id of the blob or tree.
    pub id: Id,
}

/// A difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The path exists only in the second tree.
    Added {
        /// The path.
        path: TreePath,
        /// The new entry.
        new: DiffSide,
    },
    /// The path exists only in the first tree.
    Deleted {
        /// The path.
        path: TreePath,
        /// The old entry.
        old: DiffSide,
    },
    /// The path exists in both trees, with different content or mode.
    Modified {
        /// The path.
        path: TreePath,
        /// The old entry.
        old: DiffSide,
        /// The new entry.
        new: DiffSide,
    },
    /// The file moved from one path to another.
    Renamed {
        /// The old path.
        from: TreePath,
        /// The new path.
        to: TreePath,
        /// The old entry.
        old: DiffSide,
        /// The new entry.
        new: DiffSide,
        /// The similarity of the contents in percent. 100 means identical bytes.
        similarity: u8,
    },
}

impl Change {
    /// Returns the new path, or the old path of a deleted entry.
    pub fn path(&self) -> &TreePath {
        match self {
            Change::Added { path, .. }
            | Change::Deleted { path, .. }
            | Change::Modified { path, .. }
            | Change::Renamed { to: path, .. } => path,
        }
    }

    /// Returns the old entry.
    pub fn before(&self) -> Option<DiffSide> {
        match self {
            Change::Added { .. } => None,
            Change::Deleted { old, .. }
            | Change::Modified { old, .. }
            | Change::Renamed { old, .. } => Some(*old),
        }
    }

    /// Returns the new entry.
    pub fn after(&self) -> Option<DiffSide> {
        match self {
            Change::Deleted { .. } => None,
            Change::Added { new, .. }
            | Change::Modified { new, .. }
            | Change::Renamed { new, .. } => Some(*new),
        }
    }
}

impl Trees for History {
    fn tree_entries(&self, id: &Id) -> Result<Vec<TreeEntry>> {
        self.read_tree(id)
    }

    fn limits(&self) -> WalkLimits {
        History::limits(self)
    }
}

impl Trees for ObjectWriter<'_> {
    fn tree_entries(&self, id: &Id) -> Result<Vec<TreeEntry>> {
        self.read_tree(id)
    }

    fn limits(&self) -> WalkLimits {
        ObjectWriter::limits(self)
    }
}

impl History {
    /// Compares two trees of this history. See [`diff_trees`].
    pub fn diff(&self, a: Option<Id>, b: Option<Id>) -> Result<Vec<Change>> {
        diff_trees(self, a, b)
    }

    /// Like [`History::diff`], but returns only the first `limit` differences, and reads no
    /// further.
    pub fn diff_up_to(&self, a: Option<Id>, b: Option<Id>, limit: usize) -> Result<Vec<Change>> {
        diff_trees_up_to(self, a, b, limit)
    }
}

/// Returns the differences from the tree `a` to the tree `b`, sorted by path. `None` means an empty
/// tree.
///
/// Equal directories are not read. The result contains only files, links and empty directories. If
/// a directory replaces a file, the file is deleted and the directory's entries are added. This
/// function does not detect renames; see [`find_renames`].
///
/// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the walk exceeds the limits of `trees`.
pub fn diff_trees(trees: &dyn Trees, a: Option<Id>, b: Option<Id>) -> Result<Vec<Change>> {
    diff_trees_up_to(trees, a, b, usize::MAX)
}

fn diff_trees_up_to(
    trees: &dyn Trees,
    a: Option<Id>,
    b: Option<Id>,
    limit: usize,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    if a == b {
        return Ok(changes);
    }
    let mut budget = WalkBudget::new(trees.limits());
    let mut recent = RecentTrees::new(trees);
    let mut levels = vec![Level::read(&mut recent, TreePath::root(), a, b)?];
    while let Some(level) = levels.last_mut().filter(|_| changes.len() < limit) {
        let Some((old, new)) = level.next_pair() else {
            levels.pop();
            continue;
        };
        if side(old.as_ref()) == side(new.as_ref()) {
            continue;
        }
        let name = old.as_ref().or(new.as_ref()).map_or(BString::default(), |e| e.name.clone());
        let path = level.path.join(&name).expect("because a tree's names were checked");
        let below = |entry: &Option<TreeEntry>| {
            entry.as_ref().filter(|entry| entry.mode.is_directory()).map(|entry| entry.id)
        };
        let (below_a, below_b) = (below(&old), below(&new));
        budget.keep(trees, &[a, b], path.as_bytes().len())?;
        if below_a.is_none() && below_b.is_none() {
            changes.extend(leaf_change(path, side(old.as_ref()), side(new.as_ref())));
            continue;
        }
        let next = Level::read(&mut recent, path.clone(), below_a, below_b)?;
        budget.enter(levels.len(), path.as_bytes().len(), next.a.len().max(next.b.len()))?;
        let empty = |entries: &EntryIter, entry| side(entry).filter(|_| entries.len() == 0);
        let (old, new) = (empty(&next.a, old.as_ref()), empty(&next.b, new.as_ref()));
        changes.extend(leaf_change(path, old, new));
        levels.push(next);
    }
    Ok(changes)
}

type EntryIter = IntoIter<TreeEntry>;

/// The entries of one directory in both trees that are not compared yet.
struct Level {
    path: TreePath,
    a: EntryIter,
    b: EntryIter,
}

impl Level {
    fn read(
        trees: &mut RecentTrees<'_>,
        path: TreePath,
        a: Option<Id>,
        b: Option<Id>,
    ) -> Result<Self> {
        let mut entries = |id: Option<Id>| -> Result<EntryIter> {
            let entries = id.map(|id| trees.read(&id)).transpose()?;
            Ok(entries.unwrap_or_default().into_iter())
        };
        Ok(Level { path, a: entries(a)?, b: entries(b)? })
    }

    /// Returns the next pair of entries with the same name, in Git's order.
    fn next_pair(&mut self) -> Option<(Option<TreeEntry>, Option<TreeEntry>)> {
        let order = match (self.a.as_slice().first(), self.b.as_slice().first()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => git_order((&a.name, a.mode), (&b.name, b.mode)),
        };
        Some(match order {
            Ordering::Less => (self.a.next(), None),
            Ordering::Greater => (None, self.b.next()),
            Ordering::Equal => (self.a.next(), self.b.next()),
        })
    }
}

fn side(entry: Option<&TreeEntry>) -> Option<DiffSide> {
    entry.map(|entry| DiffSide { mode: entry.mode, id: entry.id })
}

fn leaf_change(path: TreePath, old: Option<DiffSide>, new: Option<DiffSide>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => Some(Change::Added { path, new }),
        (Some(old), None) => Some(Change::Deleted { path, old }),
        (Some(old), Some(new)) => Some(Change::Modified { path, old, new }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::edit::{Edit, apply};
    use crate::history::tests::temporary_history;

    pub(in crate::history) fn tree(history: &History, files: &[(&str, &str)]) -> Id {
        let mut writer = history.writer().unwrap();
        let edits: Vec<_> = files
            .iter()
            .map(|(path, content)| {
                let id = Id::of_blob(content.as_bytes());
                (TreePath::parse(path).unwrap(), Edit::Put { mode: EntryMode::File, id })
            })
            .collect();
        let id = apply(&mut writer, None, &edits).unwrap();
        writer.flush().unwrap();
        id
    }

    pub(in crate::history) fn shown(changes: &[Change]) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::Added { path, .. } => format!("A {path}"),
            Change::Deleted { path, .. } => format!("D {path}"),
            Change::Modified { path, .. } => format!("M {path}"),
            Change::Renamed { from, to, similarity, .. } => format!("R{similarity} {from} {to}"),
        };
        changes.iter().map(show).collect()
    }

    #[test]
    fn differences_are_sorted_by_path() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("a", "1"), ("b/c", "2"), ("b/d", "3"), ("same/x", "4")]);
        let b = tree(&history, &[("a/x", "1"), ("b/c", "9"), ("b.c", "5"), ("same/x", "4")]);
        let changes = history.diff(Some(a), Some(b)).unwrap();
        assert_eq!(shown(&changes), ["D a", "A a/x", "A b.c", "M b/c", "D b/d"]);
        assert_eq!(history.diff(Some(a), Some(a)).unwrap(), []);
        assert_eq!(
            shown(&history.diff(None, Some(a)).unwrap()),
            ["A a", "A b/c", "A b/d", "A same/x"]
        );
    }

    #[test]
    fn a_limit_returns_the_first_differences() {
        let (_directory, history) = temporary_history();
        let b = tree(&history, &[("a", "1"), ("b/c", "2"), ("b/d", "3"), ("e", "4")]);
        let first = |limit| shown(&history.diff_up_to(None, Some(b), limit).unwrap());
        assert_eq!(first(0), [""; 0]);
        assert_eq!(first(2), ["A a", "A b/c"]);
        assert_eq!(first(9), ["A a", "A b/c", "A b/d", "A e"]);
    }

    #[test]
    fn a_directory_that_becomes_empty_is_a_difference() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("d/x", "1")]);
        let mut writer = history.writer().unwrap();
        let empty = apply(&mut writer, None, &[]).unwrap();
        let put = Edit::Put { mode: EntryMode::Directory, id: empty };
        let b = apply(&mut writer, None, &[(TreePath::parse("d").unwrap(), put)]).unwrap();
        writer.flush().unwrap();
        let (a, b) = (Some(a), Some(b));
        assert_eq!(shown(&history.diff(a, b).unwrap()), ["A d", "D d/x"]);
        assert_eq!(shown(&history.diff(b, a).unwrap()), ["D d", "A d/x"]);
    }
}
