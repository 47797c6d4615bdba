//! Hides a repository from the surrounding Git repository.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{IoResultExt, Result};
use crate::fs::{atomic, read};
use crate::history::source;

/// Adds the repository to the exclude file of the surrounding Git repository. A failure is reported
/// in the result and is not an error, because that repository belongs to someone else. Returns `None`
/// without a Git repository.
pub(crate) fn exclude(target: &Path) -> Option<bool> {
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
