//! Fetches missing content before an operation reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::connection::Connection;
use super::content::{RemoteContent, absent};
use super::expired_error::expired_error;
use super::forgotten::only_on_forgotten;
use super::open_store;
use super::remote_directory::check_remote_directory;
use super::remote_memory::RemoteMemory;
use crate::content::Supply;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Expiry, RecordTree, Visit};
use crate::id::Id;
use crate::name::Name;
use crate::progress::{NoProgress, Progress};
use crate::repo::Repository;

/// Downloads the contents `ids` that are missing locally from the remotes that have them.
///
/// Content that no remote has is not an error here: the operation that reads the content reports
/// it. If a remote cannot be read and content is still missing, this function returns the remote's
/// error.
pub(crate) fn fetch_missing(repo: &Repository, ids: &[Id], progress: &dyn Progress) -> Result<()> {
    let mut missing = absent(repo, ids)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names = by_likelihood(repo)?;
    let mut failed = None;
    // The first round uses the cached state of the remotes, the second round refreshes it.
    for is_asked in [false, true] {
        for name in &names {
            if let Err(error) = bring(repo, name, &missing, is_asked, progress) {
                failed.get_or_insert(error);
            }
            missing = absent(repo, &missing)?;
            if missing.is_empty() {
                return Ok(());
            }
        }
    }
    // The error of a remote without any push does not explain missing content.
    match failed.filter(|error: &Error| error.kind() != ErrorKind::NotFound) {
        None => match only_on_forgotten(repo, &missing, progress) {
            Some(error) => Err(error),
            None => expired_error(repo, &missing)?.map_or(Ok(()), Err),
        },
        Some(error) => Err(missing_error(error, missing.len())),
    }
}

/// The number of fruitless attempts after which an operation no longer asks the remotes.
const FRUITLESS: u32 = 3;

/// Brings back the content of files that are removed while an operation reads them.
pub(crate) fn supply_of(repo: &Repository) -> Supply<'_> {
    let fruitless = AtomicU32::new(0);
    Arc::new(move |id| {
        if fruitless.load(Ordering::Relaxed) >= FRUITLESS {
            return Ok(());
        }
        let fetched = fetch_missing(repo, &[*id], &NoProgress);
        if fetched.is_err() || !repo.content().is_indexed(id)? {
            fruitless.fetch_add(1, Ordering::Relaxed);
        }
        fetched
    })
}

fn missing_error(error: Error, count: usize) -> Error {
    let contents =
        if count == 1 { "a content is".to_owned() } else { format!("{count} contents are") };
    error.context(format!("{contents} missing locally and cannot be fetched"))
}

/// The remotes, starting with the default one.
fn by_likelihood(repo: &Repository) -> Result<Vec<Name>> {
    let mut names = repo.remote_names()?;
    if let Ok(default) = repo.default_remote() {
        names.sort_by_key(|name| *name != default.name);
    }
    Ok(names)
}

fn bring(
    repo: &Repository,
    name: &Name,
    missing: &[Id],
    is_asked: bool,
    progress: &dyn Progress,
) -> Result<()> {
    let _lock = repo.lock_shared()?;
    let state = if is_asked { None } else { RemoteMemory::state_of(repo, name)? };
    let Some(state) = state else {
        let mut connection = Connection::open(repo, Some(name))?;
        connection.refresh(progress)?;
        connection.save()?;
        let bring = &mut |connection: &mut Connection<'_>| {
            connection.content()?.bring(missing, progress).map(drop)
        };
        return connection.look_again(progress, bring);
    };
    let remote = repo.find_remote(name)?;
    check_remote_directory(repo, &remote)?;
    let store = open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)?;
    let memory = RemoteMemory::of(repo, name);
    let remote_content = RemoteContent::new(repo, &store, state.remote_state(), &memory)?;
    remote_content.bring(missing, progress).map(drop)
}

/// The contents of the artifact trees of these commits.
pub(crate) fn content_of_tree(repo: &Repository, commits: &[Id]) -> Result<Vec<Id>> {
    let history = repo.history();
    let mut ids = Vec::new();
    for commit in commits {
        let tree = RecordTree::of_commit(history, &history.peel(commit)?)?;
        let Some(artifacts) = tree.artifacts() else { continue };
        history.visit_distinct(&artifacts, &mut |entry| {
            if !entry.mode.is_directory() {
                ids.push(entry.id);
            }
            Ok(Visit::Enter)
        })?;
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The contents of the whole history of the commits, without content that expired.
pub(crate) fn content_of_history(
    repo: &Repository,
    tips: &[Id],
    progress: &dyn Progress,
) -> Result<Vec<Id>> {
    let history = repo.history();
    history.needed_content(tips, &Expiry::of_all(history)?, progress)
}
