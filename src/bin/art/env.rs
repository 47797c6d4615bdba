//! The environment of the process: arguments, variables, home, directory, terminals, time. Only
//! this module reads them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts::clock::{Clock, FixedClock, SystemClock, Timestamp};
use artifacts::error::{Error, IoResultExt, Result};
use artifacts::fs::read;
use artifacts::remote::{mask_passwords, mask_secrets, secret_variables};

/// The environment of the process, read once at the start.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    args: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
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
            vars: std::env::vars_os().collect(),
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

    /// The streams.
    pub(crate) fn terminals(&self) -> Terminals {
        self.terminals
    }

    /// The value of a variable; empty counts as unset.
    pub(crate) fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable that must be UTF-8.
    pub(crate) fn var(&self, name: &str) -> Result<Option<&str>> {
        match self.var_os(name).map(OsStr::to_str) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(Error::invalid(format!("the variable {name} is not UTF-8"))),
        }
    }

    /// All `ART_*` variables that are text, for the settings.
    pub(crate) fn art_vars(&self) -> BTreeMap<String, String> {
        self.vars
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, value)| name.starts_with("ART_") && !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The variables with credentials for remote stores.
    pub(crate) fn remote_vars(&self) -> BTreeMap<String, String> {
        let value = |name| self.var(name).ok().flatten();
        let found = secret_variables().into_iter().filter_map(|name| Some((name, value(name)?)));
        found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The certificate files to trust in addition to the system: from the settings, and from the
    /// variables of other programs.
    pub(crate) fn ca_files(&self, setting: Option<String>) -> Vec<PathBuf> {
        let variables = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"];
        let named = variables.into_iter().filter_map(|name| self.var_os(name)).map(PathBuf::from);
        setting.map(PathBuf::from).into_iter().chain(named).collect()
    }

    /// The user file: `$XDG_CONFIG_HOME/art/config.toml`, otherwise `~/.config/art/config.toml`;
    /// `None` without a home directory.
    pub(crate) fn user_config_file(&self) -> Option<PathBuf> {
        // The XDG specification says to ignore a relative path.
        let xdg = self.var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        if let Some(base) = xdg.filter(|base| is_own_directory(base).unwrap_or(true)) {
            return Some(base.join("art").join("config.toml"));
        }
        Some(self.home()?.join(".config").join("art").join("config.toml"))
    }

    /// The home directory; `None` if the variable is unset or names something other than a directory
    /// of this user.
    fn home(&self) -> Option<&Path> {
        let home = Path::new(self.var_os("HOME")?);
        is_own_directory(home).unwrap_or(false).then_some(home)
    }

    /// The width for help and other text.
    pub(crate) fn text_width(&self) -> usize {
        match self.terminals.columns {
            Some(columns) => usize::from(columns).clamp(NARROW, HELP_WIDTH),
            None => HELP_WIDTH,
        }
    }

    /// The system clock, or the fixed time of `ART_NOW`.
    pub(crate) fn clock(&self) -> Result<Arc<dyn Clock>> {
        match self.var("ART_NOW")? {
            None => Ok(Arc::new(SystemClock)),
            Some(text) => {
                let time: Timestamp =
                    text.parse().map_err(|error: Error| error.context("ART_NOW can't be read"))?;
                Ok(Arc::new(FixedClock(time)))
            }
        }
    }

    /// A fixed random seed (`ART_SEED`). It applies only with a fixed time, so that two real runs
    /// never share a seed.
    pub(crate) fn seed(&self) -> Result<Option<u64>> {
        if self.var("ART_NOW")?.is_none() {
            return Ok(None);
        }
        match self.var("ART_SEED")? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Error::invalid("ART_SEED is not a whole number from 0 up")),
        }
    }

    /// The user name on this system.
    pub(crate) fn user(&self) -> String {
        ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| self.var(name).ok().flatten())
            .map(str::to_owned)
            .or_else(user_of_passwd)
            .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
    }

    /// The host name; with a fixed time, `ART_HOST` if set.
    pub(crate) fn host(&self) -> String {
        if let (Some(_), Ok(Some(host))) = (self.var_os("ART_NOW"), self.var("ART_HOST")) {
            return host.to_owned();
        }
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy().into_owned();
        if name.is_empty() { "localhost".to_owned() } else { name }
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

/// Returns true if `path` is a directory of this user; `None` if `path` does not exist.
fn is_own_directory(path: &Path) -> Option<bool> {
    let user = rustix::process::geteuid().as_raw();
    match read::try_metadata(path) {
        Ok(None) => None,
        Ok(Some(found)) => Some(found.is_dir() && found.uid() == user),
        Err(_) => Some(false),
    }
}

/// The user name in `/etc/passwd` for this user id.
fn user_of_passwd() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let text = read::read_text(Path::new("/etc/passwd"), read::LARGE).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Env { args: Vec::new(), vars, terminals: Terminals::default() }
    }

    #[test]
    fn only_store_credentials_are_read_from_the_environment() {
        let env = env(&[("HF_TOKEN", "t"), ("OBS_ACCESS_KEY_ID", ""), ("AWS_SECRET", "s")]);
        let found = env.remote_vars();
        assert_eq!(found, BTreeMap::from([("HF_TOKEN".to_owned(), "t".to_owned())]));
    }

    #[test]
    fn the_user_file_follows_xdg_and_ignores_relative_paths_there() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        let file = |vars: &[(&str, &str)]| env(vars).user_config_file();
        assert_eq!(file(&[]), None);
        assert_eq!(file(&[("HOME", home)]), Some(directory.path().join(".config/art/config.toml")));
        let both = [("HOME", home), ("XDG_CONFIG_HOME", "/x")];
        assert_eq!(file(&both), Some("/x/art/config.toml".into()));
        let relative = [("HOME", home), ("XDG_CONFIG_HOME", "x")];
        assert_eq!(file(&relative), Some(directory.path().join(".config/art/config.toml")));
    }

    #[test]
    fn a_home_that_is_not_a_directory_of_this_user_is_ignored() {
        let file = |vars: &[(&str, &str)]| env(vars).user_config_file();
        assert_eq!(file(&[("HOME", "/dev/null")]), None);
        assert_eq!(file(&[("HOME", "/nonexistent")]), None);
        assert_eq!(file(&[("XDG_CONFIG_HOME", "/dev/null")]), None);
        let foreign = if rustix::process::geteuid().is_root() { return } else { "/" };
        assert_eq!(file(&[("HOME", foreign)]), None);
    }

    #[test]
    fn a_seed_applies_only_with_a_fixed_time() {
        assert_eq!(env(&[("ART_SEED", "7")]).seed().unwrap(), None);
        let both = [("ART_SEED", "7"), ("ART_NOW", "2026-11-21")];
        assert_eq!(env(&both).seed().unwrap(), Some(7));
        let bad = [("ART_SEED", "x"), ("ART_NOW", "2026-11-21")];
        assert!(env(&bad).seed().is_err());
    }

    #[test]
    fn only_art_variables_reach_the_settings() {
        let vars = env(&[("ART_PROJECT", "o/p"), ("PATH", "/bin"), ("ART_EMPTY", "")]).art_vars();
        assert_eq!(vars.into_iter().collect::<Vec<_>>(), [("ART_PROJECT".into(), "o/p".into())]);
    }
}
