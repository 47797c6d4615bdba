//! The last common state of two that went apart.

use uuid::Uuid;

use super::State;
use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::RefKind;

/// How two commits stand to each other.
pub(super) enum Bases {
    /// They are one.
    Same,
    /// Ours is a past of theirs.
    Ours,
    /// Theirs is a past of ours.
    Theirs,
    /// Neither; these are the best of their common pasts, newest first. None: they are strangers.
    Apart(Vec<Id>),
}

pub(super) fn find_bases(history: &History, ours: Id, theirs: Id) -> Result<Bases> {
    if ours == theirs {
        return Ok(Bases::Same);
    }
    let bases = history.merge_bases(&ours, &theirs)?;
    Ok(if bases.contains(&ours) {
        Bases::Ours
    } else if bases.contains(&theirs) {
        Bases::Theirs
    } else {
        Bases::Apart(bases)
    })
}

/// The state that both sides are compared with: of several, the newest, which is the same from either
/// side. A commit of something else, such as the run that both were made from, is none.
pub(super) fn choose(
    bases: &[Id],
    kind: RefKind,
    uuid: Uuid,
    read: &dyn Fn(Id) -> Result<Option<State>>,
) -> Result<Option<State>> {
    for id in bases {
        if let Some(state) = read(*id)?
            && (kind == RefKind::Project || state.uuid == uuid)
        {
            return Ok(Some(state));
        }
    }
    Ok(None)
}
