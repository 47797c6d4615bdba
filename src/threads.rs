//! Threads on systems that refuse to start more of them. The work then runs in fewer threads or
//! fails with `Unavailable`. It never panics, and no thread waits for a thread that did not start.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, ErrorKind, Result};

/// Starts an optional helper thread in `scope`. Returns `None` if the system refuses.
pub fn try_spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).ok()
}

/// Starts a required thread in `scope`. Fails with `Unavailable` if the system refuses.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(refused)
}

/// The error for a system that refuses to start a thread.
pub fn refused(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the system cannot start another thread")
        .with_source(error)
        .with_hint("close other programs or raise the process limit (ulimit -u), then try again")
}

/// Runs `work` in up to `threads` threads, including the current one. Each call of `work` takes its
/// share from a queue.
pub fn together<T: Send>(threads: usize, work: &(dyn Fn() -> Result<T> + Sync)) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map_while(|_| try_spawn(scope, work)).collect();
        let mut results = vec![work()];
        results.extend(helpers.into_iter().map(joined));
        results
    })
}

/// Runs `work` for each of `parts`, in parallel if the system starts threads, otherwise in this
/// thread. Results are in the order of `parts`.
pub fn in_parts<P: Copy + Send, T: Send>(
    parts: &[P],
    work: &(dyn Fn(P) -> Result<T> + Sync),
) -> Vec<Result<T>> {
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let started: Vec<_> =
            others.iter().map(|&part| (part, try_spawn(scope, move || work(part)))).collect();
        let mut results = vec![work(*first)];
        for (part, thread) in started {
            results.push(match thread {
                Some(thread) => joined(thread),
                None => work(part),
            });
        }
        results
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::internal("a thread ended early")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_every_part_runs_once() {
        let parts: Vec<usize> = (0..50).collect();
        let done: Result<Vec<usize>> = in_parts(&parts, &|part| Ok(part * 2)).into_iter().collect();
        assert_eq!(done.unwrap(), parts.iter().map(|part| part * 2).collect::<Vec<_>>());
        assert!(in_parts::<u8, u8>(&[], &Ok).is_empty());
        assert_eq!(together(3, &|| Ok(1)).len(), 3);
    }
}
