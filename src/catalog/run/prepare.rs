//! Prepares the run for a write: an existing run, or a new run that the same write creates.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use uuid::Uuid;

use super::load::{LoadedRun, load_run, run_reference};
use crate::error::{Error, ErrorKind, Result};
use crate::history::edit::{self, Edit};
use crate::history::source::{self, GitSource};
use crate::history::{ARTIFACTS, EntryMode, ObjectWriter};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Expiration, Record, RunRecord, SourceRecord, Tags, run_name};
use crate::remote::mask_passwords;
use crate::repo::Repository;
use crate::tree_path::{TreePath, text_of_bytes};

/// Returns the words of a command as they are recorded and shared, with the passwords in URIs masked.
pub(crate) fn shown_words(words: &[OsString]) -> Vec<String> {
    words.iter().map(|word| mask_passwords(&text_of_bytes(word.as_bytes()))).collect()
}

/// The fields of a new run.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// The name. Without a name, one is generated.
    pub name: Option<Name>,
    /// If a run has the name, adds the first free number: `train-2`. Otherwise, such a name is refused.
    pub numbered: bool,
    /// The description.
    pub description: String,
    /// The tags.
    pub tags: Tags,
    /// The origin of the code. By default, the Git repository around the working directory.
    pub source: Option<SourceRecord>,
    /// The words of the command, if the run has one.
    pub words: Vec<OsString>,
}

/// The run to write to.
#[derive(Debug)]
pub(crate) struct RunTarget<'a> {
    /// The project; `None` for the default.
    pub(crate) project: Option<&'a ProjectName>,
    /// The selection among its runs.
    pub(crate) which: RunChoice<'a>,
    /// The fields of a new run.
    pub(crate) new_run: &'a NewRun,
    /// The working directory, around which the source is searched.
    pub(crate) cwd: &'a Path,
    /// The source, cached after the first search.
    pub(crate) source: OnceCell<Option<SourceRecord>>,
}

/// The selection of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunChoice<'a> {
    /// A new run.
    New,
    /// The current run, or a new run if there is no current run.
    Current,
    /// The run with this name.
    Named(&'a Name),
}

impl RunTarget<'_> {
    /// Searches the origin of a new run's code. The search can be slow, so it runs once, before a
    /// lock is taken.
    pub(crate) fn find_source(&self) {
        self.source();
    }

    /// Returns the origin of a new run's code.
    fn source(&self) -> Option<SourceRecord> {
        let discover = || {
            let given = self.new_run.source.clone();
            given.or_else(|| source::discover(self.cwd).map(source_record))
        };
        self.source.get_or_init(discover).clone()
    }
}

fn source_record(source: GitSource) -> SourceRecord {
    SourceRecord {
        commit: source.commit,
        branch: source.branch,
        remote: source.remote,
        dirty: source.dirty,
        ..SourceRecord::default()
    }
}

/// A run that will be written.
pub(crate) struct PreparedRun {
    pub(crate) reference: RefName,
    /// The newest commit; empty for a new run.
    pub(crate) parents: Vec<Id>,
    /// The complete tree of the newest commit.
    tree: Option<Id>,
    /// The tree of the existing artifacts.
    pub(crate) artifacts: Option<Id>,
    /// True if this write creates the run.
    pub(crate) created: bool,
    pub(crate) record: RunRecord,
    record_id: Option<Id>,
}

/// Returns the ref of the selected run, which may not exist. Returns `None` for a new run.
pub(crate) fn wanted_run(repo: &Repository, wanted: &RunTarget<'_>) -> Result<Option<RefName>> {
    match wanted.which {
        RunChoice::New => Ok(None),
        RunChoice::Named(name) => run_reference(repo, wanted.project, Some(name)).map(Some),
        // If a project is named, a current run of another project does not count.
        RunChoice::Current => Ok(repo
            .current_run()?
            .filter(|current| wanted.project.is_none_or(|project| project == current.project()))),
    }
}

/// Finds the selected run, or prepares a new one.
pub(crate) fn prepare_run(repo: &Repository, wanted: &RunTarget<'_>) -> Result<PreparedRun> {
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
            tree: Some(run.tree),
            artifacts: run.artifacts,
            created: false,
            record: run.record,
            record_id: Some(run.record_id),
        }
    }
}

