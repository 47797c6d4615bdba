//! `art policy set`: changes the rules, as long as every version keeps a stage.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::project::{LoadedProject, change_project, find_project};
use crate::ops::version::{RecordChange, change_records, read_index};
use crate::record::policy::{Policy, Setting, parse_table};
use crate::repo::Repository;

/// What the rules shall be.
#[derive(Debug, Clone)]
pub struct SetOptions {
    /// The project, if not the default.
    pub project: Option<ProjectName>,
    /// The rules.
    pub source: Source,
    /// Why: the message of the commit; what is set if empty.
    pub message: String,
    /// Only finds out what would change.
    pub dry_run: bool,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// Where the rules come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The whole of them, as TOML: what stands below `[policy]`.
    Whole(String),
    /// These changes of what is there.
    Settings(Vec<Setting>),
}

/// What became of the rules.
#[derive(Debug, Clone, Serialize)]
pub struct SetOutcome {
    /// The project.
    pub project: ProjectName,
    /// Whether anything has changed, or would.
    pub changed: bool,
    /// What has changed, by key.
    pub changes: Vec<PolicyChange>,
    /// The rules as they are since, or would be.
    pub policy: Policy,
    /// Stages with more versions than they hold from now on: those stay until the next one comes.
    pub crowded: Vec<Crowded>,
    /// The last commit of the project's record.
    pub commit: Option<Id>,
    /// The operation, to be undone; `None` if nothing has changed.
    pub operation: Option<String>,
}

/// A key of the policy whose value has changed. Values are in TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// The key: `stages`, `stage.production.reason`.
    pub key: String,
    /// The value before; `None` if there was none.
    pub before: Option<String>,
    /// The value since; `None` if there is none.
    pub after: Option<String>,
}

/// A stage with more versions than it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crowded {
    /// The stage.
    pub stage: Name,
    /// How many it holds.
    pub capacity: u32,
    /// How many versions are in it.
    pub versions: u64,
}

/// Sets the rules of a project. That they are so already is fine.
///
/// Fails with [`Invalid`](crate::ErrorKind::Invalid) for rules that make no sense, with
/// [`NotFound`](crate::ErrorKind::NotFound) for a project that is not there, and with
/// [`Refused`](crate::ErrorKind::Refused) if a stage would vanish that versions are in.
pub fn set(repo: &Repository, options: &SetOptions) -> Result<SetOutcome> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    if options.dry_run {
        let before = find_project(repo, project)?;
        let commit = before.as_ref().map(|before| before.commit);
        let plan = plan(repo, project, before.as_ref(), &options.source)?;
        return Ok(plan.outcome(project, commit, None));
    }
    let changed = change_records(repo, &options.command, |change| apply(change, project, options))?;
    let (plan, commit) = changed.value;
    Ok(plan.outcome(project, commit, changed.operation.map(|operation| operation.id)))
}

fn apply(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    options: &SetOptions,
) -> Result<(Plan, Option<Id>)> {
    let repo = change.repo();
    let before = find_project(repo, project)?;
    let plan = plan(repo, project, before.as_ref(), &options.source)?;
    // A project without a record is not given one to say nothing.
    if plan.changes.is_empty() {
        return Ok((plan, before.map(|before| before.commit)));
    }
    let changed = change_project(change, project, |record| {
        record.policy = plan.table.clone();
        Ok(plan.subject(&options.message))
    })?;
    Ok((plan, changed.commit))
}

/// The rules as they would be.
struct Plan {
    table: Table,
    policy: Policy,
    changes: Vec<PolicyChange>,
    crowded: Vec<Crowded>,
}

impl Plan {
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
            crowded: self.crowded,
            commit,
            operation,
        }
    }

    /// The message of the commit: what was said, else what is set.
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

/// Works out the rules, and what of the versions there are stands against them.
fn plan(
    repo: &Repository,
    project: &ProjectName,
    before: Option<&LoadedProject>,
    source: &Source,
) -> Result<Plan> {
    let known = before.map_or_else(|| Ok(Policy::default()), |before| before.record.policy());
    let old = before.map(|before| before.record.policy.clone()).unwrap_or_default();
    let mut table = old.clone();
    match source {
        Source::Whole(text) => table = parse_table(text)?,
        Source::Settings(settings) => {
            // What can't be followed may be replaced, not changed in a part.
            if let Err(error) = known {
                return Err(error);
            }
            for setting in settings {
                setting.apply(&mut table)?;
            }
        }
    }
    let policy = Policy::from_table(&table)?;
    // What means the same is no change, however it is written.
    let meant = known.as_ref().map_or(old, Policy::to_table);
    let changes = differences(&meant, &policy.to_table());
    let mut plan = Plan { table, policy, changes, crowded: Vec::new() };
    if !plan.changes.is_empty() {
        plan.look_at_versions(repo, project, known.ok().as_ref())?;
    }
    Ok(plan)
}

impl Plan {
    /// Refuses to take out a stage that versions are in; finds the stages that hold too many.
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
        // A stage that was none before does not vanish: whoever came from another project may be
        // in one. Rules that can't be followed tell nothing, so each stage counts then.
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
    Error::refused(format!("stages would vanish that versions are in: {}", stages.join(", ")))
        .with_hint(format!("move them to another stage first: art stage {first} STAGE"))
}

/// The keys whose values differ, in the order of their names.
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
