//! A client for any kind of store: retries, limits, counters, proof of writes.
//!
//! * A request is retried if that can help: for a limited time, with growing waits of random
//!   length, so that colliding writers do not collide again. If a server states when to come back,
//!   the client waits until then.
//! * The number of concurrent requests and the bytes per second are limited.
//! * Nearby ranges of one object are read in one request.
//! * If the answer to a write proves nothing, the object is checked before anything relies on it.

mod proof;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fs_store::FsStore;
use super::memory::MemoryStore;
use super::object_store::{Abilities, Failure, Listed, ObjectStore, Receipt, too_short};
use super::ranges::merge;
use super::runtime::{self, Interrupt};
use super::service::{ServiceOptions, ServiceStore};
use super::throttle::{Pace, Throttle};
use super::traffic::{Traffic, TrafficCount};
use super::uri::{RemoteUri, UriTarget};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The number of attempts to read something that seems damaged.
const READINGS: u32 = 3;
/// The maximum number of bytes to send at a time if the rate is limited.
const PIECE: usize = 256 << 10;

/// Wraps an object store in another one.
pub type Wrap = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// The settings of a [`Store`].
#[derive(Clone)]
pub struct StoreOptions {
    /// The maximum number of concurrent requests.
    pub jobs: usize,
    /// The maximum number of retries of a failed request.
    pub retries: u32,
    /// The wait before the second attempt; it doubles with each attempt.
    pub first_wait: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
    /// The total time for retries of a failing request. Time in which bytes moved does not count.
    pub patience: Duration,
    /// The time limit for the answer to a request. A transfer slower than 256 bytes per second over
    /// this time also fails.
    pub answer_timeout: Duration,
    /// The maximum rate in each direction, in bytes per second.
    pub bandwidth: Option<u64>,
    /// Ranges with at most this many bytes between them are read in one request.
    pub gap: u64,
    /// Returns true if the work should stop.
    pub interrupt: Option<Interrupt>,
    /// Secret options of the service, from the environment.
    pub secrets: Vec<(String, String)>,
    /// Files of certificates to trust in addition to the system's, in PEM.
    pub ca_files: Vec<PathBuf>,
    /// Wraps the object store, for tests.
    pub wrap: Option<Wrap>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            jobs: 8,
            retries: 12,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            patience: Duration::from_mins(1),
            answer_timeout: Duration::from_secs(30),
            bandwidth: None,
            gap: 128 << 10,
            interrupt: None,
            secrets: Vec::new(),
            ca_files: Vec::new(),
            wrap: None,
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.secrets.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StoreOptions")
            .field("jobs", &self.jobs)
            .field("retries", &self.retries)
            .field("patience", &self.patience)
            .field("bandwidth", &self.bandwidth)
            .field("secrets", &names)
            .finish_non_exhaustive()
    }
}

/// The outcome of creating an object.
#[derive(Debug)]
#[must_use]
pub enum Creation {
    /// The object exists and was created by this call. If the receipt is not a proof, any server
    /// could have answered: read the object and compare.
    Made(Receipt),
    /// An object exists. This call may have created it if the first answer was lost: read the
    /// object and compare.
    Taken,
    /// The outcome is unknown, because the last answer did not arrive. Read the object and compare.
    Unknown(Error),
}

