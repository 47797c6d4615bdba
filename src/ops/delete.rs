//! `art delete`: deletes versions. Their commits stay, so that an undo can restore them.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::change_records;
use crate::catalog::version::{LoadedVersion, find_version, project_policy, try_load_version};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::repo::Repository;

/// The versions to delete.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// The versions: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    #[setters(into)]
    pub versions: Vec<Revision>,
    /// Also deletes versions in the last stage of their project, by default production.
    pub force: bool,
}

impl DeleteOptions {
    /// Creates options that delete `versions`, unless something needs them.
    pub fn new(versions: impl Into<Vec<Revision>>) -> Self {
        DeleteOptions { versions: versions.into(), force: false }
    }
}

/// A version that would be deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DoomedVersion {
    /// The version.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// The id, which a rename does not change.
    pub uuid: Uuid,
    /// The current stage.
    pub stage: Name,
    /// The run of the version.
    pub run: Name,
    /// The newest commit.
    pub commit: Id,
}

/// The deletion to confirm.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePlan {
    /// The versions, in the order in which they were named.
    pub versions: Vec<DoomedVersion>,
}

/// The result of a deletion.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteOutcome {
    /// The plan that was carried out.
    #[serde(flatten)]
    pub plan: DeletePlan,
    /// The id of the operation, for undo. `None` if no version was named.
    pub operation: Option<String>,
}

impl DoomedVersion {
    fn of(version: &LoadedVersion) -> Self {
        let record = version.record();
        DoomedVersion {
            version: version.reference.name().clone(),
            project: version.reference.project().clone(),
            uuid: record.uuid,
            stage: record.stage.clone(),
            run: record.run.name.clone(),
            commit: version.commit,
        }
    }

    fn reference(&self) -> RefName {
        RefName::version(self.project.clone(), self.version.clone())
    }
}

/// Plans the deletion of versions. If one of the versions does not exist, this fails.
///
/// Fails with [`Refused`](ErrorKind::Refused) without `force` if a version is in the last stage of
/// its project, because versions there are in use.
pub fn plan_delete(repo: &Repository, options: &DeleteOptions) -> Result<DeletePlan> {
    let mut versions: Vec<DoomedVersion> = Vec::new();
    for revision in &options.versions {
        let doomed = DoomedVersion::of(&find_version(repo, revision)?);
        if !versions.iter().any(|other| other.uuid == doomed.uuid) {
            versions.push(doomed);
        }
    }
    if !options.force {
        let mut in_use = Vec::new();
        for version in &versions {
            if is_in_last_stage(repo, version)? {
                in_use
                    .push(format!("{}:{} in {}", version.project, version.version, version.stage));
            }
        }
        if !in_use.is_empty() {
            return Err(Error::refused(format!("still in use: {}", in_use.join(", ")))
                .with_hint("move the versions to another stage first, or pass --force"));
        }
    }
    Ok(DeletePlan { versions })
}

/// Returns true if the version is in the last of several stages.
fn is_in_last_stage(repo: &Repository, version: &DoomedVersion) -> Result<bool> {
    let rules = project_policy(repo, &version.project)?;
    let stages = rules.policy.stages();
    Ok(stages.len() > 1 && stages.last() == Some(&version.stage))
}

/// Deletes the planned versions, all or none.
///
/// Fails with [`Moved`](ErrorKind::Moved) if one of the versions has changed since the plan was
/// made.
pub fn delete(repo: &Repository, plan: DeletePlan) -> Result<DeleteOutcome> {
    let changed = change_records(repo, |change| {
        for doomed in &plan.versions {
            let reference = doomed.reference();
            let now = try_load_version(repo, &reference)?.map(|version| version.commit);
            if now != Some(doomed.commit) {
                let what = if now.is_some() { "changed" } else { "been deleted or renamed" };
                let name = &doomed.version;
                let message =
                    format!("the version '{name}' has {what} in the meantime; nothing was deleted");
                return Err(Error::new(ErrorKind::Moved, message)
                    .with_hint(format!("show the change: art reflog {name}")));
            }
            change.move_ref(reference, now, None, "delete");
        }
        Ok(())
    })?;
    Ok(DeleteOutcome { plan, operation: changed.operation.map(|operation| operation.id) })
}
