//! Reading `HEAD`: which run is the current one.
//!
//! A transaction that changes it writes the new one to `HEAD.next` before its refs move and renames
//! that to `HEAD` after. Both count as one step: once the refs have moved, `HEAD.next` is in force.

use std::path::Path;

use super::History;
use super::refs::{Target, read_loose};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{RefKind, RefName};

/// Where `HEAD` points while there is no current run: a branch that is never made.
pub(super) const NO_RUN: &str = "refs/heads/main";

/// Where a transaction keeps the new `HEAD` until its refs have moved.
pub(super) const NEXT_HEAD: &str = "HEAD.next";

/// What a `HEAD` names: a run, or nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadTarget {
    /// The run, whether it exists or not.
    pub(super) run: Option<RefName>,
}

impl HeadTarget {
    /// Reads the file `name`, which is `HEAD` or [`NEXT_HEAD`]; `None` if it is missing.
    pub(super) fn read(git_dir: &Path, name: &str) -> Result<Option<Self>> {
        let run = match read_loose(git_dir, name)? {
            None => return Ok(None),
            Some(Target::Symbolic(target)) => target.parse().ok(),
            // Another tool put it on a commit.
            Some(Target::Id(_)) => None,
        };
        let is_run = |name: &RefName| name.kind() == RefKind::Run && name.remote().is_none();
        Ok(Some(HeadTarget { run: run.filter(is_run) }))
    }

    /// The content of the file.
    pub(super) fn to_line(&self) -> String {
        match &self.run {
            Some(run) => format!("ref: {run}\n"),
            None => format!("ref: {NO_RUN}\n"),
        }
    }
}

impl History {
    /// The run that is the current one; `None` if there is none.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the log of `HEAD` names another one.
    pub fn head(&self) -> Result<Option<RefName>> {
        let run = self.head_target()?.run;
        self.verify_head(run.as_ref())?;
        let Some(run) = run else { return Ok(None) };
        Ok(self.try_find_ref(&run)?.map(|_| run))
    }

    /// What `HEAD` names now.
    pub(super) fn head_target(&self) -> Result<HeadTarget> {
        let written = self.written_head()?;
        match self.next_head() {
            Some(next) if self.is_due(&written, &next)? => Ok(next),
            _ => Ok(written),
        }
    }

    /// What the file `HEAD` says.
    pub(super) fn written_head(&self) -> Result<HeadTarget> {
        HeadTarget::read(self.git_dir(), "HEAD")?.ok_or_else(|| {
            let path = self.git_dir().join("HEAD");
            Error::corrupt(format!("'{}' is missing", path.display()))
                .with_hint("look at what is damaged: art fsck")
        })
    }

    /// What a transaction that isn't over will put into `HEAD`; `None` if there is no such.
    pub(super) fn next_head(&self) -> Option<HeadTarget> {
        HeadTarget::read(self.git_dir(), NEXT_HEAD).unwrap_or(None)
    }

    /// Whether no transaction that changes `HEAD` is under way.
    pub(super) fn has_no_next_head(&self) -> bool {
        matches!(HeadTarget::read(self.git_dir(), NEXT_HEAD), Ok(None))
    }

    /// Whether the refs of the transaction that wrote `next` have moved and only `HEAD` has not.
    pub(super) fn is_due(&self, written: &HeadTarget, next: &HeadTarget) -> Result<bool> {
        let Some(operation) = self.last_written_operation()? else { return Ok(false) };
        let Some(head) = &operation.head else { return Ok(false) };
        Ok(head.old == written.run && head.new == next.run && !self.is_pending(&operation)?)
    }

    /// The commit that `HEAD` leads to, through any ref; `None` while that doesn't exist.
    pub(super) fn head_value(&self) -> Result<Option<Id>> {
        match self.head_target()?.run {
            Some(run) => self.try_find_id(&run.to_string()),
            None => self.try_find_id("HEAD"),
        }
    }
}
