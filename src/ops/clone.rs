//! `art clone`: a new repository with all that a remote has; content comes when it is needed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::init::{InitOptions, init};
use super::pull::{PullOptions, pull};
use super::sync::{Brought, OpenConflict};
use crate::config::ConfigFile;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::{atomic, read};
use crate::name::{Name, ProjectName, RefKind};
use crate::progress::Progress;
use crate::remote::layout::ART_TOML;
use crate::remote::{RemoteUri, TrafficCount};
use crate::repo::{DIRECTORY, RemoteConfig, Repository, Settings};

/// What to clone, and where to.
#[derive(Debug, Clone)]
pub struct CloneOptions {
    /// Where the remote is.
    pub uri: RemoteUri,
    /// What the remote is called in the new repository.
    pub name: Name,
    /// The directory that the repository stands in, absolute; made if missing.
    pub directory: PathBuf,
    /// The text of its `config.toml`; see [`config::initial`](crate::config::initial).
    pub config: String,
    /// Whether that names the project; else it is the one of the remote, if that has only one.
    pub has_project: bool,
    /// All content comes too.
    pub full: bool,
    /// The command, for the log of operations.
    pub command: String,
}

/// What was cloned.
#[derive(Debug, Clone, Serialize)]
pub struct CloneOutcome {
    /// The repository.
    pub directory: String,
    /// The project that names without one belong to.
    pub project: ProjectName,
    /// Its runs, of all projects.
    pub runs: u64,
    /// Its versions.
    pub versions: u64,
    /// Git objects that came.
    pub objects: u64,
    /// The content that came.
    pub content: Brought,
    /// What waits on the remote for someone to settle it.
    pub conflicts: Vec<OpenConflict>,
    /// What it took.
    pub traffic: TrafficCount,
}

/// Clones. Whatever ends it early, nothing of the new repository stays.
pub fn clone(
    options: &CloneOptions,
    settings: Settings,
    progress: &dyn Progress,
) -> Result<CloneOutcome> {
    let target = options.directory.join(DIRECTORY);
    if Repository::is_at(&target)? {
        let message = format!("there is a repository in '{}' already", options.directory.display());
        return Err(Error::new(ErrorKind::AlreadyExists, message)
            .with_hint("bring it up to date: art pull; or name another directory"));
    }
    refuse_repository(options, &settings)?;
    let was_there = read::is_dir(&options.directory)?;
    let cloned = fill(options, settings, progress);
    if cloned.is_err() {
        // The error is what counts; what can't be removed is a repository that a pull completes.
        let _ = atomic::remove_tree(&target);
        if !was_there {
            let _ = atomic::remove_empty_dir(&options.directory);
        }
    }
    cloned
}

fn fill(
    options: &CloneOptions,
    mut settings: Settings,
    progress: &dyn Progress,
) -> Result<CloneOutcome> {
    let made = init(&InitOptions {
        directory: options.directory.clone(),
        config: options.config.clone(),
    })?;
    let remote =
        RemoteConfig { name: options.name.clone(), uri: options.uri.to_string(), guarantee: None };
    let repo = Repository::open(&made.directory, settings.clone())?;
    repo.add_remote(&remote)?;
    let pulled = pull(
        &repo,
        &PullOptions {
            remote: Some(options.name.clone()),
            refs: Vec::new(),
            full: options.full,
            path: None,
            allow_disabled: false,
            command: options.command.clone(),
        },
        progress,
    )
    .map_err(|error| nothing_there(error, options))?;
    if let Some(project) = only_project(&repo)?.filter(|_| !options.has_project) {
        ConfigFile::repository(&made.directory).set("core.project", &project.to_string())?;
        settings.project = project;
    }
    let count = |kind: RefKind| -> u64 {
        pulled.refs.iter().filter(|one| one.name.kind() == kind).count() as u64
    };
    Ok(CloneOutcome {
        directory: shown(&made.directory)?,
        project: settings.project,
        runs: count(RefKind::Run),
        versions: count(RefKind::Version),
        objects: pulled.fetched.objects,
        content: pulled.content,
        conflicts: pulled.fetched.conflicts,
        traffic: pulled.traffic,
    })
}

/// Fails where a repository is named in the place of the store that it shares.
fn refuse_repository(options: &CloneOptions, settings: &Settings) -> Result<()> {
    let Some(directory) = options.uri.directory() else { return Ok(()) };
    // A remote may have lost what says that it is one; a repository has no directory of this name.
    if read::is_file(&directory.join(ART_TOML))? || read::is_dir(&directory.join("meta"))? {
        return Ok(());
    }
    let places = [directory.to_owned(), directory.join(DIRECTORY)];
    let mut place = None;
    for candidate in &places {
        if place.is_none() && Repository::is_at(candidate)? {
            place = Some(candidate);
        }
    }
    let Some(place) = place else { return Ok(()) };
    let error = Error::invalid(format!("'{}' is a repository, not a remote", directory.display()));
    let remote = Repository::open(place, settings.clone()).and_then(|repo| repo.default_remote());
    Err(match remote {
        Ok(remote) => {
            error.with_hint(format!("clone the store it shares: art clone {}", remote.uri))
        }
        Err(_) => error.with_hint(
            "in it: art remote add origin STORE, then art push; then here: art clone STORE",
        ),
    })
}

/// Where nothing was pushed there is nothing to clone, and nothing to push.
fn nothing_there(error: Error, options: &CloneOptions) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let (name, uri) = (&options.name, &options.uri);
    Error::not_found(format!("nothing was pushed to '{uri}' yet")).with_hint(format!(
        "is it spelt right? else, where the work is: art remote add {name} URI, then art push"
    ))
}

fn shown(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize().on("read", directory)?;
    Ok(directory.display().to_string())
}

/// The project of all refs, if they have only one.
fn only_project(repo: &Repository) -> Result<Option<ProjectName>> {
    let mut projects: Vec<ProjectName> =
        repo.history().refs("refs/")?.into_iter().map(|(name, _)| name.project().clone()).collect();
    projects.dedup();
    projects.sort();
    projects.dedup();
    Ok(if projects.len() == 1 { projects.pop() } else { None })
}
