//! A store that fails on demand, for tests of the code above it.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::object_store::{Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt};
use super::traffic::Traffic;
use crate::error::{Error, ErrorKind};

/// The fault that happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request does not reach the store; another attempt may.
    Fails,
    /// The store refuses the request, and would refuse it again.
    Refused,
    /// The request does not reach the store, and the failure is reported only after a while.
    Hangs,
    /// The store carries out the request, but its answer is lost.
    AnswerLost,
    /// Only half of the data arrives: a cut upload has no visible effect, a cut download yields the
    /// start.
    Cut,
    /// Something other than the store reports success and discards the request. Only for writes.
    Swallowed,
    /// One bit of the read data is flipped.
    Flipped,
}

/// The kinds of requests, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// [`ObjectStore::read`]
    Read,
    /// [`ObjectStore::write`] and [`ObjectStore::stream`]
    Write,
    /// [`ObjectStore::create`]
    Create,
    /// [`ObjectStore::stat`]
    Size,
    /// [`ObjectStore::list`]
    List,
    /// [`ObjectStore::delete`]
    Delete,
}

/// Decides what happens to the request with this number (from 0) for this key.
pub type Script = dyn Fn(u64, Request, &str) -> Option<Fault> + Send + Sync;

/// A store whose requests fail according to a script.
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    script: Box<Script>,
    asked: AtomicU64,
}

impl FaultStore {
    /// Wraps `inner` and adds the faults of `script`.
    pub fn new(
        inner: Arc<dyn ObjectStore>,
        script: impl Fn(u64, Request, &str) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        FaultStore { inner, script: Box::new(script), asked: AtomicU64::new(0) }
    }

    /// The number of requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn run<T>(
        &self,
        request: Request,
        key: &str,
        ask: impl FnOnce(&dyn ObjectStore) -> Result<T, Failure>,
        change: impl FnOnce(Fault, T) -> T,
        swallowed: Option<T>,
    ) -> Result<T, Failure> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let Some(fault) = (self.script)(number, request, key) else {
            return ask(self.inner.as_ref());
        };
        let error = |what: &str| {
            Error::new(ErrorKind::Unavailable, format!("rehearsed: {what} at {request:?} '{key}'"))
        };
        match fault {
            Fault::Fails => Err(Failure::Temporary(error("no connection"))),
            Fault::Refused => {
                Err(Failure::Permanent(error("refused").with_kind(ErrorKind::Unauthorized)))
            }
            Fault::Hangs => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                Err(Failure::Temporary(error("timeout")))
            }
            Fault::AnswerLost => {
                let _ = ask(self.inner.as_ref());
                Err(Failure::Temporary(error("lost answer")))
            }
            Fault::Cut | Fault::Flipped if request == Request::Read => {
                ask(self.inner.as_ref()).map(|answer| change(fault, answer))
            }
            Fault::Cut | Fault::Flipped => Err(Failure::Temporary(error("cut"))),
            Fault::Swallowed => swallowed.ok_or_else(|| Failure::Permanent(error("not a write"))),
        }
    }
}

/// Returns the answer unchanged.
fn keep<T>(_: Fault, answer: T) -> T {
    answer
}

impl ObjectStore for FaultStore {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn traffic(&self) -> &Traffic {
        self.inner.traffic()
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        let ask = |inner: &dyn ObjectStore| inner.read(key, range, limit);
        let change = |fault, body: Bytes| match fault {
            Fault::Flipped if !body.is_empty() => {
                let mut bytes = body.to_vec();
                bytes[body.len() / 2] ^= 1;
                bytes.into()
            }
            _ => body.slice(..body.len() / 2),
        };
        self.run(Request::Read, key, ask, change, None)
    }

    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        let swallowed = Some(Receipt::Unproven);
        self.run(Request::Write, key, |inner| inner.write(key, body), keep, swallowed)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        let swallowed = Some(Receipt::Unproven);
        self.run(Request::Create, key, |inner| inner.create(key, body), keep, swallowed)
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        let swallowed = Some(Receipt::Unproven);
        self.run(Request::Write, key, |inner| inner.stream(key, size, source), keep, swallowed)
    }

    fn stat(&self, key: &str) -> Result<ObjectStat, Failure> {
        self.run(Request::Size, key, |inner| inner.stat(key), keep, None)
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        self.run(Request::List, prefix, |inner| inner.list(prefix, after, limit), keep, None)
    }

    fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        let shown = keys.first().map_or("", String::as_str).to_owned();
        self.run(Request::Delete, &shown, |inner| inner.delete(keys), keep, None)
    }
}
