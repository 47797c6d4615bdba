//! `art transfer`: a version moves to another project, with its past.

use serde::Serialize;
use uuid::Uuid;

use super::project::find_project;
use super::version::{
    Facts, LoadedVersion, RecordChange, Said, asked, change_records, find_version, project_policy,
};
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::StageReason;
use crate::repo::Repository;

/// The reason of the condition that an arrival is recorded with.
const TRANSFERRED: &str = "Transferred";

/// Which version to move where.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The project that it shall belong to.
    pub to_project: ProjectName,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// Where a version is.
#[derive(Debug, Clone, Serialize)]
pub struct TransferOutcome {
    /// The version.
    pub version: Name,
    /// The project that it belongs to now.
    pub project: ProjectName,
    /// The project that it belonged to.
    pub from_project: ProjectName,
    /// The same as before.
    pub uuid: Uuid,
    /// The stage, the same as before.
    pub stage: Name,
    /// The version's newest commit.
    pub commit: Id,
    /// The operation, to be undone; `None` if it was there already.
    pub operation: Option<String>,
}

/// Moves a version to another project. It keeps its name, its uuid, its stage and its history, and
/// what the new project's policy said is recorded in it. That it is there already is fine.
///
/// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if the project has another version
/// of that name, with [`NotFound`](crate::ErrorKind::NotFound) for a project that is not there, and
/// with [`Policy`](crate::ErrorKind::Policy) if the project's rules don't let a version into its
/// stage.
pub fn transfer(repo: &Repository, options: &TransferOptions) -> Result<TransferOutcome> {
    let changed = change_records(repo, &options.command, |change| {
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
        // Rules that this program can't read may be ones that keep the version where it is.
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

/// Asks the policy of `project`; gives what is recorded of that.
fn welcome(
    change: &RecordChange<'_>,
    version: &LoadedVersion,
    project: &ProjectName,
) -> Result<StageReason> {
    let (repo, author) = (change.repo(), change.author());
    let rules = project_policy(repo, project)?;
    let stage = &version.record().stage;
    let said = Said {
        reason: Some(TRANSFERRED.to_owned()),
        unsaid: String::new(),
        message: format!("from {}", version.reference.project()),
    };
    let facts = Facts::read(repo, project, &rules.policy, &version.draft, stage)?;
    let asked = asked(version.record(), stage, &said, &author, &facts, change.now());
    rules.policy.check_arrival(&asked.as_move(), project)?;
    let reason = TRANSFERRED.to_owned();
    Ok(StageReason {
        reason,
        message: said.message.clone(),
        author: author.clone(),
        verdict: rules.verdict(),
    })
}
