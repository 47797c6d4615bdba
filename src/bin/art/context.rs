//! What every verb is handed: where it is, who asks, how to answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts::Result;
use artifacts::clock::{Clock, Timestamp};
use artifacts::error::{Error, ErrorKind};
use artifacts::progress::Progress;
use artifacts::repo::{DIRECTORY, Identity, Repository, Settings};

use crate::cli::Globals;
use crate::env::{self, Env};
use crate::signals::Signals;
use crate::ui::{TerminalProgress, Ui};

/// One call of `art`.
pub(crate) struct Context<'a> {
    /// Prints, asks.
    pub(crate) ui: &'a Ui,
    /// The options of every verb.
    pub(crate) globals: &'a Globals,
    /// The process's surroundings.
    pub(crate) env: Env,
    /// The handlers of Ctrl-C and termination.
    pub(crate) signals: &'a Signals,
    cwd: PathBuf,
    clock: Arc<dyn Clock>,
    progress: TerminalProgress<'a>,
}

impl<'a> Context<'a> {
    /// Goes to the directory of `-C` and reads the clock's setting.
    pub(crate) fn new(
        env: Env,
        globals: &'a Globals,
        ui: &'a Ui,
        signals: &'a Signals,
    ) -> Result<Self> {
        let cwd = env::enter(globals.directory.as_deref())?;
        let clock = env.clock()?;
        let progress = TerminalProgress::new(signals, ui.looks().progress);
        Ok(Context { ui, globals, env, signals, cwd, clock, progress })
    }

    /// The working directory, absolute; `-C` has been followed.
    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Shows how far an operation is, and tells it when to stop.
    pub(crate) fn progress(&self) -> &dyn Progress {
        &self.progress
    }

    /// The directory of the repository: that of `ART_DIR`, else the nearest one upwards.
    pub(crate) fn repository_directory(&self) -> Result<PathBuf> {
        let Some(given) = self.env.var_os("ART_DIR") else { return Repository::find(&self.cwd) };
        let given = self.cwd.join(given);
        let inside = given.join(DIRECTORY);
        [given.clone(), inside].into_iter().find(|dir| dir.join("HEAD").is_file()).ok_or_else(
            || {
                let message = format!("ART_DIR is '{}', which is no repository", given.display());
                Error::new(ErrorKind::NotARepository, message)
                    .with_hint("unset ART_DIR, or set it to a directory .artifacts")
            },
        )
    }

    /// Opens the repository.
    pub(crate) fn repo(&self) -> Result<Repository> {
        Repository::open(&self.repository_directory()?, self.settings()?)
    }

    /// What a repository is opened with.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let defaults = Settings::default();
        let seed = self.env.seed()?.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        Ok(Settings {
            identity: self.identity(),
            clock: Arc::clone(&self.clock),
            project: self.globals.project.clone().unwrap_or(defaults.project),
            lock_timeout: self.globals.lock_timeout.unwrap_or(defaults.lock_timeout),
            seed,
            ..defaults
        })
    }

    /// Who acts: the account and the machine, where settings name nobody.
    fn identity(&self) -> Identity {
        let (user, host) = (self.env.user(), self.env.host());
        Identity { name: user.clone(), email: format!("{user}@{host}"), user, host }
    }
}
