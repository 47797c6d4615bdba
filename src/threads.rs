//! Threads on systems that refuse to start more of them. The work then runs in fewer threads or
//! fails with `Unavailable`. It never panics, and no thread waits for a thread that did not start.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    refusal("the system cannot start another thread", error)
}

/// The error for a system that refuses to start a process.
pub fn refused_process(error: std::io::Error) -> Error {
    refusal("the system cannot start another process", error)
}

fn refusal(message: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, message)
        .with_source(error)
        .with_hint("close other programs or raise the process limit (ulimit -u), then try again")
}

/// Returns the number of threads, up to `wanted`, that the system starts now. Fails with `Unavailable`
/// if it starts none. For libraries that start threads of their own and report a refusal badly.
pub fn startable(wanted: usize) -> Result<usize> {
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let closed = gate.lock();
        let mut refusal = None;
        let mut started = 0;
        while started < wanted.max(1) && refusal.is_none() {
            match Builder::new().spawn_scoped(scope, || drop(gate.lock())) {
                Ok(_) => started += 1,
                Err(error) => refusal = Some(error),
            }
        }
        drop(closed);
        match refusal {
            Some(error) if started == 0 => Err(refused(error)),
            _ => Ok(started),
        }
    })
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

/// Applies `work` to each of `items` in up to `threads` threads, including the current one. Returns
/// the results in the order of the items. The first failure stops the remaining work and is
/// returned.
pub fn map<I: Sync, O: Send>(
    threads: usize,
    items: &[I],
    work: &(dyn Fn(&I) -> Result<O> + Sync),
) -> Result<Vec<O>> {
    map_with(threads, items, &|| (), &|(), item| work(item))
}

/// Like [`map`], with a value of each thread, such as a buffer, that `start` creates.
pub fn map_with<S, I: Sync, O: Send>(
    threads: usize,
    items: &[I],
    start: &(dyn Fn() -> S + Sync),
    work: &(dyn Fn(&mut S, &I) -> Result<O> + Sync),
) -> Result<Vec<O>> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut own = start();
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return Ok(done) };
            let result = work(&mut own, item);
            if result.is_err() {
                // Leaves no work for the other threads.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((number, result));
        }
    };
    let mut done = Vec::with_capacity(items.len());
    for part in together(threads.min(items.len()), &run) {
        done.extend(part?);
    }
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Like [`map`], for short work: a thread takes up to `size` items at a time. `work` returns the
/// results of its batch.
pub fn map_in_batches<I: Sync, O: Send>(
    threads: usize,
    size: usize,
    items: &[I],
    work: &(dyn Fn(&[I]) -> Result<Vec<O>> + Sync),
) -> Result<Vec<O>> {
    let batches: Vec<&[I]> = items.chunks(size).collect();
    let mut all = Vec::with_capacity(items.len());
    for results in map(threads, &batches, &|batch| work(batch))? {
        all.extend(results);
    }
    Ok(all)
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::internal("a thread ended early")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_every_item_is_done_once() {
        let items: Vec<usize> = (0..50).collect();
        let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
        for threads in [0, 1, 4, 100] {
            assert_eq!(map(threads, &items, &|item| Ok(item * 2)).unwrap(), doubled);
            let twice = |items: &[usize]| Ok(items.iter().map(|item| item * 2).collect());
            assert_eq!(map_in_batches(threads, 7, &items, &twice).unwrap(), doubled);
        }
        assert!(map::<u8, u8>(4, &[], &|item| Ok(*item)).unwrap().is_empty());
        assert_eq!(together(3, &|| Ok(1)).len(), 3);
    }

    #[test]
    fn the_first_failure_ends_the_work_and_is_returned() {
        let items: Vec<usize> = (0..10_000).collect();
        let started = AtomicUsize::new(0);
        let error = map(1, &items, &|item| {
            started.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(Error::invalid("three")) } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().message(), "three");
        assert_eq!(started.into_inner(), 4);
    }

    #[test]
    fn each_thread_creates_one_value_of_its_own() {
        let created = AtomicUsize::new(0);
        let start = || created.fetch_add(1, Ordering::Relaxed);
        let items = [0; 100];
        map_with(3, &items, &start, &|_, _| Ok(())).unwrap();
        assert!((1..=3).contains(&created.into_inner()));
    }
}
