//! `art remote add` and `set-uri`: writes a remote down once its store was tried out.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::read;
use crate::id::Id;
use crate::name::Name;
use crate::ops::sync::{
    forget, forget_once_there, is_no_directory, is_not_writable, load_saved, note_forgotten,
    only_on, open_store,
};
use crate::progress::{Progress, Unit};
use crate::remote::layout::LOG;
use crate::remote::log::MAY_NOT_LIST;
use crate::remote::{Guarantee, Log, Protocol, RemoteUri, Store, TrafficCount, probe};
use crate::repo::{DIRECTORY, RemoteConfig, Repository, remote_exists};

/// A remote to add.
#[derive(Debug, Clone)]
pub struct AddOptions {
    /// What it is to be called.
    pub name: Name,
    /// Where it is, as a person types it.
    pub uri: String,
    /// The directory that a relative path is below.
    pub cwd: PathBuf,
}

/// Where a remote is to be found from now on.
#[derive(Debug, Clone)]
pub struct SetUriOptions {
    /// Which one.
    pub name: Name,
    /// Where it is, as a person types it.
    pub uri: String,
    /// The directory that a relative path is below.
    pub cwd: PathBuf,
}

/// A remote as it was written down.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteOutcome {
    /// What it is called.
    pub name: Name,
    /// Its URI, absolute and without secrets.
    pub uri: String,
    /// Where it was before, if it was elsewhere.
    pub old_uri: Option<String>,
    /// What its store was found to guarantee.
    pub guarantee: Guarantee,
    /// What that means for who pushes.
    pub meaning: String,
    /// How writers take turns in the log that is there; `None` if nothing was pushed yet.
    pub log: Option<Protocol>,
    /// What that took.
    pub traffic: TrafficCount,
}

/// Adds a remote. Its store is tried out first: a store that can't be reached is not written down.
///
/// Fails with [`ErrorKind::AlreadyExists`] if there is a remote of that name.
pub fn add(
    repo: &Repository,
    options: &AddOptions,
    progress: &dyn Progress,
) -> Result<RemoteOutcome> {
    if repo.remote_names()?.contains(&options.name) {
        return Err(remote_exists(&options.name));
    }
    repo.require_writable()?;
    let outcome = try_out(repo, &options.name, &options.uri, &options.cwd, progress)?;
    // What an earlier remote of this name left behind is not this one's.
    forget(repo, &options.name)?;
    forget_once_there(repo, &options.name)?;
    repo.add_remote(&outcome.config())?;
    Ok(outcome)
}

/// What it means that a remote is at another URI.
#[derive(Debug, Clone, Serialize)]
pub struct SetUriPlan {
    /// What it is called.
    pub name: Name,
    /// Where it is now, if the settings say it in a form that can be shown.
    pub old_uri: Option<String>,
    /// Where it is to be, without secrets.
    pub uri: String,
    /// How many contents are not here, on no other remote and not at the new URI.
    pub only_there: u64,
}

/// Finds out what it means that a remote is at another URI. The new place is asked only if some content
/// is on the remote alone.
pub fn plan_set_uri(
    repo: &Repository,
    options: &SetUriOptions,
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

/// Whether the store at `uri` has all content packs of `remote` as it was when it was last asked: it is
/// that store under another name, or a copy.
fn is_same_store(repo: &Repository, remote: &RemoteConfig, uri: &RemoteUri) -> Result<bool> {
    let Some((_, state)) = load_saved(repo, remote) else { return Ok(false) };
    let store = open_store(uri, &repo.settings().transfer)?;
    let Some(log) = Log::try_open(store)? else { return Ok(false) };
    let mut there = log.load()?;
    log.refresh(&mut there)?;
    let packs: Vec<Id> = state.fold().packs.keys().copied().collect();
    Ok(there.fold().missing(&packs).is_empty())
}

/// Says that a remote is elsewhere now. Its store is tried out first.
pub fn set_uri(
    repo: &Repository,
    options: &SetUriOptions,
    progress: &dyn Progress,
) -> Result<RemoteOutcome> {
    let old = match repo.find_remote(&options.name) {
        Ok(remote) => Some(remote.uri),
        // One whose URI is missing is mended this way.
        Err(error) if error.kind() == ErrorKind::Invalid => None,
        Err(error) => return Err(error),
    };
    repo.require_writable()?;
    let mut outcome = try_out(repo, &options.name, &options.uri, &options.cwd, progress)?;
    let plan = plan_set_uri(repo, options, progress)?;
    if plan.only_there > 0 {
        note_forgotten(repo, &options.name, plan.old_uri.as_deref())?;
    }
    forget(repo, &options.name)?;
    repo.set_remote(&outcome.config())?;
    // What a person wrote by hand may hold a secret.
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
    progress.begin("trying out the store", None, Unit::Items);
    let store = open_store(&uri, &repo.settings().transfer)?;
    let log = Log::try_open(store.clone()).map_err(|error| or_may_not_list(error, &store))?;
    let guarantee = probe::probe(&store)?;
    if let (Guarantee::ReadOnly, None, Some(directory)) = (guarantee, &log, uri.directory()) {
        // It holds nothing, and nothing can be pushed to it.
        return Err(is_not_writable(directory));
    }
    check_listing(&store, log.as_ref(), guarantee)?;
    progress.end();
    Ok(RemoteOutcome {
        name: name.clone(),
        uri: uri.to_string(),
        old_uri: None,
        guarantee,
        meaning: guarantee.meaning().to_owned(),
        log: log.map(|log| log.made().log),
        traffic: store.traffic(),
    })
}

/// A store that lets someone write and read, and says that `art.toml` is forbidden, says so of what is
/// not there.
fn or_may_not_list(error: Error, store: &Store) -> Error {
    if error.kind() != ErrorKind::Unauthorized || !probe::keeps_objects(store) {
        return error;
    }
    error
        .context("the store keeps what is written to it, but does not say what is not there")
        .with_hint(MAY_NOT_LIST)
}

/// Fails where the log can be read only from a list, and the store gives none.
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
            .context("where writers can't be kept apart, the log is read from a list")
            .with_hint(MAY_NOT_LIST)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(error
            .context("its log can stand side by side, and is read from a list")
            .with_hint("name the store itself, by a URI that can list it")),
        other => other.map(drop),
    }
}

/// Fails for a directory that is no store, whatever could be written to it: a repository, or one on
/// a disk that is not there.
fn check_directory(repo: &Repository, directory: &Path) -> Result<()> {
    let shown = directory.display();
    let is_file = |path: &Path| path.metadata().is_ok_and(|found| !found.is_dir());
    if directory.ancestors().any(is_file) {
        return Err(is_no_directory(directory));
    }
    if directory.starts_with(repo.directory()) {
        return Err(Error::invalid(format!("'{shown}' is inside of this repository"))
            .with_hint("name a separate directory"));
    }
    let is_remote = read::is_file(&directory.join("art.toml"))?;
    let is_repository =
        Repository::is_at(directory)? || Repository::is_at(&directory.join(DIRECTORY))?;
    if is_repository && !is_remote {
        return Err(Error::invalid(format!("'{shown}' is a repository; a remote is a store"))
            .with_hint("name a separate directory, which both repositories share"));
    }
    // A disk that is not mounted must not be taken for an empty store.
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
