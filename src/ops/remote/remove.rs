//! `art remote remove`: removes a remote from the configuration, with the refs fetched from it.
//! Sends no request, and changes nothing on the remote.

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::history::Expected;
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::RemoteUri;
use crate::repo::Repository;
use crate::sync::{RemoteMemory, forget_former_tips, note_forgotten, only_on};

/// The consequences of removing a remote.
#[derive(Debug, Clone, Serialize)]
pub struct RemovePlan {
    /// The remote.
    pub name: Name,
    /// The URI; `None` if it cannot be shown.
    pub uri: Option<String>,
    /// The number of tracking refs, which record the remote's refs at the last fetch.
    pub tracking_refs: u64,
    /// The number of contents that are missing locally and on all other remotes.
    pub only_there: u64,
}

/// The result of removing a remote.
#[derive(Debug, Clone, Serialize)]
pub struct RemoveOutcome {
    /// The consequences, as planned.
    #[serde(flatten)]
    pub plan: RemovePlan,
}

/// Determines the consequences of removing a remote.
pub fn plan_remove(repo: &Repository, name: &Name, progress: &dyn Progress) -> Result<RemovePlan> {
    let uri = match repo.find_remote(name) {
        Ok(remote) => RemoteUri::parse(&remote.uri, repo.top()).ok().map(|uri| uri.to_string()),
        // A remote with invalid settings can still be removed.
        Err(error) if error.kind() == ErrorKind::Invalid => None,
        Err(error) if error.kind() == ErrorKind::NotFound && repo.remote_names()?.is_empty() => {
            return Err(error.with_hint("this repository has no remotes"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(error.with_hint("see the remotes: art remote list"));
        }
        Err(error) => return Err(error),
    };
    let tracking = repo.history().refs(&RefName::tracking_prefix(name))?;
    let only_there = only_on(repo, name, progress)?.len() as u64;
    Ok(RemovePlan { name: name.clone(), uri, tracking_refs: tracking.len() as u64, only_there })
}

/// Removes a remote: its tracking refs, its cached files, and last its configuration, so that a
/// second attempt still finds it after a failure.
pub fn remove(repo: &Repository, mut plan: RemovePlan) -> Result<RemoveOutcome> {
    let _lock = repo.lock_shared()?;
    if plan.only_there > 0 {
        note_forgotten(repo, &plan.name, plan.uri.as_deref())?;
    }
    plan.tracking_refs = forget_fetched(repo, &plan.name, "remote: removed")?;
    repo.remove_remote(&plan.name)?;
    Ok(RemoveOutcome { plan })
}

/// Deletes everything that was fetched about the remote called `name`, with `message` in the
/// reflogs. Returns the number of tracking refs.
pub(super) fn forget_fetched(repo: &Repository, name: &Name, message: &str) -> Result<u64> {
    let tracking = repo.history().refs(&RefName::tracking_prefix(name))?;
    let count = tracking.len() as u64;
    if count > 0 {
        let mut transaction = repo.transaction();
        transaction.unrecorded();
        for (tracked, _) in tracking {
            transaction.update(tracked, Expected::Any, None, message);
        }
        transaction.commit(repo.settings().lock_timeout)?;
    }
    RemoteMemory::of(repo, name).forget()?;
    forget_former_tips(repo, name)?;
    Ok(count)
}
