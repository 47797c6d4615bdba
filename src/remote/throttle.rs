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
        self.take_at(Instant::now(), bytes)
    }

    fn take_at(&self, now: Instant, bytes: u64) -> Duration {
        if self.rate == 0 || bytes == 0 {
            return Duration::ZERO;
        }
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
        let (throttle, now) = (Throttle::new(Some(1000)), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(throttle.take_at(now, 2000), Duration::ZERO);
        assert_eq!(throttle.take_at(now, 1000), 2 * second);
        assert_eq!(throttle.take_at(now + second, 1000), 2 * second);
        assert_eq!(throttle.take_at(now + 60 * second, 1000), Duration::ZERO);
        assert_eq!(Throttle::new(None).take(u64::MAX), Duration::ZERO);
    }

    #[test]
    fn each_direction_has_its_own_limit() {
        let (pace, now) = (Pace::new(Some(1000)), Instant::now());
        assert_eq!(pace.sending.take_at(now, 5000), Duration::ZERO);
        assert_eq!(pace.receiving.take_at(now, 5000), Duration::ZERO);
        assert_eq!(pace.sending.take_at(now, 1), Duration::from_secs(5));
    }
}
