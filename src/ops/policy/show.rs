//! `art policy show`: the rules as they are now.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::ProjectName;
use crate::ops::project::find_project;
use crate::record::policy::Policy;
use crate::repo::Repository;

/// The rules of a project.
#[derive(Debug, Serialize)]
pub struct PolicyShown {
    /// The project.
    pub project: ProjectName,
    /// The commit that they stand in; `None` if the project has no record.
    pub commit: Option<Id>,
    /// Who made that: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// When that was made.
    pub updated_at: Option<Timestamp>,
    /// Whether nothing is ever refused.
    pub free: bool,
    /// The rules; `None` if they can't be followed.
    pub policy: Option<Policy>,
    /// The same as TOML, to be given to [`set`](super::set()); as it was written, if it can't be
    /// followed.
    pub toml: String,
    /// Why the rules can't be followed.
    #[serde(skip)]
    pub problem: Option<Error>,
}

/// Shows the rules of a project; of the repository's own if none is given.
///
/// Rules that can't be followed are shown too, with the reason in `problem`. Fails with
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such project.
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
            problem: None,
        });
    };
    let (policy, problem) = match loaded.record.policy() {
        Ok(policy) => (Some(policy), None),
        Err(error) => (None, Some(error)),
    };
    let table = policy.as_ref().map(Policy::to_table);
    Ok(PolicyShown {
        project,
        commit: Some(loaded.commit),
        author: Some(loaded.author),
        updated_at: Some(loaded.updated_at),
        free: policy.as_ref().is_some_and(Policy::is_free),
        toml: table.unwrap_or(loaded.record.policy).to_string(),
        policy,
        problem,
    })
}
