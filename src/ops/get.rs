//! `art get`: everything about one version.

use serde::{Serialize, Serializer};

use super::changes::{Total, total};
use super::run::{LoadedRun, read_runs};
use super::sync::Sizes;
use super::version::{LoadedVersion, find_version};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::progress::Progress;
use crate::record::{Content, LineageEntry, Record, RunRecord, VersionRecord};
use crate::repo::Repository;

/// Which version, and how much of it.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// At most so many files are counted.
    pub count_limit: u64,
}

/// All that is known of a version.
#[derive(Debug, Serialize)]
pub struct VersionDetails {
    /// Its record.
    #[serde(flatten, serialize_with = "as_json")]
    pub record: VersionRecord,
    /// Its project.
    pub project: ProjectName,
    /// Its newest commit.
    pub commit: Id,
    /// When that was made.
    pub updated_at: Timestamp,
    /// Since when it has been in its stage.
    pub staged_at: Timestamp,
    /// Where the run is that it was made from; nothing if it was deleted. The version has all of it
    /// either way.
    pub run_ref: Option<RefName>,
    /// The named artifacts that it took, with where they came from.
    pub lineage: Vec<LineageEntry>,
    /// What was said about it as JSON or YAML.
    pub content: Option<Content>,
    /// The text to read first.
    pub readme: Option<String>,
    /// The tree of its files; nothing if it has none.
    pub tree: Option<Id>,
    /// What it holds.
    pub total: Total,
    /// The tags of its project that point at it, or at an earlier state of it.
    pub tag_refs: Vec<Name>,
}

fn as_json<S: Serializer>(record: &VersionRecord, serializer: S) -> Result<S::Ok, S::Error> {
    record.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// Finds out all about a version.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) and a near name as the hint if there is none.
pub fn get(
    repo: &Repository,
    options: &GetOptions,
    progress: &dyn Progress,
) -> Result<VersionDetails> {
    let version = find_version(repo, &options.version)?;
    let (content, readme) = (version.content(repo)?, version.readme(repo)?);
    let tree = version.draft.artifacts;
    let mut sizes = Sizes::new(repo);
    Ok(VersionDetails {
        project: version.reference.project().clone(),
        commit: version.commit,
        updated_at: version.updated_at,
        staged_at: version.record().in_stage_since(),
        run_ref: find_run_ref(repo, version.record(), progress)?,
        lineage: taken(repo, version.record())?,
        content,
        readme,
        tree,
        total: total(repo, &mut sizes, tree, options.count_limit, progress)?,
        tag_refs: tags_at(repo, &version)?,
        record: version.draft.record,
    })
}

/// Where the run is now that `version` was made from: under its name, or under another.
fn find_run_ref(
    repo: &Repository,
    version: &VersionRecord,
    progress: &dyn Progress,
) -> Result<Option<RefName>> {
    let run = &version.run;
    let is_it = |found: &LoadedRun| found.record.uuid == run.uuid;
    let reference = RefName::run(run.project.clone(), run.name.clone());
    if let Some(commit) = repo.history().try_find_ref(&reference)?
        && LoadedRun::read(repo, &reference, commit).is_ok_and(|found| is_it(&found))
    {
        return Ok(Some(reference));
    }
    let refs = repo.history().refs(&format!("refs/{}/", RefKind::Run.directory()))?;
    let found = read_runs(repo, &refs, progress, &|name, read| {
        read.ok().filter(is_it).map(|_| name.clone())
    })?;
    Ok(found.into_iter().next())
}

/// The named artifacts that a version took from its run, as the run had them then.
fn taken(repo: &Repository, version: &VersionRecord) -> Result<Vec<LineageEntry>> {
    let run = &version.run;
    let reference = |_: &RunRecord| RefName::run(run.project.clone(), run.name.clone());
    let Some(pinned) = LoadedRun::try_read(repo, run.commit, reference)? else {
        return Ok(Vec::new());
    };
    let is_taken = |entry: &LineageEntry| {
        version.artifacts.is_empty() || version.artifacts.contains(&entry.name)
    };
    Ok(pinned.record.lineage.into_iter().filter(is_taken).collect())
}

/// The tags that point at the version, or at an earlier state of it under the same name.
fn tags_at(repo: &Repository, version: &LoadedVersion) -> Result<Vec<Name>> {
    let history = repo.history();
    let prefix = RefName::prefix(RefKind::Tag, version.reference.project());
    let tags = history.refs(&prefix)?;
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let log = history.reflog(&version.reference)?;
    let is_own = |id: &Id| *id == version.commit || log.iter().any(|entry| entry.new == Some(*id));
    Ok(tags.into_iter().filter(|(_, id)| is_own(id)).map(|(tag, _)| tag.name().clone()).collect())
}
