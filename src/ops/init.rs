//! `art init`: creates a repository and hides it from the surrounding Git repository.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::history::source;
use crate::repo::{DIRECTORY, Repository};

/// The location and the configuration of a new repository.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The directory for the repository. It is created if it does not exist.
    pub directory: PathBuf,
    /// The text of its `config.toml`; see [`config::initial`](crate::config::initial).
    pub config: String,
}

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

/// Creates a repository. An existing repository stays unchanged.
pub fn init(options: &InitOptions) -> Result<InitOutcome> {
    made(options, Repository::init(&options.directory, &options.config)?)
}

/// Creates a repository for a clone of the remote at `uri`, marked as unfinished.
pub(super) fn init_unfinished(options: &InitOptions, uri: &str) -> Result<InitOutcome> {
    let created = Repository::init_unfinished(&options.directory, &options.config, uri)?;
    made(options, created)
}

fn made(options: &InitOptions, created: bool) -> Result<InitOutcome> {
    let top = options.directory.canonicalize().on("read", &options.directory)?;
    let directory = top.join(DIRECTORY);
    let excluded = exclude(&directory);
    Ok(InitOutcome { directory, created, excluded })
}

/// Adds the repository to the exclude file of the surrounding Git repository. A failure is reported
/// in the result and is not an error, because that repository belongs to someone else.
fn exclude(target: &Path) -> Option<bool> {
    let target = target.canonicalize().ok()?;
    let around = source::work_tree(target.parent()?)?;
    let top = around.top.canonicalize().ok()?;
    let relative = target.strip_prefix(&top).ok()?.as_os_str().as_bytes();
    Some(add_pattern(&around.exclude, &pattern_of(relative)).is_ok())
}

/// Returns a pattern that matches exactly the directory `relative`.
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
    let mut text = match read::read_bounded(file, read::SMALL) {
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
