//! `art lineage add`: gives a path a name, a kind and what is worth knowing about it.

use std::path::PathBuf;

use serde::Serialize;

use super::as_json;
use super::origin::{TypedOrigin, id_on_disk};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::revision::{RecordKind, Resolved};
use crate::ops::run::{LoadedRun, change_run, run_reference};
use crate::progress::Progress;
use crate::record::{LineageEntry, Origin};
use crate::repo::{Repository, WorkTree};
use crate::tree_path::TreePath;

/// What to add, and to which run.
#[derive(Debug, Clone)]
pub struct AddOptions {
    /// The directory that the path starts from, absolute.
    pub cwd: PathBuf,
    /// The project, if not the default.
    pub project: Option<ProjectName>,
    /// The run, if not the current one.
    pub run: Option<Name>,
    /// What to call it; one that has that name is replaced.
    pub name: Name,
    /// What it is.
    pub kind: Name,
    /// The path in the work tree. It names an artifact of the run; for an input, one of the run, of
    /// the origin, or a file on disk. Needed, except for an input from an origin.
    pub path: Option<PathBuf>,
    /// Whether the run made it or used it.
    pub direction: Direction,
    /// What is worth knowing about it, as `KEY=VALUE`.
    pub summary: Vec<String>,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// Whether a run made an artifact or used it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// It made it.
    Output,
    /// It used it.
    Input,
    /// It used it, and this is where it came from: `OWNER/PROJECT:VERSION`, with a path in it or
    /// without; any revision will do.
    InputFrom(String),
}

/// What was added.
#[derive(Debug, Clone, Serialize)]
pub struct AddOutcome {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// The commit; absent if all was so already.
    pub commit: Option<Id>,
    /// The entry as it is now.
    #[serde(serialize_with = "as_json")]
    pub artifact: LineageEntry,
    /// Whether it replaced one of that name.
    pub replaced: bool,
    /// The origin, if that is not in this repository: then the edge is kept by its name alone.
    pub unknown_origin: Option<Origin>,
}

/// Adds an entry to the lineage of a run.
///
/// An output must be among the run's artifacts. Fails with
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) and the nearest path as the hint if it is not.
pub fn add(repo: &Repository, options: &AddOptions, progress: &dyn Progress) -> Result<AddOutcome> {
    let reference = run_reference(repo, options.project.as_ref(), options.run.as_ref())?;
    let project = options.project.as_ref().unwrap_or(reference.project());
    let work_tree = repo.work_tree(&options.cwd);
    let place = options.path.as_ref().map(|path| work_tree.place(path)).transpose()?;
    let input = Input::find(repo, options, project, place)?;
    let mut entry = LineageEntry::new(options.name.clone(), options.kind.clone(), "");
    for assignment in &options.summary {
        entry.summarize(assignment)?;
    }
    entry.is_input = options.direction != Direction::Output;
    entry.path = match (&input.place, &input.origin) {
        (Some(place), _) => place.as_bstr().to_owned(),
        (None, Some(origin)) => origin.path.as_bytes().into(),
        (None, None) => {
            return Err(Error::invalid("an artifact needs its path")
                .with_hint("say where it is: --path PATH"));
        }
    };
    let mut replaced = false;
    let done = change_run(repo, &reference, &options.command, &mut |run| {
        entry.id = if entry.is_input {
            input.id(repo, run, &work_tree, progress)?
        } else {
            Some(find_output(repo, run, &TreePath::parse(&entry.path)?)?)
        };
        entry.origin = input.origin.as_ref().map(|typed| typed.origin.clone());
        entry.origin_commit = input.found.as_ref().map(|found| found.commit);
        let before = run.record.try_find_lineage(&entry.name);
        // Keys of a newer art stay where they were.
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

/// Where an input comes from; nothing of an output, or of a path that just is there.
struct Input {
    /// The path from the top of the work tree.
    place: Option<TreePath>,
    origin: Option<TypedOrigin>,
    found: Option<Resolved>,
}

impl Input {
    fn find(
        repo: &Repository,
        options: &AddOptions,
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

    /// The id of the input: in its origin, in the run, or on disk.
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

/// The id of what the run has at `path`; an error that names the nearest if it has nothing there.
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
            .with_hint("put something in: art upload")
    })
}
