//! `art get`: shows everything about one version.

use derive_setters::Setters;
use serde::{Serialize, Serializer};

use crate::catalog::changes::{Total, total};
use crate::catalog::run::{LoadedRun, read_runs};
use crate::catalog::version::{LoadedVersion, find_version};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::progress::Progress;
use crate::record::{Content, LineageEntry, Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::sync::Sizes;

/// The version, and a bound on the count of its files.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct GetOptions {
    /// `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The maximum number of files to count.
    pub count_limit: u64,
}

impl GetOptions {
    /// Creates options that show `version` and count all of its files.
    pub fn new(version: Revision) -> Self {
        GetOptions { version, count_limit: u64::MAX }
    }
}

/// The details of a version.
#[derive(Debug, Serialize)]
pub struct VersionDetails {
    /// The record.
    #[serde(flatten, serialize_with = "as_json")]
    pub record: VersionRecord,
    /// The project.
    pub project: ProjectName,
    /// The newest commit.
    pub commit: Id,
    /// When the newest commit was created.
    pub updated_at: Timestamp,
    /// When the version entered its current stage.
    pub staged_at: Timestamp,
    /// The current ref of the run. `None` if the run was deleted; the version keeps all of its
    /// content anyway.
    pub run_ref: Option<RefName>,
    /// The named artifacts in the version, with their origins.
    pub lineage: Vec<LineageEntry>,
    /// The JSON or YAML content.
    pub content: Option<Content>,
    /// The readme.
    pub readme: Option<String>,
    /// The tree of files, if any.
    pub tree: Option<Id>,
    /// The totals of the files.
    pub total: Total,
    /// The project's tags that point at the version or at an earlier commit of it.
    pub tag_refs: Vec<Name>,
}

fn as_json<S: Serializer>(record: &VersionRecord, serializer: S) -> Result<S::Ok, S::Error> {
    record.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// Collects everything about a version.
///
/// If the version does not exist, fails with [`NotFound`](crate::ErrorKind::NotFound) and suggests
/// a similar name.
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

/// Finds the current ref of the version's run, under its recorded name or a new name.
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

/// Returns the named artifacts in a version, as recorded in the pinned commit of the run.
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

/// Lists the tags that point at the version, or at an earlier commit under the same name.
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
