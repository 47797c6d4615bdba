//! Makes a repository, whole or not at all.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{DIRECTORY, Repository};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::history::{History, source};

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
    /// Whether the Git repository around it leaves it alone; `None` where there is none.
    pub excluded: Option<bool>,
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
            let excluded = exclude(&target);
            return Ok(InitOutcome { directory: target, created: false, excluded });
        }
        let building = directory.join(format!("{DIRECTORY}-{}", atomic::unique_name()));
        let made = build(&building, options).and_then(|()| put_in_place(&building, &target));
        if made.is_err() {
            // Whatever was built is nobody's yet; the first error is the one that counts.
            let _ = atomic::remove_tree(&building);
        }
        let created = made?;
        let excluded = exclude(&target);
        Ok(InitOutcome { directory: target, created, excluded })
    }
}

fn build(directory: &Path, options: &InitOptions) -> Result<()> {
    atomic::create_dir_all(directory)?;
    History::init(directory)?;
    ContentStore::init(directory)?;
    let config = directory.join("config.toml");
    atomic::write(&config, &directory.join("tmp"), options.config.as_bytes())
}

/// Adds the repository to what the Git repository around it leaves alone. Whether that worked is
/// told, not required: the other repository is someone else's.
fn exclude(target: &Path) -> Option<bool> {
    let target = target.canonicalize().ok()?;
    let around = source::work_tree(target.parent()?)?;
    let top = around.top.canonicalize().ok()?;
    let relative = target.strip_prefix(&top).ok()?.as_os_str().as_bytes();
    Some(add_pattern(&around.exclude, &pattern_of(relative)).is_ok())
}

/// A pattern that matches exactly the directory `relative`.
fn pattern_of(relative: &[u8]) -> Vec<u8> {
    let mut pattern = vec![b'/'];
    for byte in relative {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\' | b' ' | b'!' | b'#') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.extend_from_slice(b"/");
    pattern
}

fn add_pattern(file: &Path, pattern: &[u8]) -> Result<()> {
    let mut text = match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.on("read", file)?,
    };
    if text.split(|byte| *byte == b'\n').any(|line| line == pattern) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(pattern);
    text.push(b'\n');
    let directory = file.parent().unwrap_or(file);
    atomic::create_dir_all(directory)?;
    atomic::write(file, directory, &text)
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
