//! Reads a run: its ref, newest commit, record and artifacts.

use crate::catalog::wrong_name::wrong_name;
use crate::error::{Error, Result};
use crate::history::{Commit, RecordTree, Signature};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Record, RunRecord};
use crate::repo::Repository;

/// A run at its newest commit.
#[derive(Debug, Clone)]
pub(crate) struct LoadedRun {
    /// Its ref.
    pub(crate) reference: RefName,
    /// The newest commit.
    pub(crate) commit: Id,
    /// The record.
    pub(crate) record: RunRecord,
    /// The blob of the record.
    pub(crate) record_id: Id,
    /// The complete tree of the commit.
    pub(crate) tree: Id,
    /// The author and the time of the commit.
    pub(crate) author: Signature,
    /// The tree of the artifacts.
    pub(crate) artifacts: Option<Id>,
}

impl LoadedRun {
    /// Reads the run at `reference`, whose newest commit is `commit`.
    pub(crate) fn read(repo: &Repository, reference: &RefName, commit: Id) -> Result<Self> {
        match Self::try_read(repo, commit, |_| reference.clone())? {
            Some(run) => Ok(run),
            None => Err(Error::corrupt(format!(
                "the commit {commit} of {reference} has no {}",
                RunRecord::FILE
            ))
            .with_hint("art fsck")),
        }
    }

    /// Like [`LoadedRun::read`], for the commit at the tip of the ref. Fails if the record belongs
    /// to another run.
    pub(crate) fn read_newest(repo: &Repository, reference: &RefName, commit: Id) -> Result<Self> {
        let run = Self::read(repo, reference, commit)?;
        if run.record.name != *reference.name() {
            return Err(wrong_name(reference, &run.record.name));
        }
        Ok(run)
    }

    /// Reads the run in `commit`. Returns `None` if the commit belongs to another kind of record.
    /// `reference` computes the ref from the record.
    pub(crate) fn try_read(
        repo: &Repository,
        commit: Id,
        reference: impl FnOnce(&RunRecord) -> RefName,
    ) -> Result<Option<Self>> {
        let history = repo.history();
        let (Commit { author, .. }, tree) = RecordTree::with_commit(history, &commit)?;
        let Some(record_id) = tree.file(RunRecord::FILE) else { return Ok(None) };
        let record = RunRecord::decode(&history.read_blob(&record_id)?)?;
        Ok(Some(LoadedRun {
            reference: reference(&record),
            commit,
            record,
            record_id,
            tree: tree.id,
            author,
            artifacts: tree.artifacts(),
        }))
    }
}

/// Reads the run `name`, or the current run.
pub(crate) fn find_run(
    repo: &Repository,
    project: Option<&ProjectName>,
    name: Option<&Name>,
) -> Result<LoadedRun> {
    load_run(repo, &run_reference(repo, project, name)?)
}

/// Returns the ref of the run `name`, or of the current run. The ref may not exist.
pub(crate) fn run_reference(
    repo: &Repository,
    project: Option<&ProjectName>,
    name: Option<&Name>,
) -> Result<RefName> {
    if let Some(name) = name {
        let project = project.unwrap_or(&repo.settings().project);
        return Ok(RefName::run(project.clone(), name.clone()));
    }
    let current = repo.current_run()?.ok_or_else(|| {
        let project = project.unwrap_or(&repo.settings().project);
        Error::not_found(format!("there is no current run in {project}"))
            .with_hint("create a run: art run, or select one: art runs switch RUN")
    })?;
    match project.filter(|project| *project != current.project()) {
        None => Ok(current),
        Some(project) => {
            let (name, its) = (current.name(), current.project());
            Err(Error::not_found(format!("the current run '{name}' belongs to {its}")).with_hint(
                format!("name a run of {project}; list its runs: art -p {project} runs"),
            ))
        }
    }
}

/// Reads the current state of the run at `reference`.
pub(crate) fn load_run(repo: &Repository, reference: &RefName) -> Result<LoadedRun> {
    match repo.history().try_find_ref(reference)? {
        Some(commit) => LoadedRun::read_newest(repo, reference, commit),
        None => Err(no_such_run(repo, reference)?),
    }
}

/// Returns the error for an unknown run, with a suggestion if possible.
fn no_such_run(repo: &Repository, reference: &RefName) -> Result<Error> {
    let project = reference.project();
    let runs = repo.history().refs(&RefName::prefix(reference.kind(), project))?;
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.name().as_str()).collect();
    let wanted = reference.name().as_str();
    let error = Error::not_found(format!("there is no run '{wanted}' in {project}"));
    Ok(match crate::suggest::closest(wanted, names) {
        Some(close) => {
            error.with_hint(format!("did you mean '{close}'? To list all runs: art runs"))
        }
        None if !repo.history().reflog(reference)?.is_empty() => error.with_hint(format!(
            "the run was deleted or renamed; show its history: art reflog run/{wanted}; \
             to undo the last operation: art undo"
        )),
        None => error
            .with_hint(format!("list all runs: art runs; or create it: art run --name {wanted}")),
    })
}
