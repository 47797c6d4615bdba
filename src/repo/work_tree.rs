//! The work tree: converts typed paths to paths in a tree.
//!
//! Paths work as in git. A typed path is relative to the working directory and is stored under its
//! path from the top of the work tree, wherever the command was started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::{DIRECTORY, Repository};
use crate::error::{Error, Result};
use crate::tree_path::{TreePath, escaped};

/// The directory that contains `.artifacts`, and the working directory in it.
///
/// If the working directory is outside, it is the top itself.
#[derive(Debug, Clone)]
pub struct WorkTree {
    top: PathBuf,
    cwd: PathBuf,
}

/// A typed path after resolution.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    /// The path for reading: absolute, without `.` and `..`.
    pub(crate) path: PathBuf,
    /// The path from the top of the work tree, or `None` if the path is outside.
    pub(crate) place: Option<TreePath>,
}

impl Repository {
    /// Returns the work tree for a command that was started in `cwd`, an absolute path.
    pub fn work_tree(&self, cwd: &Path) -> WorkTree {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let cwd = real(cwd);
        let is_beside = self.directory().file_name() == Some(OsStr::new(DIRECTORY));
        let top = real(self.top());
        let top = if is_beside && cwd.starts_with(&top) { top } else { cwd.clone() };
        WorkTree { top, cwd }
    }
}

impl WorkTree {
    /// Returns the top of the work tree.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Returns the working directory as a path from the top of the work tree.
    pub fn cwd_place(&self) -> Result<TreePath> {
        self.place(Path::new("."))
    }

    /// Converts `typed` to a path from the top of the work tree. The file does not need to exist.
    ///
    /// Fails with [`Invalid`](crate::ErrorKind::Invalid) if the path is empty or outside the work
    /// tree.
    pub fn place(&self, typed: &Path) -> Result<TreePath> {
        self.locate(typed)?.place.ok_or_else(|| self.outside(typed))
    }

    /// Resolves `typed`, inside or outside the work tree.
    pub(crate) fn locate(&self, typed: &Path) -> Result<Located> {
        if typed.as_os_str().is_empty() {
            return Err(Error::invalid("empty path")
                .with_hint("pass a file or directory, or '.' for the working directory"));
        }
        let path = normalized(&self.cwd, typed);
        if let Ok(place) = path.strip_prefix(&self.top) {
            return Ok(Located { place: Some(TreePath::from_path(place)?), path });
        }
        // A shell's $PWD can contain links.
        if let Some(real) = resolved(&path)
            && let Ok(place) = real.strip_prefix(&self.top)
        {
            return Ok(Located { place: Some(TreePath::from_path(place)?), path: real });
        }
        Ok(Located { path, place: None })
    }

    /// Returns the first symbolic link among the directories between the top of the work tree and
    /// `path`, an absolute path. The entry at `path` itself is not followed.
    pub(crate) fn find_link_above(&self, path: &Path) -> Option<PathBuf> {
        let below = path.parent()?.strip_prefix(&self.top).ok()?;
        let mut directory = self.top.clone();
        below.components().find_map(|component| {
            directory.push(component);
            let is_link = directory.symlink_metadata().is_ok_and(|found| found.is_symlink());
            is_link.then(|| directory.clone())
        })
    }

    /// The error for a path that must be inside the work tree.
    pub(crate) fn outside(&self, typed: &Path) -> Error {
        let typed = escaped(typed.as_os_str().as_bytes());
        let top = escaped(self.top.as_os_str().as_bytes());
        Error::invalid(format!("'{typed}' is outside the work tree '{top}'"))
    }

    /// Formats the absolute path `path` relative to the working directory, escaped for display.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let relative = relative(&self.cwd, path).filter(|_| path.starts_with(&self.top));
        escaped(relative.as_deref().unwrap_or(path).as_os_str().as_bytes())
    }
}

/// Returns the relative path from the directory `from` to `to`. Both are absolute and without `.`
/// and `..`.
fn relative(from: &Path, to: &Path) -> Option<PathBuf> {
    let mut up = PathBuf::new();
    let common = from.ancestors().find(|ancestor| {
        let is_common = to.starts_with(ancestor);
        if !is_common {
            up.push("..");
        }
        is_common
    })?;
    let path = up.join(to.strip_prefix(common).ok()?);
    Some(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path })
}

/// Joins `cwd` and `typed` and removes `.` and `..`, without reading the file system.
fn normalized(cwd: &Path, typed: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in cwd.join(typed).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// Resolves the links of `path` except a last component that is not a directory. Components that do
/// not exist stay unchanged.
fn resolved(path: &Path) -> Option<PathBuf> {
    if crate::fs::read::is_dir(path).unwrap_or(false) {
        return path.canonicalize().ok();
    }
    let mut below = Vec::new();
    let mut at = path;
    loop {
        let (parent, name) = (at.parent()?, at.file_name()?);
        below.push(name);
        if let Ok(real) = parent.canonicalize() {
            return Some(below.iter().rev().fold(real, |path, name| path.join(name)));
        }
        at = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_tree(top: &str, cwd: &str) -> WorkTree {
        WorkTree { top: top.into(), cwd: cwd.into() }
    }

    #[test]
    fn a_path_is_relative_to_the_working_directory_and_stored_from_the_top() {
        let tree = work_tree("/no/desk", "/no/desk/model");
        let place = |typed: &str| tree.place(Path::new(typed)).map(|place| place.to_string());
        assert_eq!(place("b.bin").unwrap(), "model/b.bin");
        assert_eq!(place("./x/../y/").unwrap(), "model/y");
        assert_eq!(place("../data").unwrap(), "data");
        assert_eq!(place("..").unwrap(), "");
        assert_eq!(place(".").unwrap(), "model");
        assert_eq!(place("/no/desk/a").unwrap(), "a");
        for outside in ["../..", "/no/deskshop", "/no", ""] {
            assert!(place(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn paths_are_shown_from_the_working_directory() {
        let tree = work_tree("/no/desk", "/no/desk/model");
        let shown = |path: &str| tree.shown(Path::new(path));
        assert_eq!(shown("/no/desk/model/a\n"), "a\\n");
        assert_eq!(shown("/no/desk/model"), ".");
        assert_eq!(shown("/no/desk/data/b"), "../data/b");
        assert_eq!(shown("/srv/c"), "/srv/c");
    }
}
