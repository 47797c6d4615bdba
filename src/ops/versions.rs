//! `art versions`: lists versions, now or at a given time.

use std::collections::{BTreeSet, HashSet};

use derive_setters::Setters;

use crate::catalog::project::find_project;
use crate::catalog::version::{
    VersionIndex, by_age, project_policy, read_all_versions, read_newest_versions, read_versions_at,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::policy::DISABLED;
use crate::record::query::{Query, Sort};
use crate::repo::Repository;

pub use crate::catalog::version::UnreadableVersion;
pub use crate::record::IndexedVersion;

/// The versions to list.
#[derive(Debug, Default, Setters)]
#[non_exhaustive]
pub struct VersionsOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// Lists the versions of all projects, and ignores `project`.
    pub all_projects: bool,
    /// Lists only versions in this stage.
    #[setters(into)]
    pub stage: Option<Name>,
    /// Lists the versions at the end of this second. By default, lists the current versions.
    #[setters(into)]
    pub at: Option<Timestamp>,
    /// Lists only versions that match this query, which is parsed with
    /// [`VERSION_FIELDS`](crate::record::VERSION_FIELDS).
    #[setters(into)]
    pub query: Option<Query>,
    /// The order. By default, the newest version comes first.
    #[setters(into)]
    pub sort: Option<Sort>,
    /// The number of versions to skip.
    pub offset: usize,
    /// The maximum number of versions.
    #[setters(into)]
    pub limit: Option<usize>,
}

/// The listed versions.
#[derive(Debug)]
pub struct VersionList {
    /// The versions, in order.
    pub versions: Vec<IndexedVersion>,
    /// Versions that cannot be read, because they are damaged or from a newer art.
    pub unreadable: Vec<UnreadableVersion>,
    /// True if the operation log covers the given time completely. Fetched versions use their
    /// recorded history; versions that were deleted elsewhere may be missing.
    pub is_complete: bool,
    /// True if the log's times are in order around the given time. Otherwise, a clock was set back
    /// or forward, and the list shows a moment near the given time.
    pub is_in_order: bool,
}

/// Lists versions.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) for an unknown project, and with
/// [`Invalid`](crate::ErrorKind::Invalid) for a stage that holds no version and that no policy
/// names.
pub fn versions(
    repo: &Repository,
    options: &VersionsOptions,
    progress: &dyn Progress,
) -> Result<VersionList> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let project = (!options.all_projects).then_some(project);
    let (index, is_complete, is_in_order) = match options.at {
        None => (read_current(repo, options, project, progress)?, true, true),
        Some(time) => {
            let at_time = read_versions_at(repo, project, time, progress)?;
            (at_time.index, at_time.is_complete, at_time.is_in_order)
        }
    };
    let VersionIndex { mut versions, unreadable } = index;
    if let Some(project) = project.filter(|_| versions.is_empty() && unreadable.is_empty()) {
        find_project(repo, project)?;
    }
    if let Some(stage) = &options.stage {
        versions.retain(|version| version.summary.stage == *stage);
        if let Some(project) = project.filter(|_| versions.is_empty()) {
            project_policy(repo, project)?.policy.check_stage(stage)?;
        }
    }
    if let Some(query) = &options.query {
        check_stages(repo, project, query, &versions)?;
        versions.retain(|version| query.matches(version));
    }
    match &options.sort {
        Some(sort) => versions.sort_by(|a, b| sort.compare(a, b)),
        None => versions.sort_by(|a, b| by_age(b, a)),
    }
    if options.page_of_newest().is_none() {
        let limit = options.limit.unwrap_or(usize::MAX);
        versions = versions.into_iter().skip(options.offset).take(limit).collect();
    }
    Ok(VersionList { versions, unreadable, is_complete, is_in_order })
}

impl VersionsOptions {
    /// Returns the offset and the limit of a list that only depends on the times and names of the
    /// current versions.
    fn page_of_newest(&self) -> Option<(usize, usize)> {
        let is_plain = self.query.is_none() && self.sort.is_none() && self.stage.is_none();
        self.limit.filter(|_| is_plain && self.at.is_none()).map(|limit| (self.offset, limit))
    }
}

/// Reads the current versions. A page of the newest versions is read alone.
fn read_current(
    repo: &Repository,
    options: &VersionsOptions,
    project: Option<&ProjectName>,
    progress: &dyn Progress,
) -> Result<VersionIndex> {
    match options.page_of_newest() {
        Some(page) => read_newest_versions(repo, project, page, progress),
        None => read_all_versions(repo, project, progress),
    }
}

/// Fails with [`Invalid`](crate::ErrorKind::Invalid) if `query` names a stage that is in no
/// project's order and that holds none of `versions`.
fn check_stages(
    repo: &Repository,
    project: Option<&ProjectName>,
    query: &Query,
    versions: &[IndexedVersion],
) -> Result<()> {
    let mut projects: BTreeSet<&ProjectName> = project.into_iter().collect();
    projects.extend(versions.iter().map(|version| version.reference.project()));
    let mut known: Vec<Name> = Vec::new();
    for project in projects {
        // If a policy cannot be followed, its stages are unknown, so every stage is accepted.
        let Ok(rules) = project_policy(repo, project) else { return Ok(()) };
        known.extend(rules.policy.stages().iter().cloned());
    }
    let inside = versions.iter().map(|version| &version.summary.stage);
    let mut words: Vec<&str> = known.iter().chain(inside).map(Name::as_str).collect();
    words.push(DISABLED);
    let mut seen = HashSet::new();
    words.retain(|word| seen.insert(*word));
    Ok(query.check_words("stage", &words)?)
}
