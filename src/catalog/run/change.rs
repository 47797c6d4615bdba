//! Writes the records of runs: creates a run, or changes an existing one.
//!
//! A writer reads the run, changes it, and moves the ref only if no other writer has moved it.
//! Otherwise, the writer reads the run again and repeats its change.

use super::load::{LoadedRun, load_run};
use super::prepare::{Wanted, prepare_run};
use crate::error::{Error, ErrorKind, Result};
use crate::history::edit::{self, Edit};
use crate::history::{Commit, EntryMode, Expected, ObjectWriter};
use crate::id::Id;
use crate::name::RefName;
use crate::record::{Record, RunRecord};
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// A run after a change.
#[derive(Debug)]
pub(crate) struct ChangedRun {
    /// The run after the change.
    pub(crate) run: LoadedRun,
    /// The new commit, if anything changed.
    pub(crate) commit: Option<Id>,
}

/// Changes the record of the run at `reference`.
///
/// `change` receives the current run and returns the subject of the commit. It is called again if
/// another writer was faster.
pub(crate) fn change_run(
    repo: &Repository,
    reference: &RefName,
    change: &mut dyn FnMut(&mut LoadedRun) -> Result<String>,
) -> Result<ChangedRun> {
    let _lock = repo.lock_shared()?;
    loop {
        let mut run = load_run(repo, reference)?;
        let before = run.commit;
        let subject = change(&mut run)?;
        let mut writer = repo.history().writer()?;
        let Some(commit) = commit_record(repo, &mut writer, &run, &subject)? else {
            repo.transaction().note_unchanged();
            return Ok(ChangedRun { run, commit: None });
        };
        writer.flush()?;
        let mut transaction = repo.transaction();
        transaction.update(reference.clone(), Expected::Id(before), Some(commit), &subject);
        match transaction.commit(repo.settings().lock_timeout) {
            Err(error) if error.kind() == ErrorKind::Moved => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let run = LoadedRun::read(repo, reference, commit)?;
                return Ok(ChangedRun { run, commit: Some(commit) });
            }
        }
    }
}

/// Adds a commit with the record of `run`. Returns `None` if the record did not change.
///
/// All other entries of the run's tree stay.
pub(crate) fn commit_record(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    run: &LoadedRun,
    subject: &str,
) -> Result<Option<Id>> {
    let bytes = run.record.encode()?;
    if Id::of_blob(&bytes) == run.record_id {
        return Ok(None);
    }
    let tree = write_tree(writer, Some(run.tree), &bytes)?;
    commit(repo, writer, tree, vec![run.commit], subject).map(Some)
}

/// Creates a run without artifacts and makes it the current run.
///
/// `change` completes the record and returns the subject of the commit.
pub(crate) fn create_run(
    repo: &Repository,
    wanted: &Wanted<'_>,
    change: &mut dyn FnMut(&mut RunRecord) -> String,
) -> Result<LoadedRun> {
    let _lock = repo.lock_shared()?;
    loop {
        let mut run = prepare_run(repo, wanted)?;
        if !run.created {
            return Err(Error::internal("an existing run was prepared instead of a new one"));
        }
        let subject = change(&mut run.record);
        let mut writer = repo.history().writer()?;
        let tree = write_tree(&mut writer, None, &run.record.encode()?)?;
        let commit = commit(repo, &mut writer, tree, Vec::new(), &subject)?;
        writer.flush()?;
        let mut transaction = repo.transaction();
        transaction.update(run.reference.clone(), Expected::Absent, Some(commit), &subject);
        transaction.set_head(Some(run.reference.clone()));
        match transaction.commit(repo.settings().lock_timeout) {
            // Another run got the name. A generated name is generated again; a given name is
            // refused.
            Err(error) if error.kind() == ErrorKind::Moved => {}
            Err(error) => return Err(error),
            Ok(_) => return LoadedRun::read(repo, &run.reference, commit),
        }
    }
}

/// Writes the tree `base` with `record` as the record.
fn write_tree(writer: &mut ObjectWriter<'_>, base: Option<Id>, record: &[u8]) -> Result<Id> {
    let id = writer.blob(record)?;
    let put = Edit::Put { mode: EntryMode::File, id };
    edit::apply(writer, base, &[(TreePath::parse(RunRecord::FILE)?, put)])
}

fn commit(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    tree: Id,
    parents: Vec<Id>,
    subject: &str,
) -> Result<Id> {
    let who = repo.signature();
    let message = subject.to_owned();
    writer.commit(&Commit { tree, parents, author: who.clone(), committer: who, message })
}
