//! A store behind OpenDAL.
//!
//! OpenDAL's own retries are used only for the parts of a long upload. [`Store`](super::Store)
//! retries whole requests, because it knows when that is safe. [`Transport`] watches every request:
//! a fixed deadline such as OpenDAL's 10 s would end every large part on a slow connection.

use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use md5::{Digest as _, Md5};
use opendal::layers::RetryLayer;
use opendal::options::{ListOptions, ReadOptions, WriteOptions};
use opendal::{
    Buffer, BytesRange, EntryMode, HttpTransporter, OperationContext, Operator, OperatorRegistry,
};
use tokio::sync::{Semaphore, mpsc};

use super::byte_budget::ByteBudget;
use super::object_store::{
    Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt, check_key, too_long, too_many,
    too_short,
};
use super::runtime::{Interrupt, spawn, wait};
use super::scheme::{has_buckets, not_built};
use super::service_error::{self, Hidden};
use super::service_options::{all_options, cannot_be_used, disabled};
use super::swift_login::SwiftTransport;
use super::throttle::Pace;
use super::traffic::Traffic;
use super::transport::{BodySource, Hold, Transport, Wire};
use super::webdav::WebDav;
use super::{temporary, tls};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The size of a part of a long upload, in bytes; larger if there would be too many parts.
const PART: u64 = 5 << 20;
/// The maximum number of parts of an upload. Amazon allows 10,000.
const MAX_PARTS: u64 = 8_000;
/// The number of parts of one upload that are sent concurrently.
const PARTS_AT_ONCE: usize = 2;
/// The number of parts of one upload in memory: those being sent, the one before them, and the one
/// being read.
const PARTS_HELD: u64 = PARTS_AT_ONCE as u64 + 2;
/// The maximum number of bytes that uploads of one store hold in memory. A larger request takes the
/// whole budget.
const HELD: u64 = 96 << 20;
/// The size of a piece of a body that is read while it is sent.
const CHUNK: usize = 256 << 10;
/// The number of such pieces that wait to be sent.
const CHUNKS_AHEAD: usize = 4;
/// The time limit for an interrupted write to remove its temporary object.
const CLEANUP: Duration = Duration::from_secs(5);
/// The maximum number of temporary objects to list.
const MAX_SWEPT: usize = 10_000;

/// The settings of a [`ServiceStore`].
#[derive(Clone, Default)]
pub(super) struct ServiceOptions {
    pub(super) interrupt: Option<Interrupt>,
    pub(super) pace: Arc<Pace>,
    /// The maximum number of concurrent requests.
    pub(super) jobs: usize,
    /// The maximum number of retries for a part of a long upload.
    pub(super) retries: u32,
    /// Secret options, by OpenDAL's names.
    pub(super) secrets: Vec<(String, String)>,
    /// The wait before the first retry of a part of a long upload.
    pub(super) first_wait: Duration,
    /// The longest wait.
    pub(super) longest_wait: Duration,
    /// The time limit for the answer to a request.
    pub(super) answer_timeout: Duration,
    /// Files of certificates to trust in addition to the system's.
    pub(super) ca_files: Vec<PathBuf>,
}

/// A service of OpenDAL as a store.
pub(super) struct ServiceStore {
    /// For single requests.
    base: Operator,
    /// For long uploads: each part is retried separately.
    parts: Operator,
    service: String,
    abilities: Abilities,
    /// True if objects are first written under a temporary name, because readers would see them
    /// grow.
    renames: bool,
    /// Operations for which OpenDAL's WebDAV service sends too many requests.
    webdav: Option<WebDav>,
    /// True after abandoned temporary objects were removed.
    is_swept: AtomicBool,
    hidden: Hidden,
    options: ServiceOptions,
    /// The state that all HTTP requests share.
    wire: Wire,
    budget: ByteBudget,
}

