//! The context of every verb: location, settings, output.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use artifacts::clock::Clock;
use artifacts::config::{Config, Sources};
use artifacts::content::Params;
use artifacts::error::{Error, ErrorKind, IoResultExt};
use artifacts::history::WalkLimits;
use artifacts::progress::Progress;
use artifacts::remote::{Ledger, TrafficCount};
use artifacts::repo::{
    DIRECTORY, GcSettings, HookSettings, HookTrust, Identity, Repository, Settings,
    TransferSettings,
};
use artifacts::{Name, ProjectName, Result};

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
        let clock = env.clock()?;
        let repository = find_repository(&env, &cwd);
        let sources = sources(&env, globals, repository.as_deref().ok());
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
        find_repository(&self.env, &self.cwd)
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
        let defaults = Settings::default();
        let content = config.content()?;
        let (entries, depth) = config.tree_limits()?;
        let (prune, keep_operations) = config.gc()?;
        let project = config.project()?.unwrap_or(defaults.project);
        let seed = self.env.seed()?.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        Ok(Settings {
            identity: self.identity(config)?,
            command: self.env.command_line(),
            stage_reason: STAGE_REASON.to_owned(),
            clock: Arc::clone(&self.clock),
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
                variables: self.env.remote_vars(),
                ca_files: self.env.ca_files(config.text("transfer.ca-file")?),
                interrupt: Some(self.signals.interrupt()),
                ledger: self.ledger.clone(),
                ..TransferSettings::default()
            },
        })
    }

    /// The settings of local hooks. A hook that calls `art` passes its depth in the environment.
    fn hooks(&self, config: &Config) -> Result<HookSettings> {
        let set = config.hooks()?;
        let depth = self.env.var("ART_HOOK_DEPTH")?.and_then(|depth| depth.parse().ok());
        Ok(HookSettings {
            enabled: set.enabled,
            timeout: set.timeout,
            trust: if set.of_anyone { HookTrust::Any } else { HookTrust::Owner },
            depth: depth.unwrap_or(0),
        })
    }

    /// The run whose command this process belongs to: `ART_RUN`, if it is a run of `project`.
    fn run_of_environment(&self, project: &ProjectName) -> Result<Option<Name>> {
        let Some(run) = self.env.var("ART_RUN")? else { return Ok(None) };
        let run = run.parse().map_err(|error: Error| {
            let hint = "unset ART_RUN, or set it to the name of a run: art runs";
            error.context("ART_RUN is not the name of a run").with_hint(hint)
        })?;
        let its_project = self.env.var("ART_PROJECT")?;
        let is_of_project = its_project.is_none_or(|its| its == project.to_string());
        Ok(is_of_project.then_some(run))
    }

    /// The identity of the user: from the settings, otherwise the account and the machine.
    fn identity(&self, config: &Config) -> Result<Identity> {
        let (user, host) = (self.env.user(), self.env.host());
        let named = config.identity()?;
        Ok(Identity {
            name: named.name.unwrap_or_else(|| user.clone()),
            email: named.email.unwrap_or_else(|| format!("{user}@{host}")),
            user,
            host,
        })
    }
}

fn find_repository(env: &Env, cwd: &Path) -> Result<PathBuf> {
    let Some(given) = env.var_os("ART_DIR") else { return Repository::find(cwd) };
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

fn sources(env: &Env, globals: &Globals, repository: Option<&Path>) -> Sources {
    Sources {
        user_file: env.user_config_file(),
        repository_file: repository.map(|directory| directory.join("config.toml")),
        environment: env.art_vars(),
        flags: globals.settings(),
    }
}

/// The response timeout of remotes: half of the patience, so that a second attempt fits.
fn answer_timeout(patience: Duration) -> Duration {
    if patience.is_zero() { TransferSettings::default().answer_timeout } else { patience / 2 }
}
