//! `art remote remove`: forgets a remote and what was fetched from it. Nothing is asked of the
//! remote, and nothing there changes.

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::history::Expected;
use crate::name::{Name, RefName};
use crate::ops::sync::{forget, forget_once_there, note_forgotten, only_on};
use crate::progress::Progress;
use crate::remote::RemoteUri;
use crate::repo::Repository;

/// What would be forgotten.
#[derive(Debug, Clone, Serialize)]
pub struct RemovePlan {
    /// The remote.
    pub name: Name,
    /// Where it is; `None` if the settings don't say it in a form that can be shown.
    pub uri: Option<String>,
    /// How many tracking refs say what it had at the last fetch.
    pub tracking_refs: u64,
    /// How many contents are not here, and on no other remote.
    pub only_there: u64,
}

/// What was forgotten.
#[derive(Debug, Clone, Serialize)]
pub struct RemoveOutcome {
    /// What the plan was.
    #[serde(flatten)]
    pub plan: RemovePlan,
}

/// Finds out what it means to forget a remote.
pub fn plan_remove(repo: &Repository, name: &Name, progress: &dyn Progress) -> Result<RemovePlan> {
    let uri = match repo.find_remote(name) {
        Ok(remote) => RemoteUri::parse(&remote.uri, repo.top()).ok().map(|uri| uri.to_string()),
        // One whose settings are wrong can be taken out all the same.
        Err(error) if error.kind() == ErrorKind::Invalid => None,
        Err(error) => return Err(error),
    };
    let tracking = repo.history().refs(&RefName::tracking_prefix(name))?;
    let only_there = only_on(repo, name, progress)?.len() as u64;
    Ok(RemovePlan { name: name.clone(), uri, tracking_refs: tracking.len() as u64, only_there })
}

/// Forgets a remote: its tracking refs, what is remembered of it, and last where it is, so that a
/// second try finds it after a failure.
pub fn remove(repo: &Repository, mut plan: RemovePlan, command: &str) -> Result<RemoveOutcome> {
    let _lock = repo.lock_shared()?;
    let tracking = repo.history().refs(&RefName::tracking_prefix(&plan.name))?;
    plan.tracking_refs = tracking.len() as u64;
    if plan.only_there > 0 {
        note_forgotten(repo, &plan.name, plan.uri.as_deref())?;
    }
    if !tracking.is_empty() {
        let mut transaction = repo.history().transaction(&repo.signature(), command);
        transaction.unrecorded();
        for (name, _) in tracking {
            transaction.update(name, Expected::Any, None, "remote: removed");
        }
        transaction.commit(repo.settings().lock_timeout)?;
    }
    forget(repo, &plan.name)?;
    forget_once_there(repo, &plan.name)?;
    repo.remove_remote(&plan.name)?;
    Ok(RemoveOutcome { plan })
}
