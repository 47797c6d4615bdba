//! Detects stalled transfers: those slower than any working connection.

use std::time::{Duration, Instant};

/// The minimum rate in bytes per second, averaged over the time that a request may take without an
/// answer. A connection of 20 KiB per second shared by 8 requests is ten times as fast.
pub(super) const SLOWEST: u64 = 256;
/// The maximum number of bytes in buffers after the last byte was handed over.
const BUFFERED: u64 = 1 << 20;
/// The minimum rate in bytes per second at which buffers are assumed to drain.
const DRAIN: u64 = 16 << 10;

/// The time limit for the answer after the last of `bytes` was handed over.
pub(super) fn answer_time(answer_timeout: Duration, bytes: u64) -> Duration {
    answer_timeout + Duration::from_secs(bytes.min(BUFFERED) / DRAIN)
}

/// Watches the bytes of one direction of one request.
#[derive(Debug)]
pub(super) struct Watch {
    window: Duration,
    waited: Duration,
    moved: u64,
}

impl Watch {
    /// Creates a watch that reports a transfer slower than [`SLOWEST`] over the time `window`.
    pub(super) fn new(window: Duration) -> Self {
        Watch { window, waited: Duration::ZERO, moved: 0 }
    }

    /// Records that `bytes` arrived after a wait of `time`. Returns true if the transfer has
    /// stalled.
    ///
    /// Count only time spent waiting for the other side. Time for the rate limit, or for the
    /// consumer of the bytes, does not count.
    pub(super) fn note(&mut self, time: Duration, bytes: u64) -> bool {
        self.waited += time;
        self.moved = self.moved.saturating_add(bytes);
        if self.waited < self.window {
            return false;
        }
        let least = (self.waited.as_secs_f64() * SLOWEST as f64) as u64;
        let has_stalled = self.moved < least.max(1);
        (self.waited, self.moved) = (Duration::ZERO, 0);
        has_stalled
    }
}

/// Measures the time between calls.
#[derive(Debug)]
pub(super) struct Lap(Instant);

impl Lap {
    pub(super) fn start() -> Self {
        Lap(Instant::now())
    }

    /// Returns the time since the last call, or since the start.
    pub(super) fn next(&mut self) -> Duration {
        let now = Instant::now();
        let time = now - self.0;
        self.0 = now;
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if `bytes` in each interval `every` count as a stall within five minutes.
    fn stalls(bytes: u64, every: Duration) -> bool {
        let mut watch = Watch::new(Duration::from_secs(30));
        let times = 300 / every.as_secs();
        (0..times).any(|_| watch.note(every, bytes))
    }

    #[test]
    fn a_byte_every_two_seconds_is_a_stall_but_a_slow_link_is_not() {
        assert!(stalls(1, Duration::from_secs(2)));
        assert!(stalls(0, Duration::from_secs(1)));
        assert!(!stalls(20 << 10, Duration::from_secs(1)));
        // Eight requests share the link.
        assert!(!stalls(2 << 10, Duration::from_secs(1)));
        // A burst every 20 seconds.
        assert!(!stalls(64 << 10, Duration::from_secs(20)));
    }

    #[test]
    fn a_slow_link_has_time_to_deliver_buffered_bytes() {
        let time = |bytes| answer_time(Duration::from_secs(30), bytes).as_secs();
        assert_eq!((time(0), time(1 << 20), time(1 << 40)), (30, 94, 94));
    }
}
