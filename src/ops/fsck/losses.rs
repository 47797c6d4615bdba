//! The trees below which content is lost, and the lost files. Shared by the checks of a repository
//! and of a remote.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::history::{History, TreeEntry};
use crate::id::Id;
use crate::tree_path::TreePath;

/// The most lost files that are listed.
pub(super) const NAMED: usize = 200;

/// A file that cannot be restored. `N` is the type of the ref's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostFile<N> {
    /// A ref that reaches the file.
    #[serde(rename = "ref")]
    pub name: N,
    /// The newest commit of the ref that contains the file.
    pub commit: Id,
    /// The path among the artifacts; a directory if its tree is missing.
    pub path: TreePath,
    /// The id of the content, or of the directory's tree.
    pub id: Id,
}

/// Decides which trees contain lost files. Decides each tree once.
pub(super) struct LossyTrees<'a> {
    pub(super) history: &'a History,
    is_lost: &'a dyn Fn(&Id) -> bool,
    known: HashMap<Id, bool>,
}

impl<'a> LossyTrees<'a> {
    /// `is_lost` returns true for a lost content.
    pub(super) fn new(history: &'a History, is_lost: &'a dyn Fn(&Id) -> bool) -> Self {
        LossyTrees { history, is_lost, known: HashMap::new() }
    }

    /// Returns true if a lost file or an unreadable directory is below `root`, or if `root` is
    /// unreadable.
    pub(super) fn has_lost(&mut self, root: &Id) -> Result<bool> {
        // A directory is decided after all directories below it: it is on the stack twice.
        let mut stack = vec![(*root, false)];
        while let Some((tree, is_decided)) = stack.pop() {
            if self.known.contains_key(&tree) {
                continue;
            }
            let Some(entries) = self.read(&tree)? else {
                self.known.insert(tree, true);
                continue;
            };
            let below = || entries.iter().filter(|entry| entry.mode.is_directory());
            if !is_decided {
                stack.push((tree, true));
                stack.extend(below().map(|entry| (entry.id, false)));
                continue;
            }
            let has = entries.iter().any(|entry| self.is_lossy(entry));
            self.known.insert(tree, has);
        }
        Ok(self.known.get(root) == Some(&true))
    }

    /// Returns true if an entry of a decided tree is a lost file, or a directory with losses.
    pub(super) fn is_lossy(&self, entry: &TreeEntry) -> bool {
        if entry.mode.is_directory() {
            self.known.get(&entry.id) == Some(&true)
        } else {
            (self.is_lost)(&entry.id)
        }
    }

    /// The entries of a tree; `None` if it is unreadable.
    pub(super) fn read(&self, tree: &Id) -> Result<Option<Vec<TreeEntry>>> {
        match self.history.read_tree(tree) {
            Ok(entries) => Ok(Some(entries)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(_) => Ok(None),
        }
    }
}
