//! `art remote add` and `set-uri`: probes the store of a remote, then saves the remote in the
//! configuration.

use std::path::{Path, PathBuf};

use derive_setters::Setters;
use serde::Serialize;

use super::remove::forget_fetched;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::read;
use crate::id::Id;
use crate::name::Name;
use crate::progress::{Progress, Unit};
use crate::remote::layout::LOG;
use crate::remote::log::MAY_NOT_LIST;
use crate::remote::{Guarantee, Log, Protocol, RemoteUri, Store, TrafficCount, probe};
use crate::repo::{DIRECTORY, RemoteConfig, Repository, remote_exists};
use crate::sync::{
    RemoteMemory, forget_former_tips, not_a_directory_error, not_allowed_error, not_writable_error,
    note_forgotten, only_on, open_store, root_cause,
};

/// The options to add a remote.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct AddRemoteOptions {
    /// The name of the remote.
    pub name: Name,
    /// The URI, as typed.
    #[setters(into)]
    pub uri: String,
    /// The base directory of a relative path.
    #[setters(into)]
    pub cwd: PathBuf,
}

impl AddRemoteOptions {
    /// Creates options that add the remote `name` at `uri`. A relative path in it starts at `cwd`.
    pub fn new(name: Name, uri: impl Into<String>, cwd: impl Into<PathBuf>) -> Self {
        AddRemoteOptions { name, uri: uri.into(), cwd: cwd.into() }
    }
}

/// The options to change the URI of a remote.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct SetRemoteUriOptions {
    /// The name of the remote.
    pub name: Name,
    /// The new URI, as typed.
    #[setters(into)]
    pub uri: String,
    /// The base directory of a relative path.
    #[setters(into)]
    pub cwd: PathBuf,
}

impl SetRemoteUriOptions {
    /// Creates options that move the remote `name` to `uri`. A relative path in it starts at `cwd`.
    pub fn new(name: Name, uri: impl Into<String>, cwd: impl Into<PathBuf>) -> Self {
        SetRemoteUriOptions { name, uri: uri.into(), cwd: cwd.into() }
    }
}

/// A remote as saved in the configuration.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteOutcome {
    /// The name of the remote.
    pub name: Name,
    /// The URI, absolute and without secrets.
    pub uri: String,
    /// The old URI, if it was different.
    pub old_uri: Option<String>,
    /// The write guarantee that the probe of the store found.
    pub guarantee: Guarantee,
    /// A description of the guarantee's effect on pushes.
    pub meaning: String,
    /// How the existing log orders concurrent writers; `None` if nothing was pushed yet.
    pub log: Option<Protocol>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Adds a remote. Probes its store first: an unreachable store is not saved.
///
/// Fails with [`ErrorKind::AlreadyExists`] if there is a remote of that name.
pub fn add(
    repo: &Repository,
    options: &AddRemoteOptions,
    progress: &dyn Progress,
) -> Result<RemoteOutcome> {
    if repo.remote_names()?.contains(&options.name) {
        return Err(remote_exists(&options.name));
    }
    repo.require_writable()?;
    let outcome = try_out(repo, &options.name, &options.uri, &options.cwd, progress)?;
    // Files about an earlier remote of this name do not apply to the new one.
    RemoteMemory::of(repo, &options.name).forget()?;
    forget_former_tips(repo, &options.name)?;
    repo.add_remote(&outcome.config())?;
    Ok(outcome)
}

/// The consequences of a change of a remote's URI.
#[derive(Debug, Clone, Serialize)]
pub struct SetUriPlan {
    /// The name of the remote.
    pub name: Name,
    /// The old URI, if it can be shown.
    pub old_uri: Option<String>,
    /// The new URI, without secrets.
    pub uri: String,
    /// The number of contents that are missing locally, on all other remotes and at the new URI.
    pub only_there: u64,
}

