//! Moves a version to a stage: checks the policy, records the condition, and displaces versions.

use serde::Serialize;

use super::facts::Facts;
use super::find::load_version;
use super::load::VersionDraft;
use crate::catalog::hook::StageEvent;
use crate::catalog::project::try_load_project;
use crate::catalog::record_change::RecordChange;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::policy::{Policy, ProposedMove, Stay};
use crate::record::{CREATED, StageReason, VersionRecord};
use crate::repo::Repository;

/// The reason that is recorded for displaced versions.
const DISPLACED: &str = "Displaced";

/// The rules of a project, and the commit that contains them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectPolicy {
    /// The rules.
    pub(crate) policy: Policy,
    /// The commit of the project's record. `None` if the project has no record.
    pub(crate) commit: Option<Id>,
}

impl ProjectPolicy {
    /// The verdict to record for an allowed move.
    pub(crate) fn verdict(&self) -> String {
        match self.commit {
            Some(commit) if !self.policy.is_free() => {
                format!("allowed by policy {}", commit.short())
            }
            _ => "no policy".to_owned(),
        }
    }
}

/// Reads the current rules of `project`.
pub(crate) fn project_policy(repo: &Repository, project: &ProjectName) -> Result<ProjectPolicy> {
    let Some(loaded) = try_load_project(repo, project)? else {
        return Ok(ProjectPolicy::default());
    };
    Ok(ProjectPolicy { policy: loaded.record.policy()?, commit: Some(loaded.commit) })
}

/// The given reason for a stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenReason {
    /// The reason, as a word for programs, if given.
    pub(crate) reason: Option<String>,
    /// The message, for people; may be empty.
    pub(crate) message: String,
}

/// A version that another version displaced from a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisplacedVersion {
    /// The version.
    pub version: Name,
    /// The old stage.
    pub from: Name,
    /// The new stage.
    pub to: Name,
    /// The commit that records the move.
    pub commit: Id,
}

/// Records the first condition of a new version: the first stage of its project.
pub(crate) fn enter_first_stage(
    change: &RecordChange<'_>,
    rules: &ProjectPolicy,
    record: &mut VersionRecord,
    message: &str,
) {
    let why = StageReason {
        reason: CREATED.to_owned(),
        message: message.to_owned(),
        author: change.author(),
        verdict: rules.verdict(),
    };
    record.enter(rules.policy.first_stage().clone(), why, change.now());
}

/// Checks the rules of the first stage for the new version `draft` of `project`.
///
/// If rules refuse, fails with [`Policy`](crate::ErrorKind::Policy) and every refusing rule.
pub(crate) fn check_first_stage(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    rules: &ProjectPolicy,
    draft: &VersionDraft,
) -> Result<()> {
    let stage = rules.policy.first_stage();
    if Facts::are_needed(&rules.policy, stage) {
        // The same change may create the run, so its objects must be written first.
        change.writer().write_out()?;
    }
    let facts = Facts::read(change.repo(), project, &rules.policy, draft, stage)?;
    let (author, given) = (change.author(), GivenReason::default());
    let request = policy_request(&draft.record, stage, &given, &author, &facts, change.now());
    rules.policy.check_new(&request.as_move())
}

/// Returns true if `record` is already in the stage `to`, and the given reason is not new.
pub(crate) fn is_in_stage(record: &VersionRecord, to: &Name, given: &GivenReason) -> bool {
    let last = record.stage_conditions.last();
    let is_given = |reason: &String| last.is_some_and(|last| last.reason == *reason);
    record.stage == *to && given.reason.as_ref().is_none_or(is_given)
}

