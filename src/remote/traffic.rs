//! How many requests were made and how many bytes moved.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what goes to a store and comes from it, from any thread.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    retries: AtomicU64,
}

/// [`Traffic`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrafficCount {
    /// Requests: those of HTTP where the store speaks it, else operations. With those that failed
    /// and those that asked for credentials.
    pub requests: u64,
    /// Bytes in the bodies of requests.
    pub sent: u64,
    /// Bytes in the bodies of answers.
    pub received: u64,
    /// Operations that were tried again.
    pub retries: u64,
}

impl Traffic {
    /// A request with a body of `bytes` is made.
    pub fn request(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// `bytes` of an answer came.
    pub fn answer(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An operation is tried again.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
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
    /// Both together.
    #[must_use]
    pub fn plus(self, more: TrafficCount) -> TrafficCount {
        TrafficCount {
            requests: self.requests + more.requests,
            sent: self.sent + more.sent,
            received: self.received + more.received,
            retries: self.retries + more.retries,
        }
    }

    /// What was added since `before`.
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
