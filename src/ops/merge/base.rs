//! The last common state of two that went apart.

use std::collections::HashSet;

use super::State;
use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::RefKind;
use uuid::Uuid;

/// How two commits stand to each other.
pub(super) enum Bases {
    /// They are one.
    Same,
    /// Ours is a past of theirs.
    Ours,
    /// Theirs is a past of ours.
    Theirs,
    /// Neither; these are the best of their common pasts. None: they are strangers.
    Apart(Vec<Id>),
}

pub(super) fn find_bases(history: &History, ours: Id, theirs: Id) -> Result<Bases> {
    if ours == theirs {
        return Ok(Bases::Same);
    }
    let bases = merge_bases(history, ours, theirs)?;
    Ok(if bases.contains(&ours) {
        Bases::Ours
    } else if bases.contains(&theirs) {
        Bases::Theirs
    } else {
        Bases::Apart(bases)
    })
}

/// The common ancestors of two commits that are no ancestors of another common one.
fn merge_bases(history: &History, ours: Id, theirs: Id) -> Result<Vec<Id>> {
    let pasts: HashSet<Id> = history.ancestors(&ours).collect::<Result<_>>()?;
    let mut seen = HashSet::from([theirs]);
    let mut stack = vec![theirs];
    let mut common = Vec::new();
    while let Some(id) = stack.pop() {
        if pasts.contains(&id) {
            common.push(id);
            continue;
        }
        let parents = history.read_commit(&id)?.parents;
        stack.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
    }
    let mut best = Vec::new();
    for id in &common {
        let mut is_best = true;
        for other in common.iter().filter(|other| *other != id) {
            is_best &= !history.is_ancestor(id, other)?;
        }
        if is_best {
            best.push(*id);
        }
    }
    Ok(best)
}

/// The state that both sides are compared with: of several, the one that is the same from either
/// side. A commit of something else, such as the run that both were made from, is none.
pub(super) fn choose(
    bases: &[Id],
    kind: RefKind,
    uuid: Uuid,
    read: &dyn Fn(Id) -> Result<Option<State>>,
) -> Result<Option<State>> {
    let mut bases = bases.to_vec();
    bases.sort_unstable();
    for id in bases {
        if let Some(state) = read(id)?
            && (kind == RefKind::Project || state.uuid == uuid)
        {
            return Ok(Some(state));
        }
    }
    Ok(None)
}
