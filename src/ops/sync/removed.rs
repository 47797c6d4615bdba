//! What commands did away with here: refs that were deleted, and where those went that were renamed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::history::{History, RefChange};
use crate::id::Id;
use crate::name::RefName;

/// A ref that a command did away with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The commit that it had.
    pub(crate) commit: Id,
    /// Where its history went on, if it was renamed or went to another project.
    pub(crate) to: Option<RefName>,
}

/// So many refs move at most in an operation that is read as a rename: two, and those of runs that
/// follow.
const MOST_MOVES: usize = 8;

/// Which of `names` a command did away with, and when last. With each stands whether it is here
/// now: then it is another thing of that name, and it is about what was there before.
///
/// What was taken back since counts as never done: to take back what made a ref (a pull, say) is no
/// deletion, and says nothing of the ref elsewhere.
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
    history.visit_past("refs/", &mut |operation| {
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

/// Where the ref is now that `removed` was: renamed as often as it may be. `None` if it was deleted
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

/// A ref as the log is read backwards.
struct Life {
    is_here: bool,
    skips: Skips,
}

/// What was taken back, and is passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skips {
    Nothing,
    /// All since the ref was made.
    ToCreation,
    /// All since it was removed.
    ToRemoval,
}

/// What a change tells of how a ref was before.
enum Before {
    Unknown,
    /// That no command did away with it.
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

/// Where what `name` had at `commit` went in the operation that removed it.
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
