//! Progress reports and interruption of long operations.
//!
//! Every operation that can take long has a `progress` parameter. Pass [`NoProgress`] to ignore the
//! reports. Implement [`Progress`] to show them, or to stop the operation:
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use artifacts::progress::{Progress, Unit};
//!
//! /// Counts bytes, and stops the operation after 1 GB.
//! #[derive(Default)]
//! struct Limit(AtomicU64);
//!
//! impl Progress for Limit {
//!     fn begin(&self, phase: &str, total: Option<u64>, _unit: Unit) {
//!         println!("{phase}: {total:?}");
//!     }
//!
//!     fn advance(&self, amount: u64) {
//!         self.0.fetch_add(amount, Ordering::Relaxed);
//!     }
//!
//!     fn end(&self) {}
//!
//!     fn is_interrupted(&self) -> bool {
//!         self.0.load(Ordering::Relaxed) > 1_000_000_000
//!     }
//! }
//! ```

use crate::error::{Error, ErrorKind, Result};

/// The unit that a phase counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files, objects, refs or other items.
    Items,
}

/// Receives the progress of an operation, from any of its threads.
pub trait Progress: Send + Sync {
    /// Begins a phase and ends the previous one. `total` is given if it is known.
    fn begin(&self, phase: &str, total: Option<u64>, unit: Unit);
    /// Adds `amount` to the current phase.
    fn advance(&self, amount: u64);
    /// Ends the last phase.
    fn end(&self);
    /// Passes on a `line` that the program `source` printed, which the operation runs. The line can
    /// contain any characters except line feeds.
    fn line(&self, _source: &str, _line: &str) {}
    /// Reports a possible problem that does not stop the operation.
    fn warn(&self, _message: &str) {}
    /// Returns true if the operation should stop and leave the old state in place.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Reports nothing and never interrupts.
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
