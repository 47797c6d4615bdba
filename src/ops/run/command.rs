//! Runs the command of a run and waits until it exits.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::Watch;
use crate::error::{Error, ErrorKind, Result};
use crate::threads::refused_process;
use crate::tree_path::escaped;

/// The exit code of a shell if a command does not exist.
const NOT_FOUND: u8 = 127;
/// The exit code of a shell if a command exists but cannot run.
const NOT_RUNNABLE: u8 = 126;
/// The exit code of a shell if Ctrl-C ended a command.
const INTERRUPTED: u8 = 130;
/// The number that a shell adds to the number of a signal.
const SIGNALLED: i32 = 128;

/// The way in which a command ended.
#[derive(Debug)]
pub(super) enum CommandEnd {
    /// The command exited with this code.
    Exited(i32),
    /// This signal ended the command.
    Killed(i32),
    /// The command could not start. Holds the exit code of a shell, and the error.
    NotStarted(u8, Error),
}

impl CommandEnd {
    /// The exit code that a shell would return.
    pub(super) fn shell_code(&self) -> u8 {
        match self {
            CommandEnd::Exited(code) => *code as u8,
            CommandEnd::Killed(signal) => (SIGNALLED + signal) as u8,
            CommandEnd::NotStarted(code, _) => *code,
        }
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => CommandEnd::Exited(code),
            (None, signal) => CommandEnd::Killed(signal.unwrap_or_default()),
        }
    }
}

/// Runs `words` in `cwd`, with `variables` added to the environment. The command inherits the
/// standard streams.
pub(super) fn execute(
    words: &[OsString],
    cwd: &Path,
    variables: &[(&str, OsString)],
    watch: &mut dyn Watch,
) -> CommandEnd {
    let Some((program, arguments)) = words.split_first() else {
        return CommandEnd::NotStarted(NOT_RUNNABLE, Error::invalid("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cwd);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if let Err(error) = watch.begins() {
        watch.ended();
        let is_asked = error.kind() == ErrorKind::Interrupted;
        return CommandEnd::NotStarted(if is_asked { INTERRUPTED } else { NOT_RUNNABLE }, error);
    }
    match command.spawn() {
        Ok(child) => {
            watch.started(child.id());
            wait(child, watch).unwrap_or_else(|error| CommandEnd::NotStarted(NOT_RUNNABLE, error))
        }
        Err(error) => {
            watch.ended();
            not_started(program, error)
        }
    }
}

/// Waits until the command ends. Notifies `watch` while the child still owns its process id.
fn wait(mut child: Child, watch: &mut dyn Watch) -> Result<CommandEnd> {
    let id = WaitId::Pid(Pid::from_child(&child));
    let until = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // If this wait fails, the second wait reports the error.
    while let Err(Errno::INTR) = waitid(id.clone(), until) {}
    watch.ended();
    let status = child.wait();
    status.map(CommandEnd::of).map_err(|error| Error::io("wait for", "the command", error))
}

fn not_started(program: &OsString, error: io::Error) -> CommandEnd {
    let shown = escaped(program.as_encoded_bytes());
    let is_absent = error.kind() == io::ErrorKind::NotFound;
    let code = if is_absent { NOT_FOUND } else { NOT_RUNNABLE };
    let message = format!("cannot run '{shown}'");
    if error.kind() == io::ErrorKind::WouldBlock {
        return CommandEnd::NotStarted(code, refused_process(error).context(message));
    }
    let failed = Error::not_found(message);
    let failed = failed.with_hint(
        "install it in a directory of PATH; to run a file in this directory, type ./CMD",
    );
    CommandEnd::NotStarted(code, failed.with_source(error))
}
