//! The settings that a process gets from its environment variables, which the caller passes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{
    DIRECTORY, GcSettings, HookSettings, HookTrust, Identity, Repository, Settings,
    TransferSettings,
};
use crate::clock::{Clock, FixedClock, SystemClock, Timestamp};
use crate::config::{Config, Sources};
use crate::content::Params;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::read;
use crate::history::WalkLimits;
use crate::name::{Name, ProjectName};
use crate::remote::secret_variables;

/// The environment variables of a process. This library reads none itself.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use artifacts::repo::Environment;
/// use artifacts::{Repository, Settings};
///
/// # let temporary = tempfile::tempdir()?;
/// # let work = temporary.path().canonicalize()?;
/// Repository::create(&work, Settings::default())?;
/// // A program passes `std::env::vars_os()`.
/// let environment = Environment::new([("ART_PROJECT", "ada/digits"), ("USER", "ada")]);
/// let directory = environment.find_repository(&work)?;
/// let config = environment.config(Some(&directory), BTreeMap::new())?;
/// let repo = Repository::open(&directory, environment.settings(&config)?)?;
/// assert_eq!(repo.settings().project.to_string(), "ada/digits");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Creates an environment of these variables.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment { variables: pairs.collect() }
    }

    /// Finds the directory of the repository: from `ART_DIR`, otherwise the nearest one from `cwd`
    /// upwards.
    pub fn find_repository(&self, cwd: &Path) -> Result<PathBuf> {
        let Some(given) = self.var_os("ART_DIR") else { return Repository::find(cwd) };
        let given = cwd.join(given);
        let inside = given.join(DIRECTORY);
        for directory in [given.clone(), inside] {
            if Repository::is_at(&directory)? {
                return Ok(directory);
            }
        }
        let message = format!("ART_DIR is '{}', which is not a repository", given.display());
        Err(Error::new(ErrorKind::NotARepository, message)
            .with_hint("unset ART_DIR, or set it to an .artifacts directory"))
    }

    /// Returns the sources of the settings: the user file, the file of `repository`, the variables,
    /// and `flags`.
    pub fn sources(&self, repository: Option<&Path>, flags: BTreeMap<String, String>) -> Sources {
        Sources {
            user_file: self.user_config_file(),
            repository_file: repository.map(|directory| directory.join("config.toml")),
            environment: self.art_vars(),
            flags,
        }
    }

    /// Loads the settings of [`Environment::sources`].
    pub fn config(
        &self,
        repository: Option<&Path>,
        flags: BTreeMap<String, String>,
    ) -> Result<Config> {
        Config::load(self.sources(repository, flags))
    }

    /// Returns the settings for opening a repository that is configured with `config`. They have no
    /// command and no interrupt.
    pub fn settings(&self, config: &Config) -> Result<Settings> {
        let defaults = Settings::default();
        let content = config.content()?;
        let (entries, depth) = config.tree_limits()?;
        let (prune, keep_operations) = config.gc()?;
        let project = config.project()?.unwrap_or(defaults.project);
        let seed = self.seed()?.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        Ok(Settings {
            identity: self.identity(config)?,
            clock: self.clock()?,
            run: self.run_of_environment(&project)?,
            project,
            threads: defaults.threads,
            lock_timeout: config.lock_timeout()?,
            params: Params {
                chunk_min: content.chunk_min,
                chunk_avg: content.chunk_avg,
                chunk_max: content.chunk_max,
                frame_size: content.frame_size,
                pack_size: content.pack_size,
                level: content.compression,
            },
            limits: WalkLimits { entries, depth },
            seed,
            hooks: self.hooks(config)?,
            gc: GcSettings { prune, keep_operations },
            transfer: TransferSettings {
                jobs: config.transfer_jobs()?,
                bandwidth: config.transfer_bandwidth()?,
                retries: config.transfer_retries()?,
                patience: config.transfer_patience()?,
                answer_timeout: answer_timeout(config.transfer_patience()?),
                variables: self.remote_vars(),
                ca_files: self.ca_files(config.text("transfer.ca-file")?),
                ..TransferSettings::default()
            },
            ..defaults
        })
    }

    /// The settings of local hooks. A hook that calls `art` passes its depth in the environment.
    fn hooks(&self, config: &Config) -> Result<HookSettings> {
        let set = config.hooks()?;
        let depth = self.var("ART_HOOK_DEPTH")?.and_then(|depth| depth.parse().ok());
        Ok(HookSettings {
            enabled: set.enabled,
            timeout: set.timeout,
            trust: if set.of_anyone { HookTrust::Any } else { HookTrust::Owner },
            depth: depth.unwrap_or(0),
        })
    }

    /// The run whose command this process belongs to: `ART_RUN`, if it is a run of `project`.
    fn run_of_environment(&self, project: &ProjectName) -> Result<Option<Name>> {
        let Some(run) = self.var("ART_RUN")? else { return Ok(None) };
        let run = run.parse().map_err(|error: Error| {
            let hint = "unset ART_RUN, or set it to the name of a run: art runs";
            error.context("ART_RUN is not the name of a run").with_hint(hint)
        })?;
        let its_project = self.var("ART_PROJECT")?;
        let is_of_project = its_project.is_none_or(|its| its == project.to_string());
        Ok(is_of_project.then_some(run))
    }

    /// The identity of the user: from the settings, otherwise the account and the machine.
    fn identity(&self, config: &Config) -> Result<Identity> {
        let (user, host) = (self.user(), self.host());
        let named = config.identity()?;
        Ok(Identity {
            name: named.name.unwrap_or_else(|| user.clone()),
            email: named.email.unwrap_or_else(|| format!("{user}@{host}")),
            user,
            host,
        })
    }

    /// The value of a variable; empty counts as unset.
    pub fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The value of a variable that must be UTF-8.
    pub fn var(&self, name: &str) -> Result<Option<&str>> {
        match self.var_os(name).map(OsStr::to_str) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(Error::invalid(format!("the variable {name} is not UTF-8"))),
        }
    }

    /// All `ART_*` variables that are text, for the settings.
    pub fn art_vars(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, value)| name.starts_with("ART_") && !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The variables with credentials for remote stores.
    pub fn remote_vars(&self) -> BTreeMap<String, String> {
        let value = |name| self.var(name).ok().flatten();
        let found = secret_variables().into_iter().filter_map(|name| Some((name, value(name)?)));
        found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The certificate files to trust in addition to the system: from the settings, and from the
    /// variables of other programs.
    pub fn ca_files(&self, setting: Option<String>) -> Vec<PathBuf> {
        let variables = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"];
        let named = variables.into_iter().filter_map(|name| self.var_os(name)).map(PathBuf::from);
        setting.map(PathBuf::from).into_iter().chain(named).collect()
    }

    /// The user file: `$XDG_CONFIG_HOME/art/config.toml`, otherwise `~/.config/art/config.toml`;
    /// `None` without a home directory.
    pub fn user_config_file(&self) -> Option<PathBuf> {
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

    /// The system clock, or the fixed time of `ART_NOW`.
    pub fn clock(&self) -> Result<Arc<dyn Clock>> {
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
    pub fn seed(&self) -> Result<Option<u64>> {
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
    pub fn user(&self) -> String {
        ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| self.var(name).ok().flatten())
            .map(str::to_owned)
            .or_else(user_of_passwd)
            .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
    }

    /// The host name; with a fixed time, `ART_HOST` if set.
    pub fn host(&self) -> String {
        if let (Some(_), Ok(Some(host))) = (self.var_os("ART_NOW"), self.var("ART_HOST")) {
            return host.to_owned();
        }
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy().into_owned();
        if name.is_empty() { "localhost".to_owned() } else { name }
    }
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

/// The response timeout of remotes: half of the patience, so that a second attempt fits.
fn answer_timeout(patience: Duration) -> Duration {
    if patience.is_zero() { TransferSettings::default().answer_timeout } else { patience / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Environment {
        Environment::new(vars.iter().copied())
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