impl ServiceStore {
    /// Prepares a connection to `service` without sending a request.
    pub(super) fn new(
        service: &str,
        uri: Option<&str>,
        given: &[(String, String)],
        options: ServiceOptions,
    ) -> Result<Self> {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(opendal::install_default);
        if !OperatorRegistry::get().schemes().contains(service) {
            return Err(not_built(service));
        }
        let hidden = Hidden(options.secrets.iter().map(|(_, value)| value.clone()).collect());
        let (all, login) = all_options(service, given, &options.secrets)?;
        let made = match uri {
            Some(uri) => Operator::from_uri((uri, all.clone())),
            None => Operator::via_iter(service, all.clone()),
        };
        let base = made.map_err(|error| cannot_be_used(service, &error, &hidden))?;
        let wire = Wire {
            client: tls::client(&options.ca_files)?,
            traffic: Arc::new(Traffic::default()),
            pace: Arc::clone(&options.pace),
            permits: Arc::new(Semaphore::new(options.jobs.max(1))),
            answer_timeout: options.answer_timeout,
            hold: Arc::new(Hold::default()),
        };
        let transport = HttpTransporter::new(Transport { wire: wire.clone(), source: None });
        let transport = match login {
            Some(login) => HttpTransporter::new(SwiftTransport::new(transport, login)),
            None => transport,
        };
        let creates = !given.iter().any(|pair| *pair == disabled("true"));
        let webdav = (service == "webdav").then(|| WebDav::new(transport.clone(), &all, creates));
        let webdav =
            webdav.transpose().map_err(|error| cannot_be_used(service, &error, &hidden))?;
        let base = send_with(base, transport);
        let retry = RetryLayer::new().with_max_times(options.retries as usize).with_jitter();
        let retry = retry.with_min_delay(options.first_wait).with_max_delay(options.longest_wait);
        let parts = base.clone().layer(retry);
        let can = base.info().capability();
        let whole = !matches!(service, "webdav" | "webhdfs" | "azdls");
        Ok(ServiceStore {
            abilities: Abilities {
                write: can.write && can.delete,
                create: can.write_with_if_not_exists && whole,
                list: can.list,
            },
            renames: !whole && can.rename,
            webdav,
            is_swept: AtomicBool::new(false),
            service: service.to_owned(),
            base,
            parts,
            hidden,
            options,
            wire,
            budget: ByteBudget::new(HELD),
        })
    }

    /// Waits for a request for `key`.
    fn run<T>(
        &self,
        action: &str,
        key: &str,
        request: impl Future<Output = opendal::Result<T>>,
    ) -> Result<T, Failure> {
        match wait(self.options.interrupt.as_ref(), request) {
            Ok(answer) => {
                answer.map_err(|error| service_error::failure(action, key, &error, &self.hidden))
            }
            Err(error) => Err(Failure::Permanent(error)),
        }
    }

    /// Stores an object through `write`, directly under its final name or by a rename.
    fn place(
        &self,
        key: &str,
        write: impl FnOnce(&str) -> Result<Receipt, Failure>,
    ) -> Result<Receipt, Failure> {
        check_key(key)?;
        if !self.renames {
            return write(key).map_err(absent_is_no_bucket);
        }
        let temporary = temporary::name();
        let placed = self.place_as(&temporary, key, write);
        if placed.is_err() {
            if let Some(webdav) = &self.webdav {
                webdav.forget();
            }
            self.discard(&temporary);
        } else if !self.is_swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
        placed.map_err(absent_is_no_bucket)
    }

    fn place_as(
        &self,
        temporary: &str,
        key: &str,
        write: impl FnOnce(&str) -> Result<Receipt, Failure>,
    ) -> Result<Receipt, Failure> {
        if let Some(webdav) = &self.webdav {
            self.run("write", key, webdav.make_room(temporary))?;
            self.run("write", key, webdav.make_room(key))?;
            let receipt = write(temporary)?;
            self.run("rename", key, webdav.rename(temporary, key))?;
            return Ok(receipt);
        }
        let receipt = write(temporary)?;
        let mut renamed = self.run("rename", key, self.base.rename(temporary, key));
        if matches!(renamed, Err(Failure::Taken | Failure::Permanent(_))) {
            // The server does not replace on rename: remove the old object first.
            self.run("replace", key, self.base.delete(key))?;
            renamed = self.run("rename", key, self.base.rename(temporary, key));
        }
        renamed.map(|()| receipt)
    }

