//! `art project show`: shows a project, its contents and its rules.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::find_project;
use crate::catalog::version::read_index;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::record::Tags;
use crate::record::policy::{DISABLED, Policy};
use crate::repo::Repository;

/// The details of a project. If the project has no record, the fields of the record are empty.
#[derive(Debug, Serialize)]
pub struct ProjectDetails {
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// True for the default project, which names without a project belong to.
    pub current: bool,
    /// The id, which a rename does not change.
    pub uuid: Option<Uuid>,
    /// The description.
    pub description: String,
    /// The tags.
    pub tags: Tags,
    /// When the record was created.
    pub created_at: Option<Timestamp>,
    /// When the record last changed.
    pub updated_at: Option<Timestamp>,
    /// The author of the last change: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// The newest commit of the record.
    pub commit: Option<Id>,
    /// The number of runs.
    pub runs: u64,
    /// The number of versions.
    pub versions: u64,
    /// The number of versions in each stage: the stages of the policy in order, `disabled`, and
    /// other stages that hold versions.
    pub stages: Vec<StageCount>,
    /// The rules for its stages. `None` if they cannot be followed.
    pub policy: Option<Policy>,
    /// The reason why the rules cannot be followed.
    #[serde(skip)]
    pub policy_problem: Option<Error>,
}

/// The number of versions in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageCount {
    /// The stage.
    pub stage: Name,
    /// The number of versions in the stage.
    pub versions: u64,
    /// The capacity, if limited.
    pub capacity: Option<u32>,
}

/// Collects the details of a project. Defaults to the repository's project.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if the project does not exist.
pub fn show(repo: &Repository, project: Option<&ProjectName>) -> Result<ProjectDetails> {
    let name = project.unwrap_or(&repo.settings().project).clone();
    let loaded = find_project(repo, &name)?;
    let policy = match &loaded {
        Some(loaded) => loaded.record.policy(),
        None => Ok(Policy::default()),
    };
    let mut inside: BTreeMap<Name, u64> = BTreeMap::new();
    for version in read_index(repo, Some(&name))? {
        *inside.entry(version.summary.stage).or_default() += 1;
    }
    let (policy, policy_problem) = match policy {
        Ok(policy) => (Some(policy), None),
        Err(error) => (None, Some(error)),
    };
    let runs = repo.history().refs(&RefName::prefix(RefKind::Run, &name))?.len() as u64;
    let updated = loaded.as_ref().map(|loaded| (loaded.commit, loaded.updated_at));
    let author = loaded.as_ref().map(|loaded| loaded.author.clone());
    let record = loaded.map(|loaded| loaded.record);
    Ok(ProjectDetails {
        current: name == repo.settings().project,
        name,
        uuid: record.as_ref().map(|record| record.uuid),
        created_at: record.as_ref().map(|record| record.created_at),
        updated_at: updated.map(|(_, time)| time),
        author,
        commit: updated.map(|(commit, _)| commit),
        runs,
        versions: inside.values().sum(),
        stages: stage_counts(policy.as_ref(), inside)?,
        policy,
        policy_problem,
        description: record.as_ref().map(|r| r.description.clone()).unwrap_or_default(),
        tags: record.map(|record| record.tags).unwrap_or_default(),
    })
}

fn stage_counts(
    policy: Option<&Policy>,
    mut inside: BTreeMap<Name, u64>,
) -> Result<Vec<StageCount>> {
    let mut stages: Vec<Name> = policy.map(|policy| policy.stages().to_vec()).unwrap_or_default();
    stages.push(DISABLED.parse()?);
    let mut counts = Vec::new();
    for stage in stages {
        let versions = inside.remove(&stage).unwrap_or_default();
        let capacity = policy.and_then(|policy| policy.capacity(&stage));
        counts.push(StageCount { stage, versions, capacity });
    }
    let others =
        inside.into_iter().map(|(stage, versions)| StageCount { stage, versions, capacity: None });
    counts.extend(others);
    Ok(counts)
}
