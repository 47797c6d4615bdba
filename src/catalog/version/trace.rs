//! Follows a version back to the source of a copy, and forward to its current ref.

use super::load::LoadedVersion;
use crate::error::Result;
use crate::history::Departure;
use crate::name::RefName;
use crate::repo::Repository;

/// Returns the state of the version that `version` was copied from, if it is a copy.
///
/// First parents lead through the version's own history. The first commit of a copy has a commit of
/// the source as its first parent.
pub(crate) fn find_origin(
    repo: &Repository,
    version: &LoadedVersion,
) -> Result<Option<LoadedVersion>> {
    let mut parent = version.parents.first().copied();
    while let Some(commit) = parent {
        let Some(earlier) = LoadedVersion::try_read(repo, &version.reference, commit)? else {
            return Ok(None);
        };
        if earlier.record().uuid != version.record().uuid {
            return Ok(Some(earlier));
        }
        parent = earlier.parents.first().copied();
    }
    Ok(None)
}

/// Returns the current ref of the version that was last at `reference`, which no longer exists.
///
/// Returns `None` if the version was deleted.
pub(crate) fn find_moved(repo: &Repository, reference: &RefName) -> Result<Option<RefName>> {
    if repo.history().reflog(reference)?.is_empty() {
        return Ok(None);
    }
    let departed = repo.history().departures([(reference.clone(), false)])?;
    Ok(departed.get(reference).and_then(Departure::now).cloned())
}
