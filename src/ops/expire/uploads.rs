//! The uploads of a run, and the files of a version, as far as they have not expired.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::RecordTree;
use crate::id::Id;
use crate::record::{Expiration, RunRecord, VersionRecord};
use crate::repo::Repository;

/// Successive commits of a run or version with the same files.
#[derive(Debug)]
pub(super) struct Upload {
    /// The commits, newest first. All but the last changed only the record.
    pub(super) commits: Vec<Id>,
    /// When the files were uploaded: the time of the last commit.
    pub(super) time: Timestamp,
    tree: Id,
}

/// The uuid and the expiration in a record.
type Facts = (Uuid, Option<Expiration>);

fn facts(repo: &Repository, tree: &RecordTree) -> Result<Option<Facts>> {
    let history = repo.history();
    if let Some(run) = tree.record::<RunRecord>(history)? {
        return Ok(Some((run.uuid, run.expired)));
    }
    let version = tree.record::<VersionRecord>(history)?;
    Ok(version.map(|version| (version.uuid, version.expired)))
}

/// Returns the newest `limit` uploads of the run or version with the commit `tip` that have not
/// expired, newest first.
pub(super) fn live_uploads(repo: &Repository, tip: Id, limit: usize) -> Result<Vec<Upload>> {
    let mut uploads: Vec<Upload> = Vec::new();
    let (mut uuid, mut through) = (None, None);
    let mut next = Some(tip);
    while let Some(id) = next.filter(|id| Some(*id) != through) {
        let (commit, tree) = RecordTree::with_commit(repo.history(), &id)?;
        let Some((its, expired)) = facts(repo, &tree)? else { break };
        let is_own = expired.as_ref().is_some_and(|expired| expired.own);
        if uuid.is_none() {
            through = expired.and_then(|expired| expired.through);
        }
        if is_own || *uuid.get_or_insert(its) != its {
            break;
        }
        let Some(tree) = tree.artifacts() else { break };
        let time = commit.committer.time;
        let count = uploads.len();
        match uploads.last_mut().filter(|upload| upload.tree == tree) {
            Some(upload) => {
                upload.commits.push(id);
                upload.time = time;
            }
            None if count == limit => break,
            None => uploads.push(Upload { commits: vec![id], time, tree }),
        }
        next = commit.parents.first().copied();
    }
    Ok(uploads)
}
