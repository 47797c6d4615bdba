//! `art expire`: lets content expire, by the rules of the project or by hand.
//!
//! The records stay: names, ids, lineage, file lists and history. Only the content of files is no
//! longer needed, and the next garbage collection removes it. Never expire:
//!
//! * versions in other stages than the first and `disabled`
//! * commits of tags
//! * the current run, and runs that are running

mod plan;
mod target;
mod uploads;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::project::try_load_project;
use crate::catalog::run::load_run;
use crate::catalog::version::load_version;
use crate::catalog::{RecordChange, change_records};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Revision, commits_through};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::ops::du;
use crate::progress::Progress;
use crate::record::policy::{Policy, Retention};
use crate::record::{Expiration, Extra};
use crate::repo::Repository;

/// The content to expire.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct ExpireOptions {
    /// The project whose rules apply; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The runs and versions to expire by hand. If empty, the rules of the project apply.
    #[setters(into)]
    pub targets: Vec<Revision>,
}

/// The kind of an object whose content expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpireKind {
    /// A run with all its uploads.
    Run,
    /// The older uploads of a run.
    Uploads,
    /// A version.
    Version,
}

/// A run or version that a rule decided about, or that a user named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpireRow {
    /// The kind of content.
    pub kind: ExpireKind,
    /// The name of the run or version.
    pub name: Name,
    /// Its project.
    pub project: ProjectName,
    /// Its newest commit.
    pub commit: Id,
    /// When its files were uploaded, for older uploads of the newest of them. A version counts from
    /// its current stage.
    pub last_upload: Timestamp,
    /// The number of files of that upload. Only counted for content that expires.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The stored bytes that nothing else needs.
    pub frees: u64,
    /// True if the content expires.
    pub expires: bool,
    /// The rule that decided, or "by hand".
    pub rule: String,
    /// The reason to keep the content: a key of the rule, or a fact that no rule overrides.
    pub kept_by: Option<String>,
    /// The newest commit that expires.
    #[serde(skip)]
    through: Id,
}

/// The expiration to confirm.
#[derive(Debug, Clone, Serialize)]
pub struct ExpirePlan {
    /// The project whose rules applied.
    pub project: ProjectName,
    /// The commit of the project's record with the rules.
    pub policy: Option<Id>,
    /// The runs and versions that a rule decided about or that were named.
    pub rows: Vec<ExpireRow>,
    /// The stored bytes that nothing needs when all of it expired. Content that only several rows
    /// share counts once.
    pub frees: u64,
}

/// The result of an expiration.
#[derive(Debug, Clone, Serialize)]
pub struct ExpireOutcome {
    /// The plan that was carried out.
    #[serde(flatten)]
    pub plan: ExpirePlan,
    /// The id of the operation, for undo. `None` if nothing expired.
    pub operation: Option<String>,
}

/// The rules of a project.
struct Rules {
    policy: Policy,
    retention: Retention,
    commit: Option<Id>,
}

impl Rules {
    /// Reads the rules. Fails if a rule cannot be followed: it might keep content.
    fn read(repo: &Repository, project: &ProjectName) -> Result<Self> {
        let Some(loaded) = try_load_project(repo, project)? else {
            let (policy, retention) = (Policy::default(), Retention::default());
            return Ok(Rules { policy, retention, commit: None });
        };
        let read = || Ok((loaded.record.policy()?, loaded.record.retention()?));
        let (policy, retention) =
            read().map_err(|error: Error| error.context("nothing expires"))?;
        Ok(Rules { policy, retention, commit: Some(loaded.commit) })
    }
}

impl ExpireRow {
    /// The ref of the run or version.
    pub fn reference(&self) -> RefName {
        let (project, name) = (self.project.clone(), self.name.clone());
        match self.kind {
            ExpireKind::Run | ExpireKind::Uploads => RefName::run(project, name),
            ExpireKind::Version => RefName::version(project, name),
        }
    }
}

impl ExpirePlan {
    /// The rows whose content expires.
    pub fn expiring(&self) -> impl Iterator<Item = &ExpireRow> {
        self.rows.iter().filter(|row| row.expires)
    }

