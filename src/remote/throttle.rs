//! A limit on bytes a second, shared by all threads that talk to a store.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits in both directions.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// For bytes that go to the store.
    pub(super) sending: Throttle,
    /// For bytes that come from the store.
    pub(super) receiving: Throttle,
}

impl Pace {
    /// At most `rate` bytes a second in each direction.
    pub(super) fn new(rate: Option<u64>) -> Self {
        Pace { sending: Throttle::new(rate), receiving: Throttle::new(rate) }
    }
}

/// Spreads bytes over time.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Bytes a second; 0 is no limit.
    rate: u64,
    /// When all bytes so far have had their time.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Throttle { rate: rate.unwrap_or(0), free_at: Mutex::new(None) }
    }

    /// Counts `bytes` more; gives the time that must pass before they may move.
    pub(super) fn take(&self, bytes: u64) -> Duration {
        if self.rate == 0 || bytes == 0 {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free_at.filter(|at| *at > now).unwrap_or(now);
        let time = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        *free_at = Some(start + time);
        // The bytes themselves take their time after the wait, so the first ones need not wait.
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
