//! Commits that the memory of remotes needs, although no ref leads to them, and the test whether
//! everything that a commit needs still exists.

use std::collections::{BTreeMap, BTreeSet};

use super::forgotten::{commits_of_removed, content_on_remotes};
use super::former_tips::former_tips;
use super::remote_memory::RemoteMemory;
use crate::error::{ErrorKind, Result};
use crate::history::{Departure, End, Expired, Expiry, Missing, OutgoingWalk, commits_through};
use crate::id::Id;
use crate::name::{RefKind, RefName, TRACKING};
use crate::progress::Progress;
use crate::repo::Repository;

/// The commits that fetch, pull and push compare with those of remotes: former tips, sides of
/// conflicts, recorded changes of refs, and the last commits of local refs that a remote still has.
/// Some may be missing.
pub(crate) fn remembered_commits(repo: &Repository) -> Result<BTreeSet<Id>> {
    let mut commits: BTreeSet<Id> = former_tips(repo).into_iter().collect();
    commits.extend(commits_of_removed(repo));
    for name in repo.remote_names()? {
        commits.extend(RemoteMemory::of(repo, &name).refs().commits());
        if let Some(state) = RemoteMemory::state_of(repo, &name)? {
            let state = state.remote_state();
            commits.extend(state.refs.values());
            commits.extend(state.conflicts.values().flatten().filter_map(|side| side.commit));
        }
    }
    commits.extend(departed(repo)?.into_values().flat_map(|Departure { commit, end }| {
        let last = match end {
            End::Deleted(last) => last,
            End::Now(_) => commit,
        };
        [commit, last]
    }));
    Ok(commits)
}

/// The local departures from names that a remote still has. A push deletes them there.
fn departed(repo: &Repository) -> Result<BTreeMap<RefName, Departure>> {
    let history = repo.history();
    let local: BTreeSet<RefName> =
        history.refs("refs/")?.into_iter().map(|(name, _)| name).collect();
    let there = history.refs(TRACKING)?.into_iter().map(|(name, _)| name.untracked());
    let there: BTreeMap<RefName, bool> =
        there.map(|name| (name.clone(), local.contains(&name))).collect();
    history.departures(there)
}

/// Returns true if all objects and all content that `commit` needs as the target of a ref exist here
/// or on a remote. Everything that a local ref needs counts as existing.
pub(crate) fn is_available(
    repo: &Repository,
    (kind, commit): (RefKind, &Id),
    progress: &dyn Progress,
) -> Result<bool> {
    let history = repo.history();
    if history.try_kind(commit)?.is_none() {
        return Ok(false);
    }
    let now = Expiry::of_all(history)?;
    let expiry = now.clone().at_all_times(history, [(kind, *commit)])?;
    let mut is_revived = false;
    for id in commits_through(history, &history.peel(commit)?)? {
        is_revived |= now.is_expired(history, &id)? && !expiry.is_expired(history, &id)?;
    }
    // No ref vouches for content that expired and that the new target needs again.
    let refs = if is_revived { Vec::new() } else { history.refs("refs/")? };
    let have: Vec<Id> = refs.into_iter().map(|(_, id)| id).collect();
    let expired = Some(Expired { now: &expiry, ever: &expiry });
    let walk = OutgoingWalk { tips: &[*commit], have: &have, expired };
    let marks = match history.mark(&walk, Missing::Fails, progress) {
        Ok(marks) => marks,
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut absent = Vec::new();
    for id in &marks.content {
        if !repo.content().contains(id)? {
            absent.push(*id);
        }
    }
    if absent.is_empty() {
        return Ok(true);
    }
    let elsewhere = content_on_remotes(repo, progress)?;
    Ok(absent.iter().all(|id| elsewhere.binary_search(id).is_ok()))
}
