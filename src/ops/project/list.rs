//! `art project list`: every project with how much it holds.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::load::{LoadedProject, names, try_load_project};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{ProjectName, RefKind};
use crate::record::Tags;
use crate::repo::Repository;

/// The projects of a repository.
#[derive(Debug)]
pub struct ProjectList {
    /// By name.
    pub projects: Vec<ProjectRow>,
    /// Projects whose record can't be read; they have a row all the same.
    pub unreadable: Vec<UnreadableProject>,
}

/// A project whose record can't be read.
#[derive(Debug)]
pub struct UnreadableProject {
    /// The project.
    pub name: ProjectName,
    /// Why.
    pub error: Error,
}

/// One project of the list. What only a record says is absent where there is none.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectRow {
    /// Whether it is the one that names without a project belong to.
    pub current: bool,
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// What it is for.
    pub description: String,
    /// Short words on it.
    pub tags: Tags,
    /// How many runs it has.
    pub runs: u64,
    /// How many versions it has.
    pub versions: u64,
    /// Whether it has rules for its stages.
    pub policy: bool,
    /// When its record was made.
    pub created_at: Option<Timestamp>,
    /// When its record was last changed.
    pub updated_at: Option<Timestamp>,
    /// Who changed it last: `NAME <EMAIL>`.
    pub author: Option<String>,
    /// What stays the same when the name changes.
    pub uuid: Option<Uuid>,
    /// The last commit of its record.
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

/// How many refs of `kind` each project has. A damaged one makes its project unreadable.
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
