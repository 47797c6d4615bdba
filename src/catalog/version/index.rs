//! Reads the summaries of many versions, at their refs or at given commits.

use std::collections::HashSet;

use super::cache::VersionCache;
use crate::catalog::wrong_name::wrong_name;
use crate::error::{Error, Result};
use crate::history::{Commit, RecordTree};
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::record::{IndexedVersion, Record, VersionBrief, VersionRecord, VersionSummary};
use crate::repo::Repository;
use crate::threads;

/// The number of versions that a thread reads between two checks for an interrupt.
const BATCH: usize = 64;

/// A version whose record cannot be read.
#[derive(Debug)]
pub struct UnreadableVersion {
    /// The version.
    pub reference: RefName,
    /// The error.
    pub error: Error,
}

/// The readable versions, and the versions that are damaged or from a newer art.
#[derive(Debug, Default)]
pub(crate) struct VersionIndex {
    /// The versions, by name.
    pub(crate) versions: Vec<IndexedVersion>,
    pub(crate) unreadable: Vec<UnreadableVersion>,
}

/// Reads the current versions of `project`, or of every project, by name. Fails if one cannot be
/// read. For callers that need every version.
pub(crate) fn read_index(
    repo: &Repository,
    project: Option<&ProjectName>,
) -> Result<Vec<IndexedVersion>> {
    let index = read_versions(repo, version_refs(repo, project)?, &NoProgress)?;
    match index.unreadable.into_iter().next() {
        None => Ok(index.versions),
        Some(UnreadableVersion { reference, error }) => {
            Err(error.context(format!("cannot read the version '{}'", reference.name())))
        }
    }
}

/// Lists the refs and commits of the versions of `project`, or of every project, by name.
pub(crate) fn version_refs(
    repo: &Repository,
    project: Option<&ProjectName>,
) -> Result<Vec<(RefName, Id)>> {
    repo.history().refs(&prefix(project))
}

fn prefix(project: Option<&ProjectName>) -> String {
    match project {
        Some(project) => RefName::prefix(RefKind::Version, project),
        None => format!("refs/{}/", RefKind::Version.directory()),
    }
}

/// Reads the current versions of `project`, or of every project. Returns damaged versions
/// separately.
pub(crate) fn read_all_versions(
    repo: &Repository,
    project: Option<&ProjectName>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    let listing = repo.history().list_refs(&prefix(project))?;
    let mut index = read_versions(repo, listing.refs, progress)?;
    let damaged = listing.damaged.into_iter();
    index.unreadable.extend(
        damaged.map(|damaged| UnreadableVersion { reference: damaged.name, error: damaged.error }),
    );
    Ok(index)
}

/// Reads the versions at `refs`, which must be current, and caches the summaries.
pub(crate) fn read_versions(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    read(repo, refs, true, progress)
}

/// Reads the versions at `refs`, which may be past commits, without caching the summaries.
pub(crate) fn read_past_versions(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    read(repo, refs, false, progress)
}

fn read(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    remember: bool,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    if refs.is_empty() {
        return Ok(VersionIndex::default());
    }
    let cache = VersionCache::open(repo);
    let asked = refs.len();
    let threads = repo.settings().threads;
    let find = |(_, commit): &(RefName, Id)| cache.find(commit);
    let known = threads::map_in_batches(threads, BATCH, &refs, &|batch| {
        Ok(batch.iter().map(find).collect())
    })?;
    let missing: Vec<Id> = refs
        .iter()
        .zip(&known)
        .filter(|(_, known)| known.is_none())
        .map(|((_, commit), _)| *commit)
        .collect();
    let fresh = read_records(repo, &missing, progress)?;
    if remember {
        let rows: Vec<(Id, &VersionSummary)> = missing
            .iter()
            .zip(&fresh)
            .filter_map(|(commit, version)| Some((*commit, version.as_ref().ok()?)))
            .collect();
        cache.add(repo, &rows, || live(repo), asked);
    }
    let mut fresh = fresh.into_iter();
    let mut index = VersionIndex::default();
    for ((reference, commit), known) in refs.into_iter().zip(known) {
        let summary = match known {
            Some(known) => Ok(known),
            None => fresh.next().unwrap_or_else(|| Err(Error::internal("a version was not read"))),
        };
        match summary {
            Ok(summary) if remember && summary.name != *reference.name() => {
                let error = wrong_name(&reference, &summary.name);
                index.unreadable.push(UnreadableVersion { reference, error });
            }
            Ok(summary) => index.versions.push(IndexedVersion { reference, commit, summary }),
            Err(error) => index.unreadable.push(UnreadableVersion { reference, error }),
        }
    }
    Ok(index)
}

/// Returns the current commits of the versions of all projects. Returns no commits if the refs
/// cannot be read.
fn live(repo: &Repository) -> HashSet<Id> {
    let refs = version_refs(repo, None).unwrap_or_default();
    refs.into_iter().map(|(_, commit)| commit).collect()
}

/// Reads the records at `commits` in parallel.
fn read_records(
    repo: &Repository,
    commits: &[Id],
    progress: &dyn Progress,
) -> Result<Vec<Result<VersionSummary>>> {
    progress.begin("reading versions", Some(commits.len() as u64), Unit::Items);
    let read = threads::map_in_batches(repo.settings().threads, BATCH, commits, &|batch| {
        check_interrupt(progress)?;
        let read = batch.iter().map(|commit| read_record(repo, commit)).collect();
        progress.advance(batch.len() as u64);
        Ok(read)
    });
    progress.end();
    read
}

/// Reads the summary of the record at `commit`.
fn read_record(repo: &Repository, commit: &Id) -> Result<VersionSummary> {
    let Some((brief, commit)) = read_brief(repo, commit)? else {
        let message = format!("the commit {commit} has no {}", VersionRecord::FILE);
        return Err(Error::corrupt(message).with_hint("art fsck"));
    };
    Ok(VersionSummary::new(brief.record, commit.committer.time))
}

/// Reads `commit` and its record, if the commit belongs to a version.
pub(crate) fn read_brief(repo: &Repository, commit: &Id) -> Result<Option<(VersionBrief, Commit)>> {
    let history = repo.history();
    let (commit, tree) = RecordTree::with_commit(history, commit)?;
    let Some(file) = tree.file(VersionRecord::FILE) else { return Ok(None) };
    let brief = VersionBrief::decode(&history.read_blob(&file)?)?;
    Ok(Some((brief, commit)))
}
