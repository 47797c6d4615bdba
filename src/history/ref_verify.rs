//! Compares refs with their reflogs when they are read, so that a lost, swapped or outdated ref is
//! an error instead of a wrong answer.
//!
//! A reflog line is written before its ref moves. A ref and the newest line of its reflog therefore
//! differ only while an operation is in progress, or if one of the two is damaged. In that case,
//! the operation log decides. Tracking refs have no reflogs.

use std::ops::ControlFlow;

use super::History;
use super::head::HeadName;
use super::packed_file::PackedRefs;
use super::reflog::{self, LogEntries};
use super::refs::{MAX_RETRIES, RefTarget, read_loose};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{RefName, TRACKING};

/// The maximum number of refs in a listing that are all compared with their reflogs. In larger
/// listings, only missing refs are found. `fsck` compares all refs.
const MAX_COMPARED: usize = 2000;

/// The newest recorded move of a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastMove {
    /// The new value, or `None` for a deletion.
    pub(super) new: Option<Id>,
    pub(super) time: Timestamp,
}

impl History {
    /// Returns the value of the ref `name`.
    ///
    /// Fails if the reflog contradicts the value and no operation is in progress.
    pub(super) fn verified(&self, name: &str) -> Result<Option<Id>> {
        let mut seen = None;
        for _ in 0..MAX_RETRIES {
            let found = self.try_find_id(name)?;
            let Some(logged) = self.last_logged_move(name)? else { return Ok(found) };
            if logged.new == found || self.is_under_way(name) {
                return Ok(found);
            }
            // A writer may have moved the ref between the two reads.
            if seen == Some((found, logged)) {
                return self.decide(name, found, logged);
            }
            seen = Some((found, logged));
        }
        self.try_find_id(name)
    }

    /// Returns the values of the refs `names`, which are locked. Nobody moves a locked ref, so
    /// `packed-refs` is opened once for all of them.
    ///
    /// Fails if a reflog contradicts a value.
    pub(super) fn verified_locked(&self, names: &[String]) -> Result<Vec<Option<Id>>> {
        if let [name] = names {
            return Ok(vec![self.verified(name)?]);
        }
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by_key(|at| &names[*at]);
        let sorted: Vec<&[u8]> = order.iter().map(|at| names[*at].as_bytes()).collect();
        let packed = PackedRefs::open(self.git_dir())?.find_all(&sorted)?;
        let mut values = vec![None; names.len()];
        for (at, packed) in order.into_iter().zip(packed) {
            let name = &names[at];
            let found = match read_loose(self.git_dir(), name)? {
                Some(RefTarget::Id(id)) => Some(id),
                Some(RefTarget::Symbolic(_)) => self.try_find_id(name)?,
                None => packed,
            };
            values[at] = match self.last_logged_move(name)? {
                Some(logged) if logged.new != found => self.verified(name)?,
                _ => found,
            };
        }
        Ok(values)
    }

    /// Returns true if an operation in progress moves the ref `name`.
    pub(super) fn is_under_way(&self, name: &str) -> bool {
        let pending = self.pending_operation().unwrap_or(None);
        pending.is_some_and(|pending| pending.moves(name))
    }

    /// Returns the newest move in the reflog of `name`. `None` if there is no reflog or its newest
    /// line is unreadable.
    pub(super) fn last_logged_move(&self, name: &str) -> Result<Option<LastMove>> {
        let entry = LogEntries::open(&reflog::path(self.git_dir(), name))?.newest()?;
        Ok(entry.map(|entry| LastMove { new: entry.new, time: entry.time }))
    }

    /// Decides between a ref and its reflog when they differ.
    fn decide(&self, name: &str, found: Option<Id>, logged: LastMove) -> Result<Option<Id>> {
        let recorded = self.last_recorded_move(name).unwrap_or(None);
        let Some(recorded) = recorded.filter(|recorded| recorded.new == found) else {
            return Err(wrong_value(name, found, logged.new));
        };
        // The ref is correct if the reflog has lost the line of that operation.
        if self.is_logged(name, recorded)? {
            return Err(wrong_value(name, found, logged.new));
        }
        Ok(found)
    }

