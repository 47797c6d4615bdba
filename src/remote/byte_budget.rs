//! A limit on the bytes that all uploads of a store hold in memory.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::runtime::{self, Interrupt};
use crate::error::Result;

/// The interval at which a waiting thread checks for an interrupt.
const TICK: Duration = Duration::from_millis(100);

/// The budget and its free bytes.
#[derive(Debug)]
pub(super) struct ByteBudget {
    most: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// Bytes taken from a budget, which are returned when this value is dropped.
pub(super) struct Held<'a> {
    budget: &'a ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    /// Creates a budget of `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        ByteBudget { most, free: Mutex::new(most), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free, or the whole budget if `bytes` exceeds it.
    ///
    /// A thread that holds bytes must not ask for more: two such threads could wait for each other.
    pub(super) fn take(&self, bytes: u64, interrupt: Option<&Interrupt>) -> Result<Held<'_>> {
        let bytes = bytes.min(self.most);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            runtime::check(interrupt)?;
            let waited = self.freed.wait_timeout(free, TICK);
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= bytes;
        Ok(Held { budget: self, bytes })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut free = self.budget.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_and_a_larger_request_takes_all_of_it() {
        let budget = ByteBudget::new(10);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [3, 4, 5, 100, 1, 7] {
                let (budget, now, most) = (&budget, &now, &most);
                crate::threads::spawn(scope, move || {
                    let _held = budget.take(bytes, None).unwrap();
                    let bytes = bytes.min(10);
                    let sum = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    most.fetch_max(sum, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(bytes, Ordering::SeqCst);
                })
                .unwrap();
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 10);
        assert_eq!(*budget.free.lock().unwrap(), 10);
    }
}
