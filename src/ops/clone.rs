//! `art clone`: a new repository with all that a remote has; content comes when it is needed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::init::{InitOptions, init_unfinished};
use super::pull::{PullOptions, pull};
use super::sync::{Brought, OpenConflict, check_directory};
use crate::config::ConfigFile;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::lock::FileLock;
use crate::fs::usage::usage;
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

/// Clones. A clone that was stopped or lost its remote can be finished by the same call: what came is
/// kept, and nothing else uses the repository until then. After any other failure nothing of the new
/// repository stays.
pub fn clone(
    options: &CloneOptions,
    settings: Settings,
    progress: &dyn Progress,
) -> Result<CloneOutcome> {
    let target = options.directory.join(DIRECTORY);
    check_directory(&options.uri)?;
    if Repository::is_at(&target)? {
        check_leftovers(options, &target)?;
    } else {
        refuse_repository(options, &settings)?;
    }
    let was_there = read::is_dir(&options.directory)?;
    fill(options, settings, progress).map_err(|error| {
        if can_resume(&error) && has_received(&target) {
            return did_not_finish(error, options, &target);
        }
        // The error is what counts; what can't be removed is finished or removed by the next clone.
        if Repository::unfinished_clone(&target).is_ok_and(|uri| uri.is_some()) {
            let _ = atomic::remove_tree(&target);
        }
        if !was_there {
            let _ = atomic::remove_empty_dir(&options.directory);
        }
        error
    })
}

/// Fails unless the repository that is there already is a clone of the same remote that did not finish.
fn check_leftovers(options: &CloneOptions, target: &Path) -> Result<()> {
    let place = options.directory.display();
    let exists = |message: String| Error::new(ErrorKind::AlreadyExists, message);
    match Repository::unfinished_clone(target)? {
        Some(uri) if uri == options.uri.to_string() => Ok(()),
        Some(uri) => Err(exists(format!("the clone of '{uri}' in '{place}' did not finish"))
            .with_hint(format!(
                "finish that clone: art clone {uri} {place}; or name another directory"
            ))),
        None => Err(exists(format!("there is a repository in '{place}' already"))
            .with_hint("bring it up to date: art pull; or name another directory")),
    }
}

/// Whether the same clone may succeed later.
fn can_resume(error: &Error) -> bool {
    use ErrorKind::{Interrupted, Locked, Unauthorized, Unavailable};
    matches!(error.kind(), Interrupted | Locked | Unauthorized | Unavailable)
}

/// Whether history or content has come to the repository at `target`.
fn has_received(target: &Path) -> bool {
    ["objects/pack", "packs", "tmp"]
        .iter()
        .any(|directory| usage(&target.join(directory)).is_ok_and(|there| there.bytes > 0))
}

/// The error for a clone that stopped and can be resumed.
fn did_not_finish(error: Error, options: &CloneOptions, target: &Path) -> Error {
    let (uri, place) = (&options.uri, options.directory.display());
    let kept = usage(target).map(|there| there.bytes).unwrap_or_default();
    let kept = format!("{kept} bytes are kept in '{}'", target.display());
    let resume = format!("resume the clone: art clone {uri} {place}");
    if error.kind() == ErrorKind::Interrupted {
        return Error::new(ErrorKind::Interrupted, format!("interrupted; {kept}"))
            .with_hint(resume);
    }
    error.context(format!("the clone did not finish; {kept}")).with_hint(resume)
}

/// The repository to clone into: a new one, or the one of a clone that did not finish.
fn prepare(options: &CloneOptions, settings: &Settings) -> Result<(PathBuf, Repository, FileLock)> {
    let target = options.directory.join(DIRECTORY);
    if !Repository::is_at(&target)? {
        let made =
            InitOptions { directory: options.directory.clone(), config: options.config.clone() };
        init_unfinished(&made, &options.uri.to_string())?;
    }
    // What a killed clone was building is nobody's; that it can't be removed is no reason to fail.
    let _ = Repository::sweep_builds(&options.directory);
    let target = target.canonicalize().on("read", &target)?;
    let lock = Repository::lock_unfinished(&target)?;
    // Another clone may have finished meanwhile.
    check_leftovers(options, &target)?;
    let repo = Repository::open_unfinished(&target, settings.clone())?;
    let remote =
        RemoteConfig { name: options.name.clone(), uri: options.uri.to_string(), guarantee: None };
    for other in repo.remote_names()?.into_iter().filter(|name| *name != options.name) {
        repo.remove_remote(&other)?;
    }
    if !repo.remote_names()?.contains(&options.name) {
        repo.add_remote(&remote)?;
    }
    Ok((target, repo, lock))
}

fn fill(
    options: &CloneOptions,
    mut settings: Settings,
    progress: &dyn Progress,
) -> Result<CloneOutcome> {
    let (directory, repo, _lock) = prepare(options, &settings)?;
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
        ConfigFile::repository(&directory).set("core.project", &project.to_string())?;
        settings.project = project;
    }
    repo.finish_clone()?;
    let refs = repo.history().refs("refs/")?;
    let count = |kind: RefKind| -> u64 {
        refs.iter().filter(|(name, _)| name.kind() == kind).count() as u64
    };
    Ok(CloneOutcome {
        directory: directory.display().to_string(),
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
        "check the URI; to share work from another repository, in that one: art remote add {name} URI, then \
         art push"
    ))
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