/// Determines the consequences of a change of a remote's URI. Reads the new store only if the
/// remote holds the only copy of some content.
pub fn plan_set_uri(
    repo: &Repository,
    options: &SetRemoteUriOptions,
    progress: &dyn Progress,
) -> Result<SetUriPlan> {
    let uri = RemoteUri::parse(&options.uri, &options.cwd)?;
    let old = repo.find_remote(&options.name).ok();
    let shown = |old: &RemoteConfig| RemoteUri::parse(&old.uri, repo.top()).ok();
    let old_uri = old.as_ref().and_then(shown).map(|uri| uri.to_string());
    let mut only_there = 0;
    if let Some(old) = old.filter(|_| old_uri.as_ref() != Some(&uri.to_string())) {
        let only = only_on(repo, &options.name, progress)?;
        if !only.is_empty() && !is_same_store(repo, &old, &uri)? {
            only_there = only.len() as u64;
        }
    }
    Ok(SetUriPlan { name: options.name.clone(), old_uri, uri: uri.to_string(), only_there })
}

/// Returns true if the store at `uri` has all content packs of `remote` as of the last fetch. In
/// this case it is the same store under another URI, or a copy.
fn is_same_store(repo: &Repository, remote: &RemoteConfig, uri: &RemoteUri) -> Result<bool> {
    let Some((_, state)) = RemoteMemory::of(repo, &remote.name).log(remote) else {
        return Ok(false);
    };
    let store = open_store(uri, &repo.settings().transfer)?;
    let Some(log) = Log::try_open(store)? else { return Ok(false) };
    let mut state_at_uri = log.load()?;
    log.refresh(&mut state_at_uri)?;
    let packs: Vec<Id> = state.remote_state().packs.keys().copied().collect();
    Ok(state_at_uri.remote_state().missing(&packs).is_empty())
}

/// Changes the URI of a remote. Probes the store first.
pub fn set_uri(
    repo: &Repository,
    options: &SetRemoteUriOptions,
    progress: &dyn Progress,
) -> Result<RemoteOutcome> {
    let old = match repo.find_remote(&options.name) {
        Ok(remote) => Some(remote.uri),
        // A missing URI is repaired this way.
        Err(error) if error.kind() == ErrorKind::Invalid => None,
        Err(error) => return Err(error),
    };
    repo.require_writable()?;
    let mut outcome = try_out(repo, &options.name, &options.uri, &options.cwd, progress)?;
    let plan = plan_set_uri(repo, options, progress)?;
    if plan.only_there > 0 {
        note_forgotten(repo, &options.name, plan.old_uri.as_deref())?;
        // The fetched refs would promise content that the new store does not have.
        forget_fetched(repo, &options.name, "remote: moved to another store")?;
    } else {
        RemoteMemory::of(repo, &options.name).forget()?;
    }
    repo.set_remote(&outcome.config())?;
    // A URI that was edited by hand may contain a secret.
    let is_safe = |uri: &String| RemoteUri::parse(uri, repo.top()).is_ok();
    outcome.old_uri = old.filter(|old| *old != outcome.uri).filter(is_safe);
    Ok(outcome)
}

impl RemoteOutcome {
    fn config(&self) -> RemoteConfig {
        let (name, uri) = (self.name.clone(), self.uri.clone());
        RemoteConfig { name, uri, guarantee: Some(self.guarantee) }
    }
}

