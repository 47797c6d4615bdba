//! Which commit of a version's own past recorded which of its stages.

use std::collections::{HashMap, HashSet};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::ops::version::read_brief;
use crate::record::VersionRecord;
use crate::repo::Repository;

/// For each condition of `record`, which is that of the commit `tip`, the commit that brought it;
/// `None` where that is not in this repository.
///
/// A commit and the conditions it brings have the same time. Where that leads to one commit each,
/// no more is read; else the records tell.
pub(super) fn find_commits(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    match find_by_time(repo, tip, record) {
        Some(commits) => commits.into_iter().map(Some).collect(),
        None => find_by_records(repo, tip, record),
    }
}

/// The commits as their times tell; `None` where those leave a doubt.
fn find_by_time(repo: &Repository, tip: Id, record: &VersionRecord) -> Option<Vec<Id>> {
    let times = || record.stage_conditions.iter().map(|condition| condition.last_update_time);
    let first = times().min()?;
    let mut missing: HashSet<Timestamp> = times().collect();
    let mut found: HashMap<Timestamp, Id> = HashMap::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        let commit = repo.history().read_commit(&id).ok()?;
        let time = commit.committer.time;
        if missing.is_empty() && time < first {
            break;
        }
        if found.contains_key(&time) {
            return None;
        }
        if missing.remove(&time) {
            found.insert(time, id);
        }
        next = commit.parents.first().copied();
    }
    times().map(|time| found.get(&time).copied()).collect()
}

/// The commits as the records in them tell: each brought the conditions that the one before had not.
fn find_by_records(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    let mut found = vec![None; record.stage_conditions.len()];
    let mut left = found.len();
    let mut newer: Option<Id> = None;
    let mut next = Some(tip);
    while let Some(id) = next.take() {
        // What lies before may not be here; then who knows what it brought.
        let Ok(read) = read_brief(repo, &id) else { return found };
        let own = read.filter(|(brief, _)| brief.record.uuid == record.uuid);
        let Some((brief, commit)) = own else { break };
        let count = brief.conditions.min(left);
        found[count..left].fill(newer);
        (left, newer) = (count, Some(id));
        next = commit.parents.first().copied();
    }
    found[..left].fill(newer);
    found
}
