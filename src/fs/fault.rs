//! Places where a crash is rehearsed.
//!
//! Every step after which the disk holds something new calls [`reached`]. A test arms the n-th such
//! step to fail or to end the process; unarmed, a step costs one atomic load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// What an armed step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fails as a full disk does.
    DiskFull,
    /// Ends the process at once, as `kill -9` does.
    Abort,
}

static REMAINING: AtomicU64 = AtomicU64::new(0);
static ARMED: Mutex<Option<Action>> = Mutex::new(None);

/// Lets the `nth` step from now (1 is the next) do `action`. The setting is the process's.
pub fn arm(nth: u64, action: Action) {
    if let Ok(mut armed) = ARMED.lock() {
        *armed = Some(action);
        REMAINING.store(nth, Ordering::SeqCst);
    }
}

/// Takes the arming back. Returns whether the armed step was never reached.
pub fn disarm() -> bool {
    REMAINING.swap(0, Ordering::SeqCst) > 0
}

/// A durability step was reached: `step` names it.
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
            Err(Error::new(ErrorKind::Unavailable, format!("rehearsed full disk at '{step}'")))
        }
        None => Ok(()),
    }
}
