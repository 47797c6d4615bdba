//! Getting what an operation is about to read, if it is not here.

use super::connection::Connection;
use super::content::RemoteContent;
pub(super) use super::content::absent;
use super::forgotten::only_on_forgotten;
use super::place::check_place;
use super::{cache_directory, open_store, saved};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Visit;
use crate::id::Id;
use crate::name::Name;
use crate::progress::Progress;
use crate::repo::Repository;

/// Brings those of the contents `ids` that are not here from the remotes that have them.
///
/// What no remote has is no error of this call: whoever reads it says so. Where one can't be asked
/// and something is missing in the end, that is the error.
pub(crate) fn need(repo: &Repository, ids: &[Id], progress: &dyn Progress) -> Result<()> {
    let mut missing = absent(repo, ids)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names = by_likelihood(repo)?;
    let mut failed = None;
    // First what is known of the remotes without asking; then what is new there.
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
    // A remote to which nothing was pushed yet has nothing to do with what is missing.
    match failed.filter(|error: &Error| error.kind() != ErrorKind::NotFound) {
        None => only_on_forgotten(repo, &missing, progress).map_or(Ok(()), Err),
        Some(error) => Err(told(error, missing.len())),
    }
}

fn told(error: Error, count: usize) -> Error {
    let contents =
        if count == 1 { "a content is".to_owned() } else { format!("{count} contents are") };
    error.context(format!("{contents} not here and can't be fetched"))
}

/// The remotes, the default one first.
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
    let state = if is_asked { None } else { saved(repo, name)? };
    let (store, state) = if let Some(state) = state {
        let remote = repo.find_remote(name)?;
        check_place(repo, &remote)?;
        (open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)?, state)
    } else {
        let mut connection = Connection::open(repo, Some(name))?;
        connection.refresh(progress)?;
        connection.save()?;
        (connection.log.store().clone(), connection.state)
    };
    let there = RemoteContent::new(repo, &store, state.fold(), &cache_directory(repo, name))?;
    let brought = there.bring(missing, progress);
    brought.map(drop)
}

/// The contents that a remote has which has these commits: a push sends what its refs lead to before
/// they move. Sorted. Where the history itself is damaged, nothing is promised.
pub(super) fn content_of_all(
    repo: &Repository,
    commits: &[Id],
    progress: &dyn Progress,
) -> Vec<Id> {
    let history = repo.history();
    let is_here = |id: &&Id| matches!(history.try_kind(id), Ok(Some(_)));
    let tips: Vec<Id> = commits.iter().filter(is_here).copied().collect();
    history.survey_pack_of(&tips, &[], progress).map(|found| found.content).unwrap_or_default()
}

/// The contents of the trees of artifacts of these commits.
pub(crate) fn content_of_tree(repo: &Repository, commits: &[Id]) -> Result<Vec<Id>> {
    let history = repo.history();
    let mut ids = Vec::new();
    for commit in commits {
        let tree = history.read_commit(&history.peel(commit)?)?.tree;
        for entry in history.read_tree(&tree)? {
            if entry.name == "artifacts" && entry.mode.is_directory() {
                history.visit_distinct(&entry.id, &mut |entry| {
                    if !entry.mode.is_directory() {
                        ids.push(entry.id);
                    }
                    Ok(Visit::Enter)
                })?;
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The contents of all that the commits lead to.
pub(crate) fn content_of_history(
    repo: &Repository,
    tips: &[Id],
    progress: &dyn Progress,
) -> Result<Vec<Id>> {
    Ok(repo.history().survey_pack_of(tips, &[], progress)?.content)
}
