//! Changes of the records of runs: creates a run, changes or renames an existing one.

use super::load::{LoadedRun, load_run};
use super::prepare::{RunTarget, prepare_run, run_exists_error};
use crate::catalog::record_change::{RecordChange, change_records};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;
use crate::record::{Record, RunRecord};
use crate::repo::Repository;

/// A run after a change.
#[derive(Debug)]
pub(crate) struct ChangedRun {
    /// The run after the change.
    pub(crate) run: LoadedRun,
    /// The new commit, if anything changed.
    pub(crate) commit: Option<Id>,
}

impl RecordChange<'_> {
    /// Adds a commit with the record of `run`, and moves its ref. Returns `None` if the record did
    /// not change.
    pub(crate) fn update_run(&mut self, run: &LoadedRun, subject: &str) -> Result<Option<Id>> {
        let commit = self.commit_run(run, subject)?;
        if commit.is_some() {
            self.move_ref(run.reference.clone(), Some(run.commit), commit, subject);
        }
        Ok(commit)
    }

    /// Like [`RecordChange::update_run`], and moves the run to the ref `to`, together with its
    /// history. A current run stays current.
    ///
    /// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if `to` exists.
    pub(crate) fn relocate_run(
        &mut self,
        run: &LoadedRun,
        to: &RefName,
        subject: &str,
    ) -> Result<Id> {
        let history = self.repo().history();
        if history.try_find_ref(to)?.is_some() {
            return Err(run_exists_error(to));
        }
        let commit = self.commit_run(run, subject)?.unwrap_or(run.commit);
        self.rename((run.reference.clone(), run.commit), (to.clone(), commit), subject);
        if history.head()?.as_ref() == Some(&run.reference) {
            let transaction = self.transaction();
            transaction.expect_head(Some(run.reference.clone())).set_head(Some(to.clone()));
        }
        Ok(commit)
    }

    fn commit_run(&mut self, run: &LoadedRun, subject: &str) -> Result<Option<Id>> {
        if Id::of_blob(&run.record.encode()?) == run.record_id {
            return Ok(None);
        }
        let tree = self.write_record(Some(run.tree), &run.record)?;
        self.commit(tree, vec![run.commit], subject).map(Some)
    }
}

/// Changes the record of the run at `reference`.
///
/// `body` receives the current run and returns the subject of the commit.
pub(crate) fn change_run(
    repo: &Repository,
    reference: &RefName,
    body: impl FnOnce(&mut LoadedRun) -> Result<String>,
) -> Result<ChangedRun> {
    let changed = change_records(repo, |change| {
        let mut run = load_run(repo, reference)?;
        let subject = body(&mut run)?;
        let commit = change.update_run(&run, &subject)?;
        Ok(ChangedRun { run, commit })
    })?;
    let ChangedRun { run, commit } = changed.value;
    let run = match commit {
        Some(commit) => LoadedRun::read(repo, reference, commit)?,
        None => run,
    };
    Ok(ChangedRun { run, commit })
}

/// Creates a run without artifacts and makes it the current run.
///
/// `body` completes the record and returns the subject of the commit.
pub(crate) fn create_run(
    repo: &Repository,
    wanted: &RunTarget<'_>,
    body: impl FnOnce(&mut RunRecord) -> String,
) -> Result<LoadedRun> {
    wanted.find_source();
    let changed = change_records(repo, |change| {
        let mut run = prepare_run(repo, wanted)?;
        if !run.created {
            return Err(Error::internal("an existing run was prepared instead of a new one"));
        }
        let subject = body(&mut run.record);
        let tree = change.write_record(None, &run.record)?;
        let commit = change.commit(tree, Vec::new(), &subject)?;
        change.move_ref(run.reference.clone(), None, Some(commit), &subject);
        change.transaction().set_head(Some(run.reference.clone()));
        Ok((run.reference, commit))
    })?;
    let (reference, commit) = changed.value;
    LoadedRun::read(repo, &reference, commit)
}
