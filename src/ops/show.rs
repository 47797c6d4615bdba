//! `art show`: shows one commit with its record and its changes.

use derive_setters::Setters;
use serde::{Serialize, Serializer};

use super::log::{find_head, refs_at};
use crate::catalog::Author;
use crate::catalog::changes::{ChangeCount, FileChange, Total, compare, total};
use crate::catalog::revision::{RecordContents, RecordKind, Resolved, resolve};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{Commit, Revision};
use crate::id::Id;
use crate::name::{ProjectName, RefName};
use crate::progress::Progress;
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::sync::Sizes;

/// The commit to show, and the amount of detail.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct ShowOptions {
    /// The revision of the commit.
    pub revision: Revision,
    /// The maximum number of listed files.
    pub limit: usize,
    /// The maximum number of counted files.
    pub count_limit: usize,
}

impl ShowOptions {
    /// Creates options that show the commit of `revision` with all of its changes.
    pub fn new(revision: Revision) -> Self {
        ShowOptions { revision, limit: usize::MAX, count_limit: usize::MAX }
    }
}

/// A record of any kind.
#[derive(Debug, Clone)]
pub enum ShownRecord {
    /// The record of a run.
    Run(Box<RunRecord>),
    /// The record of a project.
    Project(Box<ProjectRecord>),
    /// The record of a version.
    Version(Box<VersionRecord>),
}

/// The details of a commit.
#[derive(Debug, Clone, Serialize)]
pub struct ShowOutcome {
    /// The commit.
    pub commit: Id,
    /// The ref in the revision.
    pub reference: Option<RefName>,
    /// The project of the lookup.
    pub project: ProjectName,
    /// The kind of record.
    pub kind: RecordKind,
    /// The refs that point at the commit. The ref of the current run comes first.
    pub refs: Vec<RefName>,
    /// True if the commit is the newest one of the current run.
    pub is_head: bool,
    /// The parents.
    pub parents: Vec<Id>,
    /// The author.
    pub author: Author,
    /// When the commit was recorded.
    pub time: Timestamp,
    /// The complete message.
    pub message: String,
    /// The record.
    pub record: ShownRecord,
    /// The keys of the record that differ from the first parent.
    pub record_changes: Vec<String>,
    /// The tree of the artifacts.
    pub tree: Option<Id>,
    /// The totals of the artifacts.
    pub total: Total,
    /// The number of changes compared with the first parent.
    pub changes: ChangeCount,
    /// The first changes.
    pub files: Vec<FileChange>,
    /// The number of counted changes that `files` omits.
    pub more: usize,
}

/// Reads the details of a commit. Ignores a path in the revision.
pub fn show(
    repo: &Repository,
    options: &ShowOptions,
    progress: &dyn Progress,
) -> Result<ShowOutcome> {
    let found = resolve(repo, &options.revision)?;
    let history = repo.history();
    let commit = history.read_commit(&found.commit)?;
    let parent = match commit.parents.first() {
        Some(id) => Some(RecordContents::read(repo, id, &history.read_commit(id)?.tree)?),
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

/// Lists the keys that differ between the record and the parent's record, if both have the same
/// kind.
fn changed_keys(
    repo: &Repository,
    found: &Resolved,
    parent: Option<RecordContents>,
) -> Result<Vec<String>> {
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
