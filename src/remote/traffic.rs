//! Counters of requests and transferred bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the requests and bytes of a store, from any thread.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    retries: AtomicU64,
}

/// The values of [`Traffic`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrafficCount {
    /// HTTP requests, or operations if the store does not use HTTP. Includes failed requests and
    /// requests for credentials.
    pub requests: u64,
    /// Bytes in the bodies of requests.
    pub sent: u64,
    /// Bytes in the bodies of answers.
    pub received: u64,
    /// Retried operations.
    pub retries: u64,
}

impl Traffic {
    /// Counts a request with a body of `bytes`.
    pub fn request(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts `bytes` of an answer.
    pub fn answer(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a retried operation.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the current values.
    pub fn count(&self) -> TrafficCount {
        TrafficCount {
            requests: self.requests.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}

impl TrafficCount {
    /// Returns the sum.
    #[must_use]
    pub fn plus(self, more: TrafficCount) -> TrafficCount {
        TrafficCount {
            requests: self.requests + more.requests,
            sent: self.sent + more.sent,
            received: self.received + more.received,
            retries: self.retries + more.retries,
        }
    }

    /// Returns the difference to the earlier value `before`.
    #[must_use]
    pub fn since(self, before: TrafficCount) -> TrafficCount {
        TrafficCount {
            requests: self.requests - before.requests,
            sent: self.sent - before.sent,
            received: self.received - before.received,
            retries: self.retries - before.retries,
        }
    }
}
