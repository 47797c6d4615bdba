//! `art runs delete`: deletes the ref of a run. Its content stays until garbage collection, so that
//! an undo can restore the run.

use derive_setters::Setters;
use serde::Serialize;

use super::pins::{Pin, pinning_tags, pinning_versions};
use crate::catalog::run::find_run;
use crate::catalog::version::{read_index, read_versions, version_refs};
use crate::error::{Error, Result};
use crate::history::Expected;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::NoProgress;
use crate::repo::Repository;

/// The run to delete.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct DeleteRunOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The run.
    pub run: Name,
    /// Deletes the run even if it has versions. The versions keep their content.
    pub force: bool,
}

impl DeleteRunOptions {
    /// Creates options that delete `run` from the default project.
    pub fn new(run: Name) -> Self {
        DeleteRunOptions { project: None, run, force: false }
    }
}

/// The deletion to confirm.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePlan {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The newest commit.
    pub commit: Id,
    /// True if the run is the current run. After the deletion, there is no current run.
    pub current: bool,
    /// The versions of the run.
    pub versions: Vec<Pin>,
    /// The tags that point at commits of the run, and keep these commits.
    pub tag_refs: Vec<Pin>,
}

/// The result of a deletion.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteOutcome {
    /// The plan that was carried out.
    #[serde(flatten)]
    pub plan: DeletePlan,
    /// The id of the operation, for undo.
    pub operation: String,
}

/// Plans the deletion of a run. Refuses a run with versions, unless `force` is set.
pub fn plan_delete(repo: &Repository, options: &DeleteRunOptions) -> Result<DeletePlan> {
    let run = find_run(repo, options.project.as_ref(), Some(&options.run))?;
    // An unreadable version may belong to the run. Without force, reading it is an error.
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
        return Err(Error::refused(format!("the run '{run}' has versions: {versions}")).with_hint(
            format!(
                "delete the run and keep the content of its versions: art runs delete {run} --force"
            ),
        ));
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

/// Deletes the run of the plan.
///
/// Fails with [`ErrorKind::Moved`](crate::ErrorKind::Moved) if the run has changed since the plan
/// was made.
pub fn delete(repo: &Repository, plan: DeletePlan) -> Result<DeleteOutcome> {
    let _lock = repo.lock_shared()?;
    let run = RefName::run(plan.project.clone(), plan.run.clone());
    let mut transaction = repo.transaction();
    transaction.update(run.clone(), Expected::Id(plan.commit), None, "delete");
    if plan.current {
        transaction.expect_head(Some(run)).set_head(None);
    }
    let operation = transaction.commit(repo.settings().lock_timeout)?;
    Ok(DeleteOutcome { plan, operation: operation.id })
}
