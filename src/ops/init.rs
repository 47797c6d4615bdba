//! `art init`: creates a repository and hides it from the surrounding Git repository.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoResultExt, Result};
use crate::repo::{DIRECTORY, Repository, Settings, exclude_from_git};

/// The result of an initialization.
#[derive(Debug, Clone, Serialize)]
pub struct InitOutcome {
    /// The directory of the repository.
    #[serde(serialize_with = "as_text")]
    pub directory: PathBuf,
    /// False if the repository already existed and nothing changed.
    pub created: bool,
    /// True if the surrounding Git repository excludes the repository. `None` without a Git
    /// repository.
    pub excluded: Option<bool>,
}

fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Creates a repository in `directory`, which is created if it is missing, for the project and with
/// the chunk sizes of `settings`. An existing repository stays unchanged.
///
/// To create a repository and use it, call [`Repository::create`].
pub fn init(directory: &Path, settings: &Settings) -> Result<InitOutcome> {
    let created = Repository::init(directory, &settings.params, Some(&settings.project))?;
    let directory = directory.canonicalize().on("read", directory)?.join(DIRECTORY);
    let excluded = exclude_from_git(&directory);
    Ok(InitOutcome { directory, created, excluded })
}
