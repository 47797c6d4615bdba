//! `art policy show`: shows the current rules of a project.

use serde::Serialize;

use super::set::with_retention;
use crate::catalog::project::find_project;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::ProjectName;
use crate::record::policy::Policy;
use crate::repo::Repository;

/// The rules of a project.
#[derive(Debug, Serialize)]
pub struct PolicyShown {
    /// The project.
    pub project: ProjectName,
    /// The commit that contains the rules. `None` if the project has no record.
    pub commit: Option<Id>,
    /// The author of that commit: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// When that commit was created.
    pub updated_at: Option<Timestamp>,
    /// True if the policy never refuses a move.
    pub free: bool,
    /// The policy. `None` if it cannot be followed.
    pub policy: Option<Policy>,
    /// The rules for the content that the project keeps, as they were written.
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    pub retention: toml::Table,
    /// The policy in TOML, as input for [`set`](super::set()). A policy that cannot be followed is
    /// shown as it was written.
    pub toml: String,
    /// The reason why the policy cannot be followed.
    #[serde(skip)]
    pub problem: Option<Error>,
}

/// Returns the rules of a project. Defaults to the repository's project.
///
/// A policy that cannot be followed is returned too, with the reason in `problem`. Fails with
/// [`NotFound`](crate::ErrorKind::NotFound) if the project does not exist.
pub fn show(repo: &Repository, project: Option<&ProjectName>) -> Result<PolicyShown> {
    let project = project.unwrap_or(&repo.settings().project).clone();
    let Some(loaded) = find_project(repo, &project)? else {
        let policy = Policy::default();
        return Ok(PolicyShown {
            project,
            commit: None,
            author: None,
            updated_at: None,
            free: true,
            toml: policy.to_table().to_string(),
            policy: Some(policy),
            retention: toml::Table::new(),
            problem: None,
        });
    };
    let (policy, mut problem) = match loaded.record.policy() {
        Ok(policy) => (Some(policy), None),
        Err(error) => (None, Some(error)),
    };
    if problem.is_none() {
        problem = loaded.record.retention().err();
    }
    let table = policy.as_ref().map(Policy::to_table);
    let retention = loaded.record.retention;
    Ok(PolicyShown {
        project,
        commit: Some(loaded.commit),
        author: Some(loaded.author),
        updated_at: Some(loaded.updated_at),
        free: policy.as_ref().is_some_and(Policy::is_free),
        toml: with_retention(table.unwrap_or(loaded.record.policy), &retention).to_string(),
        policy,
        retention,
        problem,
    })
}
