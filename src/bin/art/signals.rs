//! Ctrl-C and termination: the first asks the operation to stop, the second ends at once.

use std::os::raw::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifacts::Result;
use artifacts::error::IoResultExt;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level};

use crate::report::Exit;

/// The handlers of this process.
pub(crate) struct Signals {
    interrupted: Arc<AtomicBool>,
    waits: Arc<AtomicBool>,
    second_ends: Vec<SigId>,
}

impl Signals {
    /// Installs the handlers of SIGINT and SIGTERM.
    pub(crate) fn install() -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let waits = Arc::new(AtomicBool::new(false));
        let mut second_ends = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            conditional_end(signal, &waits).on("handle", "signals")?;
            // In this order: the first signal finds the flag unset and only sets it.
            let id = conditional_end(signal, &interrupted).on("handle", "signals")?;
            second_ends.push(id);
            flag::register(signal, Arc::clone(&interrupted)).on("handle", "signals")?;
        }
        Ok(Signals { interrupted, waits, second_ends })
    }

    /// Whether one of them has come.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Does `wait`, which waits for a person and has nothing half done: the first signal ends it.
    pub(crate) fn ending_at_once<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waits.store(true, Ordering::SeqCst);
        let done = wait();
        self.waits.store(false, Ordering::SeqCst);
        done
    }

    /// From here on a second signal no longer ends this process: the caller watches over a child
    /// that gets the signals and decides when to end.
    pub(crate) fn outlive_child(&self) {
        for id in &self.second_ends {
            low_level::unregister(*id);
        }
    }
}

fn conditional_end(signal: c_int, condition: &Arc<AtomicBool>) -> std::io::Result<SigId> {
    let status = c_int::from(Exit::Interrupted.code());
    flag::register_conditional_shutdown(signal, status, Arc::clone(condition))
}

/// Ends as any Unix tool whose reader has gone away: by SIGPIPE, without a word.
pub(crate) fn die_of_closed_pipe() {
    // It only returns if the signal can't be raised; then the exit code says the same.
    let _ = low_level::emulate_default_handler(SIGPIPE);
}
