//! `art delete`: removes versions. Their commits stay, so an undo brings them back.

use serde::Serialize;
use uuid::Uuid;

use super::version::{
    LoadedVersion, change_records, find_version, project_policy, try_load_version,
};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::repo::Repository;

/// Which versions to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// The versions: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub versions: Vec<Revision>,
    /// Also those in the last stage of their project, which is production by default.
    pub force: bool,
}

/// A version that would be deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DoomedVersion {
    /// The version.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// What stays the same when its name changes.
    pub uuid: Uuid,
    /// The stage it is in.
    pub stage: Name,
    /// The run it was made from.
    pub run: Name,
    /// Its newest commit.
    pub commit: Id,
}

/// What would be deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePlan {
    /// The versions, in the order in which they were named.
    pub versions: Vec<DoomedVersion>,
}

/// What was deleted.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteOutcome {
    /// What the plan was.
    #[serde(flatten)]
    pub plan: DeletePlan,
    /// The operation, to be undone; `None` if no version was named.
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

/// Finds out what deleting versions means. All have to be there, else none is deleted.
///
/// Fails with [`Refused`](ErrorKind::Refused) without `force` if one is in the last stage of its
/// project, in which versions are in use.
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
                .with_hint("put it in another stage first, or delete it all the same: --force"));
        }
    }
    Ok(DeletePlan { versions })
}

/// Whether the version is in the last of several stages.
fn is_in_last_stage(repo: &Repository, version: &DoomedVersion) -> Result<bool> {
    let rules = project_policy(repo, &version.project)?;
    let stages = rules.policy.stages();
    Ok(stages.len() > 1 && stages.last() == Some(&version.stage))
}

/// Deletes the versions as it was planned, all or none. `command` is what was typed, for the log of
/// operations.
///
/// Fails with [`Moved`](ErrorKind::Moved) if one of them has changed since.
pub fn delete(repo: &Repository, plan: DeletePlan, command: &str) -> Result<DeleteOutcome> {
    let changed = change_records(repo, command, |change| {
        for doomed in &plan.versions {
            let reference = doomed.reference();
            let now = try_load_version(repo, &reference)?.map(|version| version.commit);
            if now != Some(doomed.commit) {
                let what = if now.is_some() { "changed" } else { "been deleted or renamed" };
                let name = &doomed.version;
                let message =
                    format!("the version '{name}' has {what} meanwhile; nothing is deleted");
                return Err(Error::new(ErrorKind::Moved, message)
                    .with_hint(format!("see how: art reflog {name}")));
            }
            change.move_ref(reference, now, None, "delete");
        }
        Ok(())
    })?;
    Ok(DeleteOutcome { plan, operation: changed.operation.map(|operation| operation.id) })
}
