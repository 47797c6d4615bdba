//! How long work tells of itself, and how it is asked to stop.

use crate::error::{Error, ErrorKind, Result};

/// What a phase counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files, objects, refs: things.
    Items,
}

/// Receives the progress of an operation, from any of its threads.
pub trait Progress: Send + Sync {
    /// A phase begins; `total` where it is known. The phase before it is over.
    fn begin(&self, phase: &str, total: Option<u64>, unit: Unit);
    /// `amount` more is done in the current phase.
    fn advance(&self, amount: u64);
    /// All phases are over.
    fn end(&self);
    /// Another program that the operation runs, called `source`, prints `line`. It may hold any
    /// characters but line feeds.
    fn line(&self, _source: &str, _line: &str) {}
    /// Something may be wrong, but does not stop the operation.
    fn warn(&self, _message: &str) {}
    /// Whether the operation should stop where it is and leave the old state.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Tells nobody, never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _phase: &str, _total: Option<u64>, _unit: Unit) {}
    fn advance(&self, _amount: u64) {}
    fn end(&self) {}
}

/// Fails with [`ErrorKind::Interrupted`] if the operation was asked to stop.
pub fn check_interrupt(progress: &dyn Progress) -> Result<()> {
    if progress.is_interrupted() {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    Ok(())
}
