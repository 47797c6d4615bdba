//! Reads a run: its ref, its last commit, its record, its artifacts.

use crate::error::{Error, Result};
use crate::history::{Commit, EntryMode, Signature};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::ops::version::wrong_name;
use crate::record::{Record, RunRecord};
use crate::repo::Repository;

/// A run as it is now.
#[derive(Debug, Clone)]
pub(crate) struct LoadedRun {
    /// Its ref.
    pub(crate) reference: RefName,
    /// Its last commit.
    pub(crate) commit: Id,
    /// Its record.
    pub(crate) record: RunRecord,
    /// The blob of the record.
    pub(crate) record_id: Id,
    /// The whole tree of the commit.
    pub(crate) tree: Id,
    /// Who made that commit, and when.
    pub(crate) author: Signature,
    /// The tree of its artifacts.
    pub(crate) artifacts: Option<Id>,
}

impl LoadedRun {
    /// Reads the run at `reference`, whose last commit is `commit`.
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

    /// As [`LoadedRun::read`], for the commit that the ref is at: fails if its record is that of another
    /// run.
    pub(crate) fn read_newest(repo: &Repository, reference: &RefName, commit: Id) -> Result<Self> {
        let run = Self::read(repo, reference, commit)?;
        if run.record.name != *reference.name() {
            return Err(wrong_name(reference, &run.record.name));
        }
        Ok(run)
    }

    /// Reads the run that `commit` is a state of, if it is one of a run; its ref follows from its
    /// record.
    pub(crate) fn try_read(
        repo: &Repository,
        commit: Id,
        reference: impl FnOnce(&RunRecord) -> RefName,
    ) -> Result<Option<Self>> {
        let history = repo.history();
        let Commit { tree, author, .. } = history.read_commit(&commit)?;
        let entries = history.read_tree(&tree)?;
        let find = |name: &str| entries.iter().find(|entry| entry.name == name);
        let Some(entry) = find(RunRecord::FILE) else { return Ok(None) };
        let record = RunRecord::decode(&history.read_blob(&entry.id)?)?;
        let artifacts = find("artifacts").filter(|entry| entry.mode == EntryMode::Directory);
        Ok(Some(LoadedRun {
            reference: reference(&record),
            commit,
            record,
            record_id: entry.id,
            tree,
            author,
            artifacts: artifacts.map(|entry| entry.id),
        }))
    }
}

/// The run called `name`, or the current one, as it is now.
pub(crate) fn find_run(
    repo: &Repository,
    project: Option<&ProjectName>,
    name: Option<&Name>,
) -> Result<LoadedRun> {
    load_run(repo, &run_reference(repo, project, name)?)
}

/// The ref of the run called `name`, or of the current one; it may not exist.
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
            .with_hint("make one: art run, or choose one: art runs switch RUN")
    })?;
    match project.filter(|project| *project != current.project()) {
        None => Ok(current),
        Some(project) => {
            let (name, its) = (current.name(), current.project());
            Err(Error::not_found(format!("the current run '{name}' is one of {its}"))
                .with_hint(format!("name a run of {project}; see: art -p {project} runs")))
        }
    }
}

/// The run at `reference`, as it is now.
pub(crate) fn load_run(repo: &Repository, reference: &RefName) -> Result<LoadedRun> {
    match repo.history().try_find_ref(reference)? {
        Some(commit) => LoadedRun::read_newest(repo, reference, commit),
        None => Err(no_such_run(repo, reference)?),
    }
}

/// An error that names the run meant, as far as one can guess.
fn no_such_run(repo: &Repository, reference: &RefName) -> Result<Error> {
    let project = reference.project();
    let runs = repo.history().refs(&RefName::prefix(reference.kind(), project))?;
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.name().as_str()).collect();
    let wanted = reference.name().as_str();
    let error = Error::not_found(format!("there is no run '{wanted}' in {project}"));
    Ok(match crate::suggest::closest(wanted, names) {
        Some(close) => error.with_hint(format!("did you mean '{close}'? see: art runs")),
        None if !repo.history().reflog(reference)?.is_empty() => error.with_hint(format!(
            "it was there once; see: art reflog run/{wanted}; the last operation is taken back by: \
             art undo"
        )),
        None => error.with_hint(format!("see: art runs; or make it: art run --name {wanted}")),
    })
}
