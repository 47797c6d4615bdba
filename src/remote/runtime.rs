//! The boundary between async and blocking code: one runtime for the process, and blocking waits.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::threads::refused;

/// Returns true if the work should stop.
pub type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// The interval at which a wait checks for an interrupt.
const LOOK: Duration = Duration::from_millis(100);

/// One runtime for all stores of a process, because their shared connections live in it.
static FIRST: Link = Link::new();

/// A runtime, or the place for one.
type Link = OnceLock<Box<ProcessRuntime>>;

/// The runtime of one process. A fork copies the memory of a runtime, but not its threads, so the
/// child process makes its own runtime and leaves the one of its parent alone.
struct ProcessRuntime {
    process: u32,
    runtime: std::io::Result<Runtime>,
    /// The runtime of a child process.
    next: Link,
}

impl ProcessRuntime {
    fn start(process: u32) -> Self {
        let runtime = check_threads_can_start(WORKERS + 1).and_then(|()| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(WORKERS).thread_name("remote").enable_all().build()
        });
        ProcessRuntime { process, runtime, next: Link::new() }
    }

    /// Finds the runtime of `process` from `link` on, or starts it.
    fn of(process: u32, mut link: &Link) -> &Self {
        loop {
            // Not `get_or_init`: a fork during a long initialization would block the child for ever.
            let Some(found) = link.get() else {
                let _ = link.set(Box::new(Self::start(process)));
                continue;
            };
            if found.process == process {
                return found;
            }
            link = &found.next;
        }
    }
}

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
    let runtime = &ProcessRuntime::of(std::process::id(), &FIRST).runtime;
    runtime.as_ref().map_err(|error| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_of_a_fork_gets_a_runtime_of_its_own() {
        let first = Link::new();
        let parent = ProcessRuntime::of(1, &first);
        let child = ProcessRuntime::of(2, &first);
        assert!(std::ptr::eq(parent, ProcessRuntime::of(1, &first)));
        assert!(std::ptr::eq(child, ProcessRuntime::of(2, &first)));
        assert!(!std::ptr::eq(parent, child));
        assert_eq!(child.runtime.as_ref().unwrap().block_on(async { 7 }), 7);
    }
}
