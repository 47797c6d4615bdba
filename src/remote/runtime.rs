//! The boundary between async and blocking code: one runtime for the process, and blocking waits.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::threads::refused;

/// Returns true if the work should stop.
pub type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// The interval at which a wait checks for an interrupt.
const LOOK: Duration = Duration::from_millis(100);

/// One runtime for all stores, because their shared connections live in it.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    check_threads_can_start(WORKERS + 1)?;
    Builder::new_multi_thread().worker_threads(WORKERS).thread_name("remote").enable_all().build()
});

/// The number of runtime threads.
const WORKERS: usize = 2;

/// Fails if the system can't start `count` threads: the runtime would panic.
fn check_threads_can_start(count: usize) -> std::io::Result<()> {
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let wait = || {
        let stopped = stopped.clone();
        std::thread::Builder::new().spawn(move || stopped.recv().is_err())
    };
    let started: std::io::Result<Vec<_>> = (0..count).map(|_| wait()).collect();
    drop(stop);
    for thread in started? {
        let _ = thread.join();
    }
    Ok(())
}

fn runtime() -> Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| {
        refused(std::io::Error::from(error.kind())).context("cannot talk to remotes")
    })
}

/// Starts `work` in the background.
pub(super) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>> {
    Ok(runtime()?.spawn(work))
}

/// Waits for `work`, unless interrupted.
pub(super) fn wait<T>(interrupt: Option<&Interrupt>, work: impl Future<Output = T>) -> Result<T> {
    runtime()?.block_on(async {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(LOOK, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) => check(interrupt)?,
            }
        }
    })
}

/// Fails if the work should stop.
pub(super) fn check(interrupt: Option<&Interrupt>) -> Result<()> {
    match interrupt {
        Some(asks) if asks() => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
        _ => Ok(()),
    }
}

/// Sleeps for `time` in short steps, unless interrupted.
pub(super) fn sleep(interrupt: Option<&Interrupt>, time: Duration) -> Result<()> {
    let mut left = time;
    loop {
        check(interrupt)?;
        if left.is_zero() {
            return Ok(());
        }
        let step = left.min(LOOK);
        std::thread::sleep(step);
        left -= step;
    }
}
