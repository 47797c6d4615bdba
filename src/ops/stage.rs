//! `art stage`: moves a version to a stage, with a reason, if the policy allows it.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::RecordChange;
use crate::catalog::changes::{Total, total};
use crate::catalog::version::{
    COUNT_LIMIT, GivenReason, LoadedVersion, ProjectPolicy, change_stages, enter_stage,
    find_version, is_in_stage, project_policy, run_status,
};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::RunStatus;
use crate::repo::Repository;
use crate::sync::Sizes;

pub use crate::catalog::version::DisplacedVersion;

/// The version, the new stage and the reason.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct StageOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The new stage.
    pub to: StageTarget,
    /// The reason, as a word for programs, if given.
    #[setters(into)]
    pub reason: Option<String>,
    /// The message, for people; may be empty.
    #[setters(into)]
    pub message: String,
    /// The required current stage, if any.
    #[setters(into)]
    pub expect: Option<Name>,
}

impl StageOptions {
    /// Creates options that move `version` to the stage `to`.
    pub fn new(version: Revision, to: StageTarget) -> Self {
        StageOptions { version, to, reason: None, message: String::new(), expect: None }
    }
}

/// The new stage of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageTarget {
    /// The named stage.
    Stage(Name),
    /// The next stage in the order of the project.
    Next,
}

/// The result of a stage change.
#[derive(Debug, Clone, Serialize)]
pub struct StageOutcome {
    /// The version's name.
    pub version: Name,
    /// The version's project.
    pub project: ProjectName,
    /// The version's id, which a rename does not change.
    pub uuid: Uuid,
    /// The previous stage.
    pub from: Name,
    /// The current stage.
    pub stage: Name,
    /// True if a change was recorded.
    pub changed: bool,
    /// The recorded reason.
    pub reason: String,
    /// The recorded message.
    pub message: String,
    /// The author of the recorded entry: `NAME <EMAIL>`.
    pub author: String,
    /// When the entry was recorded.
    pub time: Timestamp,
    /// The verdict of the policy.
    pub verdict: String,
    /// The version's newest commit.
    pub commit: Id,
    /// The version's run.
    pub run: Name,
    /// The status of the run, if known.
    pub run_status: Option<RunStatus>,
    /// The totals of the version.
    pub total: Total,
    /// Versions that were displaced from the stage, and their new stages.
    pub displaced: Vec<DisplacedVersion>,
    /// The id of the operation, for undo. `None` if nothing changed.
    pub operation: Option<String>,
}

/// Moves a version to a stage. The same stage with the same reason changes nothing.
///
/// Fails with [`Moved`](ErrorKind::Moved) if the version is not in the expected stage, with
/// [`Policy`](ErrorKind::Policy) and every refusing rule if the policy refuses, and with
/// [`Invalid`](ErrorKind::Invalid) if the project does not have the stage.
///
/// The hooks `pre-stage` and `post-stage` run for each version that moves.
pub fn stage(
    repo: &Repository,
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<StageOutcome> {
    let (changed, staged) = change_stages(repo, progress, |change| {
        let version = find_version(repo, &options.version)?;
        apply(change, &version, options)
    })?;
    staged.run_post_hook(repo, progress);
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
    let given = GivenReason { reason: options.reason.clone(), message: options.message.clone() };
    let mut draft = version.draft.clone();
    let (mut commit, mut displaced) = (None, Vec::new());
    if !is_in_stage(&draft.record, to, &given) {
        displaced = enter_stage(change, &project, &rules, &mut draft, to, &given)?;
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
    // An unknown stage that the version never had is a typing error, not a lost race.
    if !version.record().stage_conditions.iter().any(|was| was.stage == *expected) {
        rules.policy.check_stage(expected)?;
    }
    let message = format!("'{name}' is in {now}, not in {expected}");
    Err(Error::new(ErrorKind::Moved, message)
        .with_hint(format!("show its stages: art history {name}")))
}
