//! Finds a hook, and says why one that is there can't be run.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::read;
use crate::repo::{HookTrust, Repository};
use crate::tree_path::escaped;

/// A program that is there and may be run.
#[derive(Debug)]
pub(super) struct Hook {
    /// Its name.
    pub(super) name: String,
    /// Where it is, absolute.
    pub(super) path: PathBuf,
    /// The directory of its repository, absolute.
    pub(super) repository: PathBuf,
}

impl Hook {
    /// The hook called `name`, if hooks are on and it is there.
    ///
    /// One that is there and would not run is an error, never passed over: who put it there relies
    /// on it.
    pub(super) fn find(repo: &Repository, name: &str) -> Result<Option<Self>> {
        let settings = &repo.settings().hooks;
        if !settings.enabled {
            return Ok(None);
        }
        // Hooks are run in another directory than this process is in.
        let repository = repo.directory().canonicalize().on("find", repo.directory())?;
        let directory = repository.join("hooks");
        let path = directory.join(name);
        let entry = match path.symlink_metadata() {
            Err(error) if read::is_absent(&error) => return Ok(None),
            found => found.on("look at", &path).map_err(as_refusal)?,
        };
        let metadata = path.metadata().on("look at", &path).map_err(as_refusal)?;
        if !metadata.is_file() {
            return Err(cannot(format!("'{}' is no file", shown(&path))));
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(cannot(format!("'{}' is not executable", shown(&path)))
                .with_hint(format!("chmod +x {}", shown(&path))));
        }
        if settings.trust == HookTrust::Owner {
            let around = directory.metadata().on("look at", &directory).map_err(as_refusal)?;
            let way = directory.symlink_metadata().on("look at", &directory).map_err(as_refusal)?;
            // Whoever owns a link decides what runs.
            let owners = [way.uid(), around.uid(), entry.uid(), metadata.uid()];
            refuse_strangers(&path, &owners, geteuid().as_raw())?;
        }
        Ok(Some(Hook { name: name.to_owned(), path, repository }))
    }

    /// The error for a hook that could not be started.
    pub(super) fn not_started(&self, error: io::Error) -> Error {
        let path = shown(&self.path);
        let (why, hint) = match error.kind() {
            io::ErrorKind::NotFound => match interpreter(&self.path) {
                Some(interpreter) => (
                    format!("its first line names '{interpreter}', which is not there"),
                    format!("install that, or mend the first line of {path}"),
                ),
                None => (
                    "a program that it needs is not there".to_owned(),
                    format!("see what it needs: {path}"),
                ),
            },
            io::ErrorKind::PermissionDenied => (
                "the system does not permit it".to_owned(),
                format!("chmod +x {path}; its file system must allow programs too"),
            ),
            io::ErrorKind::ExecutableFileBusy => (
                "something has it open for writing".to_owned(),
                format!("close what writes {path}, and try again"),
            ),
            _ if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => (
                "it is no program".to_owned(),
                format!("a script begins with a line such as #!/bin/sh: {path}"),
            ),
            _ => return Error::io("run", &self.path, error),
        };
        cannot(why).with_source(error).with_hint(hint)
    }
}

/// Why a hook can't be run. Who asks it for permission does not get it.
pub(super) fn cannot(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Policy, why)
}

fn as_refusal(error: Error) -> Error {
    error.with_kind(ErrorKind::Policy)
}

/// A path for people.
pub(super) fn shown(path: &Path) -> String {
    escaped(path.as_os_str().as_encoded_bytes())
}

/// Fails if someone besides this user and root owns the hook or the directory it is in: to work in
/// another one's repository must not mean to run that one's programs.
fn refuse_strangers(path: &Path, owners: &[u32], user: u32) -> Result<()> {
    let Some(stranger) = owners.iter().find(|owner| ![user, 0].contains(owner)) else {
        return Ok(());
    };
    Err(cannot(format!("'{}' belongs to another user (uid {stranger})", shown(path)))
        .with_hint("read it, and if you trust it: art config set --user hooks.trust any"))
}

/// What the `#!` line of a script names.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    read::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    // Of a line of MS-DOS, the carriage return belongs to the name; that is what is wrong with it.
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    Some(escaped(&line[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_of_this_user_and_of_root_run_and_those_of_others_do_not() {
        let path = Path::new("/r/hooks/pre-upload");
        refuse_strangers(path, &[1000, 1000], 1000).unwrap();
        refuse_strangers(path, &[0, 1000], 1000).unwrap();
        for owners in [[1001, 1000], [1000, 1001]] {
            let error = refuse_strangers(path, &owners, 1000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Policy);
            assert_eq!(error.message(), "'/r/hooks/pre-upload' belongs to another user (uid 1001)");
        }
        // Root is careful too.
        assert!(refuse_strangers(path, &[1000, 0], 0).is_err());
    }

    #[test]
    fn the_interpreter_is_that_of_the_first_line() {
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
