//! A limit on bytes per second, shared by all threads that use a store.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits in both directions.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// For bytes sent to the store.
    pub(super) sending: Throttle,
    /// For bytes received from the store.
    pub(super) receiving: Throttle,
}

impl Pace {
    /// Limits each direction to `rate` bytes per second.
    pub(super) fn new(rate: Option<u64>) -> Self {
        Pace { sending: Throttle::new(rate), receiving: Throttle::new(rate) }
    }
}

/// Spreads bytes over time.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// The rate in bytes per second; 0 means no limit.
    rate: u64,
    /// The time at which all bytes so far have had their share of time.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Throttle { rate: rate.unwrap_or(0), free_at: Mutex::new(None) }
    }

    /// Counts `bytes` more. Returns the time to wait before they may move.
    pub(super) fn take(&self, bytes: u64) -> Duration {
        if self.rate == 0 || bytes == 0 {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free_at.filter(|at| *at > now).unwrap_or(now);
        let time = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        *free_at = Some(start + time);
        // The transfer itself takes place after the wait, so the first bytes need not wait.
        start - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_over_time() {
        let throttle = Throttle::new(Some(1000));
        assert_eq!(throttle.take(2000), Duration::ZERO);
        let wait = throttle.take(1).as_secs_f64();
        assert!((1.8..=2.0).contains(&wait), "{wait}");
        assert_eq!(Throttle::new(None).take(u64::MAX), Duration::ZERO);
    }

    #[test]
    fn each_direction_has_its_own_limit() {
        let pace = Pace::new(Some(1000));
        assert_eq!(pace.sending.take(5000), Duration::ZERO);
        assert_eq!(pace.receiving.take(5000), Duration::ZERO);
        assert!(pace.sending.take(1) > Duration::from_secs(4));
    }
}
