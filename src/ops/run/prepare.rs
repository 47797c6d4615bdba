//! The run that a writer writes to: the one that is there, or one that is made with the same write.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use uuid::Uuid;

use super::load::{LoadedRun, load_run, run_reference};
use crate::error::{Error, ErrorKind, Result};
use crate::history::source::{self, Source};
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
    /// Where its code comes from; looked for around the working directory if not given.
    pub source: Option<SourceRecord>,
    /// The command that it is, if it is one: its words.
    pub words: Vec<OsString>,
}

/// Which run is meant.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The project, if not the default.
    pub(crate) project: Option<&'a ProjectName>,
    /// Which of its runs.
    pub(crate) which: Which<'a>,
    /// What to make a new one of.
    pub(crate) new_run: &'a NewRun,
    /// The directory that the work is done in; the source is looked for around it.
    pub(crate) cwd: &'a Path,
    /// The source, once it was looked for.
    pub(crate) source: OnceCell<Option<SourceRecord>>,
}

/// Which run of a project is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// One that is made now.
    New,
    /// The current one, or a new one where there is none.
    Current,
    /// The one with this name.
    Named(&'a Name),
}

impl Wanted<'_> {
    /// Where the code of a new run comes from. To find out can take long, so it is done once.
    fn source(&self) -> Option<SourceRecord> {
        let discover = || {
            let given = self.new_run.source.clone();
            given.or_else(|| source::discover(self.cwd).map(source_record))
        };
        self.source.get_or_init(discover).clone()
    }
}

fn source_record(source: Source) -> SourceRecord {
    SourceRecord {
        commit: source.commit,
        branch: source.branch,
        remote: source.remote,
        dirty: source.dirty,
        ..SourceRecord::default()
    }
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
    pub(crate) record: RunRecord,
    record_id: Option<Id>,
}

/// The ref of the run that is meant, which may not exist; none if one is to be made.
pub(crate) fn wanted_run(repo: &Repository, wanted: &Wanted<'_>) -> Result<Option<RefName>> {
    match wanted.which {
        Which::New => Ok(None),
        Which::Named(name) => run_reference(repo, wanted.project, Some(name)).map(Some),
        // The current run of another project than the one that was named is not meant.
        Which::Current => Ok(repo
            .current_run()?
            .filter(|current| wanted.project.is_none_or(|project| project == current.project()))),
    }
}

/// Finds the run that is meant, or prepares a new one.
pub(crate) fn prepare_run(repo: &Repository, wanted: &Wanted<'_>) -> Result<PreparedRun> {
    match wanted_run(repo, wanted)? {
        Some(reference) => Ok(load_run(repo, &reference)?.into()),
        None => PreparedRun::new(repo, wanted),
    }
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
    fn new(repo: &Repository, wanted: &Wanted<'_>) -> Result<Self> {
        let project = wanted.project.unwrap_or(&repo.settings().project);
        let new = wanted.new_run;
        // Only a name that was asked for is refused: one that was chosen may be taken by another
        // writer at any moment until the ref is written, and then another one is chosen.
        let name = match &new.name {
            Some(name) => name.clone(),
            None => free_name(repo, project)?,
        };
        let reference = RefName::run(project.clone(), name.clone());
        if new.name.is_some() && repo.history().try_find_ref(&reference)?.is_some() {
            return Err(already_there(&reference));
        }
        let settings = repo.settings();
        let mut record = RunRecord::new(Uuid::new_v4(), name, settings.clock.now());
        record.description.clone_from(&new.description);
        record.tags = new.tags.clone();
        record.user = Some(settings.identity.user.clone());
        record.host = Some(settings.identity.host.clone());
        record.source = wanted.source();
        record.set_command(new.words.iter().map(|word| word.as_bytes()));
        Ok(PreparedRun {
            reference,
            parents: Vec::new(),
            artifacts: None,
            created: true,
            record,
            record_id: None,
        })
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

/// The error for a new run whose name another one has.
pub(crate) fn already_there(reference: &RefName) -> Error {
    let (name, project) = (reference.name(), reference.project());
    Error::new(ErrorKind::AlreadyExists, format!("there is a run '{name}' in {project} already"))
        .with_hint(format!("choose another name, or go on with that one: art runs switch {name}"))
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
