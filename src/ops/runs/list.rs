//! `art runs`: lists runs.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use derive_setters::Setters;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::pins::versions_by_run;
use crate::catalog::run::{LoadedRun, read_runs};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::progress::{Progress, check_interrupt};
use crate::record::query::{Query, Sort};
use crate::record::{RunFields, RunRecord, RunStatus, SourceRecord, Tags};
use crate::repo::Repository;

/// The runs to list.
#[derive(Debug, Default, Setters)]
#[non_exhaustive]
pub struct RunsOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// Lists only runs that match this query, which is parsed with
    /// [`RUN_FIELDS`](crate::record::RUN_FIELDS).
    #[setters(into)]
    pub query: Option<Query>,
    /// The order. By default, the newest run comes first.
    #[setters(into)]
    pub sort: Option<Sort>,
    /// The number of runs to skip.
    pub offset: usize,
    /// The maximum number of runs.
    #[setters(into)]
    pub limit: Option<usize>,
}

/// The listed runs.
#[derive(Debug)]
pub struct RunList {
    /// The runs, in order.
    pub runs: Vec<RunRow>,
    /// Runs and versions that cannot be read, because they are damaged or from a newer art. The
    /// runs of such versions are unknown.
    pub unreadable: Vec<UnreadableRun>,
}

/// A run or version whose record cannot be read.
#[derive(Debug)]
pub struct UnreadableRun {
    /// The run or version.
    pub reference: RefName,
    /// The error.
    pub error: Error,
}

/// One listed run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// The run's ref.
    pub reference: RefName,
    /// True if the run is the current run.
    pub current: bool,
    /// The newest commit.
    pub commit: Id,
    /// The author of that commit, as `NAME <EMAIL>`.
    pub author: String,
    /// When that commit was created.
    pub updated_at: Timestamp,
    /// The versions of the run. Versions in other projects are written as `OWNER/PROJECT:NAME`.
    pub versions: Vec<String>,
    /// The record.
    pub record: RunRecord,
}

impl RunRow {
    /// Returns true if the content of the newest upload expired.
    pub fn is_expired(&self) -> bool {
        self.record.expired.as_ref().is_some_and(|expired| expired.own)
    }

    pub(in crate::ops) fn fields(&self) -> RunFields<'_> {
        RunFields {
            record: &self.record,
            author: Some(&self.author),
            updated_at: Some(self.updated_at),
            versions: &self.versions,
        }
    }
}

impl Serialize for RunRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct RunRowFields<'a> {
            name: &'a Name,
            current: bool,
            project: &'a ProjectName,
            uuid: Uuid,
            status: RunStatus,
            created_at: Timestamp,
            updated_at: Timestamp,
            started_at: Option<Timestamp>,
            finished_at: Option<Timestamp>,
            tags: &'a Tags,
            description: &'a str,
            author: &'a str,
            commit: Id,
            command: &'a [String],
            exit_code: Option<i32>,
            signal: Option<&'a str>,
            user: Option<&'a str>,
            host: Option<&'a str>,
            source: Option<&'a SourceRecord>,
            lineage: Vec<&'a Name>,
            kind: Vec<&'a Name>,
            versions: &'a [String],
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            expired: bool,
        }
        let record = &self.record;
        let row = RunRowFields {
            name: self.reference.name(),
            current: self.current,
            project: self.reference.project(),
            uuid: record.uuid,
            status: record.status,
            created_at: record.created_at,
            updated_at: self.updated_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            tags: &record.tags,
            description: &record.description,
            author: &self.author,
            commit: self.commit,
            command: &record.command,
            exit_code: record.exit_code,
            signal: record.signal.as_deref(),
            user: record.user.as_deref(),
            host: record.host.as_deref(),
            source: record.source.as_ref(),
            lineage: record.lineage.iter().map(|entry| &entry.name).collect(),
            kind: record.lineage.iter().map(|entry| &entry.kind).collect(),
            versions: &self.versions,
            expired: self.is_expired(),
        };
        row.serialize(serializer)
    }
}

