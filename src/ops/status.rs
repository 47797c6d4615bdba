//! `art status`: compares a directory with the current run, as an upload would.

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use super::upload::{Destination, FileCounts, Survey, UploadOptions, survey};
use crate::catalog::revision::resolve;
use crate::catalog::run::find_run;
use crate::catalog::{GarbageNote, noted_garbage};
use crate::error::Result;
use crate::history::Revision;
use crate::history::diff::{Change, diff_trees};
use crate::history::edit::{self, Edit};
use crate::id::Id;
use crate::name::{ProjectName, RefName};
use crate::progress::Progress;
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// The sides to compare.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct StatusOptions {
    /// The directory that a relative path starts from; absolute.
    #[setters(into)]
    pub cwd: PathBuf,
    /// The file or directory, with the destination that an upload would use. Defaults to the
    /// working directory.
    #[setters(into)]
    pub path: Option<PathBuf>,
    /// The revision to compare with, instead of the current run. A path in it is the compared path.
    #[setters(into)]
    pub revision: Option<Revision>,
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
}

impl StatusOptions {
    /// Creates options that compare the work tree around `cwd` with the current run.
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        StatusOptions { cwd: cwd.into(), path: None, revision: None, project: None }
    }
}

/// The differences between a directory and a run.
#[derive(Debug, Clone, Serialize)]
pub struct StatusOutcome {
    /// The ref of the run or revision, if it has one.
    pub reference: Option<RefName>,
    /// The commit. `None` without a current run; then everything is added.
    pub commit: Option<Id>,
    /// The differences, and the content that an upload would store. No change includes an
    /// unreadable path.
    #[serde(flatten)]
    pub survey: Survey,
    /// Content that nothing needed when `du` last measured it, if that was more than a fifth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub garbage: Option<GarbageNote>,
}

/// Compares a directory with a run, without writing anything.
pub fn status(
    repo: &Repository,
    options: &StatusOptions,
    progress: &dyn Progress,
) -> Result<StatusOutcome> {
    let base = Base::find(repo, options)?;
    let mut upload = UploadOptions::new(&options.cwd, options.path.clone());
    upload.to = base.place.clone().map(|path| Destination { path, directory: false });
    let survey = match find_deleted(repo, options, &base, upload.to.as_ref())? {
        Some(changes) => Survey { changed: FileCounts::of(&changes), changes, ..Survey::default() },
        None => survey(repo, &upload, base.artifacts, progress)?,
    };
    let garbage = noted_garbage(repo);
    Ok(StatusOutcome { reference: base.reference, commit: base.commit, survey, garbage })
}

/// Returns the changes if the path does not exist on disk but exists in the run.
fn find_deleted(
    repo: &Repository,
    options: &StatusOptions,
    base: &Base,
    to: Option<&Destination>,
) -> Result<Option<Vec<Change>>> {
    let Some(path) = &options.path else { return Ok(None) };
    let work_tree = repo.work_tree(&options.cwd);
    let located = work_tree.locate(path)?;
    let is_gone = located.path.symlink_metadata().is_err_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    });
    let place = to.map(|to| to.path.clone()).or(located.place);
    let (true, Some(place), Some(tree)) = (is_gone, place, base.artifacts) else {
        return Ok(None);
    };
    if repo.history().entry_at(&tree, &place)?.is_none() {
        return Ok(None);
    }
    let mut writer = repo.history().trial_writer()?;
    let without = edit::apply(&mut writer, Some(tree), &[(place.clone(), Edit::Remove)])?;
    let mut changes = diff_trees(&writer, Some(tree), Some(without))?;
    // The parent directory may be empty now. That change is not part of the compared path.
    changes.retain(|change| change.path().starts_with(&place));
    Ok(Some(changes))
}

/// The tree that the directory is compared with.
#[derive(Default)]
struct Base {
    reference: Option<RefName>,
    commit: Option<Id>,
    artifacts: Option<Id>,
    place: Option<TreePath>,
}

impl Base {
    fn find(repo: &Repository, options: &StatusOptions) -> Result<Self> {
        if let Some(revision) = &options.revision {
            let found = resolve(repo, revision)?;
            return Ok(Base {
                reference: found.reference,
                commit: Some(found.commit),
                artifacts: found.artifacts,
                place: Some(found.path).filter(|path| !path.is_root()),
            });
        }
        let current = repo.current_run()?;
        let is_meant =
            |name: &RefName| options.project.as_ref().is_none_or(|p| p == name.project());
        if !current.as_ref().is_some_and(is_meant) {
            return Ok(Base::default());
        }
        let run = find_run(repo, None, None)?;
        Ok(Base {
            reference: Some(run.reference),
            commit: Some(run.commit),
            artifacts: run.artifacts,
            place: None,
        })
    }
}
