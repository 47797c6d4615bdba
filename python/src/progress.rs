//! The progress of a call, shared between its threads and the Python thread that waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use artifacts::progress::{Progress, Unit};

/// A phase: its name, its total and its unit.
pub(crate) type Phase = (String, Option<u64>, &'static str);

/// The progress of one call.
#[derive(Default)]
pub(crate) struct SharedProgress {
    phase: Mutex<Option<Phase>>,
    done: AtomicU64,
    messages: Mutex<Vec<String>>,
    is_stopped: AtomicBool,
}

impl SharedProgress {
    /// Asks the operation to stop.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns the current phase and the amount that is done.
    pub(crate) fn state(&self) -> Option<(Phase, u64)> {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some((phase, self.done.load(Ordering::Relaxed)))
    }

    /// Takes the warnings and the lines of hooks.
    pub(crate) fn take_messages(&self) -> Vec<String> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, message: String) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

impl Progress for SharedProgress {
    fn begin(&self, phase: &str, total: Option<u64>, unit: Unit) {
        let unit = if unit == Unit::Bytes { "bytes" } else { "items" };
        self.done.store(0, Ordering::Relaxed);
        let mut place = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some((phase.to_owned(), total, unit));
    }

    fn advance(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn end(&self) {}

    fn line(&self, source: &str, line: &str) {
        self.push(format!("{source}: {line}"));
    }

    fn warn(&self, message: &str) {
        self.push(message.to_owned());
    }

    fn is_interrupted(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}
