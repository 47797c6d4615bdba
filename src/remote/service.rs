//! A store behind OpenDAL.
//!
//! OpenDAL's own retries are used for the parts of a long upload only. A request as a whole is
//! tried again by [`Store`](super::Store), which knows when that is safe. Every request has a
//! deadline that its size makes reachable: OpenDAL's fixed 10 s would end every large part.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::options::{ListOptions, ReadOptions, WriteOptions};

use opendal::{BytesRange, EntryMode, OperationContext, Operator, OperatorRegistry};

use super::object_store::{
    Abilities, Failure, Listed, ObjectStore, check_key, too_long, too_many, too_short,
};
use super::runtime::{Interrupt, wait};
use super::scheme::not_built;
use super::service_error::{self, Hidden};
use super::throttle::Throttle;
use super::traffic::Traffic;
use super::transport::CountedTransport;
use crate::error::{Error, ErrorKind, Result};

/// The size of a part of a long upload, in bytes; more where there would be too many parts.
pub(super) const PART: u64 = 5 << 20;
/// The most parts of an upload. Amazon allows 10,000.
const MAX_PARTS: u64 = 8_000;
/// How many parts of one upload are under way at once.
const PARTS_AT_ONCE: usize = 2;
/// The slowest connection that is waited for, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// What a [`ServiceStore`] is told about how to work.
#[derive(Clone, Default)]
pub(super) struct ServiceOptions {
    pub(super) interrupt: Option<Interrupt>,
    pub(super) throttle: Arc<Throttle>,
    /// Options that are secrets, by OpenDAL's names.
    pub(super) secrets: Vec<(String, String)>,
    /// The wait before a part of a long upload is sent again.
    pub(super) first_wait: Duration,
    /// What every request may take, however small.
    pub(super) patience: Duration,
}

/// A service of OpenDAL as a store.
pub(super) struct ServiceStore {
    /// Without a deadline: each request that sends something gets one by its size.
    base: Operator,
    /// For requests that send little. What comes has a deadline for each piece.
    single: Operator,
    /// For long uploads: each part is tried again by itself.
    parts: Operator,
    service: String,
    abilities: Abilities,
    /// Whether objects are written under another name first, because readers would see them grow.
    renames: bool,
    /// Whether traffic is counted here, because the service does not speak HTTP.
    counts: bool,
    hidden: Hidden,
    options: ServiceOptions,
    traffic: Arc<Traffic>,
}

/// A request that moves `bytes` may take `patience` and what the slowest connection needs for them.
fn timeout(patience: Duration, bytes: u64) -> TimeoutLayer {
    let sending = patience + Duration::from_secs(bytes / SLOWEST);
    TimeoutLayer::new().with_timeout(patience).with_io_timeout(sending)
}

