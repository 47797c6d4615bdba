//! Content that expired: the records of runs and versions say so, and it may be missing.
//!
//! This is the only place that decides which content is needed. A commit expired if its own record
//! says `own`, or if the newest record of its run or version says `through` this commit or a later
//! one. A tag keeps the content of its commit. Content is needed if at least one commit that refs
//! reach has it and did not expire: [`Reach`](super::reach::Reach) visits exactly this content, for
//! a push, a clone, a garbage collection and a check.

use std::collections::HashSet;
use std::sync::OnceLock;

use uuid::Uuid;

use super::object::expect_kind;
use super::{History, RecordTree};
use crate::error::{ErrorKind, Result};
use crate::id::{Id, ObjectKind};
use crate::name::RefKind;
use crate::record::{Expiration, Record, RunRecord, VersionRecord};

/// The commits whose content expired according to the records of some refs.
#[derive(Debug, Clone, Default)]
pub struct Expiry {
    /// Commits of runs and versions up to `through`.
    commits: HashSet<Id>,
    /// The targets of tags.
    tags: HashSet<Id>,
    /// The commits that `tags` lead to. Found when an expired commit asks for them, because there
    /// may be many tags.
    tagged: OnceLock<HashSet<Id>>,
}

impl Expiry {
    /// Reads the records of these refs. Unreadable and missing records count as not expired.
    pub fn of_refs(
        history: &History,
        refs: impl IntoIterator<Item = (RefKind, Id)>,
    ) -> Result<Self> {
        let mut expiry = Expiry::default();
        for (kind, id) in refs {
            match kind {
                RefKind::Run | RefKind::Version => expiry.add(history, &id)?,
                RefKind::Tag => _ = expiry.tags.insert(id),
                RefKind::Project => {}
            }
        }
        Ok(expiry)
    }

    /// Reads the records of all refs of this repository, and of all tracking refs.
    pub fn of_all(history: &History) -> Result<Self> {
        let own = history.list_refs("refs/")?.refs;
        let tracked = history.list_refs(crate::name::TRACKING)?.refs;
        let refs = own.into_iter().chain(tracked).map(|(name, id)| (name.kind(), id));
        Self::of_refs(history, refs)
    }

    /// Reads the newest record of a run or version, and adds the commits up to its `through`.
    fn add(&mut self, history: &History, tip: &Id) -> Result<()> {
        let Some(tree) = tolerate(RecordTree::of_commit(history, tip))? else { return Ok(()) };
        let Some((uuid, expired)) = read_expiration(history, &tree)? else { return Ok(()) };
        let mut next = expired.and_then(|expired| expired.through);
        while let Some(id) = next.filter(|id| !self.commits.contains(id)) {
            let Some(state) = State::read(history, &id)?.filter(|state| state.uuid == uuid) else {
                break;
            };
            self.commits.insert(id);
            next = state.parent;
        }
        Ok(())
    }

    /// Excludes content that was not expired at an earlier time: `values` are targets that refs
    /// had then. Undoing the operations since brings these targets back.
    pub(crate) fn at_all_times(
        mut self,
        history: &History,
        values: impl IntoIterator<Item = (RefKind, Id)>,
    ) -> Result<Self> {
        let mut seen = HashSet::new();
        for (kind, id) in values {
            match kind {
                RefKind::Run | RefKind::Version if !self.commits.is_empty() => {
                    self.keep(history, id, &mut seen)?;
                }
                RefKind::Tag => _ = self.tags.insert(id),
                _ => {}
            }
        }
        self.tagged = OnceLock::new();
        Ok(self)
    }

