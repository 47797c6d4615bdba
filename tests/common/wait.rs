//! The only place where a test gives up after a time: a test that hangs would hide the reason.

use std::time::{Duration, Instant};

/// The maximum wait for something that must happen. The slowest machine needs a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `is_done`. Fails, and names `what`, if that never happens.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