    /// Removes a temporary object of this process, even after an interrupt. Nothing refers to it.
    fn discard(&self, temporary: &str) {
        let removed = tokio_timeout(CLEANUP, self.base.delete(temporary));
        let _ = wait(None, removed);
    }

    /// Removes temporary objects that no process writes any longer. Failures do no harm.
    fn sweep(&self) {
        let options = ListOptions::default();
        let list = async {
            let mut lister = self.base.lister_options(temporary::DIRECTORY, options).await?;
            let mut found = Vec::new();
            while let Some(entry) = lister.try_next().await? {
                let (key, metadata) = entry.into_parts();
                if metadata.mode() == EntryMode::FILE {
                    found.push((key, metadata.last_modified()));
                }
                if found.len() > MAX_SWEPT {
                    break;
                }
            }
            Ok(found)
        };
        let Ok(found) = self.run("list", temporary::DIRECTORY, list) else { return };
        // Use the server's clock, estimated from the newest object.
        let now = found.iter().filter_map(|(_, modified)| *modified).max();
        let is_abandoned = |(key, modified): &(String, Option<opendal::raw::Timestamp>)| {
            let age = now.zip(*modified).map(|(now, then)| age(now, then));
            temporary::is_abandoned(key, age)
        };
        let gone: Vec<String> =
            found.into_iter().filter(is_abandoned).map(|(key, _)| key).collect();
        if let Some(shown) = gone.first() {
            let _ = self.run("remove", shown, self.base.delete_iter(gone.iter().cloned()));
        }
    }

    /// Reads an object of unknown size with at most `limit` bytes.
    fn read_all(&self, key: &str, limit: u64) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        let read = async {
            let reader = self.base.reader(key).await?;
            let mut stream = reader.into_bytes_stream(..).await?;
            while let Some(bytes) = stream.try_next().await.map_err(of_stream)? {
                body.extend_from_slice(&bytes);
                if body.len() as u64 > limit {
                    break;
                }
            }
            Ok(())
        };
        self.run("read", key, read)?;
        if body.len() as u64 > limit { Err(too_long(key, limit)) } else { Ok(body.into()) }
    }

    /// Stores an object in one request whose body is read while it is sent.
    fn put(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let source_of_body = Some(BodySource::new(size, chunks));
        let transport = Transport { wire: self.wire.clone(), source: source_of_body };
        let operator = send_with(self.base.clone(), HttpTransporter::new(transport));
        let path = key.to_owned();
        let request = async move { operator.write(&path, Buffer::new()).await };
        let request = spawn(request).map_err(Failure::Permanent)?;
        let interrupt = self.options.interrupt.as_ref();
        let mut left = size;
        while left > 0 {
            let chunk = match read_part(key, left.min(CHUNK as u64), source) {
                Ok(chunk) => chunk,
                Err(error) => {
                    request.abort();
                    return Err(Failure::Permanent(error));
                }
            };
            left -= chunk.len() as u64;
            match wait(interrupt, sender.send(chunk)) {
                Ok(Ok(())) => {}
                // The request has ended; its answer contains the reason.
                Ok(Err(_)) => break,
                Err(error) => {
                    request.abort();
                    return Err(Failure::Permanent(error));
                }
            }
        }
        drop(sender);
        let ended = async {
            request.await.unwrap_or_else(|_| {
                let message = "a request ended without an answer";
                Err(opendal::Error::new(opendal::ErrorKind::Unexpected, message).set_temporary())
            })
        };
        self.run("write", key, ended)?;
        Ok(Receipt::Unproven)
    }

    /// Sends a long object in parts. A few are sent concurrently, and the rest waits in `source`.
    async fn upload(
        &self,
        key: &str,
        size: u64,
        source: &mut dyn Read,
    ) -> opendal::Result<Result<()>> {
        let part = part_size(size);
        let options = WriteOptions { concurrent: PARTS_AT_ONCE, ..WriteOptions::default() };
        let mut writer = self.parts.writer_options(key, options).await?;
        let mut left = size;
        while left > 0 {
            let length = left.min(part);
            let body = match read_part(key, length, source) {
                Ok(body) => body,
                Err(error) => {
                    writer.abort().await?;
                    return Ok(Err(error));
                }
            };
            if let Err(error) = writer.write(body).await {
                let _ = writer.abort().await;
                return Err(error);
            }
            left -= length;
        }
        writer.close().await.map_err(of_end)?;
        Ok(Ok(()))
    }
}

