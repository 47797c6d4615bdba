//! The versions that existed at a given time, with their commits.
//!
//! The current refs are taken back through the operation log, change by change, to the newest
//! operation that is not later than the time. Undone, deleted, copied or renamed versions therefore
//! appear as they were. If a clock was set back or forward, the log still has the order of the
//! operations, but not their exact times. The result is then the state after the newest operation
//! with an earlier or equal time, and comes with a warning.
//!
//! Versions from a remote existed before they were fetched. If an operation brought a version with
//! commits older than the operation, or if a version moved without an operation, the commits
//! determine its state at the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use super::index::{VersionIndex, read_brief, read_past_versions, version_refs};
use super::version_history::VersionHistory;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::RefChange;
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;

/// The versions at a given time.
#[derive(Debug)]
pub(crate) struct VersionsAtTime {
    /// The versions.
    pub(crate) index: VersionIndex,
    /// True if the operation log covers all of these versions. Otherwise, deleted versions may be
    /// missing.
    pub(crate) is_complete: bool,
    /// True if the times in the log are in order around the given time.
    pub(crate) is_in_order: bool,
}

/// Reads the versions of `project`, or of every project, at the end of the second `time`.
pub(crate) fn read_versions_at(
    repo: &Repository,
    project: Option<&ProjectName>,
    time: Timestamp,
    progress: &dyn Progress,
) -> Result<VersionsAtTime> {
    // The refs are read before the log, so that concurrent operations are taken back too.
    let refs = version_refs(repo, project)?.into_iter().collect();
    let mut refs_at_time = RefsAtTime {
        repo,
        project,
        time,
        refs,
        oldest: HashMap::new(),
        is_complete: true,
        is_in_order: true,
    };
    let operations = refs_at_time.lead_back(progress)?;
    refs_at_time.ask_commits_of_foreign()?;
    let index =
        read_past_versions(repo, refs_at_time.refs.clone().into_iter().collect(), progress)?;
    let late: HashMap<RefName, Id> = index
        .versions
        .iter()
        .filter(|version| version.summary.updated_at > time)
        .map(|version| (version.reference.clone(), version.commit))
        .collect();
    if late.is_empty() || !refs_at_time.ask_commits_of_unlogged(operations, late)? {
        return Ok(VersionsAtTime {
            index,
            is_complete: refs_at_time.is_complete,
            is_in_order: refs_at_time.is_in_order,
        });
    }
    let index = read_past_versions(repo, refs_at_time.refs.into_iter().collect(), progress)?;
    Ok(VersionsAtTime {
        index,
        is_complete: refs_at_time.is_complete,
        is_in_order: refs_at_time.is_in_order,
    })
}

/// The prefix of the full names of all versions.
fn all_versions() -> String {
    format!("refs/{}/", RefKind::Version.directory())
}

/// A change that was taken back.
struct Undone {
    old: Option<Id>,
    new: Option<Id>,
    time: Timestamp,
    /// True if the repository already had the commit: under another name, or from before an undo.
    is_known: bool,
}

struct RefsAtTime<'r> {
    repo: &'r Repository,
    project: Option<&'r ProjectName>,
    time: Timestamp,
    /// The commits of the versions.
    refs: BTreeMap<RefName, Id>,
    /// The oldest change of each ref that was taken back.
    oldest: HashMap<RefName, Undone>,
    is_complete: bool,
    is_in_order: bool,
}