impl PreparedRun {
    /// Returns true if the run has not changed since it was prepared.
    pub(crate) fn is_current(&self, repo: &Repository) -> Result<bool> {
        Ok(repo.history().try_find_ref(&self.reference)?.as_ref() == self.parents.first())
    }

    /// Prepares a run that does not exist yet.
    fn new(repo: &Repository, wanted: &RunTarget<'_>) -> Result<Self> {
        let project = wanted.project.unwrap_or(&repo.settings().project);
        let new = wanted.new_run;
        // Only a given name is refused. Without the lock on refs, another writer may take a
        // generated name at any moment.
        let name = match &new.name {
            Some(name) if new.numbered => numbered_name(repo, project, name)?,
            Some(name) => name.clone(),
            None => free_name(repo, project)?,
        };
        let reference = RefName::run(project.clone(), name.clone());
        if new.name.is_some() && repo.history().try_find_ref(&reference)?.is_some() {
            return Err(run_exists_error(&reference));
        }
        let settings = repo.settings();
        let mut record = RunRecord::new(Uuid::new_v4(), name, settings.clock.now());
        record.description.clone_from(&new.description);
        record.tags = new.tags.clone();
        record.user = Some(settings.identity.user.clone());
        record.host = Some(settings.identity.host.clone());
        record.source = wanted.source();
        record.set_command(shown_words(&new.words).iter());
        Ok(PreparedRun {
            reference,
            parents: Vec::new(),
            tree: None,
            artifacts: None,
            created: true,
            record,
            record_id: None,
        })
    }

    /// Returns true if the files of the newest commit expired. An upload of the same files then
    /// still makes a commit, and its files count as needed again.
    pub(crate) fn has_expired(&self) -> bool {
        self.record.expired.as_ref().is_some_and(|expired| expired.own)
    }

    /// Adds the tree of the run with `artifacts` to `writer`. Other entries of the tree, which a
    /// newer program may have written, stay.
    pub(crate) fn write_tree(
        &mut self,
        writer: &mut ObjectWriter<'_>,
        artifacts: Id,
    ) -> Result<Id> {
        let put = |mode, id| Edit::Put { mode, id };
        let record = put(EntryMode::File, self.write_record(writer, artifacts)?);
        let artifacts = put(EntryMode::Directory, artifacts);
        let edits =
            [(TreePath::parse(RunRecord::FILE)?, record), (TreePath::parse(ARTIFACTS)?, artifacts)];
        edit::apply(writer, self.tree, &edits)
    }

    /// Adds the record to `writer`, with lineage ids that match the tree `artifacts`.
    fn write_record(&mut self, writer: &mut ObjectWriter<'_>, artifacts: Id) -> Result<Id> {
        if self.has_expired() {
            let expired = self.record.expired.take();
            self.record.expired = expired.and_then(Expiration::after_upload);
            self.record_id = None;
        }
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

/// Returns the error for a new run whose name exists.
pub(crate) fn run_exists_error(reference: &RefName) -> Error {
    let (name, project) = (reference.name(), reference.project());
    Error::new(ErrorKind::AlreadyExists, format!("the run '{name}' already exists in {project}"))
        .with_hint(format!(
            "choose another name, or switch to the existing run: art runs switch {name}"
        ))
}

/// Generates a name that no run of the project has.
fn free_name(repo: &Repository, project: &ProjectName) -> Result<Name> {
    let mut failed = None;
    // A lookup of each candidate, because a project can have very many runs.
    let is_taken = |name: &Name| {
        let reference = RefName::run(project.clone(), name.clone());
        let found = repo.history().try_find_ref(&reference);
        found.map_err(|error| failed = Some(error)).is_ok_and(|found| found.is_some())
    };
    let name = run_name::generate(is_taken, repo.settings().seed);
    failed.map_or(Ok(name), Err)
}

/// Returns `name`, or the first of `name-2`, `name-3`, … that no run of the project has.
fn numbered_name(repo: &Repository, project: &ProjectName, name: &Name) -> Result<Name> {
    let mut candidate = name.clone();
    for number in 2_u32.. {
        let reference = RefName::run(project.clone(), candidate.clone());
        if repo.history().try_find_ref(&reference)?.is_none() {
            break;
        }
        candidate = format!("{name}-{number}").parse()?;
    }
    Ok(candidate)
}

/// Finds the entry at `path` in trees that may not be written yet.
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
