//! The run that a writer writes to: the one that is there, or one that is made with the same write.

use uuid::Uuid;

use super::load::{LoadedRun, find_run};
use crate::error::{Error, Result};
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::record::{Record, RunRecord, SourceRecord, Tags, run_name};
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// What to make a run of.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// Its name; chosen if not given.
    pub name: Option<Name>,
    /// What it is for.
    pub description: String,
    /// Short words on it.
    pub tags: Tags,
    /// Where its code comes from.
    pub source: Option<SourceRecord>,
}

/// Which run is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The project, if not the default.
    pub(crate) project: Option<&'a ProjectName>,
    /// The run, if not the current one.
    pub(crate) run: Option<&'a Name>,
    /// What to make it of, where there is no current one.
    pub(crate) new_run: &'a NewRun,
}

/// A run that is about to be written.
pub(crate) struct PreparedRun {
    pub(crate) reference: RefName,
    /// Its last commit; nothing for a new run.
    pub(crate) parents: Vec<Id>,
    /// The tree of its artifacts so far.
    pub(crate) artifacts: Option<Id>,
    /// Whether it is made by this write.
    pub(crate) created: bool,
    record: RunRecord,
    record_id: Option<Id>,
}

/// Finds the run that is meant, or prepares a new one.
pub(crate) fn prepare_run(repo: &Repository, wanted: &Wanted<'_>) -> Result<PreparedRun> {
    let project = wanted.project.unwrap_or(&repo.settings().project);
    let current = repo.history().head()?;
    let foreign = current
        .as_ref()
        .is_some_and(|current| wanted.project.is_some_and(|project| project != current.project()));
    if wanted.run.is_none() && (current.is_none() || foreign) {
        return PreparedRun::new(repo, project, wanted.new_run);
    }
    Ok(find_run(repo, wanted.project, wanted.run)?.into())
}

impl From<LoadedRun> for PreparedRun {
    fn from(run: LoadedRun) -> Self {
        PreparedRun {
            reference: run.reference,
            parents: vec![run.commit],
            artifacts: run.artifacts,
            created: false,
            record: run.record,
            record_id: Some(run.record_id),
        }
    }
}

impl PreparedRun {
    /// A run that is not there yet.
    pub(crate) fn new(repo: &Repository, project: &ProjectName, new: &NewRun) -> Result<Self> {
        let name = match &new.name {
            Some(name) => name.clone(),
            None => free_name(repo, project)?,
        };
        let settings = repo.settings();
        let mut record = RunRecord::new(Uuid::new_v4(), name.clone(), settings.clock.now());
        record.description.clone_from(&new.description);
        record.tags = new.tags.clone();
        record.user = Some(settings.identity.user.clone());
        record.host = Some(settings.identity.host.clone());
        record.source.clone_from(&new.source);
        let reference = RefName::run(project.clone(), name);
        if repo.history().try_find_ref(&reference)?.is_some() {
            let name = reference.name();
            return Err(Error::new(
                crate::ErrorKind::AlreadyExists,
                format!("there is a run '{name}' in {project} already"),
            )
            .with_hint(format!("go on with it: art runs switch {name}")));
        }
        Ok(PreparedRun {
            reference,
            parents: Vec::new(),
            artifacts: None,
            created: true,
            record,
            record_id: None,
        })
    }

    /// The record, to be changed.
    pub(crate) fn record_mut(&mut self) -> &mut RunRecord {
        self.record_id = None;
        &mut self.record
    }

    /// Adds the record to `writer`, its lineage in step with the tree `artifacts`.
    pub(crate) fn write_record(
        &mut self,
        writer: &mut ObjectWriter<'_>,
        artifacts: Id,
    ) -> Result<Id> {
        for entry in self.record.lineage.iter_mut().filter(|entry| !entry.is_input) {
            let Ok(path) = entry.tree_path() else { continue };
            let now = find_entry(writer, artifacts, &path)?.map(|(_, id)| id);
            if now != entry.id {
                entry.id = now;
                self.record_id = None;
            }
        }
        match self.record_id {
            Some(id) => Ok(id),
            None => writer.blob(&self.record.encode()?),
        }
    }
}

/// A name that no run of the project has.
fn free_name(repo: &Repository, project: &ProjectName) -> Result<Name> {
    let runs = repo.history().refs(&RefName::prefix(RefKind::Run, project))?;
    let taken: std::collections::HashSet<&str> =
        runs.iter().map(|(name, _)| name.name().as_str()).collect();
    Ok(run_name::generate(|name| taken.contains(name), repo.settings().seed))
}

/// The entry at `path`, in trees that may not be written yet.
pub(crate) fn find_entry(
    writer: &ObjectWriter<'_>,
    root: Id,
    path: &TreePath,
) -> Result<Option<(EntryMode, Id)>> {
    let mut current = (EntryMode::Directory, root);
    for component in path.components() {
        if current.0 != EntryMode::Directory {
            return Ok(None);
        }
        let entries = writer.read_tree(&current.1)?;
        match entries.into_iter().find(|entry| entry.name == component) {
            Some(entry) => current = (entry.mode, entry.id),
            None => return Ok(None),
        }
    }
    Ok(Some(current))
}
