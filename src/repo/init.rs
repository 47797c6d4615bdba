//! Makes a repository, whole or not at all.

use std::path::Path;

use super::{DIRECTORY, Repository, outline};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::guarded::guard;
use crate::fs::read;
use crate::history::History;

impl Repository {
    /// Makes a repository in `directory` (which is made if missing), with `config` as the text of
    /// its settings. One that is there already is left as it is; then this is false.
    pub fn init(directory: &Path, config: &str) -> Result<bool> {
        atomic::create_dir_all(directory)?;
        let target = directory.join(DIRECTORY);
        guard(&target);
        if Self::is_at(&target)? {
            History::open(&target).map_err(|error| outline::explain(&target, error))?;
            return Ok(false);
        }
        let building = directory.join(format!("{DIRECTORY}-{}", atomic::unique_name()));
        let made = build(&building, config).and_then(|()| put_in_place(&building, &target));
        if made.is_err() {
            // Whatever was built is nobody's yet; the first error is the one that counts.
            let _ = atomic::remove_tree(&building);
        }
        made
    }
}

fn build(directory: &Path, settings: &str) -> Result<()> {
    atomic::create_dir_all(directory)?;
    History::init(directory)?;
    ContentStore::init(directory)?;
    let config = directory.join("config.toml");
    // An empty file is a damaged one.
    let settings = if settings.is_empty() { "format = 1\n" } else { settings };
    atomic::write(&config, &directory.join("tmp"), settings.as_bytes())
}

/// Gives the finished repository its name; false if another process was first.
fn put_in_place(building: &Path, target: &Path) -> Result<bool> {
    if let Err(error) = atomic::rename(building, target) {
        let theirs = read::is_file(&target.join("HEAD"))?;
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
