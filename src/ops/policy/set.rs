//! `art policy set`: changes the rules of a project. Every version must keep a valid stage.

use std::collections::BTreeMap;

use derive_setters::Setters;
use serde::Serialize;
use toml::{Table, Value};

use crate::catalog::project::{LoadedProject, find_project};
use crate::catalog::version::read_index;
use crate::catalog::{RecordChange, change_records};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::project::change_project;
use crate::record::policy::{Policy, Retention, Setting, parse_table};
use crate::repo::Repository;

/// The key of the retention rules in a complete policy.
const RETENTION: &str = "retention";

/// The new rules of a project.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct SetPolicyOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The source of the rules.
    pub source: PolicySource,
    /// The message of the commit. If empty, the message lists the changed keys.
    #[setters(into)]
    pub message: String,
    /// Reports what would change, without writing.
    pub dry_run: bool,
}

impl SetPolicyOptions {
    /// Creates options that set the rules in `source` for the default project.
    pub fn new(source: PolicySource) -> Self {
        SetPolicyOptions { project: None, source, message: String::new(), dry_run: false }
    }
}

/// The source of the new rules.
#[derive(Debug, Clone)]
pub enum PolicySource {
    /// A complete policy in TOML: the text below `[policy]`.
    Whole(String),
    /// Edits of the current policy.
    Settings(Vec<Setting>),
}

/// The result of a policy change.
#[derive(Debug, Clone, Serialize)]
pub struct SetOutcome {
    /// The project.
    pub project: ProjectName,
    /// True if the policy changed, or would change.
    pub changed: bool,
    /// The changes, by key.
    pub changes: Vec<PolicyChange>,
    /// The new policy.
    pub policy: Policy,
    /// The new rules for the content that the project keeps, if any.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub retention: Table,
    /// Stages that hold more versions than their new capacity. These versions stay until another
    /// version enters the stage.
    pub crowded: Vec<Crowded>,
    /// The newest commit of the project's record.
    pub commit: Option<Id>,
    /// The id of the operation, for undo. `None` if nothing changed.
    pub operation: Option<String>,
}

/// A changed key of the policy. Values are in TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// The key: `stages`, `stage.production.reason`.
    pub key: String,
    /// The old value, if any.
    pub before: Option<String>,
    /// The new value, if any.
    pub after: Option<String>,
}

/// A stage that holds more versions than its capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crowded {
    /// The stage.
    pub stage: Name,
    /// The capacity.
    pub capacity: u32,
    /// The number of versions in the stage.
    pub versions: u64,
}

/// Sets the rules of a project. Setting equal rules changes nothing.
///
/// Fails with [`Invalid`](crate::ErrorKind::Invalid) for invalid rules, with
/// [`NotFound`](crate::ErrorKind::NotFound) for an unknown project, and with
/// [`Refused`](crate::ErrorKind::Refused) if the change would remove a stage that holds versions.
pub fn set(repo: &Repository, options: &SetPolicyOptions) -> Result<SetOutcome> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    if options.dry_run {
        let before = find_project(repo, project)?;
        let commit = before.as_ref().map(|before| before.commit);
        let plan = plan(repo, project, before.as_ref(), &options.source)?;
        return Ok(plan.outcome(project, commit, None));
    }
    let changed = change_records(repo, |change| apply(change, project, options))?;
    let (plan, commit) = changed.value;
    Ok(plan.outcome(project, commit, changed.operation.map(|operation| operation.id)))
}

fn apply(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    options: &SetPolicyOptions,
) -> Result<(PolicyPlan, Option<Id>)> {
    let repo = change.repo();
    let before = find_project(repo, project)?;
    let plan = plan(repo, project, before.as_ref(), &options.source)?;
    // Without changes, a project without a record needs none.
    if plan.changes.is_empty() {
        return Ok((plan, before.map(|before| before.commit)));
    }
    let changed = change_project(change, project, |record| {
        record.policy = plan.table.clone();
        record.retention = plan.retention.clone();
        Ok(plan.subject(&options.message))
    })?;
    Ok((plan, changed.commit))
}

/// The planned policy.
struct PolicyPlan {
    table: Table,
    retention: Table,
    policy: Policy,
    changes: Vec<PolicyChange>,
    crowded: Vec<Crowded>,
}

impl PolicyPlan {
    fn outcome(
        self,
        project: &ProjectName,
        commit: Option<Id>,
        operation: Option<String>,
    ) -> SetOutcome {
        SetOutcome {
            project: project.clone(),
            changed: !self.changes.is_empty(),
            changes: self.changes,
            policy: self.policy,
            retention: self.retention,
            crowded: self.crowded,
            commit,
            operation,
        }
    }

