//! Follows a version by its uuid: back to what it was copied from, and to where it is now.

use super::index::read_index;
use super::load::{LoadedVersion, read_version_record};
use crate::error::Result;
use crate::name::RefName;
use crate::repo::Repository;

/// The state of the version that `version` is a copy of, if it is one.
///
/// First parents lead through a version's own past; the first commit of a copy has the other
/// version's as its first parent.
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

/// Where the version is now that was the last one at `reference`, where there is none any more.
///
/// Nothing is known of a version that was deleted, or whose old commits are gone.
pub(crate) fn find_moved(repo: &Repository, reference: &RefName) -> Result<Option<RefName>> {
    let last = repo.history().reflog(reference)?.into_iter().find_map(|entry| entry.old);
    let Some(record) = last.and_then(|last| read_version_record(repo, last).ok().flatten()) else {
        return Ok(None);
    };
    let versions = read_index(repo, None)?;
    let now = versions.into_iter().find(|version| version.summary.uuid == record.uuid);
    Ok(now.map(|version| version.reference))
}