/// The size of a part for an object of `size` bytes.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MAX_PARTS))
}

/// Converts the failure of a write: if something is absent, it is the bucket and not the object.
fn absent_is_no_bucket(failure: Failure) -> Failure {
    if matches!(failure, Failure::Absent) { service_error::missing_bucket() } else { failure }
}

/// The time of an object by the store's clock.
fn modified(object: &opendal::Metadata) -> Option<Timestamp> {
    let seconds = object.last_modified()?.into_inner().as_second();
    Some(Timestamp::from_seconds(seconds))
}

async fn tokio_timeout<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}

fn age(now: opendal::raw::Timestamp, then: opendal::raw::Timestamp) -> Duration {
    let seconds = now.into_inner().as_second().saturating_sub(then.into_inner().as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Converts the error of the request that completes an upload in parts. If its first answer was
/// lost, the retry fails because the upload no longer exists, and the answer proves nothing.
/// Everything is sent again.
fn of_end(error: opendal::Error) -> opendal::Error {
    let message = "cannot combine the parts of the upload";
    opendal::Error::new(opendal::ErrorKind::Unexpected, message).set_temporary().set_source(error)
}

/// Extracts OpenDAL's error from the error of a stream.
fn of_stream(error: std::io::Error) -> opendal::Error {
    let text = error.to_string();
    match error.into_inner().map(<dyn std::error::Error + Send + Sync>::downcast::<opendal::Error>)
    {
        Some(Ok(error)) => *error,
        _ => opendal::Error::new(opendal::ErrorKind::Unexpected, text).set_temporary(),
    }
}

pub(super) fn read_part(key: &str, length: u64, source: &mut dyn Read) -> Result<Bytes> {
    let mut body = vec![0; length as usize];
    source.read_exact(&mut body).map_err(|error| Error::io("read the source of", key, error))?;
    Ok(body.into())
}

impl ObjectStore for ServiceStore {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn traffic(&self) -> &Traffic {
        &self.wire.traffic
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        check_key(key)?;
        let Some(range) = range else {
            let body = self.read_all(key, limit)?;
            return Ok(body);
        };
        let length = range.end.saturating_sub(range.start);
        if length > limit {
            return Err(too_long(key, limit));
        }
        let options = ReadOptions {
            range: BytesRange::new(range.start, Some(length)),
            ..ReadOptions::default()
        };
        let body = self.run("read", key, self.base.read_options(key, options))?.to_bytes();
        if body.len() as u64 == length {
            Ok(body)
        } else {
            Err(too_short(key, &range, body.len() as u64))
        }
    }

    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        self.place(key, |key| {
            let written = self.run("write", key, self.base.write(key, body.clone()))?;
            Ok(receipt(written.etag(), &body))
        })
    }

    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        check_key(key)?;
        if !self.abilities.create {
            let message = format!("'{}' can't create an object only if absent", self.service);
            return Err(Failure::Permanent(Error::new(ErrorKind::Unsupported, message)));
        }
        let options = WriteOptions { if_not_exists: true, ..WriteOptions::default() };
        let created = self.run("create", key, self.base.write_options(key, body.clone(), options));
        let created = created.map_err(absent_is_no_bucket)?;
        Ok(receipt(created.etag(), &body))
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        let has_parts = self.base.info().capability().write_can_multi;
        let part = part_size(size);
        if !has_parts && self.service == "webdav" && size > CHUNK as u64 {
            return self.place(key, |key| self.put(key, size, source));
        }
        let held = if has_parts { size.min(PARTS_HELD * part) } else { size };
        let interrupt = self.options.interrupt.as_ref();
        let _held = self.budget.take(held, interrupt).map_err(Failure::Permanent)?;
        if size <= part || !has_parts {
            let body = read_part(key, size, source).map_err(Failure::Permanent)?;
            return self.write(key, body);
        }
        self.place(key, |key| {
            let sent = self.run("write", key, self.upload(key, size, source))?;
            sent.map(|()| Receipt::Unproven).map_err(Failure::Permanent)
        })
    }

    fn stat(&self, key: &str) -> Result<ObjectStat, Failure> {
        check_key(key)?;
        let found = self.run("get the size of", key, self.base.stat(key))?;
        Ok(ObjectStat { size: found.content_length(), modified: modified(&found) })
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        let starts = self.base.info().capability().list_with_start_after;
        let options = ListOptions {
            recursive: true,
            start_after: after.filter(|_| starts).map(str::to_owned),
            ..ListOptions::default()
        };
        let mut found = Vec::new();
        let list = async {
            let mut lister = self.base.lister_options(prefix, options).await?;
            while let Some(entry) = lister.try_next().await? {
                let (key, metadata) = entry.into_parts();
                if metadata.mode() == EntryMode::FILE && after.is_none_or(|after| &*key > after) {
                    let (size, modified) = (metadata.content_length(), modified(&metadata));
                    found.push(Listed { key, size: Some(size), modified });
                }
                if found.len() > limit {
                    break;
                }
            }
            Ok(())
        };
        match self.run("list", prefix, list) {
            Err(Failure::Absent) if has_buckets(&self.service) => {
                return Err(service_error::missing_bucket());
            }
            Ok(()) | Err(Failure::Absent) => {}
            Err(failure) => return Err(failure),
        }
        if found.len() > limit {
            return Err(too_many(prefix, limit));
        }
        found.sort();
        Ok(found)
    }

    fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        for key in keys {
            check_key(key)?;
        }
        let shown = keys.first().map_or("", String::as_str);
        match self.run("remove", shown, self.base.delete_iter(keys.iter().cloned())) {
            Err(Failure::Absent) => Ok(()),
            other => other,
        }
    }

    fn lists_flat(&self) -> bool {
        self.base.info().capability().list_with_recursive
    }

    fn paces(&self) -> bool {
        true
    }

    fn hold(&self) -> Option<Instant> {
        self.wire.hold.until()
    }

    fn widen(&self, requests: usize) {
        self.wire.permits.add_permits(requests);
    }

    fn narrow(&self, requests: usize) {
        self.wire.permits.forget_permits(requests);
    }
}

/// Returns the same service with `transport` for its requests.
fn send_with(operator: Operator, transport: HttpTransporter) -> Operator {
    let (_, executor) = operator.base_context().clone().into_parts();
    operator.with_context(OperationContext::from_parts(transport, executor))
}

/// An answer proves that the object is stored if its entity tag is the MD5 of the bytes. S3 sends
/// this tag for objects stored in one request.
fn receipt(etag: Option<&str>, body: &Bytes) -> Receipt {
    let etag = etag.unwrap_or_default().trim_matches('"');
    if etag.len() != 32 {
        return Receipt::Unproven;
    }
    let mut digest = String::new();
    for byte in Md5::digest(body) {
        digest.push_str(&format!("{byte:02x}"));
    }
    if digest.eq_ignore_ascii_case(etag) { Receipt::Proven } else { Receipt::Unproven }
}
