//! Finds a hook, and explains why an existing hook cannot be run.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::read;
use crate::repo::{HookTrust, Repository};
use crate::tree_path::escaped;

/// A hook that may be run.
#[derive(Debug)]
pub(super) struct Hook {
    /// The name of the hook.
    pub(super) name: String,
    /// The absolute path of the hook.
    pub(super) path: PathBuf,
    /// The absolute path of the repository.
    pub(super) repository: PathBuf,
}

impl Hook {
    /// Finds the hook `name`, if hooks are enabled and the hook exists.
    ///
    /// A hook that exists but cannot be run is an error and is never skipped: its owner relies on
    /// it.
    pub(super) fn find(repo: &Repository, name: &str) -> Result<Option<Self>> {
        let settings = &repo.settings().hooks;
        if !settings.enabled {
            return Ok(None);
        }
        // Hooks run in a different working directory.
        let repository = repo.directory().canonicalize().on("find", repo.directory())?;
        let directory = repository.join("hooks");
        let path = directory.join(name);
        let entry = match path.symlink_metadata() {
            Err(error) if read::is_absent(&error) => return Ok(None),
            found => found.on("read", &path).map_err(as_refusal)?,
        };
        let metadata = path.metadata().on("read", &path).map_err(as_refusal)?;
        if !metadata.is_file() {
            return Err(cannot(format!("'{}' is not a file", shown(&path))));
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(cannot(format!("'{}' is not executable", shown(&path)))
                .with_hint(format!("chmod +x {}", shown(&path))));
        }
        if settings.trust == HookTrust::Owner {
            let around = directory.metadata().on("read", &directory).map_err(as_refusal)?;
            let way = directory.symlink_metadata().on("read", &directory).map_err(as_refusal)?;
            // The owner of a link decides which program runs.
            let owners = [way.uid(), around.uid(), entry.uid(), metadata.uid()];
            refuse_strangers(&path, &owners, geteuid().as_raw())?;
        }
        Ok(Some(Hook { name: name.to_owned(), path, repository }))
    }

    /// Returns the error for a hook that could not be started.
    pub(super) fn not_started(&self, error: io::Error) -> Error {
        let path = shown(&self.path);
        let (why, hint) = match error.kind() {
            io::ErrorKind::NotFound => match interpreter(&self.path) {
                Some(interpreter) => (
                    format!("its first line names '{interpreter}', which does not exist"),
                    format!("install '{interpreter}', or change the first line of {path}"),
                ),
                None => (
                    "a program that the hook needs does not exist".to_owned(),
                    format!("install the programs that {path} needs"),
                ),
            },
            io::ErrorKind::PermissionDenied => (
                "the system denies permission".to_owned(),
                format!("run chmod +x {path}, and check that its file system allows programs"),
            ),
            io::ErrorKind::ExecutableFileBusy => (
                "a process has the hook open for writing".to_owned(),
                format!("close the process that writes {path}, and try again"),
            ),
            _ if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => (
                "it is not a program".to_owned(),
                format!("begin the script with a line such as #!/bin/sh: {path}"),
            ),
            _ => return Error::io("run", &self.path, error),
        };
        cannot(why).with_source(error).with_hint(hint)
    }
}

/// The error for a hook that cannot be run. An unusable hook refuses the operation.
pub(super) fn cannot(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Policy, why)
}

fn as_refusal(error: Error) -> Error {
    error.with_kind(ErrorKind::Policy)
}

/// Escapes a path for display.
pub(super) fn shown(path: &Path) -> String {
    escaped(path.as_os_str().as_encoded_bytes())
}

/// Fails if the hook or its directory belongs to a user other than this user and root. Working in
/// another user's repository must not run that user's programs.
fn refuse_strangers(path: &Path, owners: &[u32], user: u32) -> Result<()> {
    let Some(stranger) = owners.iter().find(|owner| ![user, 0].contains(owner)) else {
        return Ok(());
    };
    Err(cannot(format!("'{}' belongs to another user (uid {stranger})", shown(path)))
        .with_hint("read the hook; if you trust it, run art config set --user hooks.trust any"))
}

/// Returns the interpreter that the `#!` line of a script names.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    read::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    // A carriage return of an MS-DOS line end stays in the name, because it is the cause of the
    // error.
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    Some(escaped(&line[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_run_only_if_this_user_or_root_owns_them() {
        let path = Path::new("/r/hooks/pre-upload");
        refuse_strangers(path, &[1000, 1000], 1000).unwrap();
        refuse_strangers(path, &[0, 1000], 1000).unwrap();
        for owners in [[1001, 1000], [1000, 1001]] {
            let error = refuse_strangers(path, &owners, 1000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Policy);
            assert_eq!(error.message(), "'/r/hooks/pre-upload' belongs to another user (uid 1001)");
        }
        // Root does not run hooks of other users either.
        assert!(refuse_strangers(path, &[1000, 0], 0).is_err());
    }

    #[test]
    fn the_interpreter_comes_from_the_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook");
        let of = |text: &[u8]| {
            crate::fs::atomic::write(&path, directory.path(), text).unwrap();
            interpreter(&path)
        };
        assert_eq!(of(b"#! /usr/bin/env python3\nx").as_deref(), Some("/usr/bin/env"));
        assert_eq!(of(b"#!/bin/sh\r\nx").as_deref(), Some("/bin/sh\\r"));
        assert_eq!(of(b"\x7fELF"), None);
        assert_eq!(of(b""), None);
    }
}
