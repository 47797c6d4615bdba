//! Fault injection for crash tests.
//!
//! Every step that changes the disk calls [`reached`]. A test arms the n-th step, which then fails
//! or ends the process. If no step is armed, a call costs one atomic load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The effect of an armed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fails like a full disk.
    DiskFull,
    /// Ends the process immediately, like `kill -9`.
    Abort,
}

static REMAINING: AtomicU64 = AtomicU64::new(0);
static ARMED: Mutex<Option<Action>> = Mutex::new(None);

/// Arms the `nth` step from now (1 is the next step). The setting applies to the whole process.
pub fn arm(nth: u64, action: Action) {
    if let Ok(mut armed) = ARMED.lock() {
        *armed = Some(action);
        REMAINING.store(nth, Ordering::SeqCst);
    }
}

/// Disarms the step. Returns true if the armed step was never reached.
pub fn disarm() -> bool {
    REMAINING.swap(0, Ordering::SeqCst) > 0
}

/// Reports that the step named `step` was reached. Fails if the step is armed.
pub fn reached(step: &str) -> Result<()> {
    if REMAINING.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    let before = REMAINING
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        .unwrap_or(0);
    if before != 1 {
        return Ok(());
    }
    let action = ARMED.lock().ok().and_then(|mut armed| armed.take());
    match action {
        Some(Action::Abort) => std::process::abort(),
        Some(Action::DiskFull) => {
            Err(Error::new(ErrorKind::Unavailable, format!("injected full disk at '{step}'")))
        }
        None => Ok(()),
    }
}
