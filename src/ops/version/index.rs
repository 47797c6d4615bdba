//! All versions in short, as they are now.

use crate::error::Result;
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};
use crate::record::VersionSummary;
use crate::repo::Repository;

use super::load::LoadedVersion;

/// A version in short, where it is and at which commit.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedVersion {
    /// Its ref.
    pub reference: RefName,
    /// The commit.
    pub commit: Id,
    /// What its record says.
    pub summary: VersionSummary,
}

/// Reads the versions of `project`, or of every project; by name.
pub(crate) fn read_index(
    repo: &Repository,
    project: Option<&ProjectName>,
) -> Result<Vec<IndexedVersion>> {
    let prefix = match project {
        Some(project) => RefName::prefix(RefKind::Version, project),
        None => format!("refs/{}/", RefKind::Version.directory()),
    };
    let mut versions = Vec::new();
    for (reference, commit) in repo.history().refs(&prefix)? {
        let version = LoadedVersion::read(repo, &reference, commit)?;
        let summary = VersionSummary::new(version.draft.record, version.updated_at);
        versions.push(IndexedVersion { reference, commit, summary });
    }
    Ok(versions)
}
