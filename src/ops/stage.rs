//! `art stage`: puts a version in a stage, with the reason; the policy has to allow it.

use serde::Serialize;
use uuid::Uuid;

use super::changes::{Total, total};
use super::sync::Sizes;
use super::version::{
    COUNT_LIMIT, LoadedVersion, ProjectPolicy, RecordChange, Said, change_stages, enter_stage,
    find_version, is_there, project_policy, run_status,
};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::RunStatus;
use crate::repo::Repository;

pub use super::version::DisplacedVersion;

/// Which version to put in which stage, and why.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// Where to.
    pub to: StageTarget,
    /// Why, in a word for programs, if anybody said.
    pub reason: Option<String>,
    /// The word that is recorded where nobody said; `ClientStageUpdate` by custom.
    pub unsaid: String,
    /// Why, for people; may be empty.
    pub message: String,
    /// Only if it is in this stage now.
    pub expect: Option<Name>,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// Where to put a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageTarget {
    /// In this stage.
    Stage(Name),
    /// In the next one in the order of its project.
    Next,
}

/// What became of a version.
#[derive(Debug, Clone, Serialize)]
pub struct StageOutcome {
    /// The version.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// What stays the same when its name changes.
    pub uuid: Uuid,
    /// The stage that it was in.
    pub from: Name,
    /// The stage that it is in.
    pub stage: Name,
    /// Whether that had to be recorded; `false` if all was so already.
    pub changed: bool,
    /// The reason that is recorded for it.
    pub reason: String,
    /// The message that is recorded for it.
    pub message: String,
    /// Who put it there: `NAME <EMAIL>`.
    pub author: String,
    /// When it was put there.
    pub time: Timestamp,
    /// What the policy said.
    pub verdict: String,
    /// The version's newest commit.
    pub commit: Id,
    /// The run that it is made from.
    pub run: Name,
    /// The status of that run; nothing if the run is not known.
    pub run_status: Option<RunStatus>,
    /// What it holds.
    pub total: Total,
    /// Versions that had to leave the stage for it, and where they went.
    pub displaced: Vec<DisplacedVersion>,
    /// The operation, to be undone; `None` if nothing had to change.
    pub operation: Option<String>,
}

/// Puts a version in a stage. That it is there already, for the same reason, is fine.
///
/// Fails with [`Moved`](ErrorKind::Moved) if it is not in the stage that is expected, with
/// [`Policy`](ErrorKind::Policy) and every rule that refuses it, and with
/// [`Invalid`](ErrorKind::Invalid) for a stage that the project has not.
///
/// The hook `pre-stage` is asked about each version that moves, `post-stage` is told.
pub fn stage(
    repo: &Repository,
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<StageOutcome> {
    let (changed, staged) = change_stages(repo, &options.command, progress, |change| {
        let version = find_version(repo, &options.version)?;
        apply(change, &version, options)
    })?;
    staged.tell(repo, progress);
    let operation = changed.operation.map(|operation| operation.id);
    let (outcome, tree) = changed.value;
    let total = total(repo, &mut Sizes::new(repo), tree, COUNT_LIMIT, progress)?;
    Ok(StageOutcome { total, operation, ..outcome })
}

fn apply(
    change: &mut RecordChange<'_>,
    version: &LoadedVersion,
    options: &StageOptions,
) -> Result<(StageOutcome, Option<Id>)> {
    let project = version.reference.project().clone();
    let rules = project_policy(change.repo(), &project)?;
    let from = version.record().stage.clone();
    check_expected(version, &rules, options)?;
    let to = match &options.to {
        StageTarget::Stage(stage) => stage,
        StageTarget::Next => rules.policy.next_stage(&from)?,
    };
    rules.policy.check_stage(to)?;
    let said = Said {
        reason: options.reason.clone(),
        unsaid: options.unsaid.clone(),
        message: options.message.clone(),
    };
    let mut draft = version.draft.clone();
    let (mut commit, mut displaced) = (None, Vec::new());
    if !is_there(&draft.record, to, &said) {
        displaced = enter_stage(change, &project, &rules, &mut draft, (to, &said))?;
        let subject = format!("stage: {from} -> {to}");
        commit = change.update_version(version, &draft, &subject)?;
    }
    let last = draft.record.stage_conditions.last();
    let last = last.ok_or_else(|| Error::internal("a version without a stage"))?;
    let outcome = StageOutcome {
        version: draft.record.name.clone(),
        project,
        uuid: draft.record.uuid,
        from,
        stage: last.stage.clone(),
        changed: commit.is_some(),
        reason: last.reason.clone(),
        message: last.message.clone(),
        author: last.author.clone(),
        time: last.last_update_time,
        verdict: last.verdict.clone(),
        commit: commit.unwrap_or(version.commit),
        run: draft.record.run.name.clone(),
        run_status: run_status(change.repo(), &draft.record.run)?,
        total: Total::default(),
        displaced,
        operation: None,
    };
    Ok((outcome, draft.artifacts))
}

fn check_expected(
    version: &LoadedVersion,
    rules: &ProjectPolicy,
    options: &StageOptions,
) -> Result<()> {
    let Some(expected) = &options.expect else { return Ok(()) };
    let (name, now) = (&version.record().name, &version.record().stage);
    if now == expected {
        return Ok(());
    }
    // A stage that never was is a slip of the hand, not a race that was lost.
    if !version.record().stage_conditions.iter().any(|was| was.stage == *expected) {
        rules.policy.check_stage(expected)?;
    }
    let message = format!("'{name}' is in {now}, not in {expected}");
    Err(Error::new(ErrorKind::Moved, message)
        .with_hint(format!("see who put it there: art history {name}")))
}
