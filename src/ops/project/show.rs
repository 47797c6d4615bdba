//! `art project show`: what a project is, what it holds, its rules.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::load::find_project;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::ops::version::read_index;
use crate::record::Tags;
use crate::record::policy::{DISABLED, Policy};
use crate::repo::Repository;

/// All that is known of a project. What only a record says is absent where there is none.
#[derive(Debug, Serialize)]
pub struct ProjectDetails {
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// Whether it is the one that names without a project belong to.
    pub current: bool,
    /// What stays the same when the name changes.
    pub uuid: Option<Uuid>,
    /// What it is for.
    pub description: String,
    /// Short words on it.
    pub tags: Tags,
    /// When its record was made.
    pub created_at: Option<Timestamp>,
    /// When its record was last changed.
    pub updated_at: Option<Timestamp>,
    /// Who changed it last: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// The last commit of its record.
    pub commit: Option<Id>,
    /// How many runs it has.
    pub runs: u64,
    /// How many versions it has.
    pub versions: u64,
    /// How many versions each stage holds: those of the policy in order, `disabled`, and others
    /// that versions are in.
    pub stages: Vec<StageCount>,
    /// The rules for its stages; `None` if they can't be followed.
    pub policy: Option<Policy>,
    /// Why the rules can't be followed.
    #[serde(skip)]
    pub policy_problem: Option<Error>,
}

/// A stage and how many versions are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageCount {
    /// The stage.
    pub stage: Name,
    /// How many versions are in it.
    pub versions: u64,
    /// How many it holds, if there is a bound.
    pub capacity: Option<u32>,
}

/// Shows a project; the repository's own if none is given.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if there is no such project.
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