fn try_out(
    repo: &Repository,
    name: &Name,
    uri: &str,
    cwd: &Path,
    progress: &dyn Progress,
) -> Result<RemoteOutcome> {
    let uri = RemoteUri::parse(uri, cwd)?;
    if let Some(directory) = uri.directory() {
        check_directory(repo, directory)?;
    }
    progress.begin("probing the store", None, Unit::Items);
    let store = open_store(&uri, &repo.settings().transfer)?;
    let log = Log::try_open(store.clone()).map_err(|error| or_may_not_list(error, &store))?;
    let found = probe::try_out(&store).map_err(|error| match uri.directory() {
        // Directories of the kernel accept no file, and do not say so.
        Some(directory) if error.kind() == ErrorKind::NotFound => not_writable_error(directory),
        _ => error,
    });
    let probe::Findings { guarantee, refusal } = found?;
    // It holds nothing, and nothing can be pushed to it.
    if let (Guarantee::ReadOnly, None, Some(directory)) = (guarantee, &log, uri.directory()) {
        return Err(not_writable_error(directory));
    }
    let refusal = refusal.filter(|error| error.kind() == ErrorKind::Unsupported);
    if let (Some(error), None) = (&refusal, &log) {
        return Err(not_allowed_error(error));
    }
    check_listing(&store, log.as_ref(), guarantee)?;
    progress.end();
    Ok(RemoteOutcome {
        name: name.clone(),
        uri: uri.to_string(),
        old_uri: None,
        guarantee,
        meaning: match refusal {
            Some(error) => format!("{}; {}", guarantee.meaning(), root_cause(&error)),
            None => guarantee.meaning().to_owned(),
        },
        log: log.map(|log| log.made().log),
        traffic: store.traffic(),
    })
}

/// Explains an error for `art.toml` from a store that allows writing and reading: some stores
/// answer "forbidden" in place of "not found".
fn or_may_not_list(error: Error, store: &Store) -> Error {
    if error.kind() != ErrorKind::Unauthorized || !probe::keeps_objects(store) {
        return error;
    }
    error
        .context("the store accepts writes, but does not report missing objects")
        .with_hint(MAY_NOT_LIST)
}

/// Fails if the log can only be read from a list, and the store cannot list.
fn check_listing(store: &Store, log: Option<&Log>, guarantee: Guarantee) -> Result<()> {
    let protocol = match log {
        Some(log) => log.made().log,
        None if guarantee == Guarantee::ReadOnly => return Ok(()),
        None => guarantee.protocol(),
    };
    if protocol == Protocol::Linear {
        return Ok(());
    }
    match store.list(LOG, None, usize::MAX) {
        Err(error) if error.kind() == ErrorKind::Unauthorized => Err(error
            .context("without conditional writes, the log must be read from a list")
            .with_hint(MAY_NOT_LIST)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(error
            .context("its log allows concurrent entries, and must be read from a list")
            .with_hint("use a URI of the same store that supports listing")),
        other => other.map(drop),
    }
}

/// Fails for a directory that cannot be a store even if it is writable: a directory of a
/// repository, or one on an unmounted disk.
fn check_directory(repo: &Repository, directory: &Path) -> Result<()> {
    let shown = directory.display();
    let is_file = |path: &Path| path.metadata().is_ok_and(|found| !found.is_dir());
    if directory.ancestors().any(is_file) {
        return Err(not_a_directory_error(directory));
    }
    if directory.starts_with(repo.directory()) {
        return Err(Error::invalid(format!("'{shown}' is inside this repository"))
            .with_hint("name a separate directory"));
    }
    let is_remote = read::is_file(&directory.join("art.toml"))?;
    let is_repository =
        Repository::is_at(directory)? || Repository::is_at(&directory.join(DIRECTORY))?;
    if is_repository && !is_remote {
        return Err(Error::invalid(format!("'{shown}' is a repository; a remote needs a store"))
            .with_hint("name a separate directory, which both repositories share"));
    }
    // An unmounted disk must not look like an empty store.
    let is_mounted = match directory.parent() {
        _ if read::is_dir(directory)? => true,
        Some(parent) => read::is_dir(parent)?,
        None => false,
    };
    if !is_mounted {
        return Err(Error::new(ErrorKind::Unavailable, format!("there is no directory '{shown}'"))
            .with_hint(format!("mount its disk, or create the directory: mkdir -p '{shown}'")));
    }
    Ok(())
}
