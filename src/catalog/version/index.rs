//! Reads the summaries of many versions, at their refs or at given commits.

use std::collections::HashSet;

use super::age::{by_age, by_time_and_name};
use super::cache::VersionCache;
use crate::catalog::wrong_name::wrong_name;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{Commit, DamagedRef, RecordTree};
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

impl VersionIndex {
    fn add_damaged(&mut self, damaged: Vec<DamagedRef>) {
        let damaged = damaged.into_iter();
        self.unreadable.extend(
            damaged
                .map(|damaged| UnreadableVersion { reference: damaged.name, error: damaged.error }),
        );
    }
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
    index.add_damaged(listing.damaged);
    Ok(index)
}

/// Reads the newest current versions of `project`, or of every project: `limit` versions after the
/// first `offset`. Also returns all damaged versions.
///
/// If all versions are cached, only the summaries of the returned versions are decoded.
pub(crate) fn read_newest_versions(
    repo: &Repository,
    project: Option<&ProjectName>,
    (offset, limit): (usize, usize),
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    let listing = repo.history().list_refs(&prefix(project))?;
    let cache = VersionCache::open(repo);
    let asked = listing.refs.len();
    let age = |(reference, commit): &(RefName, Id)| {
        let found = cache.find_age(commit);
        found.filter(|(_, name)| name == reference.name()).map(|(time, _)| time)
    };
    let ages = threads::map_in_batches(repo.settings().threads, BATCH, &listing.refs, &|batch| {
        Ok(batch.iter().map(age).collect())
    })?;
    let mut refs = listing.refs;
    let mut skip = offset;
    if let Some(ages) = ages.into_iter().collect::<Option<Vec<Timestamp>>>() {
        let mut dated: Vec<_> = ages.into_iter().zip(refs).collect();
        dated.sort_by(|(a, (a_ref, _)), (b, (b_ref, _))| {
            by_time_and_name((*b, b_ref.name()), (*a, a_ref.name()))
        });
        refs = dated.into_iter().skip(offset).take(limit).map(|(_, row)| row).collect();
        skip = 0;
    }
    let mut index = read(repo, &cache, refs, true, asked, progress)?;
    index.versions.sort_by(|a, b| by_age(b, a));
    index.versions = index.versions.into_iter().skip(skip).take(limit).collect();
    index.add_damaged(listing.damaged);
    Ok(index)
}

/// Reads the versions at `refs`, which must be current, and caches the summaries.
pub(crate) fn read_versions(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    let asked = refs.len();
    read(repo, &VersionCache::open(repo), refs, true, asked, progress)
}

/// Reads the versions at `refs`, which may be past commits, without caching the summaries.
pub(crate) fn read_past_versions(
    repo: &Repository,
    refs: Vec<(RefName, Id)>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    let asked = refs.len();
    read(repo, &VersionCache::open(repo), refs, false, asked, progress)
}

/// Reads the versions at `refs` from the cache, or else from their records. With `remember`, caches
/// those records; `asked` is the number of versions that the caller listed.
fn read(
    repo: &Repository,
    cache: &VersionCache,
    refs: Vec<(RefName, Id)>,
    remember: bool,
    asked: usize,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    if refs.is_empty() {
        return Ok(VersionIndex::default());
    }
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

#[cfg(test)]
mod tests {
    use super::super::cache::DECODED;
    use super::*;
    use crate::ops::versions::{VersionsOptions, versions};
    use crate::repo::Settings;

    #[test]
    fn a_page_of_the_newest_versions_decodes_only_its_own_summaries() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { threads: 1, ..Settings::default() };
        let repo = Repository::create(directory.path(), settings).unwrap();
        let work = directory.path().canonicalize().unwrap();
        crate::fs::atomic::write(&work.join("x"), &work, b"1").unwrap();
        let upload = crate::UploadOptions::new(&work, ["x"]);
        crate::upload(&repo, &upload, &mut std::io::empty(), &NoProgress).unwrap();
        for name in ["v1", "v2", "v9", "v10"] {
            let options = crate::RegisterOptions::new(name.parse().unwrap());
            crate::register(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        }
        let names = |offset: usize, limit: Option<usize>| {
            let options = VersionsOptions { offset, limit, ..VersionsOptions::default() };
            let before = DECODED.get();
            let list = versions(&repo, &options, &NoProgress).unwrap();
            let names = list.versions.iter().map(|version| version.summary.name.to_string());
            (names.collect::<Vec<_>>().join(" "), DECODED.get() - before)
        };
        let (all, _) = names(0, None);
        let listed: Vec<&str> = all.split(' ').collect();
        assert_eq!(names(1, Some(2)), (listed[1..3].join(" "), 2));
        assert_eq!(names(0, Some(1)), (listed[0].to_owned(), 1));
        assert_eq!(names(9, Some(1)), (String::new(), 0));
        assert_eq!(names(0, Some(9)), (all.clone(), 4));
        // Without the cache, the records are read.
        crate::fs::atomic::remove_file(&repo.directory().join("cache/versions")).unwrap();
        assert_eq!(names(1, Some(2)).0, listed[1..3].join(" "));
    }
}
