//! Runs many blocking requests in parallel.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Applies `work` to each of `items` on up to `jobs` threads. Returns the results in order. The
/// first failure stops the remaining work and is returned.
pub(super) fn at_once<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: &(dyn Fn(&T) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    if jobs <= 1 || items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<Option<Result<R>>>> = Mutex::new(items.iter().map(|_| None).collect());
    let run = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(items.len()) {
            if crate::threads::try_spawn(scope, run).is_none() {
                break;
            }
        }
        run();
    });
    let mut results = Vec::with_capacity(items.len());
    let mut unfinished = false;
    for result in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match result {
            Some(result) => results.push(result?),
            None => unfinished = true,
        }
    }
    if unfinished { Err(Error::internal("work was left out")) } else { Ok(results) }
}
