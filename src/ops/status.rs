//! `art status`: a directory against the current run, as an upload of it would see both.

use std::path::PathBuf;

use serde::Serialize;

use super::revision::resolve;
use super::run::find_run;
use super::upload::{Destination, Source, Survey, UploadOptions, survey};
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::{ProjectName, RefName};
use crate::progress::Progress;
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct StatusOptions {
    /// The directory that a relative path starts from, absolute.
    pub cwd: PathBuf,
    /// A file or directory, placed as an upload of it would be; the working directory if not given.
    pub path: Option<PathBuf>,
    /// What to compare with, instead of the current run. A path behind it is the place compared
    /// with.
    pub revision: Option<Revision>,
    /// The project, if not the repository's default.
    pub project: Option<ProjectName>,
}

/// How a directory stands to a run.
#[derive(Debug, Clone, Serialize)]
pub struct StatusOutcome {
    /// What it was compared with, where that has a name.
    pub reference: Option<RefName>,
    /// The commit; none if there is no current run, and then everything is added.
    pub commit: Option<Id>,
    /// What differs, and what an upload would store. What can't be read is in no change.
    #[serde(flatten)]
    pub survey: Survey,
}

/// Compares a directory with a run. Writes nothing.
pub fn status(
    repo: &Repository,
    options: &StatusOptions,
    progress: &dyn Progress,
) -> Result<StatusOutcome> {
    let base = Base::find(repo, options)?;
    let upload = UploadOptions {
        cwd: options.cwd.clone(),
        sources: options.path.iter().cloned().map(Source::Path).collect(),
        to: base.place.map(|path| Destination { path, directory: false }),
        ..UploadOptions::default()
    };
    let survey = survey(repo, &upload, base.artifacts, &mut std::io::empty(), progress)?;
    Ok(StatusOutcome { reference: base.reference, commit: base.commit, survey })
}

/// What a directory is compared with.
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
