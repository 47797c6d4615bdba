//! The settings that a repository is opened with: identity, clock, hooks, transfers.

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
    /// The name, as in commits.
    pub name: String,
    /// The mail address, real or composed of user and host.
    pub email: String,
    /// The user account.
    pub user: String,
    /// The host name.
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

/// The settings for local hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// True if hooks run.
    pub enabled: bool,
    /// The maximum time of one hook. Zero means no limit.
    pub timeout: Duration,
    /// The users whose hooks run.
    pub trust: HookTrust,
    /// The number of nested hooks that called this process.
    pub depth: u32,
}

/// The users whose hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookTrust {
    /// The user of this process, and root.
    Owner,
    /// Any user.
    Any,
}

impl Default for HookSettings {
    /// Hooks are off: a program that uses this library decides whether other programs may run.
    fn default() -> Self {
        HookSettings {
            enabled: false,
            timeout: Duration::from_mins(1),
            trust: HookTrust::Owner,
            depth: 0,
        }
    }
}

/// The settings for garbage collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcSettings {
    /// Operations that are younger can be undone.
    pub prune: Duration,
    /// The number of newest operations that can be undone, whatever their age.
    pub keep_operations: usize,
}

impl Default for GcSettings {
    fn default() -> Self {
        GcSettings { prune: Duration::from_hours(30 * 24), keep_operations: 100 }
    }
}

/// The settings for transfers to and from remotes.
#[derive(Clone)]
pub struct TransferSettings {
    /// The maximum number of concurrent requests.
    pub jobs: usize,
    /// The maximum number of bytes per second in each direction.
    pub bandwidth: Option<u64>,
    /// The environment variables with credentials for stores: those of
    /// [`secret_variables`](crate::remote::secret_variables) that are set.
    pub variables: BTreeMap<String, String>,
    /// Returns true if the transfer should stop.
    pub interrupt: Option<Interrupt>,
    /// Records every store that is used.
    pub ledger: Ledger,
    /// The wait before the first retry. It doubles with each retry.
    pub first_wait: Duration,
    /// The maximum number of retries of a failed request.
    pub retries: u32,
    /// The total time for retrying a failed request.
    pub patience: Duration,
    /// The maximum time until a request is answered.
    pub answer_timeout: Duration,
    /// PEM files with certificates to trust in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// Wraps each store, for tests.
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
    /// Shows the names of the variables only, because their values are secrets.
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

/// The settings that a repository is opened with.
#[derive(Clone)]
pub struct Settings {
    /// The acting person or machine.
    pub identity: Identity,
    /// The acting command line, without secrets, for logs and hooks. If it is empty, each operation
    /// is recorded with the message of its first ref.
    pub command: String,
    /// The reason to record if a version moves to a stage and none is given.
    pub stage_reason: String,
    /// The source of the current time.
    pub clock: Arc<dyn Clock>,
    /// The project of names that are given without a project.
    pub project: ProjectName,
    /// The current run of that project. Overrides `HEAD`, so that the command of a run keeps its
    /// run while other processes switch runs.
    pub run: Option<Name>,
    /// The number of worker threads.
    pub threads: usize,
    /// The maximum wait for another process.
    pub lock_timeout: Duration,
    /// The parameters for chunking and compressing content.
    pub params: Params,
    /// The limits of a walk through one tree.
    pub limits: WalkLimits,
    /// The seed for generated run names.
    pub seed: u64,
    /// The settings for local hooks.
    pub hooks: HookSettings,
    /// The settings for garbage collections.
    pub gc: GcSettings,
    /// The settings for transfers to and from remotes.
    pub transfer: TransferSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let name = |text: &str| text.parse().expect("because the default names are valid");
        Settings {
            identity: Identity::default(),
            command: String::new(),
            stage_reason: "ClientStageUpdate".to_owned(),
            clock: Arc::new(SystemClock),
            project: ProjectName { owner: name("local"), project: name("default") },
            run: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            lock_timeout: Duration::from_secs(30),
            params: Params::default(),
            limits: WalkLimits::default(),
            seed: 0,
            hooks: HookSettings::default(),
            gc: GcSettings::default(),
            transfer: TransferSettings::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("identity", &self.identity)
            .field("command", &self.command)
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
