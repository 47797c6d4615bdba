//! Who acts on a repository, when, and with what means.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::content::Params;
use crate::name::{Name, ProjectName};

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
    /// Chooses the names of runs.
    pub seed: u64,
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
            seed: 0,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("identity", &self.identity)
            .field("project", &self.project)
            .field("run", &self.run)
            .field("threads", &self.threads)
            .field("lock_timeout", &self.lock_timeout)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}