/// Moves the version `draft` of `project` to the stage `to`, if the rules allow it, and moves the
/// displaced versions. The caller must write `draft`.
///
/// If rules refuse, fails with [`Policy`](crate::ErrorKind::Policy) and every refusing rule.
pub(crate) fn enter_stage(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    rules: &ProjectPolicy,
    draft: &mut VersionDraft,
    to: &Name,
    given: &GivenReason,
) -> Result<Vec<DisplacedVersion>> {
    let (author, now) = (change.author(), change.now());
    if Facts::are_needed(&rules.policy, to) {
        // The same change may create the run, so its objects must be written first.
        change.writer().write_out()?;
    }
    let facts = Facts::read(change.repo(), project, &rules.policy, draft, to)?;
    let record = &mut draft.record;
    let request = policy_request(record, to, given, &author, &facts, now);
    let displaced = rules.policy.check(&request.as_move())?.into_displaced(&request.as_move())?;
    // A later stage promises its files.
    if let Some(expired) = record.expired.as_ref().filter(|expired| expired.own)
        && !rules.policy.lets_expire(to)
    {
        let message = format!("the content of '{}' {}", record.name, expired.describe());
        return Err(Error::new(ErrorKind::Policy, message).with_hint(format!(
            "to bring the content back, register the same files again: art register {} --path PATH \
             --force",
            record.name
        )));
    }
    let why = |reason: &str, message: String| StageReason {
        reason: reason.to_owned(),
        message,
        author: author.clone(),
        verdict: rules.verdict(),
    };
    let reason = given.reason.as_deref().unwrap_or(&change.repo().settings().stage_reason);
    let comer = record.name.clone();
    announce(change, project, record, to, given.reason.as_deref(), &given.message);
    record.enter(to.clone(), why(reason, given.message.clone()), now);
    let mut moved = Vec::new();
    for leaver in displaced {
        let reference = RefName::version(project.clone(), leaver.version.clone());
        let version = load_version(change.repo(), &reference)?;
        let mut draft = version.draft.clone();
        let message = format!("displaced by {comer}");
        announce(change, project, &draft.record, &leaver.to, Some(DISPLACED), &message);
        draft.record.enter(leaver.to.clone(), why(DISPLACED, message), now);
        let subject = format!("stage: {} -> {} (displaced by {comer})", leaver.from, leaver.to);
        if let Some(commit) = change.update_version(&version, &draft, &subject)? {
            let (from, to) = (leaver.from, leaver.to);
            moved.push(DisplacedVersion { version: leaver.version, from, to, commit });
        }
    }
    Ok(moved)
}

/// Announces to the hooks that the version `record` moves to the stage `to`.
pub(crate) fn announce(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    record: &VersionRecord,
    to: &Name,
    reason: Option<&str>,
    message: &str,
) {
    let event = StageEvent {
        project: project.clone(),
        version: record.name.clone(),
        uuid: record.uuid,
        from: record.stage.clone(),
        to: to.clone(),
        reason: reason.map(str::to_owned),
        message: message.to_owned(),
        commit: None,
        run: record.run.name.clone(),
        command: change.command().to_owned(),
    };
    change.announce(event);
}

/// The input of a policy check, with borrowed parts.
pub(crate) struct PolicyRequest<'a> {
    record: &'a VersionRecord,
    stays: Vec<Stay>,
    to: &'a Name,
    given: &'a GivenReason,
    author: &'a str,
    facts: &'a Facts,
    now: crate::clock::Timestamp,
}

/// Builds the input for a move of the version `record` to the stage `to`.
pub(crate) fn policy_request<'a>(
    record: &'a VersionRecord,
    to: &'a Name,
    given: &'a GivenReason,
    author: &'a str,
    facts: &'a Facts,
    now: crate::clock::Timestamp,
) -> PolicyRequest<'a> {
    PolicyRequest { record, stays: Stay::all_of(record), to, given, author, facts, now }
}

impl PolicyRequest<'_> {
    /// Converts to the type that the policy checks.
    pub(crate) fn as_move(&self) -> ProposedMove<'_> {
        ProposedMove {
            version: &self.record.name,
            description: &self.record.description,
            tags: &self.record.tags,
            run_status: self.facts.run_status,
            files: self.facts.files,
            stays: &self.stays,
            from: &self.record.stage,
            to: self.to,
            reason: self.given.reason.as_deref().unwrap_or_default(),
            message: &self.given.message,
            author: self.author,
            now: self.now,
            occupants: &self.facts.occupants,
        }
    }
}
