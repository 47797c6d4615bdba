//! `art policy check`: whether a version may go to a stage, without putting it there.

use serde::Serialize;

use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::version::{Facts, Said, asked, find_version, is_there, project_policy};
use crate::record::policy::{Displaced, RuleFailure, Verdict};
use crate::repo::Repository;

/// Which version shall go to which stage, and what would be said.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The stage.
    pub stage: Name,
    /// The reason that would be given.
    pub reason: Option<String>,
    /// The message that would be given; may be empty.
    pub message: String,
}

/// What the rules say.
#[derive(Debug, Clone, Serialize)]
pub struct CheckOutcome {
    /// The version.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// The stage that it is in.
    pub from: Name,
    /// The stage that it would go to.
    pub to: Name,
    /// Whether it may.
    pub allowed: bool,
    /// The rules that refuse it.
    pub failed: Vec<RuleFailure>,
    /// The versions that would make room for it.
    pub displaced: Vec<Displaced>,
    /// The commit of the project's record that the rules stand in; `None` if it has none.
    pub policy: Option<Id>,
}

/// Asks the rules whether a version may go to a stage, on behalf of who acts. Changes nothing.
///
/// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a stage that the project has not; that it
/// may not is no failure.
pub fn check(repo: &Repository, options: &CheckOptions) -> Result<CheckOutcome> {
    let version = find_version(repo, &options.version)?;
    let project = version.reference.project().clone();
    let rules = project_policy(repo, &project)?;
    let (to, record) = (&options.stage, version.record());
    rules.policy.check_stage(to)?;
    let (reason, message) = (options.reason.clone(), options.message.clone());
    let said = Said { reason, message, ..Said::default() };
    let who = repo.signature();
    let author = format!("{} <{}>", who.name, who.email);
    // Where nothing would be done, no rule is asked.
    let verdict = if is_there(record, to, &said) {
        Verdict::default()
    } else {
        let facts = Facts::read(repo, &project, &rules.policy, &version.draft, to)?;
        rules.policy.check(&asked(record, to, &said, &author, &facts, who.time).as_move())?
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