    /// Counts the files, and measures the stored bytes that nothing else needs.
    fn measure(&mut self, repo: &Repository, progress: &dyn Progress) -> Result<()> {
        let groups: Result<Vec<Vec<Id>>> =
            self.expiring().map(|row| commits_through(repo.history(), &row.through)).collect();
        let freed = du::freed(repo, &groups?, progress)?;
        let measured = freed.files.into_iter().zip(freed.each);
        for (row, ((files, bytes), frees)) in
            self.rows.iter_mut().filter(|row| row.expires).zip(measured)
        {
            (row.files, row.bytes, row.frees) = (files, bytes, frees);
        }
        self.frees = freed.together;
        Ok(())
    }
}

/// Plans which content expires. Writes nothing.
///
/// Fails with [`Unsupported`](ErrorKind::Unsupported) or [`Corrupt`](ErrorKind::Corrupt) if a rule
/// cannot be followed, and with [`Refused`](ErrorKind::Refused) if a named run or version must not
/// expire.
pub fn plan_expire(
    repo: &Repository,
    options: &ExpireOptions,
    progress: &dyn Progress,
) -> Result<ExpirePlan> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let rules = Rules::read(repo, project)?;
    let rows = if options.targets.is_empty() {
        plan::by_rules(repo, project, &rules, progress)?
    } else {
        target::by_hand(repo, &options.targets)?
    };
    let policy = rules.commit;
    let mut plan = ExpirePlan { project: project.clone(), policy, rows, frees: 0 };
    plan.measure(repo, progress)?;
    Ok(plan)
}

/// Lets the planned content expire, all or none, in one operation. Without a message, the rule is the
/// message of each commit.
///
/// Fails with [`Moved`](ErrorKind::Moved) if a run or version changed since the plan was made, and
/// with [`Policy`](ErrorKind::Policy) if the project does not let this user expire content.
pub fn expire(repo: &Repository, plan: ExpirePlan, message: &str) -> Result<ExpireOutcome> {
    let changed = change_records(repo, |change| {
        for row in plan.expiring() {
            let rules = Rules::read(repo, &row.project)?;
            check_author(change, &rules, &row.project)?;
            apply(change, row, &rules, message)?;
        }
        Ok(())
    })?;
    Ok(ExpireOutcome { plan, operation: changed.operation.map(|operation| operation.id) })
}

fn check_author(change: &RecordChange<'_>, rules: &Rules, project: &ProjectName) -> Result<()> {
    let author = change.author();
    if rules.retention.allows(&author) {
        return Ok(());
    }
    let who = rules.retention.who().join(", ");
    let message = format!("{author} may not let content of {project} expire");
    Err(Error::new(ErrorKind::Policy, message)
        .with_hint(format!("the policy allows {who}: art policy")))
}

fn apply(
    change: &mut RecordChange<'_>,
    row: &ExpireRow,
    rules: &Rules,
    message: &str,
) -> Result<()> {
    let repo = change.repo();
    let reference = row.reference();
    let expired = Some(Expiration {
        through: Some(row.through),
        own: row.kind != ExpireKind::Uploads,
        at: change.now(),
        by: change.author(),
        rule: row.rule.clone(),
        policy: rules.commit,
        files: row.files,
        bytes: row.bytes,
        extra: Extra::new(),
    });
    let subject = match message.trim() {
        "" => format!("expire: {}", row.rule),
        _ => message.to_owned(),
    };
    if repo.history().try_find_ref(&reference)? != Some(row.commit) {
        return Err(moved(&reference));
    }
    if row.kind == ExpireKind::Version {
        let version = load_version(repo, &reference)?;
        if !rules.policy.lets_expire(&version.record().stage) {
            return Err(moved(&reference));
        }
        let mut draft = version.draft.clone();
        draft.record.expired = expired;
        change.update_version(&version, &draft, &subject)?;
    } else {
        if repo.current_run()?.as_ref() == Some(&reference) {
            return Err(moved(&reference));
        }
        let mut run = load_run(repo, &reference)?;
        run.record.expired = expired;
        change.update_run(&run, &subject)?;
    }
    Ok(())
}

fn moved(reference: &RefName) -> Error {
    let (kind, name) = (reference.kind().as_str(), reference.name());
    let message = format!("the {kind} '{name}' has changed in the meantime; nothing expired");
    Error::new(ErrorKind::Moved, message)
        .with_hint(format!("run the command again, or show the change: art reflog {kind}/{name}"))
}
