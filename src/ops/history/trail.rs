//! Which commits of a version's own past recorded which of its stages.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::clock::Timestamp;
use crate::history::Commit;
use crate::id::Id;
use crate::ops::version::{OwnPast, read_brief, read_version_record};
use crate::record::VersionRecord;
use crate::repo::Repository;

/// For each condition of `record`, which is that of the commit `tip`, the commit that brought it;
/// `None` where that is not in this repository.
///
/// A commit and the conditions it brings have the same time. Where that leads to one commit each,
/// no more is read; else the records tell.
pub(super) fn find_commits(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    if let Some(commits) = find_by_time(repo, tip, record) {
        return commits.into_iter().map(Some).collect();
    }
    match find_by_counts(repo, tip, record) {
        Some(commits) => commits,
        None => find_by_records(repo, tip, record),
    }
}

/// The commits as their times tell; `None` where those leave a doubt.
fn find_by_time(repo: &Repository, tip: Id, record: &VersionRecord) -> Option<Vec<Id>> {
    let times = || record.stage_conditions.iter().map(|condition| condition.last_update_time);
    let first = times().min()?;
    let mut missing: HashSet<Timestamp> = times().collect();
    let mut found: HashMap<Timestamp, Id> = HashMap::new();
    let mut own = OwnPast::of(repo, record);
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

/// The commits as the numbers of conditions in them tell: each brought those that the one before
/// had not. `None` if two sides were merged, where that does not hold.
fn find_by_counts(repo: &Repository, tip: Id, record: &VersionRecord) -> Option<Vec<Option<Id>>> {
    let mut found = vec![None; record.stage_conditions.len()];
    let mut left = found.len();
    let mut newer: Option<Id> = None;
    let mut next = Some(tip);
    let mut past = OwnPast::of(repo, record);
    while let Some(id) = next.take() {
        // What lies before may not be here; then who knows what it brought.
        let Ok(read) = read_brief(repo, &id) else { return Some(found) };
        let own = read.filter(|(brief, _)| brief.record.uuid == record.uuid);
        let Some((brief, commit)) = own else { break };
        if !past.merged(&commit).is_ok_and(|merged| merged.is_empty()) {
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

/// The commits as the records in them tell: each brought the conditions that none of those before it
/// had. Of several that brought the same, the oldest counts.
fn find_by_records(repo: &Repository, tip: Id, record: &VersionRecord) -> Vec<Option<Id>> {
    let mut own = OwnPast::of(repo, record);
    let mut states: HashMap<Id, Option<State>> = HashMap::new();
    let mut left = vec![tip];
    while let Some(id) = left.pop() {
        if let Entry::Vacant(entry) = states.entry(id) {
            let state = State::read(repo, &mut own, id);
            left.extend(state.iter().flat_map(|state| &state.parents));
            entry.insert(state);
        }
    }
    let mut brought: HashMap<&Condition, (Timestamp, Id)> = HashMap::new();
    for (id, state) in states.iter().filter_map(|(id, state)| Some((id, state.as_ref()?))) {
        let parents =
            state.parents.iter().map(|parent| states.get(parent).and_then(Option::as_ref));
        // What lies before may not be here; then who knows what it brought.
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

/// A condition as text, and how many like it stand before it.
type Condition = (String, usize);

/// What a commit of the version holds, as far as its past is told by it.
struct State {
    time: Timestamp,
    conditions: HashSet<Condition>,
    /// Those that are of the version too.
    parents: Vec<Id>,
}

impl State {
    fn read(repo: &Repository, own: &mut OwnPast<'_>, id: Id) -> Option<Self> {
        let commit: Commit = repo.history().read_commit(&id).ok()?;
        let record = read_version_record(repo, id).ok()??;
        let mut parents = own.merged(&commit).ok()?;
        if let Some(first) = commit.parents.first() {
            // One that can't be read is kept, so that what it had stays unknown.
            parents.extend(own.is_own(first).unwrap_or(true).then_some(*first));
        }
        let conditions = numbered(&record).into_iter().collect();
        Some(State { time: commit.committer.time, conditions, parents })
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
