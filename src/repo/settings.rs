//! Who acts on a repository, when, and with what means.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::content::Params;
use crate::history::WalkLimits;
use crate::name::{Name, ProjectName};
use crate::remote::{Interrupt, Ledger, StoreOptions, Wrap};

/// A person or a machine that writes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As it stands in commits.
    pub name: String,
    /// The mail address, real or made of user and host.
    pub email: String,
    /// The account.
    pub user: String,
    /// The machine.
    pub host: String,
}

impl Default for Identity {
    fn default() -> Self {
        Identity {
            name: "unknown".to_owned(),
            email: "unknown@localhost".to_owned(),
            user: "unknown".to_owned(),
            host: "localhost".to_owned(),
        }
    }
}

/// Whether local hooks run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// Whether they run.
    pub enabled: bool,
    /// How long one may take; zero is for ever.
    pub timeout: Duration,
    /// Whose hooks run.
    pub trust: HookTrust,
    /// How many hooks this process is called by, one inside of the other.
    pub depth: u32,
}

/// Whose hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookTrust {
    /// Those of this process's user and of root.
    Owner,
    /// Those of anyone.
    Any,
}

impl Default for HookSettings {
    /// They don't run: a program that uses this library says when others may.
    fn default() -> Self {
        HookSettings {
            enabled: false,
            timeout: Duration::from_mins(1),
            trust: HookTrust::Owner,
            depth: 0,
        }
    }
}

/// How remotes are talked to.
#[derive(Clone)]
pub struct TransferSettings {
    /// How many requests are under way at the same time, at most.
    pub jobs: usize,
    /// The most bytes a second in each direction.
    pub bandwidth: Option<u64>,
    /// The variables of the environment that hold what opens a store: those of
    /// [`secret_variables`](crate::remote::secret_variables) that are set.
    pub variables: BTreeMap<String, String>,
    /// Asks whether to stop.
    pub interrupt: Option<Interrupt>,
    /// Told of every store that is talked to.
    pub ledger: Ledger,
    /// The wait before a request that failed is made again; it doubles with each time.
    pub first_wait: Duration,
    /// How often a request that failed is made again, at most.
    pub retries: u32,
    /// How long a request that fails is tried again, in all.
    pub patience: Duration,
    /// In this time a request must be answered.
    pub answer_timeout: Duration,
    /// Files of certificates that are trusted beside the system's, in PEM.
    pub ca_files: Vec<PathBuf>,
    /// Stands between each store and what is asked of it: for tests.
    pub wrap: Option<Wrap>,
}

impl Default for TransferSettings {
    fn default() -> Self {
        TransferSettings {
            jobs: 8,
            bandwidth: None,
            variables: BTreeMap::new(),
            interrupt: None,
            ledger: Ledger::default(),
            first_wait: StoreOptions::default().first_wait,
            retries: StoreOptions::default().retries,
            patience: StoreOptions::default().patience,
            answer_timeout: StoreOptions::default().answer_timeout,
            ca_files: Vec::new(),
            wrap: None,
        }
    }
}

impl fmt::Debug for TransferSettings {
    /// The names of the variables; their values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferSettings")
            .field("jobs", &self.jobs)
            .field("bandwidth", &self.bandwidth)
            .field("retries", &self.retries)
            .field("patience", &self.patience)
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What a repository is opened with.
#[derive(Clone)]
pub struct Settings {
    /// Who acts.
    pub identity: Identity,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The project that names without one belong to.
    pub project: ProjectName,
    /// The run of that project that is the current one, whatever `HEAD` says: for what a run's own
    /// command does, while others may make their run the current one.
    pub run: Option<Name>,
    /// Threads that work at once.
    pub threads: usize,
    /// How long to wait for another process.
    pub lock_timeout: Duration,
    /// How content is cut and compressed.
    pub params: Params,
    /// How far a walk through one tree may go.
    pub limits: WalkLimits,
    /// Chooses the names of runs.
    pub seed: u64,
    /// Whether local hooks run, and how.
    pub hooks: HookSettings,
    /// How remotes are talked to.
    pub transfer: TransferSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let name = |text: &str| text.parse().expect("because the default names are valid");
        Settings {
            identity: Identity::default(),
            clock: Arc::new(SystemClock),
            project: ProjectName { owner: name("local"), project: name("default") },
            run: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            lock_timeout: Duration::from_secs(30),
            params: Params::default(),
            limits: WalkLimits::default(),
            seed: 0,
            hooks: HookSettings::default(),
            transfer: TransferSettings::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("identity", &self.identity)
            .field("project", &self.project)
            .field("run", &self.run)
            .field("threads", &self.threads)
            .field("lock_timeout", &self.lock_timeout)
            .field("params", &self.params)
            .field("limits", &self.limits)
            .field("hooks", &self.hooks)
            .field("transfer", &self.transfer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_with_the_settings() {
        let mut settings = Settings::default();
        settings.transfer.variables.insert("OS_AUTH_TOKEN".into(), "hush-hush".into());
        let shown = format!("{settings:?}");
        assert!(shown.contains("OS_AUTH_TOKEN") && !shown.contains("hush"), "{shown}");
    }
}
