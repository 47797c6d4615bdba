//! Content that expired. Reading it needs an explicit option, while it is still stored.

use crate::error::{Error, ErrorKind, Result};
use crate::history::{Expiry, RecordTree, find_own_expiration};
use crate::id::Id;
use crate::name::{Name, RefKind};
use crate::record::{Expiration, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::sync::content_of_tree;

/// Fails with [`Policy`](ErrorKind::Policy) if the content of `commit` expired.
pub(crate) fn refuse_expired(repo: &Repository, commit: Id) -> Result<()> {
    let Some((name, expired)) = find_expiration(repo, &commit)? else { return Ok(()) };
    let message = format!("the content of '{name}' {}", expired.describe());
    Err(Error::new(ErrorKind::Policy, message)
        .with_hint("to bring the content back, upload the same files again: art upload"))
}

/// Returns true if the content of `commit` expired.
pub(crate) fn is_expired(repo: &Repository, commit: Id) -> Result<bool> {
    Ok(find_expiration(repo, &commit)?.is_some())
}

/// Like [`refuse_expired`], for verbs with the option `--allow-expired`.
pub(crate) fn refuse_reading_expired(repo: &Repository, commit: Id) -> Result<()> {
    refuse_expired(repo, commit).map_err(|error| {
        let is_stored = |id: &Id| repo.content().is_indexed(id).unwrap_or(false);
        let content = content_of_tree(repo, &[commit]).unwrap_or_default();
        if error.kind() == ErrorKind::Policy && content.iter().all(is_stored) {
            error.with_hint("the content is still stored here: pass --allow-expired to read it")
        } else {
            error
        }
    })
}

/// Returns the name of the run or version of `commit` and its expiration, if the content of the
/// commit expired and no tag keeps it.
fn find_expiration(repo: &Repository, commit: &Id) -> Result<Option<(Name, Expiration)>> {
    let history = repo.history();
    let tree = RecordTree::of_commit(history, commit)?;
    let (kind, uuid, name) = match tree.record::<RunRecord>(history)? {
        Some(run) => (RefKind::Run, run.uuid, run.name),
        None => match tree.record::<VersionRecord>(history)? {
            Some(version) => (RefKind::Version, version.uuid, version.name),
            None => return Ok(None),
        },
    };
    let own = find_own_expiration(history, commit)?.filter(|expired| expired.own);
    let mut refs = history.list_refs(&format!("refs/{}/", kind.directory()))?.refs;
    if own.is_none() && refs.iter().any(|(_, tip)| tip == commit) {
        return Ok(None);
    }
    // The ref usually still has the name of the record.
    refs.sort_by_key(|(reference, _)| *reference.name() != name);
    let mut newest = None;
    for (_, tip) in refs {
        let expired = find_own_expiration(history, &tip)?;
        let Some(expired) = expired.filter(|expired| expired.through.is_some()) else { continue };
        let tree = RecordTree::of_commit(history, &tip)?;
        let its = match kind {
            RefKind::Run => tree.record::<RunRecord>(history)?.map(|run| run.uuid),
            _ => tree.record::<VersionRecord>(history)?.map(|version| version.uuid),
        };
        if its == Some(uuid) {
            newest = Some((tip, expired));
            break;
        }
    }
    let tags = history.list_refs(&format!("refs/{}/", RefKind::Tag.directory()))?.refs;
    let tags = tags.into_iter().map(|(_, id)| (RefKind::Tag, id));
    let refs = newest.iter().map(|(tip, _)| (kind, *tip)).chain(tags);
    if !Expiry::of_refs(history, refs)?.is_expired(history, commit)? {
        return Ok(None);
    }
    Ok(own.or(newest.map(|(_, expired)| expired)).map(|expired| (name, expired)))
}
