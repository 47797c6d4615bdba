//! Reads which run is current. `HEAD` names the current run of the repository's own project, and
//! `heads/OWNER/PROJECT` the current run of any other project. A command for another project
//! therefore never changes the current run of the own project.
//!
//! A transaction that changes a current run writes the new head to `HEAD.next` before its refs
//! move, and renames that file afterwards. Both steps count as one: once the refs have moved,
//! `HEAD.next` is in effect.

use std::path::Path;

use super::History;
use super::refs::{RefTarget, read_loose};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};

/// The target of `HEAD` while there is no current run: a branch that never exists.
pub(super) const NO_RUN: &str = "refs/heads/main";

/// The file with the new `HEAD` of a transaction until its refs have moved.
pub(super) const NEXT_HEAD: &str = "HEAD.next";

/// The file that names the current run of a project, with its own log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HeadName(Option<ProjectName>);

impl HeadName {
    /// The head of `project`. `None` means `HEAD`, for the repository's own project.
    pub(super) fn new(project: Option<ProjectName>) -> Self {
        HeadName(project)
    }

    /// Returns the project, if it is not the repository's own.
    pub(super) fn project(&self) -> Option<&ProjectName> {
        self.0.as_ref()
    }

    /// Returns the path of the file, which is also the name of its log.
    pub(super) fn file(&self) -> String {
        match &self.0 {
            None => "HEAD".to_owned(),
            Some(project) => format!("heads/{project}"),
        }
    }
}

/// The target of a head: a run, or something that `art` does not manage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadTarget {
    /// The run, whether or not it exists.
    pub(super) run: Option<RefName>,
}

impl HeadTarget {
    /// Reads the file `name`, which is `HEAD` or [`NEXT_HEAD`]. Returns `None` if it is missing.
    pub(super) fn read(git_dir: &Path, name: &str) -> Result<Option<Self>> {
        let run = match read_loose(git_dir, name)? {
            None => return Ok(None),
            Some(RefTarget::Symbolic(target)) => target.parse().ok(),
            // Another tool detached it at a commit.
            Some(RefTarget::Id(_)) => None,
        };
        let is_run = |name: &RefName| name.kind() == RefKind::Run && name.remote().is_none();
        Ok(Some(HeadTarget { run: run.filter(is_run) }))
    }

    /// Returns the content of the file.
    pub(super) fn to_line(&self) -> String {
        match &self.run {
            Some(run) => format!("ref: {run}\n"),
            None => format!("ref: {NO_RUN}\n"),
        }
    }
}

impl History {
    /// Returns the current run of the viewed project, or `None` if there is no current run.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the log of `HEAD` contradicts `HEAD`.
    pub fn head(&self) -> Result<Option<RefName>> {
        self.head_of(&self.viewed_head())
    }

    /// Returns the current run that `name` records.
    pub(super) fn head_of(&self, name: &HeadName) -> Result<Option<RefName>> {
        let run = self.head_target(name)?.run;
        if name.project().is_none() {
            self.verify_head(run.as_ref())?;
        }
        let Some(run) = run else { return Ok(None) };
        Ok(self.try_find_ref(&run)?.map(|_| run))
    }

    /// Returns the head that records the current run of `project`.
    pub fn head_name(&self, project: &ProjectName) -> HeadName {
        let own = self.projects.as_ref().map(|projects| &projects.own);
        HeadName::new(own.filter(|own| *own != project).map(|_| project.clone()))
    }

    /// Returns the head that records the current run of the viewed project.
    pub(super) fn viewed_head(&self) -> HeadName {
        match &self.projects {
            Some(projects) => self.head_name(&projects.viewed),
            None => HeadName::default(),
        }
    }

    /// Returns the effective target of `name`.
    pub(super) fn head_target(&self, name: &HeadName) -> Result<HeadTarget> {
        let written = self.written_head(name)?;
        match self.next_head() {
            Some(next) if self.due_head(&next)?.is_some_and(|due| due == *name) => Ok(next),
            _ => Ok(written),
        }
    }

    /// Returns the target in the file. Only `HEAD` must exist.
    pub(super) fn written_head(&self, name: &HeadName) -> Result<HeadTarget> {
        let file = name.file();
        match HeadTarget::read(self.git_dir(), &file)? {
            Some(target) => Ok(target),
            None if name.project().is_some() => Ok(HeadTarget { run: None }),
            None => {
                let path = self.git_dir().join(file);
                Err(Error::corrupt(format!("'{}' is missing", path.display()))
                    .with_hint("check the repository: art fsck"))
            }
        }
    }

    /// Returns the new head of an unfinished transaction, if there is one.
    pub(super) fn next_head(&self) -> Option<HeadTarget> {
        HeadTarget::read(self.git_dir(), NEXT_HEAD).unwrap_or(None)
    }

    /// Returns true if no transaction that changes a head is in progress.
    pub(super) fn has_no_next_head(&self) -> bool {
        matches!(HeadTarget::read(self.git_dir(), NEXT_HEAD), Ok(None))
    }

    /// Returns the head that `next` belongs to, if the refs of its transaction have moved but the
    /// head has not.
    pub(super) fn due_head(&self, next: &HeadTarget) -> Result<Option<HeadName>> {
        let Some(operation) = self.last_written_operation()? else { return Ok(None) };
        let Some(head) = &operation.head else { return Ok(None) };
        let name = head.name();
        let written = self.written_head(&name)?;
        let is_due =
            head.old == written.run && head.new == next.run && !self.is_pending(&operation)?;
        Ok(is_due.then_some(name))
    }

    /// Returns the commit that `name` leads to, through any ref. `None` if that ref does not exist.
    pub(super) fn head_value(&self, name: &HeadName) -> Result<Option<Id>> {
        match self.head_target(name)?.run {
            Some(run) => self.try_find_id(&run.to_string()),
            None if name.project().is_none() => self.try_find_id("HEAD"),
            None => Ok(None),
        }
    }
}
