//! `art lineage add`: names an artifact of a run and records its kind and summary.

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use super::as_json;
use super::origin::{TypedOrigin, id_on_disk};
use crate::catalog::revision::{RecordKind, Resolved};
use crate::catalog::run::{LoadedRun, change_run, load_run, run_reference};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::{LineageEntry, Origin};
use crate::repo::{Repository, WorkTree};
use crate::tree_path::TreePath;

/// The entry to add, and the run.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct AddLineageOptions {
    /// The directory that the path starts from; absolute.
    #[setters(into)]
    pub cwd: PathBuf,
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The run; `None` for the current run.
    #[setters(into)]
    pub run: Option<Name>,
    /// The name. An existing entry with this name is replaced.
    pub name: Name,
    /// The kind.
    pub kind: Name,
    /// The path in the work tree. An output must be an artifact of the run. An input may be in the
    /// run, in its origin, or on disk. Required, except for an input with an origin.
    #[setters(into)]
    pub path: Option<PathBuf>,
    /// Output or input.
    pub direction: Direction,
    /// The summary, as `KEY=VALUE`.
    #[setters(into)]
    pub summary: Vec<String>,
    /// Typed values of the summary. A key in both keeps the value from here.
    pub values: toml::Table,
}

impl AddLineageOptions {
    /// Creates options that record the artifact `name` of type `kind` in the current run. Relative paths start at `cwd`.
    pub fn new(cwd: impl Into<PathBuf>, name: Name, kind: Name) -> Self {
        AddLineageOptions {
            cwd: cwd.into(),
            project: None,
            run: None,
            name,
            kind,
            path: None,
            direction: Direction::Output,
            summary: Vec::new(),
            values: toml::Table::new(),
        }
    }
}

/// The direction of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// The run produced the artifact.
    Output,
    /// The run used the artifact.
    Input,
    /// The run used the artifact, and this is the origin: `OWNER/PROJECT:VERSION` or another
    /// revision, optionally with a path in it.
    InputFrom(String),
}

/// The result of an addition.
#[derive(Debug, Clone, Serialize)]
pub struct AddOutcome {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The new commit; `None` if nothing changed.
    pub commit: Option<Id>,
    /// The entry after the change.
    #[serde(serialize_with = "as_json")]
    pub artifact: LineageEntry,
    /// True if the entry replaced another one.
    pub replaced: bool,
    /// The origin, if this repository does not contain it. The edge then exists by name only.
    pub unknown_origin: Option<Origin>,
}

/// Adds an entry to the lineage of a run.
///
/// An output must be one of the run's artifacts. Otherwise, this fails with
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) and suggests the nearest path.
pub fn add(
    repo: &Repository,
    options: &AddLineageOptions,
    progress: &dyn Progress,
) -> Result<AddOutcome> {
    let reference = run_reference(repo, options.project.as_ref(), options.run.as_ref())?;
    let project = options.project.as_ref().unwrap_or(reference.project());
    let work_tree = repo.work_tree(&options.cwd);
    let place = options.path.as_ref().map(|path| work_tree.place(path)).transpose()?;
    let input = Input::find(repo, options, project, place)?;
    let mut entry = LineageEntry::new(options.name.clone(), options.kind.clone(), "");
    for assignment in &options.summary {
        entry.summarize(assignment)?;
    }
    entry.summary.extend(options.values.clone());
    entry.is_input = options.direction != Direction::Output;
    entry.path = match (&input.place, &input.origin) {
        (Some(place), _) => place.as_bstr().to_owned(),
        (None, Some(origin)) => origin.path.as_bytes().into(),
        (None, None) => {
            return Err(Error::invalid("an artifact needs its path")
                .with_hint("give the path: --path PATH"));
        }
    };
    // A file on disk may be large, so its id is computed before the lock is taken.
    if entry.is_input {
        entry.id = input.id(repo, &load_run(repo, &reference)?, &work_tree, progress)?;
    }
    let mut replaced = false;
    let done = change_run(repo, &reference, |run| {
        if !entry.is_input {
            entry.id = Some(find_output(repo, run, &TreePath::parse(&entry.path)?)?);
        }
        entry.origin = input.origin.as_ref().map(|typed| typed.origin.clone());
        entry.origin_commit = input.found.as_ref().map(|found| found.commit);
        let before = run.record.try_find_lineage(&entry.name);
        // Keeps the keys that a newer art wrote.
        entry.extra = before.map(|entry| entry.extra.clone()).unwrap_or_default();
        replaced = run.record.set_lineage(entry.clone()).is_some();
        Ok(format!("lineage {}", entry.name))
    })?;
    let is_unknown = input.found.is_none();
    Ok(AddOutcome {
        run: done.run.reference.name().clone(),
        project: done.run.reference.project().clone(),
        commit: done.commit,
        replaced,
        unknown_origin: entry.origin.clone().filter(|_| is_unknown),
        artifact: entry,
    })
}

/// The source of an input. Empty for an output, and for a path without an origin.
struct Input {
    /// The path from the top of the work tree.
    place: Option<TreePath>,
    origin: Option<TypedOrigin>,
    found: Option<Resolved>,
}

impl Input {
    fn find(
        repo: &Repository,
        options: &AddLineageOptions,
        project: &ProjectName,
        place: Option<TreePath>,
    ) -> Result<Self> {
        let Direction::InputFrom(text) = &options.direction else {
            return Ok(Input { place, origin: None, found: None });
        };
        let origin = TypedOrigin::parse(text, project)?;
        let found = origin.find(repo)?;
        if let Some(found) = &found
            && !origin.path.is_root()
        {
            found.entry_at(repo, &origin.path)?;
        }
        Ok(Input { place, found, origin: Some(origin) })
    }

    /// Returns the id of the input from its origin, the run, or the disk.
    fn id(
        &self,
        repo: &Repository,
        run: &LoadedRun,
        work_tree: &WorkTree,
        progress: &dyn Progress,
    ) -> Result<Option<Id>> {
        let place = self.place.as_ref();
        let at = |tree: Option<Id>, path: Option<&TreePath>| match (tree, path) {
            (Some(tree), Some(path)) => {
                Ok(repo.history().entry_at(&tree, path)?.map(|entry| entry.id))
            }
            _ => Ok::<_, Error>(None),
        };
        let in_origin = self.found.as_ref().and_then(|found| found.artifacts);
        let typed = self.origin.as_ref().map(|origin| &origin.path);
        let wanted = typed.filter(|typed| place.is_none() || !typed.is_root()).or(place);
        if let Some(id) = at(in_origin, wanted)? {
            return Ok(Some(id));
        }
        if let Some(id) = at(run.artifacts, place)? {
            return Ok(Some(id));
        }
        place.map_or(Ok(None), |place| {
            id_on_disk(repo, &work_tree.top().join(place.to_path()), progress)
        })
    }
}

/// Returns the id of the run's artifact at `path`. The error suggests the nearest path.
fn find_output(repo: &Repository, run: &LoadedRun, path: &TreePath) -> Result<Id> {
    let place = Resolved {
        commit: run.commit,
        time: run.author.time,
        reference: Some(run.reference.clone()),
        project: run.reference.project().clone(),
        kind: RecordKind::Run,
        record: run.record_id,
        artifacts: run.artifacts,
        path: TreePath::root(),
    };
    let entry = place.entry_at(repo, path)?;
    entry.map(|entry| entry.id).ok_or_else(|| {
        Error::not_found(format!("the run '{}' has no artifacts", run.reference.name()))
            .with_hint("add artifacts: art upload")
    })
}
