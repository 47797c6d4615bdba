//! Threads that may be refused: a system that starts no more threads gets the work done in fewer, or
//! an error to try again later. Never a panic, and nobody waits for a thread that is not there.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, ErrorKind, Result};

/// Starts a helper in `scope`; `None` if the system refuses. The caller can do without.
pub fn try_spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).ok()
}

/// Starts a thread in `scope` that the caller needs. Fails with `Unavailable` if the system refuses.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(refused)
}

/// The error of a system that starts no more threads.
pub fn refused(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the system starts no more threads")
        .with_source(error)
        .with_hint("end other programs or raise the limit of processes (ulimit -u), then try again")
}

/// Does `work` in up to `threads` threads, of which this is one: the work takes its share from a queue.
pub fn together<T: Send>(threads: usize, work: &(dyn Fn() -> Result<T> + Sync)) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map_while(|_| try_spawn(scope, work)).collect();
        let mut results = vec![work()];
        results.extend(helpers.into_iter().map(joined));
        results
    })
}

/// Does `work` for each of `parts`, in threads as far as the system starts them, otherwise in this one.
/// The results are in the order of the parts.
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
    fn parts_keep_their_order_and_every_part_is_done_once() {
        let parts: Vec<usize> = (0..50).collect();
        let done: Result<Vec<usize>> = in_parts(&parts, &|part| Ok(part * 2)).into_iter().collect();
        assert_eq!(done.unwrap(), parts.iter().map(|part| part * 2).collect::<Vec<_>>());
        assert!(in_parts::<u8, u8>(&[], &Ok).is_empty());
        assert_eq!(together(3, &|| Ok(1)).len(), 3);
    }
}
