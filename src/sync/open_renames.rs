//! Renames on a remote that a repository may not have followed.

use std::collections::BTreeMap;

use super::record_uuid::uuid_of;
use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::{FormerName, RemoteState};

/// A rename on the remote that this repository may not have followed: the record is not at its new
/// name here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenRename {
    pub(crate) former: FormerName,
    /// The remote's commit under the new name.
    pub(crate) theirs: Id,
}

/// Finds the renames in `state` that this repository may not have followed.
pub(crate) fn open_renames(
    history: &History,
    here: &BTreeMap<RefName, Id>,
    there: &BTreeMap<RefName, Id>,
    state: &RemoteState,
) -> Result<Vec<OpenRename>> {
    let mut open = Vec::new();
    for former in &state.former_names {
        let Some(theirs) = there.get(&former.now) else { continue };
        let is_followed = match here.get(&former.now) {
            Some(ours) if ours == theirs => true,
            Some(ours) => uuid_of(history, former.now.kind(), ours)? == Some(former.uuid),
            None => false,
        };
        if !is_followed {
            open.push(OpenRename { former: former.clone(), theirs: *theirs });
        }
    }
    Ok(open)
}
