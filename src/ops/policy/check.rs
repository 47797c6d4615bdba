//! `art policy check`: checks whether a version may move to a stage, without moving it.

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::version::{
    Facts, GivenReason, find_version, is_in_stage, policy_request, project_policy,
};
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::record::policy::{Displaced, RuleFailure, Verdict};
use crate::repo::Repository;

/// The move to check.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct CheckPolicyOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The new stage.
    pub stage: Name,
    /// The reason, if any.
    #[setters(into)]
    pub reason: Option<String>,
    /// The message; may be empty.
    #[setters(into)]
    pub message: String,
}

impl CheckPolicyOptions {
    /// Creates options that check whether `version` may move to `stage`.
    pub fn new(version: Revision, stage: Name) -> Self {
        CheckPolicyOptions { version, stage, reason: None, message: String::new() }
    }
}

/// The result of a check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckOutcome {
    /// The version's name.
    pub version: Name,
    /// The version's project.
    pub project: ProjectName,
    /// The current stage.
    pub from: Name,
    /// The new stage.
    pub to: Name,
    /// True if the move is allowed.
    pub allowed: bool,
    /// The rules that refuse the move.
    pub failed: Vec<RuleFailure>,
    /// The versions that the move would displace.
    pub displaced: Vec<Displaced>,
    /// The commit of the project's record with the rules. `None` if the project has no record.
    pub policy: Option<Id>,
}

/// Checks the rules for a move by the current user. Changes nothing.
///
/// Fails with [`Invalid`](crate::ErrorKind::Invalid) if the project does not have the stage. A
/// refused move is not a failure.
pub fn check(repo: &Repository, options: &CheckPolicyOptions) -> Result<CheckOutcome> {
    let version = find_version(repo, &options.version)?;
    let project = version.reference.project().clone();
    let rules = project_policy(repo, &project)?;
    let (to, record) = (&options.stage, version.record());
    rules.policy.check_stage(to)?;
    let (reason, message) = (options.reason.clone(), options.message.clone());
    let given = GivenReason { reason, message };
    let who = repo.signature();
    let author = format!("{} <{}>", who.name, who.email);
    // A move that would change nothing is always allowed.
    let verdict = if is_in_stage(record, to, &given) {
        Verdict::default()
    } else {
        let facts = Facts::read(repo, &project, &rules.policy, &version.draft, to)?;
        rules
            .policy
            .check(&policy_request(record, to, &given, &author, &facts, who.time).as_move())?
    };
    Ok(CheckOutcome {
        version: record.name.clone(),
        from: record.stage.clone(),
        to: to.clone(),
        allowed: verdict.is_allowed(),
        failed: verdict.failed,
        displaced: verdict.displaced,
        policy: rules.commit,
        project,
    })
}
