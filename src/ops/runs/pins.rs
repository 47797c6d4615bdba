//! The versions and tags that keep commits of a run.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::run::LoadedRun;
use crate::catalog::version::{UnreadableVersion, read_all_versions};
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::progress::Progress;
use crate::record::IndexedVersion;
use crate::repo::Repository;

/// A version or tag that keeps a commit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The name.
    pub name: Name,
    /// The project. A version may be in another project than its run.
    pub project: ProjectName,
    /// The kept commit of the run.
    pub commit: Id,
}

/// The names of versions, by the uuid of their run.
pub(super) type VersionsByRun = HashMap<Uuid, Vec<String>>;

/// Returns the versions of one run.
pub(super) fn pinning_versions(versions: &[IndexedVersion], run: Uuid) -> Vec<Pin> {
    let its = versions.iter().filter(|version| version.summary.run.uuid == run);
    its.map(|version| pin(&version.reference, version.summary.run.commit)).collect()
}

/// Maps each run to its versions in every project. Versions outside `project` are prefixed with
/// their project. Unreadable versions are returned separately.
pub(super) fn versions_by_run(
    repo: &Repository,
    project: &ProjectName,
    progress: &dyn Progress,
) -> Result<(VersionsByRun, Vec<UnreadableVersion>)> {
    let mut by_run = VersionsByRun::new();
    let index = read_all_versions(repo, None, progress)?;
    for version in index.versions {
        let reference = &version.reference;
        let name = if reference.project() == project {
            reference.name().to_string()
        } else {
            format!("{}:{}", reference.project(), reference.name())
        };
        by_run.entry(version.summary.run.uuid).or_default().push(name);
    }
    Ok((by_run, index.unreadable))
}

/// Returns the tags that point at a commit of the run.
pub(super) fn pinning_tags(repo: &Repository, run: &LoadedRun) -> Result<Vec<Pin>> {
    let history = repo.history();
    let tags = history.refs(&format!("refs/{}/", RefKind::Tag.directory()))?;
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let commits: HashSet<Id> = history.ancestors(&run.commit).collect::<Result<_>>()?;
    let pointing = tags.into_iter().filter(|(_, id)| commits.contains(id));
    Ok(pointing.map(|(name, id)| pin(&name, id)).collect())
}

fn pin(name: &RefName, commit: Id) -> Pin {
    Pin { name: name.name().clone(), project: name.project().clone(), commit }
}