    /// Keeps the commits of a run or version that are not expired according to the record at `tip`.
    fn keep(
        &mut self,
        history: &History,
        tip: Id,
        seen: &mut HashSet<(Id, Option<Id>)>,
    ) -> Result<()> {
        let Some(newest) = State::read(history, &tip)? else { return Ok(()) };
        let through = newest.through;
        let mut next = Some(tip).filter(|tip| Some(*tip) != through);
        while let Some(id) = next.filter(|id| seen.insert((*id, through))) {
            match State::read(history, &id)? {
                Some(state) if state.uuid == newest.uuid => {
                    self.commits.remove(&id);
                    next = state.parent.filter(|parent| Some(*parent) != through);
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Returns true if the content of `commit` expired.
    pub fn is_expired(&self, history: &History, commit: &Id) -> Result<bool> {
        self.is_expired_if(history, commit, &mut || is_own_expired(history, commit))
    }

    /// Like [`Expiry::is_expired`], but asks `is_own` whether the record of the commit itself says
    /// so.
    pub(super) fn is_expired_if(
        &self,
        history: &History,
        commit: &Id,
        is_own: &mut dyn FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let has_expired = self.commits.contains(commit) || is_own()?;
        Ok(has_expired && !self.is_tagged(history, commit))
    }

    /// The commits of runs and versions that expired with a later one, except commits that tags name.
    pub fn commits(&self, history: &History) -> impl Iterator<Item = &Id> {
        self.commits.iter().filter(move |id| !self.is_tagged(history, id))
    }

    fn is_tagged(&self, history: &History, commit: &Id) -> bool {
        if self.tags.contains(commit) {
            return true;
        }
        let peeled = || self.tags.iter().filter_map(|tag| history.peel(tag).ok()).collect();
        self.tagged.get_or_init(peeled).contains(commit)
    }

    /// The commits that expired according to this or to `other`.
    #[must_use]
    pub fn or(&self, other: &Expiry) -> Expiry {
        Expiry {
            commits: self.commits.union(&other.commits).copied().collect(),
            tags: self.tags.intersection(&other.tags).copied().collect(),
            tagged: OnceLock::new(),
        }
    }
}

/// The parts of a run's or version's record that tell its commits apart.
struct State {
    uuid: Uuid,
    through: Option<Id>,
    parent: Option<Id>,
}

impl State {
    /// Reads the run or version in a commit.
    fn read(history: &History, commit: &Id) -> Result<Option<State>> {
        let Some((commit, tree)) = tolerate(RecordTree::with_commit(history, commit))? else {
            return Ok(None);
        };
        let parent = commit.parents.first().copied();
        let state = |uuid, expired: Option<Expiration>| {
            let through = expired.and_then(|expired| expired.through);
            Some(State { uuid, through, parent })
        };
        if let Some(run) = tolerate(tree.record::<RunRecord>(history))?.flatten() {
            return Ok(state(run.uuid, run.expired));
        }
        let version = tolerate(tree.record::<VersionRecord>(history))?.flatten();
        Ok(version.and_then(|version| state(version.uuid, version.expired)))
    }
}

/// Returns `commit` and all earlier commits of the same run or version along first parents: what a
/// record expires that says `through` this commit.
pub(crate) fn commits_through(history: &History, commit: &Id) -> Result<Vec<Id>> {
    let mut commits = Vec::new();
    let mut next = Some(*commit);
    let mut uuid = None;
    while let Some(id) = next {
        let Some(state) = State::read(history, &id)? else { break };
        if *uuid.get_or_insert(state.uuid) != state.uuid {
            break;
        }
        commits.push(id);
        next = state.parent;
    }
    Ok(commits)
}

/// Returns true if the record of `commit` says that its own files expired.
pub(super) fn is_own_expired(history: &History, commit: &Id) -> Result<bool> {
    Ok(find_own_expiration(history, commit)?.is_some_and(|expired| expired.own))
}

/// Returns the table `[expired]` in the record of `commit`.
pub(crate) fn find_own_expiration(history: &History, commit: &Id) -> Result<Option<Expiration>> {
    let Some(tree) = tolerate(RecordTree::of_commit(history, commit))? else { return Ok(None) };
    Ok(read_expiration(history, &tree)?.and_then(|(_, expired)| expired))
}

/// Returns the uuid and the table `[expired]` of the record in `tree`, if the record may have the
/// table.
fn read_expiration(
    history: &History,
    tree: &RecordTree,
) -> Result<Option<(Uuid, Option<Expiration>)>> {
    if let Some(bytes) = read_marked(history, tree, RunRecord::FILE)? {
        let record = tolerate(RunRecord::decode(&bytes))?;
        return Ok(record.map(|record| (record.uuid, record.expired)));
    }
    let Some(bytes) = read_marked(history, tree, VersionRecord::FILE)? else { return Ok(None) };
    let record = tolerate(VersionRecord::decode(&bytes))?;
    Ok(record.map(|record| (record.uuid, record.expired)))
}

/// Reads a record file, if it contains the name of the table.
fn read_marked(history: &History, tree: &RecordTree, file: &str) -> Result<Option<Vec<u8>>> {
    let Some(id) = tree.file(file) else { return Ok(None) };
    let Some(found) = tolerate(history.try_read(&id))?.flatten() else { return Ok(None) };
    let Some(bytes) = tolerate(expect_kind(&id, ObjectKind::Blob, Some(found)))? else {
        return Ok(None);
    };
    Ok(bstr::ByteSlice::contains_str(&bytes[..], "expired").then_some(bytes))
}

/// Missing and damaged objects are reported elsewhere. Here, they do not count as expired.
fn tolerate<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
