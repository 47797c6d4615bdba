//! `art runs delete`: removes a run's ref. What was uploaded stays until it is cleaned up, so an
//! undo brings the run back.

use serde::Serialize;

use super::pins::{Pin, pinning_tags, pinning_versions};
use crate::error::{Error, Result};
use crate::history::Expected;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::ops::run::find_run;
use crate::ops::version::{read_index, read_versions, version_refs};
use crate::progress::NoProgress;
use crate::repo::Repository;

/// Which run to delete.
#[derive(Debug, Clone)]
pub struct DeleteOptions {
    /// The project, if not the default.
    pub project: Option<ProjectName>,
    /// The run.
    pub run: Name,
    /// Also if versions were made from it. They keep what they have.
    pub force: bool,
}

/// What would be deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePlan {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// Its newest commit.
    pub commit: Id,
    /// Whether it is the current run; then no run is after that.
    pub current: bool,
    /// The versions made from it.
    pub versions: Vec<Pin>,
    /// The tags that point at one of its commits, and keep it.
    pub tag_refs: Vec<Pin>,
}

/// What was deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteOutcome {
    /// What the plan was.
    #[serde(flatten)]
    pub plan: DeletePlan,
    /// The operation, to be undone.
    pub operation: String,
}

/// Finds out what deleting a run means. Refused without `force` if versions were made from it.
pub fn plan_delete(repo: &Repository, options: &DeleteOptions) -> Result<DeletePlan> {
    let run = find_run(repo, options.project.as_ref(), Some(&options.run))?;
    // What can't be read may be made from it: without force, that is not guessed.
    let all = if options.force {
        read_versions(repo, version_refs(repo, None)?, &NoProgress)?.versions
    } else {
        read_index(repo, None)?
    };
    let versions = pinning_versions(&all, run.record.uuid);
    let tag_refs = pinning_tags(repo, &run)?;
    if !versions.is_empty() && !options.force {
        let names: Vec<String> = versions.iter().map(|version| version.name.to_string()).collect();
        let (run, versions) = (&options.run, names.join(", "));
        return Err(Error::refused(format!("versions were made from the run '{run}': {versions}"))
            .with_hint(format!("they keep their content; go on: art runs delete {run} --force")));
    }
    Ok(DeletePlan {
        current: repo.history().head()?.as_ref() == Some(&run.reference),
        run: run.reference.name().clone(),
        project: run.reference.project().clone(),
        commit: run.commit,
        versions,
        tag_refs,
    })
}

/// Deletes the run as it was planned. `command` is what was typed, for the log of operations.
///
/// Fails with [`ErrorKind::Moved`](crate::ErrorKind::Moved) if the run has changed since.
pub fn delete(repo: &Repository, plan: DeletePlan, command: &str) -> Result<DeleteOutcome> {
    let _lock = repo.lock_shared()?;
    let run = RefName::run(plan.project.clone(), plan.run.clone());
    let mut transaction = repo.history().transaction(&repo.signature(), command);
    transaction.update(run.clone(), Expected::Id(plan.commit), None, "delete");
    if plan.current {
        transaction.expect_head(Some(run)).set_head(None);
    }
    let operation = transaction.commit(repo.settings().lock_timeout)?;
    Ok(DeleteOutcome { plan, operation: operation.id })
}
