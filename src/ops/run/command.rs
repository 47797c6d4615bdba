//! Runs the command of a run and waits for its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use signal_hook::low_level::signal_name;

use super::Watch;
use crate::error::{Error, ErrorKind, Result};
use crate::tree_path::escaped;

/// What a shell says of a command that is not there.
const NOT_FOUND: u8 = 127;
/// What a shell says of a command that is there and can't be run.
const NOT_RUNNABLE: u8 = 126;
/// What a shell says of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// What a shell adds to the number of a signal.
const SIGNALLED: i32 = 128;

/// How a command ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It never began; what a shell would exit with, and why.
    NotStarted(u8, Error),
}

impl Ended {
    /// What a shell would exit with.
    pub(super) fn shell_code(&self) -> u8 {
        match self {
            Ended::Exited(code) => *code as u8,
            Ended::Killed(signal) => (SIGNALLED + signal) as u8,
            Ended::NotStarted(code, _) => *code,
        }
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, signal) => Ended::Killed(signal.unwrap_or_default()),
        }
    }
}

/// The name of a signal: numbers differ between systems.
pub(crate) fn name_of_signal(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// Runs `words` in `cwd` with `variables` besides the environment. The three standard streams are
/// this process's own.
pub(super) fn execute(
    words: &[OsString],
    cwd: &Path,
    variables: &[(&str, OsString)],
    watch: &mut dyn Watch,
) -> Ended {
    let Some((program, arguments)) = words.split_first() else {
        return Ended::NotStarted(NOT_RUNNABLE, Error::invalid("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cwd);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if let Err(error) = watch.begins() {
        watch.ended();
        let is_asked = error.kind() == ErrorKind::Interrupted;
        return Ended::NotStarted(if is_asked { INTERRUPTED } else { NOT_RUNNABLE }, error);
    }
    match command.spawn() {
        Ok(child) => {
            watch.started(child.id());
            wait(child, watch).unwrap_or_else(|error| Ended::NotStarted(NOT_RUNNABLE, error))
        }
        Err(error) => {
            watch.ended();
            not_started(program, error)
        }
    }
}

/// Waits for the end. `watch` hears of it while the process id is still the child's.
fn wait(mut child: Child, watch: &mut dyn Watch) -> Result<Ended> {
    let id = WaitId::Pid(Pid::from_child(&child));
    let until = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // What it can't tell, the second wait does.
    while let Err(Errno::INTR) = waitid(id.clone(), until) {}
    watch.ended();
    let status = child.wait();
    status.map(Ended::of).map_err(|error| Error::io("wait for", "the command", error))
}

fn not_started(program: &OsString, error: io::Error) -> Ended {
    let shown = escaped(program.as_encoded_bytes());
    let is_absent = error.kind() == io::ErrorKind::NotFound;
    let code = if is_absent { NOT_FOUND } else { NOT_RUNNABLE };
    let failed = Error::not_found(format!("cannot run '{shown}'"));
    let failed =
        failed.with_hint("a command is looked for in PATH; one of this directory is ./CMD");
    Ended::NotStarted(code, failed.with_source(error))
}
