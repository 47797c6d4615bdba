//! Compares refs with their reflogs while reading, so that a lost, exchanged or outdated ref is an
//! error and never an answer.
//!
//! A reflog line is written before its ref moves. A ref and the newest line of its reflog therefore
//! differ only while an operation is under way, or if one of the two is damaged. Then the operation
//! log decides. Tracking refs have no reflogs.

use std::ops::ControlFlow;

use super::History;
use super::head::HeadName;
use super::reflog::{self, Entries};
use super::refs::MAX_RETRIES;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{RefName, TRACKING};

/// A listing of at most this many refs compares the value of each with its reflog. Beyond, only
/// missing refs are found; `fsck` compares all.
const MAX_COMPARED: usize = 2000;

/// A ref that is missing, or whose value is wrong.
#[derive(Debug)]
pub struct DamagedRef {
    /// The ref.
    pub name: RefName,
    /// What is wrong.
    pub error: Error,
}

/// The refs below a prefix.
#[derive(Debug, Default)]
pub struct RefListing {
    /// The refs that are sound, by name.
    pub refs: Vec<(RefName, Id)>,
    /// The others.
    pub damaged: Vec<DamagedRef>,
}

/// The newest recorded move of a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastMove {
    /// The value that the move gave the ref; `None` for a deletion.
    pub(super) new: Option<Id>,
    pub(super) time: Timestamp,
}

/// Whether the moves of the ref `name` are recorded in a reflog.
pub(super) fn is_recorded(name: &str) -> bool {
    !name.starts_with(TRACKING) && name.parse::<RefName>().is_ok()
}

impl History {
    /// The value of the ref `name`.
    ///
    /// Fails if its reflog contradicts the value, and no operation is under way.
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

    /// Whether an operation that moves the ref `name` is written down and has not happened.
    pub(super) fn is_under_way(&self, name: &str) -> bool {
        let pending = self.pending_operation().unwrap_or(None);
        pending.is_some_and(|pending| pending.moves(name))
    }

    /// The newest move in the reflog of `name`; `None` if there is no reflog, or if its newest line
    /// cannot be read.
    pub(super) fn last_logged_move(&self, name: &str) -> Result<Option<LastMove>> {
        let entry = Entries::open(&reflog::path(self.git_dir(), name))?.newest()?;
        Ok(entry.map(|entry| LastMove { new: entry.new, time: entry.time }))
    }

    /// Decides between a ref and its reflog, which differ.
    fn decide(&self, name: &str, found: Option<Id>, logged: LastMove) -> Result<Option<Id>> {
        let recorded = self.last_recorded_move(name).unwrap_or(None);
        let Some(recorded) = recorded.filter(|recorded| recorded.new == found) else {
            return Err(wrong_value(name, found, logged.new));
        };
        // The ref is right if the reflog has lost the line of that operation.
        if self.is_logged(name, recorded)? {
            return Err(wrong_value(name, found, logged.new));
        }
        Ok(found)
    }

    /// The newest move of the ref `name` in the operation log.
    pub(super) fn last_recorded_move(&self, name: &str) -> Result<Option<LastMove>> {
        let mut last = None;
        self.visit_past(name, &mut |operation| {
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

    /// Whether the reflog of `name` has a line about this move.
    pub(super) fn is_logged(&self, name: &str, recorded: LastMove) -> Result<bool> {
        let mut entries = Entries::open(&reflog::path(self.git_dir(), name))?;
        while let Some((_, entry)) = entries.next_entry()? {
            if (entry.new, entry.time) == (recorded.new, recorded.time) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The damaged ones among the refs below `prefix`, of which `found` were found; sorted by name.
    pub(super) fn listing_damage(
        &self,
        prefix: &str,
        found: &[(String, Id)],
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
            let at = found.binary_search_by(|(other, _)| other.as_str().cmp(&name));
            let is_sound = match at {
                Err(_) => false,
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

    /// Fails if `HEAD` names another run than its log says.
    pub(super) fn verify_head(&self, run: Option<&RefName>) -> Result<()> {
        let value = self.head_value(&HeadName::default())?;
        let Some(logged) = self.last_logged_move("HEAD")? else { return Ok(()) };
        if logged.new == value || !self.has_no_next_head() || self.head_is_under_way() {
            return Ok(());
        }
        // A writer may have moved both meanwhile.
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
        // Git changes HEAD without the operation log.
        if heads.next().is_none_or(|head| head.new.as_ref() == run) {
            return Ok(());
        }
        let named = run.map_or("no run".to_owned(), |run| format!("'{run}'"));
        let message = format!("HEAD names {named}, and its log says that another run is current");
        Err(Error::corrupt(message).with_hint("see what is damaged: art fsck"))
    }

    fn head_is_under_way(&self) -> bool {
        self.pending_operation().unwrap_or(None).is_some()
    }
}

/// The error for a ref whose value differs from its reflog.
pub(super) fn wrong_value(name: &str, found: Option<Id>, logged: Option<Id>) -> Error {
    let message = match (found, logged) {
        (None, Some(logged)) => {
            format!("the ref '{name}' is gone; its log says that it is at {logged}")
        }
        (Some(found), Some(logged)) => {
            format!("the ref '{name}' is at {found}; its log says that it is at {logged}")
        }
        (Some(found), None) => {
            format!("the ref '{name}' is at {found}; its log says that it was deleted")
        }
        (None, None) => format!("the ref '{name}' is damaged"),
    };
    Error::corrupt(message).with_hint("see what is damaged: art fsck")
}
