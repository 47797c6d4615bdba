//! Applies the sources of an upload to the tree of a run.

use std::collections::HashMap;

use super::tally::Unread;
use crate::catalog::run::find_entry;
use crate::error::{Error, Result};
use crate::history::edit::{self, Edit};
use crate::history::{EntryMode, ObjectWriter, TreeEntry, WalkBudget};
use crate::id::Id;
use crate::tree_path::TreePath;

/// A source that was read, with its path in the run.
pub(super) type ReadSource = (TreePath, EntryMode, Id);

/// Puts the read sources into the tree `base`. With `merge`, existing directories keep their other
/// entries. Unreadable sources keep their entries of `base`.
pub(super) fn apply_edits(
    writer: &mut ObjectWriter<'_>,
    base: Option<Id>,
    taken: &[ReadSource],
    unread: &[Unread],
    merge: bool,
) -> Result<Id> {
    let tree = apply_taken(writer, base, taken, merge)?;
    let mut kept = Vec::new();
    for unread in unread {
        if let Some((mode, id)) = find_kept(writer, base, unread)? {
            kept.push((unread.place.clone(), Edit::Put { mode, id }));
        }
    }
    if kept.is_empty() { Ok(tree) } else { edit::apply(writer, Some(tree), &kept) }
}

/// Returns the entry of the tree `base` at the path of an unreadable source.
pub(super) fn find_kept(
    writer: &ObjectWriter<'_>,
    base: Option<Id>,
    unread: &Unread,
) -> Result<Option<(EntryMode, Id)>> {
    base.map_or(Ok(None), |base| find_entry(writer, base, &unread.place))
}

fn apply_taken(
    writer: &mut ObjectWriter<'_>,
    base: Option<Id>,
    taken: &[ReadSource],
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

/// Merges two directories. If both have a file, the file of `new` wins. Each pair of directories is
/// merged once, even if it occurs several times.
fn overlay(writer: &mut ObjectWriter<'_>, old: Id, new: Id) -> Result<Id> {
    let mut budget = WalkBudget::new(writer.limits());
    let mut merged: HashMap<(Id, Id), Id> = HashMap::new();
    if old == new {
        return Ok(new);
    }
    let mut stack = vec![Overlay::read(writer, (old, new))?];
    while let Some(top) = stack.last_mut() {
        if let Some((at, pair)) = top.left.pop() {
            if let Some(id) = merged.get(&pair) {
                top.entries[at].id = *id;
                continue;
            }
            top.left.push((at, pair));
            let below = Overlay::read(writer, pair)?;
            budget.enter(stack.len(), 0, below.entries.len())?;
            stack.push(below);
            continue;
        }
        let Some(done) = stack.pop() else { break };
        merged.insert(done.pair, writer.tree(done.entries)?);
    }
    merged.remove(&(old, new)).ok_or_else(|| Error::internal("a directory was not merged"))
}

/// Two directories that are being merged.
struct Overlay {
    pair: (Id, Id),
    entries: Vec<TreeEntry>,
    /// The indexes in `entries` of subdirectories that both have and that still need merging.
    left: Vec<(usize, (Id, Id))>,
}

impl Overlay {
    fn read(writer: &ObjectWriter<'_>, (old, new): (Id, Id)) -> Result<Self> {
        let mut entries = writer.read_tree(&new)?;
        let mut left = Vec::new();
        let known: HashMap<_, _> =
            entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
        for entry in writer.read_tree(&old)? {
            let Some(at) = known.get(&entry.name).copied() else {
                entries.push(entry);
                continue;
            };
            let its = &entries[at];
            let are_directories = entry.mode.is_directory() && its.mode.is_directory();
            if are_directories && entry.id != its.id {
                left.push((at, (entry.id, its.id)));
            }
        }
        Ok(Overlay { pair: (old, new), entries, left })
    }
}
