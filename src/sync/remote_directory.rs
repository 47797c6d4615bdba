//! Checks that the directory of a remote exists. An unmounted disk must never look like an empty
//! store: a push would fill the bare mount point, and the mounted disk would hide the pushed data.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::{atomic, read};
use crate::name::Name;
use crate::remote::RemoteUri;
use crate::repo::{RemoteConfig, Repository};

/// The file with the URI at which the remote was last used. It is not in the cache: without it, an
/// empty mount point looks like a store without any push.
const FILE: &str = "used-at";

/// Fails with [`ErrorKind::Unavailable`] if `uri` names a directory that does not exist, and with
/// [`ErrorKind::Invalid`] if it names a file.
pub(crate) fn check_directory(uri: &RemoteUri) -> Result<()> {
    let Some(directory) = uri.directory() else { return Ok(()) };
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(not_a_directory_error(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no directory '{}'", directory.display());
            Err(Error::new(ErrorKind::Unavailable, message)
                .with_hint("check the path and mount its disk"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(not_a_directory_error(directory))
        }
        Err(error) => Err(error).on("read", directory),
    }
}

/// The error for a path to a file where a directory is needed.
pub(crate) fn not_a_directory_error(directory: &Path) -> Error {
    let is_file = |path: &&Path| path.metadata().is_ok_and(|found| !found.is_dir());
    let file = directory.ancestors().find(is_file).unwrap_or(directory);
    let message = format!("'{}' is a file; a remote is a directory", file.display());
    Error::invalid(message).with_hint("name a separate directory")
}

/// The error for a directory that this user may not write to.
pub(crate) fn not_writable_error(directory: &Path) -> Error {
    let shown = directory.display();
    let message = format!("no permission to write to the directory '{shown}'");
    Error::new(ErrorKind::Unauthorized, message)
        .with_hint(format!("see its owner and its mode: ls -ld '{shown}'"))
}

/// Like [`check_directory`], but the error names the remote and the command that creates it again.
pub(crate) fn check_remote_directory(repo: &Repository, remote: &RemoteConfig) -> Result<()> {
    let checked = check_directory(&remote.parse_uri(repo)?);
    checked.map_err(|error| {
        let is_missing = error.kind() == ErrorKind::Unavailable;
        let name = &remote.name;
        let error = error.context(format!("the remote '{name}' is not available"));
        if !is_missing {
            return error.with_hint(format!("art remote set-uri {name} URI"));
        }
        error.with_hint(format!(
            "mount its disk; to create the remote again from this repository: art push \
             --recreate {name}"
        ))
    })
}

/// Returns true if `remote` was used at its current URI.
pub(crate) fn was_used(repo: &Repository, remote: &RemoteConfig) -> bool {
    let used = read::read_bounded(&file(repo, &remote.name), read::SMALL);
    used.is_ok_and(|uri| uri == remote.uri.as_bytes())
}

/// Records that `remote` was used at its current URI.
pub(super) fn note_used(repo: &Repository, remote: &RemoteConfig) -> Result<()> {
    if was_used(repo, remote) {
        return Ok(());
    }
    let file = file(repo, &remote.name);
    if let Some(directory) = file.parent() {
        atomic::create_dir_all_durably(directory)?;
    }
    atomic::write(&file, &repo.content().tmp_dir(), remote.uri.as_bytes())
}

fn file(repo: &Repository, name: &Name) -> PathBuf {
    repo.directory().join("remotes").join(name.as_str()).join(FILE)
}
