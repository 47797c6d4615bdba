//! What else holds on to a run: versions made from it, tags that point at it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::ops::run::LoadedRun;
use crate::ops::version::{IndexedVersion, UnreadableVersion, read_all_versions};
use crate::progress::Progress;
use crate::repo::Repository;

/// A version or tag that holds on to a commit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Its name.
    pub name: Name,
    /// Its project; a version may be copied to another one than the run's.
    pub project: ProjectName,
    /// The commit of the run.
    pub commit: Id,
}

/// The names of versions, by the run that they were made from.
pub(super) type VersionsByRun = HashMap<Uuid, Vec<String>>;

/// The versions that were made from one run.
pub(super) fn pinning_versions(versions: &[IndexedVersion], run: Uuid) -> Vec<Pin> {
    let its = versions.iter().filter(|version| version.summary.run.uuid == run);
    its.map(|version| pin(&version.reference, version.summary.run.commit)).collect()
}

/// The versions of every project by the runs that they were made from: the name, with the project
/// in front where that is not `project`. A version that can't be read is left out.
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

/// The tags that point at a commit of the run.
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
