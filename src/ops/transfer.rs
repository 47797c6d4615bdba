//! `art transfer`: moves a version to another project, with its history.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::find_project;
use crate::catalog::version::{
    Facts, GivenReason, LoadedVersion, find_version, policy_request, project_policy,
};
use crate::catalog::{RecordChange, change_records};
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::StageReason;
use crate::repo::Repository;

/// The reason of the condition that records an arrival.
const TRANSFERRED: &str = "Transferred";

/// The version and the destination project.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct TransferOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The new project.
    pub to_project: ProjectName,
}

impl TransferOptions {
    /// Creates options that move `version` to the project `to_project`.
    pub fn new(version: Revision, to_project: ProjectName) -> Self {
        TransferOptions { version, to_project }
    }
}

/// The result of a transfer.
#[derive(Debug, Clone, Serialize)]
pub struct TransferOutcome {
    /// The version's name.
    pub version: Name,
    /// The new project.
    pub project: ProjectName,
    /// The previous project.
    pub from_project: ProjectName,
    /// The uuid, which does not change.
    pub uuid: Uuid,
    /// The stage, which does not change.
    pub stage: Name,
    /// The newest commit.
    pub commit: Id,
    /// The id of the operation, for undo. `None` if the version was already in the project.
    pub operation: Option<String>,
}

/// Moves a version to another project. The version keeps its name, uuid, stage and history. The
/// verdict of the new project's policy is recorded. If the version is already in the project,
/// nothing changes.
///
/// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if the project has another version
/// with the name, with [`NotFound`](crate::ErrorKind::NotFound) for an unknown project, and with
/// [`Policy`](crate::ErrorKind::Policy) if the project's rules do not allow the version in its
/// stage.
pub fn transfer(repo: &Repository, options: &TransferOptions) -> Result<TransferOutcome> {
    let changed = change_records(repo, |change| {
        let version = find_version(repo, &options.version)?;
        apply(change, &version, &options.to_project)
    })?;
    let operation = changed.operation.map(|operation| operation.id);
    Ok(TransferOutcome { operation, ..changed.value })
}

fn apply(
    change: &mut RecordChange<'_>,
    version: &LoadedVersion,
    project: &ProjectName,
) -> Result<TransferOutcome> {
    let from = version.reference.project().clone();
    let mut commit = version.commit;
    if from != *project {
        find_project(change.repo(), project)?;
        // Rules that this program cannot read may forbid the transfer.
        project_policy(change.repo(), &from)?;
        let to = RefName::version(project.clone(), version.reference.name().clone());
        change.require_absent(&to)?;
        let mut draft = version.draft.clone();
        draft.record.enter(
            version.record().stage.clone(),
            welcome(change, version, project)?,
            change.now(),
        );
        let subject = format!("transfer: from {from}");
        commit = change.relocate_version(version, &to, &draft, &subject)?;
    }
    Ok(TransferOutcome {
        version: version.record().name.clone(),
        project: project.clone(),
        from_project: from,
        uuid: version.record().uuid,
        stage: version.record().stage.clone(),
        commit,
        operation: None,
    })
}

/// Checks the policy of `project`. Returns the condition to record.
fn welcome(
    change: &RecordChange<'_>,
    version: &LoadedVersion,
    project: &ProjectName,
) -> Result<StageReason> {
    let (repo, author) = (change.repo(), change.author());
    let rules = project_policy(repo, project)?;
    let stage = &version.record().stage;
    let given = GivenReason {
        reason: Some(TRANSFERRED.to_owned()),
        message: format!("from {}", version.reference.project()),
    };
    let facts = Facts::read(repo, project, &rules.policy, &version.draft, stage)?;
    let request = policy_request(version.record(), stage, &given, &author, &facts, change.now());
    rules.policy.check_arrival(&request.as_move(), project)?;
    let reason = TRANSFERRED.to_owned();
    Ok(StageReason {
        reason,
        message: given.message.clone(),
        author: author.clone(),
        verdict: rules.verdict(),
    })
}
