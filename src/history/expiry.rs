//! Content that expired: the records of runs and versions say so, and it may be missing.
//!
//! A commit expired if its own record says `own`, or if the newest record of its run says
//! `through` this commit or a later one. A tag keeps the content of its commit.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::object::expect_kind;
use super::{History, RecordTree};
use crate::error::{ErrorKind, Result};
use crate::id::{Id, ObjectKind};
use crate::name::RefKind;
use crate::record::{Expiration, Record, RunRecord, VersionRecord};

/// The commits whose content expired according to the records of some refs.
#[derive(Debug, Clone, Default)]
pub struct Expiry {
    /// Commits of runs up to `through`.
    runs: HashSet<Id>,
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
                RefKind::Run => expiry.add_run(history, &id)?,
                RefKind::Tag => _ = expiry.tags.insert(id),
                RefKind::Project | RefKind::Version => {}
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

    fn add_run(&mut self, history: &History, tip: &Id) -> Result<()> {
        let Some(tree) = tolerate(RecordTree::of_commit(history, tip))? else { return Ok(()) };
        let Some(bytes) = read_marked(history, &tree, RunRecord::FILE)? else { return Ok(()) };
        let Some(record) = tolerate(RunRecord::decode(&bytes))? else { return Ok(()) };
        let mut next = record.expired.and_then(|expired| expired.through);
        while let Some(id) = next.filter(|id| !self.runs.contains(id)) {
            let Some((commit, tree)) = tolerate(RecordTree::with_commit(history, &id))? else {
                break;
            };
            let its = tolerate(tree.record::<RunRecord>(history))?.flatten();
            if its.is_none_or(|its| its.uuid != record.uuid) {
                break;
            }
            self.runs.insert(id);
            next = commit.parents.first().copied();
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
                RefKind::Run if !self.runs.is_empty() => self.keep_run(history, id, &mut seen)?,
                RefKind::Tag => _ = self.tags.insert(id),
                _ => {}
            }
        }
        self.tagged = OnceLock::new();
        Ok(self)
    }

    /// Keeps the uploads of a run that are not expired according to the record at `tip`.
    fn keep_run(
        &mut self,
        history: &History,
        tip: Id,
        seen: &mut HashSet<(Id, Option<Id>)>,
    ) -> Result<()> {
        let read = |id: &Id| -> Result<_> {
            let Some((commit, tree)) = tolerate(RecordTree::with_commit(history, id))? else {
                return Ok(None);
            };
            let record = tolerate(tree.record::<RunRecord>(history))?.flatten();
            Ok(record.map(|record| (commit.parents.first().copied(), record)))
        };
        let Some((_, record)) = read(&tip)? else { return Ok(()) };
        let through = record.expired.and_then(|expired| expired.through);
        let mut next = Some(tip).filter(|tip| Some(*tip) != through);
        while let Some(id) = next.filter(|id| seen.insert((*id, through))) {
            match read(&id)? {
                Some((parent, its)) if its.uuid == record.uuid => {
                    self.runs.remove(&id);
                    next = parent.filter(|parent| Some(*parent) != through);
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
        let has_expired = self.runs.contains(commit) || is_own()?;
        Ok(has_expired && !self.is_tagged(history, commit))
    }

    /// The commits of runs that expired, except commits that tags name.
    pub fn commits(&self, history: &History) -> impl Iterator<Item = &Id> {
        self.runs.iter().filter(move |id| !self.is_tagged(history, id))
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
            runs: self.runs.union(&other.runs).copied().collect(),
            tags: self.tags.intersection(&other.tags).copied().collect(),
            tagged: OnceLock::new(),
        }
    }
}

/// Returns true if the record of `commit` says that its own files expired.
pub(super) fn is_own_expired(history: &History, commit: &Id) -> Result<bool> {
    Ok(find_own_expiration(history, commit)?.is_some_and(|expired| expired.own))
}

/// Returns the table `[expired]` in the record of `commit`.
pub(crate) fn find_own_expiration(history: &History, commit: &Id) -> Result<Option<Expiration>> {
    let Some(tree) = tolerate(RecordTree::of_commit(history, commit))? else { return Ok(None) };
    if let Some(bytes) = read_marked(history, &tree, RunRecord::FILE)? {
        return Ok(tolerate(RunRecord::decode(&bytes))?.and_then(|record| record.expired));
    }
    let Some(bytes) = read_marked(history, &tree, VersionRecord::FILE)? else { return Ok(None) };
    Ok(tolerate(VersionRecord::decode(&bytes))?.and_then(|record| record.expired))
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
