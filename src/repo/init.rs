//! Makes a repository, whole or not at all.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{DIRECTORY, Repository};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::history::History;

/// How to make a repository.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The first content of its `config.toml`.
    pub config: String,
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct InitOutcome {
    /// The repository.
    #[serde(serialize_with = "as_text")]
    pub directory: PathBuf,
    /// False if it was there already; then nothing changed.
    pub created: bool,
}

fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Repository {
    /// Makes a repository in `directory` (which is made if missing). One that is there already is
    /// left as it is.
    pub fn init(directory: &Path, options: &InitOptions) -> Result<InitOutcome> {
        atomic::create_dir_all(directory)?;
        let target = directory.join(DIRECTORY);
        if target.join("HEAD").is_file() {
            History::open(&target)?;
            return Ok(InitOutcome { directory: target, created: false });
        }
        let building = directory.join(format!("{DIRECTORY}-{}", atomic::unique_name()));
        let made = build(&building, options).and_then(|()| put_in_place(&building, &target));
        if made.is_err() {
            // Whatever was built is nobody's yet; the first error is the one that counts.
            let _ = atomic::remove_tree(&building);
        }
        Ok(InitOutcome { directory: target, created: made? })
    }
}

fn build(directory: &Path, options: &InitOptions) -> Result<()> {
    atomic::create_dir_all(directory)?;
    History::init(directory)?;
    ContentStore::init(directory)?;
    let config = directory.join("config.toml");
    atomic::write(&config, &directory.join("tmp"), options.config.as_bytes())
}

/// Gives the finished repository its name; false if another process was first.
fn put_in_place(building: &Path, target: &Path) -> Result<bool> {
    if let Err(error) = atomic::rename(building, target) {
        let theirs = target.join("HEAD").is_file();
        atomic::remove_tree(building)?;
        if theirs {
            return Ok(false);
        }
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(Error::refused(format!(
                "'{}' is there and is not a repository",
                target.display()
            ))
            .with_hint("move it away, then: art init"));
        }
        return Err(error);
    }
    atomic::sync_parent(target)?;
    Ok(true)
}
