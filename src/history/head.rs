//! Reading which run is the current one: `HEAD` for the repository's own project, `heads/OWNER/PROJECT`
//! for any other, so that a command for another project changes nothing that a command without it
//! sees.
//!
//! A transaction that changes a current run writes the new one to `HEAD.next` before its refs move and
//! renames that to its place after. Both count as one step: once the refs have moved, `HEAD.next` is
//! in force.

use std::collections::BTreeSet;
use std::path::Path;

use super::History;
use super::operations::RefChange;
use super::refs::{Target, read_loose};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};

/// Where `HEAD` points while there is no current run: a branch that is never made.
pub(super) const NO_RUN: &str = "refs/heads/main";

/// Where a transaction keeps the new `HEAD` until its refs have moved.
pub(super) const NEXT_HEAD: &str = "HEAD.next";

/// Whose current run: a file in the repository, with a log of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HeadName(Option<ProjectName>);

impl HeadName {
    /// `HEAD`, or that of another project than the repository's own.
    pub(super) fn new(project: Option<ProjectName>) -> Self {
        HeadName(project)
    }

    /// The project, if it is not the repository's own.
    pub(super) fn project(&self) -> Option<&ProjectName> {
        self.0.as_ref()
    }

    /// The file, and the name of its log.
    pub(super) fn file(&self) -> String {
        match &self.0 {
            None => "HEAD".to_owned(),
            Some(project) => format!("heads/{project}"),
        }
    }
}

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
    /// The run that is the current one of the project that is looked at; `None` if there is none.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the log of `HEAD` names another one.
    pub fn head(&self) -> Result<Option<RefName>> {
        self.head_of(&self.viewed_head())
    }

    /// The run that `name` has as the current one.
    pub(super) fn head_of(&self, name: &HeadName) -> Result<Option<RefName>> {
        let run = self.head_target(name)?.run;
        if name.project().is_none() {
            self.verify_head(run.as_ref())?;
        }
        let Some(run) = run else { return Ok(None) };
        Ok(self.try_find_ref(&run)?.map(|_| run))
    }

    /// Where the current run of `project` is kept.
    pub fn head_name(&self, project: &ProjectName) -> HeadName {
        let own = self.projects.as_ref().map(|projects| &projects.own);
        HeadName::new(own.filter(|own| *own != project).map(|_| project.clone()))
    }

    /// The heads that may name a run among `changes`, and `HEAD`.
    pub(super) fn heads_of(&self, changes: &[RefChange]) -> BTreeSet<HeadName> {
        let runs = changes.iter().filter(|change| change.name.kind() == RefKind::Run);
        let heads = runs.map(|change| self.head_name(change.name.project()));
        heads.chain([HeadName::default()]).collect()
    }

    /// Where the current run of the project that is looked at is kept.
    pub(super) fn viewed_head(&self) -> HeadName {
        match &self.projects {
            Some(projects) => self.head_name(&projects.viewed),
            None => HeadName::default(),
        }
    }

    /// What `name` names now.
    pub(super) fn head_target(&self, name: &HeadName) -> Result<HeadTarget> {
        let written = self.written_head(name)?;
        match self.next_head() {
            Some(next) if self.due_head(&next)?.is_some_and(|due| due == *name) => Ok(next),
            _ => Ok(written),
        }
    }

    /// What the file says. Only `HEAD` is always there.
    pub(super) fn written_head(&self, name: &HeadName) -> Result<HeadTarget> {
        let file = name.file();
        match HeadTarget::read(self.git_dir(), &file)? {
            Some(target) => Ok(target),
            None if name.project().is_some() => Ok(HeadTarget { run: None }),
            None => {
                let path = self.git_dir().join(file);
                Err(Error::corrupt(format!("'{}' is missing", path.display()))
                    .with_hint("look at what is damaged: art fsck"))
            }
        }
    }

    /// What a transaction that isn't over will put into its head; `None` if there is no such.
    pub(super) fn next_head(&self) -> Option<HeadTarget> {
        HeadTarget::read(self.git_dir(), NEXT_HEAD).unwrap_or(None)
    }

    /// Whether no transaction that changes a head is under way.
    pub(super) fn has_no_next_head(&self) -> bool {
        matches!(HeadTarget::read(self.git_dir(), NEXT_HEAD), Ok(None))
    }

    /// The head that `next` belongs to, if the refs of the transaction that wrote it have moved and
    /// only the head has not.
    pub(super) fn due_head(&self, next: &HeadTarget) -> Result<Option<HeadName>> {
        let Some(operation) = self.last_written_operation()? else { return Ok(None) };
        let Some(head) = &operation.head else { return Ok(None) };
        let name = head.name();
        let written = self.written_head(&name)?;
        let is_due =
            head.old == written.run && head.new == next.run && !self.is_pending(&operation)?;
        Ok(is_due.then_some(name))
    }

    /// The commit that `name` leads to, through any ref; `None` while that doesn't exist.
    pub(super) fn head_value(&self, name: &HeadName) -> Result<Option<Id>> {
        match self.head_target(name)?.run {
            Some(run) => self.try_find_id(&run.to_string()),
            None if name.project().is_none() => self.try_find_id("HEAD"),
            None => Ok(None),
        }
    }
}
