//! What the sources of an upload make of a run's tree.

use std::collections::HashMap;

use crate::error::Result;
use crate::history::edit::{self, Edit};
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::ops::run::find_entry;
use crate::tree_path::TreePath;

/// Puts what was taken in at its places in the tree `base`; with `merge`, directories are added to.
pub(super) fn apply_edits(
    writer: &mut ObjectWriter<'_>,
    base: Option<Id>,
    taken: &[(TreePath, EntryMode, Id)],
    merge: bool,
) -> Result<Id> {
    let mut edits = Vec::new();
    for (path, mode, id) in taken {
        let mut id = *id;
        if merge && *mode == EntryMode::Directory {
            let old = match base {
                Some(base) => find_entry(writer, base, path)?,
                None => None,
            };
            if let Some((EntryMode::Directory, old)) = old {
                id = overlay(writer, old, id)?;
            }
        }
        edits.push((path.clone(), Edit::Put { mode: *mode, id }));
    }
    edit::apply(writer, base, &edits)
}

/// All that is in `old` or `new`; where both have a file, that of `new`.
fn overlay(writer: &mut ObjectWriter<'_>, old: Id, new: Id) -> Result<Id> {
    if old == new {
        return Ok(new);
    }
    let mut entries = writer.read_tree(&new)?;
    let known: HashMap<_, _> =
        entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
    for entry in writer.read_tree(&old)? {
        let Some(index) = known.get(&entry.name) else {
            entries.push(entry);
            continue;
        };
        let both = (entry.mode, entries[*index].mode);
        if both == (EntryMode::Directory, EntryMode::Directory) {
            entries[*index].id = overlay(writer, entry.id, entries[*index].id)?;
        }
    }
    writer.tree(entries)
}
