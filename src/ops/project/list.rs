//! `art project list`: lists every project with its numbers of runs and versions.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::{LoadedProject, names, try_load_project};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{ProjectName, RefKind};
use crate::record::Tags;
use crate::repo::Repository;

/// The projects of a repository.
#[derive(Debug)]
pub struct ProjectList {
    /// The projects, by name.
    pub projects: Vec<ProjectRow>,
    /// The projects with an unreadable record. They have a row too.
    pub unreadable: Vec<UnreadableProject>,
}

/// A project whose record cannot be read.
#[derive(Debug)]
pub struct UnreadableProject {
    /// The project.
    pub name: ProjectName,
    /// The error.
    pub error: Error,
}

/// One project of the list. If the project has no record, the fields of the record are empty.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectRow {
    /// True for the default project, which names without a project belong to.
    pub current: bool,
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// The description.
    pub description: String,
    /// The tags.
    pub tags: Tags,
    /// The number of runs.
    pub runs: u64,
    /// The number of versions.
    pub versions: u64,
    /// True if the project has rules for its stages.
    pub policy: bool,
    /// When the record was created.
    pub created_at: Option<Timestamp>,
    /// When the record last changed.
    pub updated_at: Option<Timestamp>,
    /// The author of the last change: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// The id, which a rename does not change.
    pub uuid: Option<Uuid>,
    /// The newest commit of the record.
    pub commit: Option<Id>,
}

impl ProjectRow {
    fn new(name: ProjectName, loaded: Option<LoadedProject>) -> Self {
        let commit = loaded.as_ref().map(|loaded| loaded.commit);
        let updated_at = loaded.as_ref().map(|loaded| loaded.updated_at);
        let author = loaded.as_ref().map(|loaded| loaded.author.clone());
        let record = loaded.map(|loaded| loaded.record);
        ProjectRow {
            current: false,
            name,
            runs: 0,
            versions: 0,
            policy: record.as_ref().is_some_and(|record| !record.policy.is_empty()),
            created_at: record.as_ref().map(|record| record.created_at),
            uuid: record.as_ref().map(|record| record.uuid),
            updated_at,
            author,
            commit,
            description: record.as_ref().map(|r| r.description.clone()).unwrap_or_default(),
            tags: record.map(|record| record.tags).unwrap_or_default(),
        }
    }
}

/// Lists the projects of a repository.
pub fn list(repo: &Repository) -> Result<ProjectList> {
    let mut unreadable = Vec::new();
    let mut projects = Vec::new();
    let runs = count(repo, RefKind::Run, &mut unreadable)?;
    let versions = count(repo, RefKind::Version, &mut unreadable)?;
    for name in names(repo)? {
        let loaded = try_load_project(repo, &name).unwrap_or_else(|error| {
            unreadable.push(UnreadableProject { name: name.clone(), error });
            None
        });
        projects.push(ProjectRow {
            current: name == repo.settings().project,
            runs: runs.get(&name).copied().unwrap_or_default(),
            versions: versions.get(&name).copied().unwrap_or_default(),
            ..ProjectRow::new(name, loaded)
        });
    }
    Ok(ProjectList { projects, unreadable })
}

/// Counts the refs of `kind` in each project. A damaged ref makes its project unreadable.
fn count(
    repo: &Repository,
    kind: RefKind,
    unreadable: &mut Vec<UnreadableProject>,
) -> Result<BTreeMap<ProjectName, u64>> {
    let mut counts = BTreeMap::new();
    let listing = repo.history().list_refs(&format!("refs/{}/", kind.directory()))?;
    for (name, _) in listing.refs {
        *counts.entry(name.project().clone()).or_default() += 1;
    }
    let damaged = listing.damaged.into_iter();
    unreadable.extend(damaged.map(|damaged| UnreadableProject {
        name: damaged.name.project().clone(),
        error: damaged.error,
    }));
    Ok(counts)
}
