//! The UUID of a run or version, which stays the same when its ref is renamed.

use uuid::Uuid;

use crate::error::Result;
use crate::history::{History, RecordTree};
use crate::id::Id;
use crate::name::RefKind;
use crate::record::{Record, RunRecord, VersionRecord};

/// Returns the UUID of the run or version of `commit`, if it is readable.
pub(crate) fn uuid_of(history: &History, kind: RefKind, commit: &Id) -> Result<Option<Uuid>> {
    let file = match kind {
        RefKind::Run => RunRecord::FILE,
        RefKind::Version => VersionRecord::FILE,
        RefKind::Project | RefKind::Tag => return Ok(None),
    };
    if history.try_kind(commit)?.is_none() {
        return Ok(None);
    }
    let tree = RecordTree::of_commit(history, commit)?;
    let Some(blob) = tree.file(file) else { return Ok(None) };
    let bytes = history.read_blob(&blob)?;
    Ok(match kind {
        RefKind::Run => RunRecord::decode(&bytes).ok().map(|record| record.uuid),
        _ => VersionRecord::decode(&bytes).ok().map(|record| record.uuid),
    })
}