impl ServiceStore {
    /// Connects to `service`; asks nothing of it yet.
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
        let all = given.iter().chain(&options.secrets).cloned();
        let made = match uri {
            Some(uri) => Operator::from_uri((uri, all)),
            None => Operator::via_iter(service, all),
        };
        let base = made.map_err(|error| {
            let cause = service_error::reason(&error, &hidden);
            let says = format!("this store of the kind '{service}' can't be used");
            if service == "s3" && cause.contains("region") {
                return Error::invalid(format!("{says}: its region is not known"))
                    .with_hint("add ?region=REGION to its URI, or set AWS_REGION");
            }
            Error::invalid(format!("{says}: {cause}"))
        })?;
        let traffic = Arc::new(Traffic::default());
        let (transport, executor) = base.base_context().clone().into_parts();
        let counted = CountedTransport { inner: transport, traffic: Arc::clone(&traffic) };
        let transport = opendal::HttpTransporter::new(counted);
        let base = base.with_context(OperationContext::from_parts(transport, executor));
        let single = base.clone().layer(timeout(options.patience, 0));
        let retry = RetryLayer::new().with_max_times(4).with_jitter();
        let retry = retry.with_min_delay(options.first_wait);
        let parts = base.clone().layer(timeout(options.patience, 2 * PART)).layer(retry);
        let can = single.info().capability();
        let whole = !matches!(service, "sftp" | "ftp" | "webdav" | "webhdfs" | "azdls");
        Ok(ServiceStore {
            abilities: Abilities {
                write: can.write && can.delete,
                create: can.write_with_if_not_exists && whole,
                list: can.list,
            },
            renames: !whole && can.rename,
            counts: matches!(service, "sftp" | "ftp"),
            service: service.to_owned(),
            base,
            single,
            parts,
            hidden,
            options,
            traffic,
        })
    }

    /// For a request that sends `body`: a whole pack can be one, where the store has no parts.
    fn sending(&self, body: &Bytes) -> Operator {
        self.base.clone().layer(timeout(self.options.patience, body.len() as u64))
    }

    /// Waits for a request about `key`.
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

    fn asked(&self, bytes: u64) {
        if self.counts {
            self.traffic.request(bytes);
        }
    }

    fn answered(&self, bytes: u64) {
        if self.counts {
            self.traffic.answer(bytes);
        }
    }

    /// Stores an object through `write`, under its final name at once or by a rename.
    fn place(
        &self,
        key: &str,
        write: impl FnOnce(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        check_key(key)?;
        if !self.renames {
            return write(key);
        }
        let temporary = format!("tmp/{}", uuid::Uuid::new_v4().simple());
        write(&temporary)?;
        self.asked(0);
        let mut renamed = self.run("rename", key, self.single.rename(&temporary, key));
        if matches!(renamed, Err(Failure::Taken | Failure::Permanent(_))) {
            // A server that does not replace: what stands there goes first.
            self.run("replace", key, self.single.delete(key))?;
            renamed = self.run("rename", key, self.single.rename(&temporary, key));
        }
        if renamed.is_err() {
            // Nothing refers to it.
            let _ = self.run("remove", &temporary, self.single.delete(&temporary));
        }
        renamed.and_then(|()| self.confirm(key))
    }

    /// Asks for an object that was renamed over SFTP. The answer to the request that closes a written
    /// file is not waited for, and a server may put off the rename of what is still open, and then
    /// forget it (`rclone serve sftp` does): such an object is stored again.
    fn confirm(&self, key: &str) -> Result<(), Failure> {
        if self.service != "sftp" {
            return Ok(());
        }
        self.asked(0);
        let options = ReadOptions { range: BytesRange::new(0, Some(1)), ..ReadOptions::default() };
        match self.run("read", key, self.single.read_options(key, options)) {
            Err(Failure::Absent) => {
                let message = format!("'{key}' was renamed and is not there");
                let error = Error::new(ErrorKind::Unavailable, message);
                Err(Failure::Temporary(error.with_hint("run the same command again")))
            }
            // The object is there; an empty one has no first byte.
            _ => Ok(()),
        }
    }

    /// The bytes of an object of unknown size, as long as they are not more than `limit`.
    fn read_all(&self, key: &str, limit: u64) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        let read = async {
            let reader = self.single.reader(key).await?;
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

    /// Sends a long object in parts; a few are under way at once, the rest waits in `source`.
    async fn upload(
        &self,
        key: &str,
        size: u64,
        source: &mut dyn Read,
    ) -> opendal::Result<Result<()>> {
        let part = PART.max(size.div_ceil(MAX_PARTS));
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
            tokio::time::sleep(self.options.throttle.take(length)).await;
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

/// The error of the request that ends an upload in parts. If its first answer was lost, the upload is
/// no more when it is made again, and what the server says then says nothing: all is sent again.
fn of_end(error: opendal::Error) -> opendal::Error {
    let message = "the parts that were sent can't be put together";
    opendal::Error::new(opendal::ErrorKind::Unexpected, message).set_temporary().set_source(error)
}

/// The error of OpenDAL inside of one of a stream.
fn of_stream(error: std::io::Error) -> opendal::Error {
    let text = error.to_string();
    match error.into_inner().map(<dyn std::error::Error + Send + Sync>::downcast::<opendal::Error>)
    {
        Some(Ok(error)) => *error,
        _ => opendal::Error::new(opendal::ErrorKind::Unexpected, text).set_temporary(),
    }
}

fn read_part(key: &str, length: u64, source: &mut dyn Read) -> Result<Bytes> {
    let mut body = vec![0; length as usize];
    source.read_exact(&mut body).map_err(|error| Error::io("read what goes to", key, error))?;
    Ok(body.into())
}

impl ObjectStore for ServiceStore {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        check_key(key)?;
        self.asked(0);
        let Some(range) = range else {
            let body = self.read_all(key, limit)?;
            self.answered(body.len() as u64);
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
        let body = self.run("read", key, self.single.read_options(key, options))?.to_bytes();
        self.answered(body.len() as u64);
        if body.len() as u64 == length {
            Ok(body)
        } else {
            Err(too_short(key, &range, body.len() as u64))
        }
    }

    fn write(&self, key: &str, body: Bytes) -> Result<(), Failure> {
        self.place(key, |key| {
            self.asked(body.len() as u64);
            let operator = self.sending(&body);
            self.run("write", key, operator.write(key, body)).map(drop)
        })
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), Failure> {
        check_key(key)?;
        if !self.abilities.create {
            let message = format!("'{}' can't create an object only if absent", self.service);
            return Err(Failure::Permanent(Error::new(ErrorKind::Unsupported, message)));
        }
        self.asked(body.len() as u64);
        let options = WriteOptions { if_not_exists: true, ..WriteOptions::default() };
        let operator = self.sending(&body);
        self.run("create", key, operator.write_options(key, body, options)).map(drop)
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<(), Failure> {
        if size <= PART || !self.single.info().capability().write_can_multi {
            let body = read_part(key, size, source).map_err(Failure::Permanent)?;
            return self.write(key, body);
        }
        self.place(key, |key| {
            self.asked(size);
            let sent = self.run("write", key, self.upload(key, size, source))?;
            sent.map_err(Failure::Permanent)
        })
    }

    fn size(&self, key: &str) -> Result<u64, Failure> {
        check_key(key)?;
        self.asked(0);
        self.run("look at", key, self.single.stat(key)).map(|found| found.content_length())
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        self.asked(0);
        let starts = self.single.info().capability().list_with_start_after;
        let options = ListOptions {
            recursive: true,
            start_after: after.filter(|_| starts).map(str::to_owned),
            ..ListOptions::default()
        };
        let mut found = Vec::new();
        let list = async {
            let mut lister = self.single.lister_options(prefix, options).await?;
            while let Some(entry) = lister.try_next().await? {
                let (key, metadata) = entry.into_parts();
                if metadata.mode() == EntryMode::FILE && after.is_none_or(|after| &*key > after) {
                    found.push(Listed { key, size: Some(metadata.content_length()) });
                }
                if found.len() > limit {
                    break;
                }
            }
            Ok(())
        };
        match self.run("list", prefix, list) {
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
        self.asked(0);
        let shown = keys.first().map_or("", String::as_str);
        match self.run("remove", shown, self.single.delete_iter(keys.iter().cloned())) {
            Err(Failure::Absent) => Ok(()),
            other => other,
        }
    }
}