/// The client for a remote's objects. Cheap to clone; all clones share limits and counters.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    name: String,
    options: StoreOptions,
    pace: Arc<Pace>,
    /// Objects that were stored without proof, with their sizes.
    unproven: Mutex<BTreeMap<String, u64>>,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Store {
    /// Opens the store at `uri` without sending a request.
    pub fn open(uri: &RemoteUri, options: StoreOptions) -> Result<Self> {
        let pace = Arc::new(Pace::new(options.bandwidth));
        let objects: Arc<dyn ObjectStore> = match uri.target() {
            UriTarget::Directory(path) => Arc::new(FsStore::new(path.clone())),
            UriTarget::Memory(name) => MemoryStore::named(name),
            UriTarget::Service { service, uri, options: given } => {
                let service_options = ServiceOptions {
                    interrupt: options.interrupt.clone(),
                    pace: Arc::clone(&pace),
                    jobs: options.jobs,
                    retries: options.retries,
                    secrets: options.secrets.clone(),
                    first_wait: options.first_wait,
                    longest_wait: options.longest_wait,
                    answer_timeout: options.answer_timeout,
                    ca_files: options.ca_files.clone(),
                };
                open_service(service, uri.as_deref(), given, service_options)?
            }
        };
        let objects = match &options.wrap {
            Some(wrap) => wrap(objects),
            None => objects,
        };
        Ok(Self::build(objects, uri.to_string(), options, pace))
    }

    /// Creates a client for any object store, which messages call `name`.
    pub fn on(objects: Arc<dyn ObjectStore>, name: &str, options: StoreOptions) -> Self {
        let pace = Arc::new(Pace::new(options.bandwidth));
        Self::build(objects, name.to_owned(), options, pace)
    }

    fn build(
        objects: Arc<dyn ObjectStore>,
        name: String,
        options: StoreOptions,
        pace: Arc<Pace>,
    ) -> Self {
        let free = Mutex::new(options.jobs.max(1));
        let (unproven, freed) = Default::default();
        let inner = Inner { objects, name, options, pace, unproven, free, freed };
        Store { inner: Arc::new(inner) }
    }

    /// The store's location in a form that is safe to show.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The stated abilities of the store.
    pub fn abilities(&self) -> Abilities {
        self.inner.objects.abilities()
    }

    /// The maximum number of concurrent requests.
    pub fn jobs(&self) -> usize {
        self.inner.options.jobs.max(1)
    }

    /// The counters of requests and transferred bytes.
    pub fn traffic(&self) -> TrafficCount {
        self.counts().count()
    }

    /// Returns true if this store and `other` share their counters.
    pub(super) fn shares_counts_with(&self, other: &Store) -> bool {
        Arc::ptr_eq(&self.inner.objects, &other.inner.objects)
    }

    fn counts(&self) -> &Traffic {
        self.inner.objects.traffic()
    }

    /// Gives access to requests without retries, for probing how a store behaves.
    pub(super) fn raw(&self) -> &dyn ObjectStore {
        self.inner.objects.as_ref()
    }

    /// Reads an object of at most `limit` bytes.
    pub fn read(&self, key: &str, limit: u64) -> Result<Bytes> {
        self.found(key, self.read_whole(key, limit))
    }

    /// Reads an object as [`Store::read`] does. Returns `None` if it does not exist.
    pub fn try_read(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        self.maybe(key, self.read_whole(key, limit))
    }

    fn read_whole(&self, key: &str, limit: u64) -> Result<Bytes, Failure> {
        let read = self.repeat(|objects| objects.read(key, None, limit))?;
        // The length is known only now, so later transfers wait for it.
        self.pause(|pace| &pace.receiving, read.len() as u64).map_err(Failure::Permanent)?;
        Ok(read)
    }

    /// Waits until `bytes` may move, unless the store does so itself.
    fn pause(&self, direction: impl Fn(&Pace) -> &Throttle, bytes: u64) -> Result<()> {
        if self.inner.objects.paces() {
            return Ok(());
        }
        runtime::sleep(self.interrupt(), direction(&self.inner.pace).take(bytes))
    }

    /// Reads something up to three times while it is damaged: damage in transit does not repeat.
    /// `read` gets the data from the store and checks it.
    pub fn read_sound<T>(&self, mut read: impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 1..READINGS {
            match read() {
                // A newer format may be a damaged format number.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) =>
                {
                    self.counts().retry();
                }
                other => return other,
            }
            runtime::check(self.interrupt())?;
        }
        read()
    }

    /// Reads the bytes of `range` in one request.
    pub fn read_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        self.pause(|pace| &pace.receiving, length)?;
        let read = self.repeat(|objects| {
            let body = objects.read(key, Some(range.clone()), length)?;
            // Callers rely on getting the whole range.
            if body.len() as u64 == length {
                Ok(body)
            } else {
                Err(too_short(key, &range, body.len() as u64).again())
            }
        });
        if let Err(Failure::Temporary(error) | Failure::Permanent(error)) = &read
            && error.kind() == ErrorKind::Unavailable
            && let Ok(Some(size)) = self.try_size(key)
            && size < range.end
        {
            // The store answered each time, but with fewer bytes than requested.
            return self.found(key, Err(too_short(key, &range, size.saturating_sub(range.start))));
        }
        self.found(key, read)
    }

    /// Reads the bytes of each of `ranges` and returns them in order. Nearby ranges share a
    /// request, and the requests run in parallel.
    pub fn read_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let plan = merge(ranges, self.inner.options.gap);
        let read = |wanted: &Range<u64>| self.read_range(key, wanted.clone());
        let bodies = self.at_once(&plan.requests, &read)?;
        Ok(plan.pieces(ranges, &bodies))
    }

    /// Applies `work` to each of `items` on as many threads as the store has jobs. Returns the
    /// results in order. The first failure stops the rest.
    pub fn at_once<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: &(dyn Fn(&T) -> Result<R> + Sync),
    ) -> Result<Vec<R>> {
        crate::threads::map(self.jobs(), items, work)
    }

    /// Stores an object and replaces an existing one. Call [`Store::prove_writes`] before relying
    /// on it.
    pub fn write(&self, key: &str, body: impl Into<Bytes>) -> Result<()> {
        self.write_if(key, &body.into(), &|| true).map(drop)
    }

    /// Writes an object as [`Store::write`] does, but starts each attempt only if `is_allowed` returns
    /// true. Returns false if it does not.
    fn write_if(&self, key: &str, body: &Bytes, is_allowed: &dyn Fn() -> bool) -> Result<bool> {
        self.pause(|pace| &pace.sending, body.len() as u64)?;
        let mut is_stopped = false;
        let written = self.repeat(|objects| {
            is_stopped = !is_allowed();
            if is_stopped {
                return Err(Failure::Permanent(Error::internal(
                    "a write was not allowed any more",
                )));
            }
            objects.write(key, body.clone())
        });
        if is_stopped {
            return Ok(false);
        }
        let receipt = self.found(key, written)?;
        self.note_written(key, body.len() as u64, receipt);
        Ok(true)
    }

    /// Stores an object of `size` bytes in bounded memory and replaces an existing one. Each
    /// attempt reads a new stream from `open`.
    pub fn write_from<'a>(
        &self,
        key: &str,
        size: u64,
        open: &dyn Fn() -> Result<Box<dyn Read + 'a>>,
    ) -> Result<()> {
        let written = self.repeat(|objects| {
            let source = open().map_err(Failure::Permanent)?;
            let mut source = Paced { source, store: self };
            objects.stream(key, size, &mut source)
        });
        let receipt = self.found(key, written)?;
        self.note_written(key, size, receipt);
        Ok(())
    }

    /// Stores a file as [`Store::write_from`] does.
    pub fn write_file(&self, key: &str, path: &Path) -> Result<()> {
        let open = || {
            let file = crate::fs::read::open(path);
            let file = file.map_err(|error| Error::io("open", path, error))?;
            Ok(Box::new(file) as Box<dyn Read>)
        };
        let size = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?.len();
        self.write_from(key, size, &open)
    }

    /// Stores an object unless the key is taken. If the store creates exclusively, at most one of
    /// several writers gets [`Creation::Made`].
    pub fn create(&self, key: &str, body: &Bytes) -> Result<Creation> {
        self.pause(|pace| &pace.sending, body.len() as u64)?;
        match self.repeat(|objects| objects.create(key, body.clone())) {
            Ok(receipt) => Ok(Creation::Made(receipt)),
            Err(Failure::Taken) => Ok(Creation::Taken),
            Err(Failure::Temporary(error)) => Ok(Creation::Unknown(self.named(error))),
            Err(failure) => Err(self.named(failure.into_error(key))),
        }
    }

    /// Returns the size of an object in bytes, or `None` if it does not exist.
    pub fn try_size(&self, key: &str) -> Result<Option<u64>> {
        let found = self.repeat(|objects| objects.stat(key).map(|found| found.size));
        self.maybe(key, found)
    }

    /// Returns the time of the store's clock; see [`ObjectStore::now`].
    pub fn now(&self) -> Result<Option<Timestamp>> {
        self.found("probe/", self.repeat(|objects| objects.now()))
    }

    /// Lists the objects below the directory `prefix` (with its final `/`) that sort after `after`,
    /// sorted by key. Fails if there are more than `limit`.
    pub fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        self.found(prefix, self.repeat(|objects| objects.list(prefix, after, limit)))
    }

    /// Lists all objects below `prefix` as [`Store::list`] does. Returns `None` if the store can't
    /// list or this user may not list.
    pub fn list_if_allowed(&self, prefix: &str, limit: usize) -> Result<Option<Vec<Listed>>> {
        if !self.abilities().list {
            return Ok(None);
        }
        match self.list(prefix, None, limit) {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
            other => other.map(Some),
        }
    }

    /// Removes objects. An absent object is not an error.
    pub fn delete(&self, keys: &[String]) -> Result<()> {
        self.forget_written(keys);
        let shown = keys.first().map_or("", String::as_str);
        self.found(shown, self.repeat(|objects| objects.delete(keys)))
    }

    pub(super) fn interrupt(&self) -> Option<&Interrupt> {
        self.inner.options.interrupt.as_ref()
    }

    fn named(&self, error: Error) -> Error {
        let name = &self.inner.name;
        error.context(format!("a request to the remote at {name} failed"))
    }

    fn found<T>(&self, key: &str, result: Result<T, Failure>) -> Result<T> {
        result.map_err(|failure| match failure {
            Failure::Absent => {
                Error::not_found(format!("there is no '{key}' at {}", self.inner.name))
            }
            other => self.named(other.into_error(key)),
        })
    }

    fn maybe<T>(&self, key: &str, result: Result<T, Failure>) -> Result<Option<T>> {
        match result {
            Err(Failure::Absent) => Ok(None),
            other => self.found(key, other).map(Some),
        }
    }

    /// Repeats a request until the answer is final, as often as the options allow.
    fn repeat<T>(
        &self,
        mut request: impl FnMut(&dyn ObjectStore) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let options = &self.inner.options;
        let begun = Instant::now();
        let (mut next_wait, mut lost) = (options.first_wait, Duration::ZERO);
        for attempt in 1u32.. {
            runtime::check(self.interrupt()).map_err(Failure::Permanent)?;
            let (answer, time) = {
                let _slot = self.slot();
                let begun = Instant::now();
                (request(self.inner.objects.as_ref()), begun.elapsed())
            };
            let error = match answer {
                Err(Failure::Temporary(error)) => error,
                other => return other,
            };
            // A long attempt is one in which bytes moved, so only a part of its time counts.
            lost += time.min(options.answer_timeout);
            let hold = self.inner.objects.hold();
            let hold = hold.map(|until| until.saturating_duration_since(Instant::now()));
            let wait = jitter(next_wait).max(hold.unwrap_or_default());
            if attempt > options.retries || lost + wait > options.patience {
                let error = given_up(error, attempt, begun.elapsed(), hold);
                return Err(Failure::Temporary(error));
            }
            self.counts().retry();
            runtime::sleep(self.interrupt(), wait).map_err(Failure::Permanent)?;
            lost += wait;
            next_wait = (next_wait * 2).min(options.longest_wait);
        }
        unreachable!("because the last attempt returns")
    }

    fn slot(&self) -> Slot<'_> {
        let mut free = self.inner.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.inner.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Slot(&self.inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// Adds the number and the duration of the attempts to the last error of a request.
fn given_up(error: Error, attempts: u32, time: Duration, hold: Option<Duration>) -> Error {
    let error = match hold {
        Some(hold) if !hold.is_zero() => error.with_hint(format!(
            "the server asks for no requests for the next {}: run the command again then, or allow for \
             it: art config set transfer.patience 10m",
            in_seconds(hold)
        )),
        _ => error,
    };
    if attempts == 1 {
        return error;
    }
    error.context(format!("gave up after {attempts} attempts in {}", in_seconds(time)))
}

fn in_seconds(time: Duration) -> String {
    if time.as_secs() < 10 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} s", time.as_secs())
    }
}

/// Reads from a source at the limited rate, unless the store limits the rate itself.
struct Paced<'s, S> {
    source: S,
    store: &'s Store,
}

impl<S: Read> Read for Paced<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(PIECE);
        let length = self.source.read(&mut buffer[..length])?;
        let paused = self.store.pause(|pace| &pace.sending, length as u64);
        paused.map_err(io::Error::other)?;
        Ok(length)
    }
}

fn open_service(
    service: &str,
    uri: Option<&str>,
    given: &[(String, String)],
    options: ServiceOptions,
) -> Result<Arc<dyn ObjectStore>> {
    #[cfg(feature = "store-sftp")]
    if service == "sftp" {
        return Ok(Arc::new(super::sftp_store::SftpStore::new(given, options)?));
    }
    Ok(Arc::new(ServiceStore::new(service, uri, given, options)?))
}

/// The right to make one request.
struct Slot<'a>(&'a Inner);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Returns a random part of `wait`, at least a quarter.
pub(super) fn jitter(wait: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    wait.mul_f64(0.25 + 0.75 * f64::from(random) / f64::from(u32::MAX))
}

mod defect;
#[cfg(test)]
mod tests;
