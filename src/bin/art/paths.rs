//! Parses the paths of the command line. An empty path is an error, never "everything": it is
//! usually a shell variable that was not set.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artifacts::error::{Error, Result};
use artifacts::ops::upload::{Destination, UploadSource};
use artifacts::{Repository, TreePath};
use clap::builder::{OsStringValueParser, TypedValueParser};

/// Parses a path of this system.
pub(crate) fn parser() -> impl TypedValueParser<Value = PathBuf> {
    words().map(PathBuf::from)
}

/// Parses a path or another text that must not be empty.
pub(crate) fn words() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(not_empty)
}

/// Parses a file or directory to upload; `-` is standard input.
pub(crate) fn source() -> impl TypedValueParser<Value = UploadSource> {
    words()
        .map(|text| if text == "-" { UploadSource::Input } else { UploadSource::Path(text.into()) })
}

/// Parses a destination in a run; `/` is the root, a trailing slash means "into".
pub(crate) fn destination() -> impl TypedValueParser<Value = Destination> {
    words().try_map(|text| {
        let bytes = text.as_bytes();
        let path = TreePath::parse(bytes)?;
        Ok::<_, Error>(Destination { path, directory: bytes.ends_with(b"/") })
    })
}

/// Parses a path in a revision: relative, with `/` as separator.
pub(crate) fn in_revision() -> impl TypedValueParser<Value = TreePath> {
    words().try_map(|text| parse_in_revision(text.as_bytes()))
}

/// The paths after `--`, relative to the top of the work tree. The revision must not have a path
/// too.
pub(crate) fn places(
    cwd: &Path,
    repo: &Repository,
    behind: &TreePath,
    typed: &[PathBuf],
) -> Result<Vec<TreePath>> {
    if !behind.is_root() && !typed.is_empty() {
        return Err(Error::invalid("paths are given both after the revision and after '--'")
            .with_hint("give the paths one way: REV:PATH, or REV -- PATH"));
    }
    let work_tree = repo.work_tree(cwd);
    typed.iter().map(|path| work_tree.place(path)).collect()
}

fn parse_in_revision(path: &[u8]) -> Result<TreePath> {
    if path.starts_with(b"/") {
        return Err(Error::invalid("a path in a revision does not start with a slash"));
    }
    TreePath::parse(path)
}

fn not_empty(text: OsString) -> Result<OsString> {
    if text.is_empty() { Err(Error::invalid("the path is empty")) } else { Ok(text) }
}
