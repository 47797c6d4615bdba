//! The tree of a record: the record's file, the files beside it, and the artifacts.
//!
//! The files below `artifacts/` are content, which is not in the Git repository. Everything else is
//! a Git object.

use super::{Commit, EntryMode, History, TreeEntry};
use crate::error::Result;
use crate::id::Id;
use crate::record::Record;
use crate::tree_path::TreePath;

/// The entry with the artifacts in the tree of a record.
pub(crate) const ARTIFACTS: &str = "artifacts";

/// The tree of a record.
#[derive(Debug, Clone)]
pub(crate) struct RecordTree {
    /// The tree.
    pub(crate) id: Id,
    entries: Vec<TreeEntry>,
}

impl RecordTree {
    /// Reads the tree `id`.
    pub(crate) fn read(history: &History, id: &Id) -> Result<Self> {
        Ok(RecordTree { id: *id, entries: history.read_tree(id)? })
    }

    /// Reads the tree of `commit`.
    pub(crate) fn of_commit(history: &History, commit: &Id) -> Result<Self> {
        Ok(Self::with_commit(history, commit)?.1)
    }

    /// Reads `commit` and its tree.
    pub(crate) fn with_commit(history: &History, commit: &Id) -> Result<(Commit, Self)> {
        let commit = history.read_commit(commit)?;
        let tree = Self::read(history, &commit.tree)?;
        Ok((commit, tree))
    }

    /// Returns the path in this tree of the artifact at `path`.
    pub(crate) fn artifact_path(path: &TreePath) -> TreePath {
        let artifacts = TreePath::parse(ARTIFACTS).expect("because the name is valid");
        artifacts.join_path(path)
    }

    /// Returns the entries.
    pub(crate) fn into_entries(self) -> Vec<TreeEntry> {
        self.entries
    }

    /// Returns the tree of the artifacts, if there is one.
    pub(crate) fn artifacts(&self) -> Option<Id> {
        self.entries.iter().find(|entry| entry.is_artifacts()).map(|entry| entry.id)
    }

    /// Returns the blob of the file `name`, if there is one.
    pub(crate) fn file(&self, name: &str) -> Option<Id> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.filter(|entry| !entry.mode.is_directory()).map(|entry| entry.id)
    }

    /// Reads the record. Returns `None` if the tree belongs to another kind of record.
    pub(crate) fn record<R: Record>(&self, history: &History) -> Result<Option<R>> {
        let Some(id) = self.file(R::FILE) else { return Ok(None) };
        R::decode(&history.read_blob(&id)?).map(Some)
    }
}

impl TreeEntry {
    /// Creates the entry of a record's tree with the artifacts.
    pub(crate) fn artifacts(tree: Id) -> Self {
        TreeEntry { name: ARTIFACTS.into(), mode: EntryMode::Directory, id: tree }
    }

    /// Creates the entry of a file.
    pub(crate) fn file(name: &str, id: Id) -> Self {
        TreeEntry { name: name.into(), mode: EntryMode::File, id }
    }

    /// Returns true if this entry of a record's tree contains the artifacts.
    pub(crate) fn is_artifacts(&self) -> bool {
        self.mode.is_directory() && self.name == ARTIFACTS
    }
}