impl RefsAtTime<'_> {
    fn set(&mut self, name: RefName, commit: Option<Id>) {
        match commit {
            Some(commit) => self.refs.insert(name, commit),
            None => self.refs.remove(&name),
        };
    }

    /// Takes the refs back through the log. Returns the number of operations taken back.
    ///
    /// If an operation before the stopping point has a later time, a clock was set back or forward,
    /// and the result is uncertain.
    fn lead_back(&mut self, progress: &dyn Progress) -> Result<usize> {
        let mut count = 0;
        let mut newest = None;
        self.repo.history().visit_operations(&all_versions(), &mut |operation| {
            if newest.is_some() || operation.time <= self.time {
                let newest = *newest.get_or_insert(operation.time);
                self.is_in_order &= operation.time <= newest;
                let is_enough = !self.is_in_order;
                return Ok(if is_enough {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                });
            }
            if count % 4096 == 0 {
                check_interrupt(progress)?;
            }
            count += 1;
            let olds: HashSet<Id> = operation.changes.iter().filter_map(|it| it.old).collect();
            for RefChange { name, old, new } in operation.changes {
                if self.project.is_some_and(|project| *project != *name.project()) {
                    continue;
                }
                self.set(name.clone(), old);
                let is_known =
                    operation.undoes.is_some() || new.is_some_and(|new| olds.contains(&new));
                let undone = Undone { old, new, time: operation.time, is_known };
                self.oldest.insert(name, undone);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// Checks the commits of versions that an operation brought but did not create.
    fn ask_commits_of_foreign(&mut self) -> Result<()> {
        for (name, undone) in std::mem::take(&mut self.oldest) {
            let Some(new) = undone.new.filter(|_| !undone.is_known) else { continue };
            // An unreadable commit is reported when the version is read.
            let made = self.repo.history().read_commit(&new).map(|commit| commit.committer.time);
            if made.is_ok_and(|made| made < undone.time) {
                self.is_complete = false;
                if let Some(commit) = self.walk_back(new, undone.old)? {
                    self.set(name, Some(commit));
                }
            }
        }
        Ok(())
    }

    /// Checks the `late` versions, whose commits are newer than the given time. If no later
    /// operation put such a commit there (a clock was set back), determines the state from the
    /// commits. Returns true if there were such versions.
    fn ask_commits_of_unlogged(
        &mut self,
        operations: usize,
        mut late: HashMap<RefName, Id>,
    ) -> Result<bool> {
        let mut unlogged = HashMap::new();
        let mut count = 0;
        self.repo.history().visit_operations(&all_versions(), &mut |operation| {
            count += 1;
            for change in operation.changes.iter().filter(|_| count > operations) {
                if let Some(commit) = late.remove(&change.name)
                    && change.new != Some(commit)
                {
                    unlogged.insert(change.name.clone(), commit);
                }
            }
            let is_done = late.is_empty();
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        unlogged.extend(late);
        self.is_complete &= unlogged.is_empty();
        let is_any = !unlogged.is_empty();
        for (name, commit) in unlogged {
            let then = self.walk_back(commit, None)?;
            self.set(name, then);
        }
        Ok(is_any)
    }

    /// Returns the newest commit of the version at `from` that is not later than the given time.
    /// Stops at the commit `until`. If two sides were merged, the newest commit of both sides
    /// counts.
    fn walk_back(&self, from: Id, until: Option<Id>) -> Result<Option<Id>> {
        let history = self.repo.history();
        let Some((brief, commit)) = read_brief(self.repo, &from)? else { return Ok(None) };
        let mut own = VersionHistory::of(self.repo, &brief.record);
        let mut seen = HashSet::from([from]);
        // Ordered by time, and for equal times by discovery: children before parents.
        let mut queue = BTreeMap::from([((commit.committer.time, Reverse(0)), (from, commit))]);
        while let Some(((time, _), (id, commit))) = queue.pop_last() {
            if Some(id) == until {
                break;
            }
            if time <= self.time {
                return own.is_own(&id).map(|is_own| is_own.then_some(id));
            }
            let merged = own.merged(&commit)?;
            for parent in commit.parents.into_iter().take(1).chain(merged) {
                if seen.insert(parent) {
                    let commit = history.read_commit(&parent)?;
                    queue.insert((commit.committer.time, Reverse(seen.len())), (parent, commit));
                }
            }
        }
        Ok(None)
    }
}