/// Lists the runs of a project.
pub fn list(repo: &Repository, options: &RunsOptions, progress: &dyn Progress) -> Result<RunList> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let listing = repo.history().list_refs(&RefName::prefix(RefKind::Run, project))?;
    let refs = listing.refs;
    // A list must work even if ART_RUN names an unknown run.
    let current = match repo.current_run() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // The damaged ref of the current run is listed as damaged.
        Err(error) if error.kind() == ErrorKind::Corrupt && !listing.damaged.is_empty() => None,
        other => other?,
    };
    let (versions, unreadable) = versions_by_run(repo, project, progress)?;
    let mut list = match (&options.query, &options.sort, options.limit) {
        (None, None, Some(limit)) if limit.saturating_add(options.offset) < refs.len() => {
            let wanted = limit + options.offset;
            read(repo, &newest(repo, refs, wanted, progress)?, None, &versions, progress)?
        }
        _ => read(repo, &refs, options.query.as_ref(), &versions, progress)?,
    };
    match &options.sort {
        Some(sort) => list.runs.sort_by(|a, b| sort.compare(&a.fields(), &b.fields())),
        None => list.runs.sort_by_key(order),
    }
    let limit = options.limit.unwrap_or(usize::MAX);
    list.runs = list.runs.into_iter().skip(options.offset).take(limit).collect();
    let runs = listing.damaged.into_iter().map(|damaged| (damaged.name, damaged.error));
    let versions = unreadable.into_iter().map(|version| (version.reference, version.error));
    list.unreadable
        .extend(runs.chain(versions).map(|(reference, error)| UnreadableRun { reference, error }));
    for row in &mut list.runs {
        row.current = Some(&row.reference) == current.as_ref();
    }
    Ok(list)
}

/// The sort key: newest first, then by name.
fn order(row: &RunRow) -> (Reverse<Timestamp>, Name) {
    (Reverse(row.record.created_at), row.reference.name().clone())
}

/// Selects runs that include the `wanted` newest ones, without reading all runs if possible.
///
/// A run enters the repository when it is created or later. If the operation log is read back to
/// some time, no run that it has not named is newer than that time.
fn newest(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    wanted: usize,
    progress: &dyn Progress,
) -> Result<Vec<(RefName, Id)>> {
    /// The minimum number of runs to read before giving up.
    const FEW: usize = 256;
    /// The number of operations that are read in the time of one run.
    const OPERATIONS: usize = 16;
    // Reading more runs here is slower than reading all of them with many threads.
    let patience = (refs.len() / 8).max(FEW);
    if wanted >= patience {
        return Ok(refs);
    }
    let by_name: HashMap<&RefName, Id> = refs.iter().map(|(name, id)| (name, *id)).collect();
    let mut seen: HashSet<RefName> = HashSet::new();
    // The creation times of the runs seen so far, latest first.
    let mut times: Vec<Reverse<Timestamp>> = Vec::new();
    let mut found = Vec::new();
    // The newest operations may concern only versions.
    for operation in repo.history().operations()?.take(OPERATIONS * refs.len()) {
        let operation = operation?;
        let is_enough = wanted
            .checked_sub(1)
            .is_none_or(|last| times.get(last).is_some_and(|Reverse(time)| *time > operation.time));
        if is_enough {
            return Ok(found);
        }
        for change in operation.changes {
            let Some(commit) = by_name.get(&change.name) else { continue };
            if !seen.insert(change.name.clone()) {
                continue;
            }
            check_interrupt(progress)?;
            if let Ok(run) = LoadedRun::read(repo, &change.name, *commit) {
                let time = Reverse(run.record.created_at);
                times.insert(times.partition_point(|other| *other <= time), time);
            }
            found.push((change.name, *commit));
        }
        if found.len() > patience {
            break;
        }
    }
    Ok(refs)
}

/// Reads runs, and keeps those that match the query.
fn read(
    repo: &Repository,
    refs: &[(RefName, Id)],
    query: Option<&Query>,
    versions: &HashMap<Uuid, Vec<String>>,
    progress: &dyn Progress,
) -> Result<RunList> {
    let row = |run| RunRow::of(run, versions);
    let read = read_runs(repo, refs, progress, &|name, run| match run.map(row) {
        Ok(row) => query.is_none_or(|query| query.matches(&row.fields())).then_some(Ok(row)),
        Err(error) => Some(Err(UnreadableRun { reference: name.clone(), error })),
    })?;
    let mut list = RunList { runs: Vec::new(), unreadable: Vec::new() };
    for run in read {
        match run {
            Ok(row) => list.runs.push(row),
            Err(unreadable) => list.unreadable.push(unreadable),
        }
    }
    Ok(list)
}

impl RunRow {
    fn of(run: LoadedRun, versions: &HashMap<Uuid, Vec<String>>) -> Self {
        RunRow {
            versions: versions.get(&run.record.uuid).cloned().unwrap_or_default(),
            current: false,
            commit: run.commit,
            author: format!("{} <{}>", run.author.name, run.author.email),
            updated_at: run.author.time,
            record: run.record,
            reference: run.reference,
        }
    }
}
