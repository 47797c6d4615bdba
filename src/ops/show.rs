//! `art show`: one commit with its record and what it changed.

use serde::{Serialize, Serializer};

use super::changes::{ChangeCount, FileChange, Total, compare, total};
use super::log::{Author, find_head, refs_at};
use super::revision::{RecordKind, Resolved, State, resolve};
use super::sync::Sizes;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{Commit, Revision};
use crate::id::Id;
use crate::name::{ProjectName, RefName};
use crate::progress::Progress;
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};
use crate::repo::Repository;

/// What to show, and how much of it.
#[derive(Debug, Clone)]
pub struct ShowOptions {
    /// The commit.
    pub revision: Revision,
    /// At most so many changed files are named.
    pub limit: usize,
    /// At most so many files are counted.
    pub count_limit: usize,
}

/// A record of any kind.
#[derive(Debug, Clone)]
pub enum ShownRecord {
    /// A run's.
    Run(Box<RunRecord>),
    /// A project's.
    Project(Box<ProjectRecord>),
    /// A version's.
    Version(Box<VersionRecord>),
}

/// A commit and what it holds.
#[derive(Debug, Clone, Serialize)]
pub struct ShowOutcome {
    /// The commit.
    pub commit: Id,
    /// The ref it was named by.
    pub reference: Option<RefName>,
    /// The project it was looked for in.
    pub project: ProjectName,
    /// What it is a state of.
    pub kind: RecordKind,
    /// The refs that point at it, that of the current run first.
    pub refs: Vec<RefName>,
    /// Whether it is the newest of the current run.
    pub is_head: bool,
    /// The commits it was made from.
    pub parents: Vec<Id>,
    /// Who made it.
    pub author: Author,
    /// When it was recorded.
    pub time: Timestamp,
    /// The whole message.
    pub message: String,
    /// The record.
    pub record: ShownRecord,
    /// The keys of the record that differ from the first parent's.
    pub record_changes: Vec<String>,
    /// The tree of the artifacts.
    pub tree: Option<Id>,
    /// What the artifacts have in all.
    pub total: Total,
    /// What changed among them against the first parent, counted.
    pub changes: ChangeCount,
    /// The first of the changes.
    pub files: Vec<FileChange>,
    /// How many counted changes are not in `files`.
    pub more: usize,
}

/// Reads what is shown of a commit. A path behind the revision means nothing here.
pub fn show(
    repo: &Repository,
    options: &ShowOptions,
    progress: &dyn Progress,
) -> Result<ShowOutcome> {
    let found = resolve(repo, &options.revision)?;
    let history = repo.history();
    let commit = history.read_commit(&found.commit)?;
    let parent = match commit.parents.first() {
        Some(id) => Some(State::read(repo, id, &history.read_commit(id)?.tree)?),
        None => None,
    };
    let mut known = Sizes::new(repo);
    let sides = (parent.and_then(|parent| parent.artifacts), found.artifacts);
    let compared = compare(repo, &mut known, sides, options.count_limit, progress)?;
    let total = total(repo, &mut known, found.artifacts, options.count_limit as u64, progress)?;
    let first = compared.changes.iter().take(options.limit);
    let files: Result<Vec<FileChange>> =
        first.map(|change| FileChange::measure(&mut known, change)).collect();
    let files = files?;
    let head = find_head(repo)?;
    let names = history.ref_names("refs/")?;
    let (refs, _) = refs_at(&names, head.as_ref(), &found.commit, usize::MAX);
    Ok(ShowOutcome {
        record: read_record(repo, &found)?,
        record_changes: changed_keys(repo, &found, parent)?,
        commit: found.commit,
        reference: found.reference,
        project: found.project,
        kind: found.kind,
        refs,
        is_head: head.is_some_and(|(_, id)| id == found.commit),
        author: author(&commit),
        time: commit.committer.time,
        message: commit.message,
        parents: commit.parents,
        tree: found.artifacts,
        total,
        changes: compared.count,
        more: compared.changes.len() - files.len(),
        files,
    })
}

fn author(commit: &Commit) -> Author {
    Author { name: commit.author.name.clone(), email: commit.author.email.clone() }
}

fn read_record(repo: &Repository, found: &Resolved) -> Result<ShownRecord> {
    let bytes = repo.history().read_blob(&found.record)?;
    Ok(match found.kind {
        RecordKind::Run => ShownRecord::Run(Box::new(RunRecord::decode(&bytes)?)),
        RecordKind::Project => ShownRecord::Project(Box::new(ProjectRecord::decode(&bytes)?)),
        RecordKind::Version => ShownRecord::Version(Box::new(VersionRecord::decode(&bytes)?)),
    })
}

/// The keys whose values differ between the record and that of the parent, if both are of one kind.
fn changed_keys(repo: &Repository, found: &Resolved, parent: Option<State>) -> Result<Vec<String>> {
    let Some(parent) = parent.filter(|parent| parent.kind == found.kind) else {
        return Ok(Vec::new());
    };
    if parent.record == found.record {
        return Ok(Vec::new());
    }
    let now = table(&repo.history().read_blob(&found.record)?)?;
    let before = table(&repo.history().read_blob(&parent.record)?)?;
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let changed = now.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    Ok(changed.map(|(key, _)| key).chain(gone).cloned().collect())
}

fn table(bytes: &[u8]) -> Result<toml::Table> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::corrupt("the record is damaged").with_source(error).with_hint("art fsck")
    };
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.into()))?;
    text.parse().map_err(|error: toml::de::Error| damaged(error.into()))
}

impl Serialize for ShownRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            ShownRecord::Run(record) => record.to_json(),
            ShownRecord::Project(record) => record.to_json(),
            ShownRecord::Version(record) => record.to_json(),
        };
        value.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}