    /// Returns the newest move of the ref `name` in the operation log.
    pub(super) fn last_recorded_move(&self, name: &str) -> Result<Option<LastMove>> {
        let mut last = None;
        self.visit_operations(name, &mut |operation| {
            for change in &operation.changes {
                if change.name.to_string() == name {
                    last = Some(LastMove { new: change.new, time: operation.time });
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(last)
    }

    /// Returns true if the reflog of `name` has a line about this move.
    pub(super) fn is_logged(&self, name: &str, recorded: LastMove) -> Result<bool> {
        let mut entries = LogEntries::open(&reflog::path(self.git_dir(), name))?;
        while let Some((_, entry)) = entries.next_entry()? {
            if (entry.new, entry.time) == (recorded.new, recorded.time) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the damaged refs below `prefix` whose names are `listed`. `found` are the refs that
    /// a listing found, sorted by name.
    pub(super) fn listing_damage(
        &self,
        prefix: &str,
        found: &[(String, Id)],
        listed: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(String, Error)>> {
        let mut damaged = Vec::new();
        if prefix.starts_with(TRACKING) {
            return Ok(damaged);
        }
        let mut check = |name: String| match self.verified(&name) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == crate::ErrorKind::Corrupt => {
                damaged.push((name, error));
                Ok(())
            }
            Err(error) => Err(error),
        };
        Self::visit_names(&self.git_dir().join("logs"), prefix, &mut |name| {
            if !listed(&name) {
                return Ok(());
            }
            let at = found.binary_search_by(|(other, _)| other.as_str().cmp(&name));
            let is_sound = match at {
                Err(_) => name.parse::<RefName>().is_err(),
                Ok(_) if found.len() > MAX_COMPARED => true,
                Ok(at) => {
                    let logged = self.last_logged_move(&name)?;
                    logged.is_none_or(|logged| logged.new == Some(found[at].1))
                }
            };
            if is_sound { Ok(()) } else { check(name) }
        })?;
        Ok(damaged)
    }

    /// Fails if `HEAD` and its log name different runs.
    pub(super) fn verify_head(&self, run: Option<&RefName>) -> Result<()> {
        let value = self.head_value(&HeadName::default())?;
        let Some(logged) = self.last_logged_move("HEAD")? else { return Ok(()) };
        if logged.new == value || !self.has_no_next_head() || self.head_is_under_way() {
            return Ok(());
        }
        // A writer may have moved both in the meantime.
        if self.head_target(&HeadName::default())?.run.as_ref() != run
            || self.head_value(&HeadName::default())? != value
        {
            return Ok(());
        }
        if self.last_logged_move("HEAD")? != Some(logged) {
            return Ok(());
        }
        let heads = self.operations()?.filter_map(Result::ok).filter_map(|done| done.head);
        let mut heads = heads.filter(|head| head.project.is_none());
        // Git changes HEAD without writing to the operation log.
        if heads.next().is_none_or(|head| head.new.as_ref() == run) {
            return Ok(());
        }
        let named = run.map_or("no run".to_owned(), |run| format!("'{run}'"));
        let message = format!("HEAD names {named}, but its log names a different run");
        Err(Error::corrupt(message).with_hint("check the repository: art fsck"))
    }

    fn head_is_under_way(&self) -> bool {
        self.pending_operation().unwrap_or(None).is_some()
    }
}

/// The error for a ref whose value differs from its reflog.
pub(super) fn wrong_value(name: &str, found: Option<Id>, logged: Option<Id>) -> Error {
    let message = match (found, logged) {
        (None, Some(logged)) => {
            format!("the ref '{name}' is missing, but its log has the value {logged}")
        }
        (Some(found), Some(logged)) => {
            format!("the ref '{name}' is at {found}, but its log has the value {logged}")
        }
        (Some(found), None) => {
            format!("the ref '{name}' is at {found}, but its log records that it was deleted")
        }
        (None, None) => format!("the ref '{name}' is damaged"),
    };
    Error::corrupt(message).with_hint("check the repository: art fsck")
}
