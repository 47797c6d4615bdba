//! What every verb is handed: where it is, who asks, how to answer.

use std::path::{Path, PathBuf};

use artifacts::Result;
use artifacts::clock::{Clock, Timestamp};
use artifacts::progress::Progress;

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
    clock: Box<dyn Clock>,
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

    /// The clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Shows how far an operation is, and tells it when to stop.
    pub(crate) fn progress(&self) -> &dyn Progress {
        &self.progress
    }
}
