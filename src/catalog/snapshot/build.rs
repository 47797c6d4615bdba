//! Builds Git trees from a snapshot, deepest directory first.

use bstr::BString;

use super::Snapshot;
use crate::error::{Error, Result};
use crate::fs::walk::EntryKind;
use crate::history::{EntryMode, ObjectWriter, TreeEntry};
use crate::id::Id;

impl Snapshot {
    /// Adds the trees to `writer` and returns the id of the root. Omits entries without an id and
    /// unreadable directories; `failed` lists them. Drops each directory of the walk after its tree
    /// is added.
    pub(crate) fn write_trees(&mut self, writer: &mut ObjectWriter<'_>) -> Result<Id> {
        let count = self.walk.directories.len();
        let mut trees: Vec<Option<Id>> = vec![None; count];
        // A directory has a greater number than its parent, so this order visits children first.
        for number in (0..count).rev() {
            let directory = std::mem::take(&mut self.walk.directories[number]);
            if directory.is_unread {
                continue;
            }
            let mut entries = Vec::with_capacity(directory.len());
            for (index, (name, kind)) in directory.iter().enumerate() {
                let (mode, id) = match kind {
                    EntryKind::Directory(child) => (EntryMode::Directory, trees[child as usize]),
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

    /// Returns the single entry of a snapshot from [`Snapshot::of_entry`]. Returns `None` if it
    /// could not be read.
    pub(crate) fn single(&self) -> Option<(EntryMode, Id)> {
        let (_, kind) = self.walk.directories.first()?.iter().next()?;
        Some((mode_of(kind), self.id(0, 0)?))
    }
}

/// Returns the mode of an entry that is not a directory.
pub(crate) fn mode_of(kind: EntryKind) -> EntryMode {
    match kind {
        EntryKind::File(stat) if stat.executable => EntryMode::Executable,
        EntryKind::File(_) => EntryMode::File,
        EntryKind::Symlink(_) => EntryMode::Symlink,
        EntryKind::Directory(_) => EntryMode::Directory,
    }
}
