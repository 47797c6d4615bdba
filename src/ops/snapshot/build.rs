//! Makes Git trees of a snapshot, from the deepest directory up.

use std::collections::HashSet;

use bstr::BString;

use super::Snapshot;
use crate::error::{Error, Result};
use crate::fs::walk::Kind;
use crate::history::{EntryMode, ObjectWriter, TreeEntry};
use crate::id::Id;

impl Snapshot {
    /// Adds the trees to `writer`; returns the root's id. Entries without id and directories that
    /// could not be read are left out: they are in `failed`. Each directory of the walk is dropped
    /// once its tree is added.
    pub(crate) fn write_trees(&mut self, writer: &mut ObjectWriter<'_>) -> Result<Id> {
        let count = self.walk.directories.len();
        let mut trees: Vec<Option<Id>> = vec![None; count];
        let unread: HashSet<&BString> = self.failed.iter().map(|(path, _)| path).collect();
        // A directory's number is greater than its parent's, so the children come first here.
        for number in (0..count).rev() {
            let directory = std::mem::take(&mut self.walk.directories[number]);
            if number != 0 && unread.contains(&directory.path) {
                continue;
            }
            let mut entries = Vec::with_capacity(directory.len());
            for (index, (name, kind)) in directory.iter().enumerate() {
                let (mode, id) = match kind {
                    Kind::Directory(child) => (EntryMode::Directory, trees[child as usize]),
                    _ => (mode_of(kind), self.id(number, index)),
                };
                if let Some(id) = id {
                    entries.push(TreeEntry { name: BString::from(name), mode, id });
                }
            }
            trees[number] = Some(writer.tree(entries)?);
        }
        trees[0].ok_or_else(|| Error::internal("the root directory was not walked"))
    }

    /// The one entry of a snapshot made by [`Snapshot::of_entry`], or `None` if it can't be read.
    pub(crate) fn single(&self) -> Option<(EntryMode, Id)> {
        let (_, kind) = self.walk.directories.first()?.iter().next()?;
        Some((mode_of(kind), self.id(0, 0)?))
    }
}

/// The mode of an entry that is no directory.
pub(crate) fn mode_of(kind: Kind) -> EntryMode {
    match kind {
        Kind::File(stat) if stat.executable => EntryMode::Executable,
        Kind::File(_) => EntryMode::File,
        Kind::Symlink(_) => EntryMode::Symlink,
        Kind::Directory(_) => EntryMode::Directory,
    }
}
