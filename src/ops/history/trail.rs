//! Finds the commits in a version's history that recorded its stages.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::catalog::version::{VersionHistory, read_brief, read_version_record};
use crate::clock::Timestamp;
use crate::history::Commit;
use crate::id::Id;
use crate::record::VersionRecord;
use crate::repo::Repository;

/// Returns the commit that added each condition of `record`, which is the record of the commit
/// `tip`; `None` if that commit is missing from this repository.
///
/// A commit and the conditions that it adds have the same time. If the times identify one commit
/// for each condition, no records are read. Otherwise the records decide.
pub(super) fn find_commits(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    if let Some(commits) = find_by_time(repo, tip, record) {
        return commits.into_iter().map(Some).collect();
    }
    match find_by_counts(repo, tip, record) {
        Some(commits) => commits,
        None => find_by_records(repo, tip, record),
    }
}

/// Finds the commits by their times; `None` if the times are ambiguous.
fn find_by_time(repo: &Repository, tip: Id, record: &VersionRecord) -> Option<Vec<Id>> {
    let times = || record.stage_conditions.iter().map(|condition| condition.last_update_time);
    let first = times().min()?;
    let mut missing: HashSet<Timestamp> = times().collect();
    let mut found: HashMap<Timestamp, Id> = HashMap::new();
    let mut own = VersionHistory::of(repo, record);
    let mut seen = HashSet::from([tip]);
    let mut left = vec![tip];
    while let Some(id) = left.pop() {
        let commit = repo.history().read_commit(&id).ok()?;
        let time = commit.committer.time;
        if missing.is_empty() && time < first {
            continue;
        }
        if found.contains_key(&time) {
            return None;
        }
        if missing.remove(&time) {
            found.insert(time, id);
        }
        let merged = own.merged(&commit).ok()?;
        let parents = commit.parents.into_iter().take(1).chain(merged);
        left.extend(parents.filter(|parent| seen.insert(*parent)));
    }
    times().map(|time| found.get(&time).copied()).collect()
}

/// Finds the commits by their numbers of conditions: each commit added the conditions that its
/// parent lacked. Returns `None` if a merge makes this invalid.
fn find_by_counts(repo: &Repository, tip: Id, record: &VersionRecord) -> Option<Vec<Option<Id>>> {
    let mut found = vec![None; record.stage_conditions.len()];
    let mut left = found.len();
    let mut newer: Option<Id> = None;
    let mut next = Some(tip);
    let mut history = VersionHistory::of(repo, record);
    while let Some(id) = next.take() {
        // If earlier commits are missing, it is unknown which conditions this commit added.
        let Ok(read) = read_brief(repo, &id) else { return Some(found) };
        let own = read.filter(|(brief, _)| brief.record.uuid == record.uuid);
        let Some((brief, commit)) = own else { break };
        if !history.merged(&commit).is_ok_and(|merged| merged.is_empty()) {
            return None;
        }
        let count = brief.conditions.min(left);
        found[count..left].fill(newer);
        (left, newer) = (count, Some(id));
        next = commit.parents.first().copied();
    }
    found[..left].fill(newer);
    Some(found)
}

/// Finds the commits by their records: each commit added the conditions that none of its parents
/// has. If several commits added the same condition, the oldest one counts.
fn find_by_records(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    let mut own = VersionHistory::of(repo, record);
    let mut states: HashMap<Id, Option<StagePoint>> = HashMap::new();
    let mut left = vec![tip];
    while let Some(id) = left.pop() {
        if let Entry::Vacant(entry) = states.entry(id) {
            let state = StagePoint::read(repo, &mut own, id);
            left.extend(state.iter().flat_map(|state| &state.parents));
            entry.insert(state);
        }
    }
    let mut brought: HashMap<&Condition, (Timestamp, Id)> = HashMap::new();
    for (id, state) in states.iter().filter_map(|(id, state)| Some((id, state.as_ref()?))) {
        let parents =
            state.parents.iter().map(|parent| states.get(parent).and_then(Option::as_ref));
        // If earlier commits are missing, it is unknown which conditions this commit added.
        let Some(parents) = parents.collect::<Option<Vec<_>>>() else { continue };
        let is_new =
            |it: &&Condition| !parents.iter().any(|parent| parent.conditions.contains(*it));
        for condition in state.conditions.iter().filter(is_new) {
            let this = (state.time, *id);
            brought.entry(condition).and_modify(|known| *known = this.min(*known)).or_insert(this);
        }
    }
    let conditions = numbered(record);
    conditions.iter().map(|condition| brought.get(condition).map(|(_, id)| *id)).collect()
}

/// A condition as text, and the number of equal conditions before it.
type Condition = (String, usize);

/// The contents of a commit that matter for the history of stages.
struct StagePoint {
    time: Timestamp,
    conditions: HashSet<Condition>,
    /// The parents that belong to the same version.
    parents: Vec<Id>,
}

impl StagePoint {
    fn read(repo: &Repository, own: &mut VersionHistory<'_>, id: Id) -> Option<Self> {
        let commit: Commit = repo.history().read_commit(&id).ok()?;
        let record = read_version_record(repo, id).ok()??;
        let mut parents = own.merged(&commit).ok()?;
        if let Some(first) = commit.parents.first() {
            // An unreadable parent is kept, so that its conditions count as unknown.
            parents.extend(own.is_own(first).unwrap_or(true).then_some(*first));
        }
        let conditions = numbered(&record).into_iter().collect();
        Some(StagePoint { time: commit.committer.time, conditions, parents })
    }
}

fn numbered(record: &VersionRecord) -> Vec<Condition> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let number = |condition| {
        let text = toml::to_string(condition).unwrap_or_default();
        let count = counts.entry(text.clone()).or_default();
        *count += 1;
        (text, *count - 1)
    };
    record.stage_conditions.iter().map(number).collect()
}
