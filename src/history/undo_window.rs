//! The commits that a garbage collection keeps: the targets of refs, and everything that an undo of
//! a recent operation needs.
//!
//! The undo window is the newest part of the operation log. It reaches back to the oldest operation
//! that is young enough or among the newest ones. A time in the future does not count, because a
//! clock that jumped must not keep everything for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::ref_check::RefSurvey;
use super::reflog::{self, LogEntries};
use super::{History, PastOperation, RefChange};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::RefKind;

/// The number of seconds that another machine's clock can be ahead.
const AHEAD: i64 = 24 * 60 * 60;

/// The operations whose undo must work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoWindow {
    /// Operations since this time.
    pub since: Timestamp,
    /// The current time.
    pub now: Timestamp,
    /// The number of newest operations, whatever their age.
    pub operations: usize,
}

impl UndoWindow {
    fn has_time(&self, time: Timestamp) -> bool {
        time >= self.since && time.seconds() <= self.now.seconds().saturating_add(AHEAD)
    }
}

/// The commits whose content is needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptCommits {
    /// The targets of refs, and earlier targets within the undo window.
    pub(crate) tips: BTreeSet<Id>,
    /// The targets that refs had within the undo window, with the kinds of the refs.
    pub(crate) values: Vec<(RefKind, Id)>,
    /// The number of operations in the window.
    pub(crate) operations: u64,
    /// The newest operation before the window, and its time.
    pub(crate) last_gone: Option<(String, Timestamp)>,
    /// The newest operation.
    newest: Option<String>,
}

impl History {
    /// Finds the commits that refs and the undo window need.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if a ref or a log is damaged: it may have
    /// named a commit that is needed.
    pub(crate) fn kept_commits(&self, window: &UndoWindow) -> Result<KeptCommits> {
        let survey = self.survey_refs()?;
        let logs: Vec<String> = survey.logs.keys().cloned().collect();
        let mut kept = KeptCommits::default();
        kept.add_refs(survey)?;
        kept.tips.extend(self.git_roots()?);
        let mut recorded: BTreeMap<String, Option<Id>> = BTreeMap::new();
        let mut waiting: Vec<PastOperation> = Vec::new();
        let mut count = 0;
        self.visit_operations("refs/", &mut |operation| {
            kept.newest.get_or_insert_with(|| operation.id.clone());
            for RefChange { name, new, .. } in &operation.changes {
                recorded.entry(name.to_string()).or_insert(*new);
            }
            let is_in_window = count < window.operations || window.has_time(operation.time);
            count += 1;
            waiting.push(operation);
            if is_in_window {
                waiting.drain(..).for_each(|operation| kept.add_operation(&operation));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        kept.last_gone = waiting.first().map(|operation| (operation.id.clone(), operation.time));
        for name in logs {
            let mut entries = LogEntries::open(&reflog::path(self.git_dir(), &name))?;
            while let Some((_, entry)) = entries.next_entry()? {
                if window.has_time(entry.time) {
                    let kind = kind_of(&name);
                    let ids = entry.old.into_iter().chain(entry.new);
                    kept.values.extend(ids.map(|id| (kind, id)));
                }
            }
            // The log must keep its line about the newest operation that moved the ref.
            let last = recorded.get(&name).copied().flatten();
            kept.values.extend(last.map(|id| (kind_of(&name), id)));
        }
        self.add_values(&mut kept)?;
        Ok(kept)
    }

    /// Adds the commits of refs that moved since, and returns them. The caller holds the lock that
    /// excludes all writers.
    pub(crate) fn add_moved(&self, kept: &mut KeptCommits) -> Result<Vec<Id>> {
        let before = kept.tips.clone();
        let mut survey = RefSurvey::default();
        self.survey_values(&mut survey)?;
        kept.add_refs(survey)?;
        kept.tips.extend(self.git_roots()?);
        let newest = kept.newest.clone();
        self.visit_operations("refs/", &mut |operation| {
            if newest.as_ref() == Some(&operation.id) {
                return Ok(ControlFlow::Break(()));
            }
            kept.add_operation(&operation);
            Ok(ControlFlow::Continue(()))
        })?;
        self.add_values(kept)?;
        Ok(kept.tips.difference(&before).copied().collect())
    }

    /// Adds the earlier targets of refs. An earlier collection may have removed some.
    fn add_values(&self, kept: &mut KeptCommits) -> Result<()> {
        kept.values.sort_unstable();
        kept.values.dedup();
        for (_, id) in &kept.values {
            if !kept.tips.contains(id) && self.try_kind(id)?.is_some() {
                kept.tips.insert(*id);
            }
        }
        Ok(())
    }
}

impl KeptCommits {
    fn add_refs(&mut self, survey: RefSurvey) -> Result<()> {
        if let Some(error) = survey.damage.into_iter().next() {
            return Err(error);
        }
        self.tips.extend(survey.refs.into_values());
        Ok(())
    }

    fn add_operation(&mut self, operation: &PastOperation) {
        self.operations += 1;
        for RefChange { name, old, new } in &operation.changes {
            self.values.extend(old.iter().chain(new).map(|id| (name.kind(), *id)));
        }
    }
}

/// The kind of the ref with this full name. The logs of `HEAD` and of other tools count as runs.
fn kind_of(name: &str) -> RefKind {
    name.parse::<crate::name::RefName>().map_or(RefKind::Run, |name| name.kind())
}
