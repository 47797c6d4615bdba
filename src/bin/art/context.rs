//! The context of every verb: location, settings, output.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts::Result;
use artifacts::clock::Clock;
use artifacts::config::{Config, Sources};
use artifacts::error::{ErrorKind, IoResultExt};
use artifacts::progress::Progress;
use artifacts::remote::{Ledger, TrafficCount};
use artifacts::repo::{Repository, Settings};

use crate::env::{self, Env};
use crate::globals::Globals;
use crate::input::Input;
use crate::signals::Signals;
use crate::ui::{ConfirmArgs, Looks, TerminalProgress, Ui};

/// The reason to record for a move to a stage if none is given.
const STAGE_REASON: &str = "CliStageUpdate";

/// One invocation of `art`.
pub(crate) struct Context<'a> {
    /// Prints and asks.
    pub(crate) ui: Ui,
    /// The options of every verb.
    pub(crate) globals: &'a Globals,
    /// The process's surroundings.
    pub(crate) env: Env,
    /// The handlers of Ctrl-C and termination.
    pub(crate) signals: &'a Signals,
    /// Builds the complete parser, for verbs that print it.
    pub(crate) parser: fn() -> clap::Command,
    cwd: PathBuf,
    clock: Arc<dyn Clock>,
    sources: Sources,
    config: Option<Config>,
    progress: TerminalProgress<'a>,
    ledger: Ledger,
}

impl<'a> Context<'a> {
    /// Asks for confirmation. See [`Ui::confirm`].
    pub(crate) fn confirm(&self, args: ConfirmArgs, question: &str) -> Result<()> {
        self.ui.confirm(self.signals, args, question)
    }

    /// Changes to the directory of `-C`, and reads the settings.
    pub(crate) fn new(
        env: Env,
        globals: &'a Globals,
        signals: &'a Signals,
        parser: fn() -> clap::Command,
    ) -> Result<Self> {
        let cwd = env::enter(globals.directory.as_deref())?;
        let clock = env.variables().clock()?;
        let repository = env.variables().find_repository(&cwd);
        let sources = env.variables().sources(repository.as_deref().ok(), globals.settings());
        // A broken settings file fails only the verbs that need it, not the verb that repairs it.
        let is_known = !repository.is_err_and(|error| error.kind() != ErrorKind::NotARepository);
        let config = if is_known { Config::load(sources.clone()).ok() } else { None };
        let ui = Ui::new(Looks::of(&env, globals, config.as_ref(), clock.now()));
        let progress = TerminalProgress::new(signals, *ui.looks());
        let ledger = Ledger::default();
        Ok(Context {
            ui,
            globals,
            env,
            signals,
            parser,
            cwd,
            clock,
            sources,
            config,
            progress,
            ledger,
        })
    }

    /// The absolute working directory, after `-C`.
    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// Standard input; a signal ends the wait for its bytes.
    pub(crate) fn stdin(&self) -> Result<Input<'a>> {
        Input::standard(self.signals).on("read", "standard input")
    }

    /// Shows how far an operation is, and tells it when to stop.
    pub(crate) fn progress(&self) -> &dyn Progress {
        &self.progress
    }

    /// The directory of the repository: from `ART_DIR`, otherwise the nearest one upwards.
    pub(crate) fn repository_directory(&self) -> Result<PathBuf> {
        self.env.variables().find_repository(&self.cwd)
    }

    /// The remote traffic so far; `None` if no remote was contacted.
    pub(crate) fn traffic(&self) -> Option<TrafficCount> {
        self.ledger.total()
    }

    /// The sources of the settings.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The settings, including the settings of the repository if there is one.
    pub(crate) fn config(&self) -> Result<Cow<'_, Config>> {
        match &self.config {
            Some(config) => Ok(Cow::Borrowed(config)),
            None => match self.repository_directory() {
                // The settings of an unreadable repository are unreadable too.
                Err(error) if error.kind() != ErrorKind::NotARepository => Err(error),
                _ => Config::load(self.sources.clone()).map(Cow::Owned),
            },
        }
    }

    /// Opens the repository with one thread per core.
    pub(crate) fn repo(&self) -> Result<Repository> {
        self.repo_with_threads(None)
    }

    /// Opens the repository with this number of threads; `None` means one per core.
    pub(crate) fn repo_with_threads(&self, threads: Option<usize>) -> Result<Repository> {
        let directory = self.repository_directory()?;
        let mut settings = self.settings()?;
        settings.threads = threads.unwrap_or(settings.threads);
        Repository::open(&directory, settings)
    }

    /// The settings without the settings of a surrounding repository.
    pub(crate) fn config_of_user(&self) -> Result<Config> {
        Config::load(Sources { repository_file: None, ..self.sources.clone() })
    }

    /// The settings for opening a repository.
    pub(crate) fn settings(&self) -> Result<Settings> {
        self.settings_from(&*self.config()?)
    }

    /// The settings for opening a repository that is configured with `config`.
    pub(crate) fn settings_from(&self, config: &Config) -> Result<Settings> {
        let mut settings = self.env.variables().settings(config)?;
        settings.command = self.env.command_line();
        STAGE_REASON.clone_into(&mut settings.stage_reason);
        settings.clock = Arc::clone(&self.clock);
        settings.transfer.interrupt = Some(self.signals.interrupt());
        settings.transfer.ledger = self.ledger.clone();
        Ok(settings)
    }
}
