//! `art clone`: creates a repository from a remote. Content is downloaded when it is needed.

use std::path::{Path, PathBuf};

use derive_setters::Setters;
use serde::Serialize;

use super::pull::{PullOptions, pull};
use crate::config::ConfigFile;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::lock::FileLock;
use crate::fs::usage::usage;
use crate::fs::{atomic, read};
use crate::name::{Name, ProjectName, RefKind};
use crate::progress::Progress;
use crate::remote::layout::ART_TOML;
use crate::remote::{RemoteUri, TrafficCount};
use crate::repo::{DIRECTORY, RemoteConfig, Repository, Settings, exclude_from_git};
use crate::sync::{Brought, OpenConflict, check_directory};

/// The options of a clone.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct CloneOptions {
    /// The URI of the remote.
    pub uri: RemoteUri,
    /// The name of the remote in the new repository.
    pub name: Name,
    /// The absolute path of the directory that will contain the repository; created if missing.
    #[setters(into)]
    pub directory: PathBuf,
    /// The project of the new repository. `None` means the remote's, if the remote has only one.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// Also download all content.
    pub full: bool,
}

impl CloneOptions {
    /// Creates options that clone the remote at `uri` into `directory`, an absolute path. The new
    /// repository names the remote `origin` and has the project of the remote.
    pub fn new(uri: RemoteUri, directory: impl Into<PathBuf>) -> Self {
        CloneOptions {
            uri,
            name: "origin".parse().expect("because `origin` is a valid name"),
            directory: directory.into(),
            project: None,
            full: false,
        }
    }
}

/// The result of a clone.
#[derive(Debug, Clone, Serialize)]
pub struct CloneOutcome {
    /// The path of the repository.
    pub directory: String,
    /// The default project of the new repository.
    pub project: ProjectName,
    /// The number of runs in all projects.
    pub runs: u64,
    /// The number of versions in all projects.
    pub versions: u64,
    /// The number of fetched Git objects.
    pub objects: u64,
    /// The downloaded content.
    pub content: Brought,
    /// The unresolved conflicts on the remote.
    pub conflicts: Vec<OpenConflict>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Creates a repository from a remote. If a clone was interrupted or lost its connection, the same
/// call resumes it: downloaded data is kept, and no other command uses the repository until then.
/// After any other failure, the new repository is removed.
pub fn clone(
    options: &CloneOptions,
    settings: Settings,
    progress: &dyn Progress,
) -> Result<CloneOutcome> {
    let target = options.directory.join(DIRECTORY);
    check_directory(&options.uri)?;
    read::check_directory_path(&options.directory)?;
    let is_resumed = Repository::is_at(&target)?;
    if is_resumed {
        check_leftovers(options, &target)?;
    } else {
        refuse_repository(options, &settings)?;
    }
    let existed = read::is_dir(&options.directory)?;
    fill(options, settings, progress).map_err(|error| {
        if can_resume(&error) && (is_resumed || has_received(&target)) {
            return did_not_finish(error, options, &target);
        }
        // A failure to clean up is ignored, to report the original error. The next clone resumes or
        // removes the rest.
        if Repository::unfinished_clone(&target).is_ok_and(|uri| uri.is_some()) {
            let _ = atomic::remove_tree(&target);
        }
        if !existed {
            let _ = atomic::remove_empty_dir(&options.directory);
        }
        let (uri, place) = (&options.uri, options.directory.display());
        let again = format!("start the clone again: art clone {uri} {place}");
        error.or_interrupted("nothing was downloaded", again)
    })
}

/// Fails unless the existing repository is an unfinished clone of the same remote.
fn check_leftovers(options: &CloneOptions, target: &Path) -> Result<()> {
    let place = options.directory.display();
    let exists = |message: String| Error::new(ErrorKind::AlreadyExists, message);
    match Repository::unfinished_clone(target)? {
        Some(uri) if uri == options.uri.to_string() => Ok(()),
        Some(uri) => Err(exists(format!("the clone of '{uri}' in '{place}' did not finish"))
            .with_hint(format!(
                "resume that clone: art clone {uri} {place}; or name another directory"
            ))),
        None => Err(exists(format!("a repository already exists in '{place}'"))
            .with_hint("update it: art pull; or name another directory")),
    }
}

/// Returns true if a retry of the clone may succeed.
fn can_resume(error: &Error) -> bool {
    use ErrorKind::{Interrupted, Locked, Unauthorized, Unavailable};
    matches!(error.kind(), Interrupted | Locked | Unauthorized | Unavailable)
}

/// Returns true if the repository at `target` has received history or content.
fn has_received(target: &Path) -> bool {
    let bytes = |path: &str| usage(&target.join(path)).map_or(0, |usage| usage.bytes);
    // Each `tmp` has a tag for programs that make backups.
    bytes("objects/pack") + bytes("packs") > 0 || bytes("tmp") > bytes("tmp/CACHEDIR.TAG")
}

/// Returns the error for an interrupted clone that can be resumed.
fn did_not_finish(error: Error, options: &CloneOptions, target: &Path) -> Error {
    let (uri, place) = (&options.uri, options.directory.display());
    let kept = usage(target).map(|usage| usage.bytes).unwrap_or_default();
    let kept = format!("{kept} bytes are kept in '{}'", target.display());
    let resume = format!("resume the clone: art clone {uri} {place}");
    if error.kind() == ErrorKind::Interrupted {
        return Error::new(ErrorKind::Interrupted, format!("interrupted; {kept}"))
            .with_hint(resume);
    }
    error.context(format!("the clone is incomplete; {kept}")).with_hint(resume)
}

/// Creates the repository to clone into, or opens the one of an unfinished clone.
fn prepare(options: &CloneOptions, settings: &Settings) -> Result<(PathBuf, Repository, FileLock)> {
    let target = options.directory.join(DIRECTORY);
    if !Repository::is_at(&target)? {
        let (directory, uri) = (&options.directory, options.uri.to_string());
        Repository::init_unfinished(directory, &settings.params, options.project.as_ref(), &uri)?;
        exclude_from_git(&directory.canonicalize().on("read", directory)?.join(DIRECTORY));
    }
    // Removes what killed clones left. Failing to remove it does not fail the clone.
    let _ = Repository::sweep_builds(&options.directory);
    let target = target.canonicalize().on("read", &target)?;
    let lock = Repository::lock_unfinished(&target)?;
    // Another clone may have finished in the meantime.
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
        },
        progress,
    )
    .map_err(|error| no_remote_error(error, options))?;
    if let Some(project) = only_project(&repo)?.filter(|_| options.project.is_none()) {
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

/// Fails if the URI names a repository in place of the store that it shares.
fn refuse_repository(options: &CloneOptions, settings: &Settings) -> Result<()> {
    let Some(directory) = options.uri.directory() else { return Ok(()) };
    // A damaged remote may have lost its `art.toml`; but a repository has no `meta` directory.
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
            "share it first, in that repository: art remote add origin STORE, then art push; then clone \
             the store: art clone STORE",
        ),
    })
}

/// Returns the error for a remote without any push: there is nothing to clone.
fn no_remote_error(error: Error, options: &CloneOptions) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let (name, uri) = (&options.name, &options.uri);
    Error::not_found(format!("nothing was pushed to '{uri}' yet")).with_hint(format!(
        "check the URI; to share another repository, run in that repository: art remote add {name} \
         URI, then art push"
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