    /// The commit message: the given text, or a list of the changed keys.
    fn subject(&self, message: &str) -> String {
        const SHOWN: usize = 3;
        if !message.trim().is_empty() {
            return message.to_owned();
        }
        let keys: Vec<&str> =
            self.changes.iter().take(SHOWN).map(|change| change.key.as_str()).collect();
        let more = if self.changes.len() > SHOWN { ", …" } else { "" };
        format!("policy: {}{more}", keys.join(", "))
    }
}

/// Plans the new rules, and checks them against the existing versions.
fn plan(
    repo: &Repository,
    project: &ProjectName,
    before: Option<&LoadedProject>,
    source: &PolicySource,
) -> Result<PolicyPlan> {
    let known = before.map_or_else(|| Ok(Policy::default()), |before| before.record.policy());
    let old = before.map(|before| before.record.policy.clone()).unwrap_or_default();
    let kept = before.map(|before| before.record.retention.clone()).unwrap_or_default();
    let (mut table, mut retention) = (old.clone(), kept.clone());
    match source {
        PolicySource::Whole(text) => {
            table = parse_table(text)?;
            retention = take_retention(&mut table)?;
        }
        PolicySource::Settings(settings) => {
            // A policy that cannot be followed can only be replaced as a whole.
            if let Err(error) = known {
                return Err(error);
            }
            for setting in settings {
                if !setting.apply_to_retention(&mut retention)? {
                    setting.apply(&mut table)?;
                }
            }
        }
    }
    let policy = Policy::from_table(&table)?;
    Retention::from_table(&retention)?.check(&policy)?;
    // Compares the meaning of the rules, not their spelling.
    let meant = known.as_ref().map_or(old, Policy::to_table);
    let changes =
        differences(&with_retention(meant, &kept), &with_retention(policy.to_table(), &retention));
    let mut plan = PolicyPlan { table, retention, policy, changes, crowded: Vec::new() };
    if !plan.changes.is_empty() {
        plan.look_at_versions(repo, project, known.ok().as_ref())?;
    }
    Ok(plan)
}

/// Takes the table `[retention]` out of a complete policy.
fn take_retention(table: &mut Table) -> Result<Table> {
    match table.remove(RETENTION) {
        None => Ok(Table::new()),
        Some(Value::Table(retention)) => Ok(retention),
        Some(_) => Err(Error::invalid("retention: it is not a table")
            .with_hint("write the rules as [retention] and [[retention.rule]]")),
    }
}

/// Adds the retention rules to a policy, as `art policy` shows and reads it.
pub(super) fn with_retention(mut policy: Table, retention: &Table) -> Table {
    if !retention.is_empty() {
        policy.insert(RETENTION.to_owned(), Value::Table(retention.clone()));
    }
    policy
}

impl PolicyPlan {
    /// Refuses to remove a stage that holds versions, and finds stages that exceed their capacity.
    fn look_at_versions(
        &mut self,
        repo: &Repository,
        project: &ProjectName,
        known: Option<&Policy>,
    ) -> Result<()> {
        let mut inside: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for version in read_index(repo, Some(project))? {
            inside.entry(version.summary.stage).or_default().push(version.summary.name);
        }
        // Only stages of the old policy can be removed. A version from another project may be in a
        // stage that this project never had. If the old policy cannot be followed, every stage
        // counts.
        let vanishes = |stage: &Name| {
            !self.policy.has_stage(stage) && known.is_none_or(|known| known.has_stage(stage))
        };
        let homeless: Vec<_> = inside.iter().filter(|(stage, _)| vanishes(stage)).collect();
        if !homeless.is_empty() {
            return Err(homeless_versions(&homeless));
        }
        for (stage, versions) in inside {
            let versions = versions.len() as u64;
            match self.policy.capacity(&stage) {
                Some(capacity) if versions > u64::from(capacity) => {
                    self.crowded.push(Crowded { stage, capacity, versions });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn homeless_versions(homeless: &[(&Name, &Vec<Name>)]) -> Error {
    const SHOWN: usize = 5;
    let list = |(stage, versions): &(&Name, &Vec<Name>)| {
        let names: Vec<&str> = versions.iter().take(SHOWN).map(Name::as_str).collect();
        let more = match versions.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{stage} ({}{more})", names.join(", "))
    };
    let stages: Vec<String> = homeless.iter().map(list).collect();
    let first = homeless[0].1[0].as_str();
    Error::refused(format!("cannot remove stages that hold versions: {}", stages.join(", ")))
        .with_hint(format!("move the versions to another stage first: art stage {first} STAGE"))
}

/// Lists the keys whose values differ, sorted.
fn differences(before: &Table, after: &Table) -> Vec<PolicyChange> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut old);
    flatten("", after, &mut new);
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &String| PolicyChange {
        key: key.clone(),
        before: old.get(key).cloned(),
        after: new.get(key).cloned(),
    };
    keys.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

fn flatten(above: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Table(table) => flatten(&key, table, into),
            value => {
                into.insert(key, value.to_string());
            }
        }
    }
}
