//! The environment of the process: arguments, variables, home, directory, terminals, time. Only
//! this module reads them.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use artifacts::error::{IoResultExt, Result};
use artifacts::remote::{mask_passwords, mask_secrets};
use artifacts::repo::Environment;

/// The environment of the process, read once at the start.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    args: Vec<OsString>,
    variables: Environment,
    terminals: Terminals,
}

/// The terminals among the standard streams, and the terminal width.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terminals {
    /// Standard input is a terminal.
    pub(crate) stdin: bool,
    /// Standard output is a terminal.
    pub(crate) stdout: bool,
    /// Standard error is a terminal.
    pub(crate) stderr: bool,
    /// The width of the terminal, if an output is a terminal.
    pub(crate) columns: Option<u16>,
}

/// The minimum width for the layout of texts.
const NARROW: usize = 40;
/// The width of help without a terminal.
const HELP_WIDTH: usize = 100;

impl Env {
    /// Reads the environment.
    #[expect(clippy::disallowed_methods, reason = "only this module reads the environment")]
    pub(crate) fn capture() -> Self {
        Env {
            args: std::env::args_os().collect(),
            variables: Environment::new(std::env::vars_os()),
            terminals: Terminals::look(),
        }
    }

    /// The command line, the program's name first.
    pub(crate) fn args(&self) -> &[OsString] {
        &self.args
    }

    /// The typed command without the program name and without secrets, for the operation log.
    pub(crate) fn command_line(&self) -> String {
        let shown = |arg: &OsString| {
            // An argument with spaces is text, not a URI. A shell script can contain a URI.
            let is_text = arg.as_encoded_bytes().contains(&b' ');
            let masked = arg.to_str().map(if is_text { mask_passwords } else { mask_secrets });
            quoted(masked.as_deref().map_or(arg.as_os_str(), OsStr::new))
        };
        self.args.iter().skip(1).map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Arms the fault of `ART_FAULT`: `abort:N` or `full:N` fails at the N-th durable step. Only
    /// test builds support it.
    #[cfg(debug_assertions)]
    pub(crate) fn arm_fault(&self) {
        use artifacts::fs::fault::{Action, arm};
        let Ok(Some(fault)) = self.var("ART_FAULT") else { return };
        let Some((action, nth)) = fault.split_once(':') else { return };
        let action = if action == "abort" { Action::Abort } else { Action::DiskFull };
        arm(nth.parse().unwrap_or(0), action);
    }

    /// The variables.
    pub(crate) fn variables(&self) -> &Environment {
        &self.variables
    }

    /// The value of a variable; empty counts as unset.
    pub(crate) fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.variables.var_os(name)
    }

    /// The value of a variable that must be UTF-8.
    pub(crate) fn var(&self, name: &str) -> Result<Option<&str>> {
        self.variables.var(name)
    }

    /// The streams.
    pub(crate) fn terminals(&self) -> Terminals {
        self.terminals
    }

    /// The width for help and other text.
    pub(crate) fn text_width(&self) -> usize {
        match self.terminals.columns {
            Some(columns) => usize::from(columns).clamp(NARROW, HELP_WIDTH),
            None => HELP_WIDTH,
        }
    }
}

/// Changes to `directory`, if given, and returns the working directory.
#[expect(clippy::disallowed_methods, reason = "only this module reads the environment")]
pub(crate) fn enter(directory: Option<&Path>) -> Result<PathBuf> {
    if let Some(directory) = directory {
        std::env::set_current_dir(directory).on("enter directory", directory)?;
    }
    std::env::current_dir().on("find", "the working directory")
}

impl Terminals {
    fn look() -> Self {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let mut terminals = Terminals {
            stdin: std::io::stdin().is_terminal(),
            stdout: stdout.is_terminal(),
            stderr: stderr.is_terminal(),
            columns: None,
        };
        let size = if terminals.stdout {
            rustix::termios::tcgetwinsize(&stdout).ok()
        } else if terminals.stderr {
            rustix::termios::tcgetwinsize(&stderr).ok()
        } else {
            None
        };
        terminals.columns = size.map(|size| size.ws_col).filter(|columns| *columns > 0);
        terminals
    }
}

/// A word quoted for a shell.
pub(crate) fn quoted(word: &OsStr) -> String {
    let text = artifacts::tree_path::escaped(word.as_encoded_bytes());
    let plain = !text.is_empty() && !text.contains([' ', '\'', '"', '$', '*']);
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
