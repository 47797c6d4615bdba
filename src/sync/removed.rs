//! Local removals of refs: deletions, and renames with their new names.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::history::{History, RefChange};
use crate::id::Id;
use crate::name::RefName;

/// A ref that a command deleted or renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The last commit of the ref.
    pub(crate) commit: Id,
    /// The new name, if the ref was renamed or transferred to another project.
    pub(crate) to: Option<RefName>,
}

/// The most ref changes of an operation that can be a rename: two for the renamed ref, and the rest
/// for runs that are renamed with it.
const MOST_MOVES: usize = 8;

/// Finds the last local deletion or rename of each of `names`. The flag of a name is true if a
/// newer ref has this name now. In this case the removal of the older ref is returned.
///
/// Undone operations are ignored: the undo of an operation that created a ref (for example a pull)
/// is not a deletion, and does not affect the ref on a remote.
pub(crate) fn removed_here(
    history: &History,
    names: impl IntoIterator<Item = (RefName, bool)>,
) -> Result<BTreeMap<RefName, Removed>> {
    let mut asked: BTreeMap<RefName, Life> = names
        .into_iter()
        .map(|(name, is_here)| (name, Life { is_here, skips: Skips::Nothing }))
        .collect();
    let mut removed = BTreeMap::new();
    if asked.is_empty() {
        return Ok(removed);
    }
    history.visit_operations("refs/", &mut |operation| {
        for change in &operation.changes {
            let Some(life) = asked.get_mut(&change.name) else { continue };
            match life.before(change, operation.is_undo) {
                Before::Unknown => {}
                Before::Nothing => drop(asked.remove(&change.name)),
                Before::Removed(commit) => {
                    let to = went_to(history, &change.name, commit, &operation.changes)?;
                    asked.remove(&change.name);
                    removed.insert(change.name.clone(), Removed { commit, to });
                }
            }
        }
        Ok(if asked.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(removed)
}

/// Follows renames from `removed` to the ref that exists now. Returns `None` if the ref was deleted
/// in the end.
pub(crate) fn find_renamed(
    history: &History,
    here: &BTreeMap<RefName, Id>,
    removed: &Removed,
) -> Result<Option<RefName>> {
    let mut to = removed.to.clone();
    let mut seen = Vec::new();
    while let Some(name) = to {
        if here.contains_key(&name) {
            return Ok(Some(name));
        }
        if seen.contains(&name) {
            break;
        }
        let mut next = removed_here(history, [(name.clone(), false)])?;
        to = next.remove(&name).and_then(|removed| removed.to);
        seen.push(name);
    }
    Ok(None)
}

/// The state of a ref while the log is read backwards.
struct Life {
    is_here: bool,
    skips: Skips,
}

/// The undone changes to skip.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skips {
    Nothing,
    /// All changes back to the creation of the ref.
    ToCreation,
    /// All changes back to the removal of the ref.
    ToRemoval,
}

/// The conclusion from one change of a ref.
enum Before {
    Unknown,
    /// No command removed the ref.
    Nothing,
    Removed(Id),
}

impl Life {
    fn before(&mut self, change: &RefChange, is_undo: bool) -> Before {
        match (self.skips, change.old, change.new) {
            (Skips::ToCreation, None, _) | (Skips::ToRemoval, _, None) => {
                self.skips = Skips::Nothing;
            }
            (Skips::ToCreation | Skips::ToRemoval, _, _) => {}
            (Skips::Nothing, Some(_), None) if is_undo => self.skips = Skips::ToCreation,
            (Skips::Nothing, None, Some(_)) if is_undo => self.skips = Skips::ToRemoval,
            (Skips::Nothing, Some(commit), None) => return Before::Removed(commit),
            (Skips::Nothing, None, Some(_)) if self.is_here => self.is_here = false,
            (Skips::Nothing, _, _) if self.is_here => {}
            (Skips::Nothing, _, _) => return Before::Nothing,
        }
        Before::Unknown
    }
}

/// Returns the new name of `name`, which was at `commit`, if the operation that removed it renamed
/// it.
fn went_to(
    history: &History,
    name: &RefName,
    commit: Id,
    changes: &[RefChange],
) -> Result<Option<RefName>> {
    if changes.len() > MOST_MOVES {
        return Ok(None);
    }
    for change in changes {
        let (None, Some(new)) = (change.old, change.new) else { continue };
        if change.name.kind() != name.kind() || history.try_kind(&new)?.is_none() {
            continue;
        }
        if new == commit || history.read_commit(&new)?.parents.contains(&commit) {
            return Ok(Some(change.name.clone()));
        }
    }
    Ok(None)
}
