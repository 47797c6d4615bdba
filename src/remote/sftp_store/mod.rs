//! Objects as files on an SFTP server.
//!
//! An object is written under a temporary name, made durable, and renamed. All requests share one
//! connection; pieces of large objects are transferred in parallel.

mod write;

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use openssh_sftp_client::UnixTimeStamp;
use openssh_sftp_client::file::File;
use tokio::io::AsyncSeek;

use super::object_store::{
    Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt, check_key, too_long, too_many,
    too_short,
};
use super::runtime::wait;
use super::service::{ServiceOptions, read_part};
use super::sftp_files::{Answer, is_absent, remove};
use super::ssh::{HostKeys, SshConnection, SshTarget};
use super::traffic::Traffic;
use super::watch::{Lap, Watch};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The number of bytes in one data request.
const PIECE: u64 = 64 << 10;
/// The number of bytes of a long object that are read from the source and sent together.
const PART: u64 = PIECE * PIECES_AT_ONCE as u64;
/// The interval at which a wait checks for a stalled connection.
const TICK: Duration = Duration::from_millis(100);
/// The number of pieces to transfer in parallel.
const PIECES_AT_ONCE: usize = 32;
/// The number of directories and files to request in parallel.
const NAMES_AT_ONCE: usize = 8;

/// A directory on an SFTP server as a store.
pub(super) struct SftpStore {
    target: SshTarget,
    /// The directory on the server, without a final `/`.
    root: String,
    link: tokio::sync::Mutex<Option<Arc<SshConnection>>>,
    /// The directories below the root that are known to exist.
    directories: Mutex<HashSet<String>>,
    /// True after abandoned temporary objects were removed.
    is_swept: AtomicBool,
    /// The number of bytes that the server accepts in one write request.
    write_length: OnceLock<u64>,
    /// True after the server refused data that was sent in parallel.
    writes_in_order: AtomicBool,
    options: ServiceOptions,
    traffic: Traffic,
    /// The number of bytes transferred over the connection for all requests. The requests share the
    /// connection, and one waits for another.
    moved: AtomicU64,
}

impl SftpStore {
    /// Creates a store with the options `given`, named as in the URI. Does not connect yet.
    pub(super) fn new(given: &[(String, String)], options: ServiceOptions) -> Result<Self> {
        let find = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, text)| text);
        let endpoint = find("endpoint").map_or("", String::as_str);
        let endpoint = endpoint.trim_start_matches("ssh://");
        let (host, port) = match endpoint.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
            _ => (endpoint, None),
        };
        let host_keys = find("known_hosts_strategy").map(|text| HostKeys::parse(text));
        Ok(SftpStore {
            target: SshTarget {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
                user: find("user").cloned(),
                key: find("key").cloned(),
                host_keys: host_keys.transpose()?.unwrap_or(HostKeys::Known),
            },
            root: find("root").map_or("", |root| root.trim_end_matches('/')).to_owned(),
            link: tokio::sync::Mutex::default(),
            directories: Mutex::default(),
            is_swept: AtomicBool::new(false),
            write_length: OnceLock::new(),
            writes_in_order: AtomicBool::new(false),
            options,
            traffic: Traffic::default(),
            moved: AtomicU64::new(0),
        })
    }

    fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    /// Returns the connection, and connects first if necessary.
    fn link(&self) -> Result<Arc<SshConnection>, Failure> {
        let connected = wait(self.options.interrupt.as_ref(), async {
            let mut link = self.link.lock().await;
            if let Some(link) = &*link {
                return Ok(Arc::clone(link));
            }
            let made = SshConnection::open(&self.target, self.options.answer_timeout).await?;
            Ok(Arc::clone(link.insert(Arc::new(made))))
        });
        connected.map_err(Failure::Permanent)?
    }

    /// Waits for a request for `key`, as long as bytes move over the connection.
    fn request<T>(
        &self,
        link: &Arc<SshConnection>,
        action: &str,
        key: &str,
        work: impl Future<Output = Answer<T>>,
    ) -> Result<T, Failure> {
        let done = wait(self.options.interrupt.as_ref(), self.watched(work));
        let (failure, is_lost) = match done.map_err(Failure::Permanent)? {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => link.failure(action, key, &error),
            None => {
                let message = format!("cannot {action} '{key}': the server does not answer");
                (Failure::Temporary(Error::new(ErrorKind::Unavailable, message)), true)
            }
        };
        if is_lost {
            self.forget(link);
        }
        Err(failure)
    }

    /// Returns the result of `work`, or `None` if the connection has stalled.
    async fn watched<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let (mut watch, mut lap) = (Watch::new(self.options.answer_timeout), Lap::start());
        let mut seen = self.moved.load(Ordering::Relaxed);
        loop {
            if let Ok(done) = tokio::time::timeout(TICK, &mut work).await {
                return Some(done);
            }
            let now = self.moved.load(Ordering::Relaxed);
            if watch.note(lap.next(), now.wrapping_sub(seen)) {
                return None;
            }
            seen = now;
        }
    }

    /// Closes a broken connection. The next request opens a new one.
    fn forget(&self, lost: &Arc<SshConnection>) {
        let old = wait(None, async {
            let mut link = self.link.lock().await;
            link.take_if(|link| Arc::ptr_eq(link, lost))
        });
        drop(old);
    }

    async fn find_below(
        &self,
        link: &Arc<SshConnection>,
        prefix: &str,
        limit: usize,
    ) -> Answer<Vec<Listed>> {
        let mut found = Vec::new();
        let mut seen = 0;
        let mut directories = vec![prefix.trim_end_matches('/').to_owned()];
        while !directories.is_empty() && seen <= limit.saturating_mul(2) && found.len() <= limit {
            let at_once = directories.len().min(NAMES_AT_ONCE);
            let batch = directories.split_off(directories.len() - at_once);
            let lists = batch.into_iter().map(|directory| async move {
                let path = self.path(&directory);
                match self.list_directory(link, path.trim_end_matches('/')).await {
                    Ok(entries) => Ok((directory, entries)),
                    Err(error) if is_absent(&error) => Ok((directory, Vec::new())),
                    Err(error) => Err(error),
                }
            });
            for (directory, entries) in futures::future::try_join_all(lists).await? {
                seen += entries.len();
                for entry in entries {
                    let key = match directory.as_str() {
                        "" => entry.name,
                        _ => format!("{directory}/{}", entry.name),
                    };
                    if entry.is_directory {
                        directories.push(key);
                    } else if entry.is_file {
                        let modified = entry.modified.and_then(timestamp);
                        found.push(Listed { key, size: entry.size, modified });
                    }
                }
            }
        }
        // A store of this program never has more directories than objects.
        if !directories.is_empty() {
            found.resize(limit + 1, Listed { key: String::new(), size: None, modified: None });
        }
        Ok(found)
    }

    fn note_moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts an answer without data as a piece: the connection has not stalled.
    fn note_answer(&self) {
        self.note_moved(PIECE);
    }

    async fn list_directory(&self, link: &SshConnection, path: &str) -> Answer<Vec<SftpEntry>> {
        let path = if path.is_empty() { "/" } else { path };
        let directory = link.sftp().fs().open_dir(path).await?;
        let entries: Vec<_> =
            directory.read_dir().inspect(|_| self.note_answer()).try_collect().await?;
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(name) = entry.filename().to_str() else { continue };
            if matches!(name, "." | "..") || name.contains('/') {
                continue;
            }
            let metadata = entry.metadata();
            let kind = metadata.file_type();
            found.push(SftpEntry {
                name: name.to_owned(),
                is_file: kind.is_some_and(|kind| kind.is_file()),
                is_directory: kind.is_some_and(|kind| kind.is_dir()),
                size: metadata.len(),
                modified: metadata.modified().map(UnixTimeStamp::as_system_time),
            });
        }
        Ok(found)
    }

    async fn read_range(&self, file: &File, range: Range<u64>) -> Answer<BytesMut> {
        let length = range.end.saturating_sub(range.start);
        let mut read = futures::stream::iter(pieces(range, PIECE))
            .map(|(offset, length)| self.read_piece(file, offset, length))
            .buffered(PIECES_AT_ONCE);
        let mut body = BytesMut::with_capacity(length as usize);
        while let Some((piece, is_whole)) = read.try_next().await? {
            body.extend_from_slice(&piece);
            if !is_whole {
                break;
            }
        }
        Ok(body)
    }

    /// Reads a piece. Also returns true if all its bytes were read.
    async fn read_piece(&self, file: &File, offset: u64, length: u64) -> Answer<(BytesMut, bool)> {
        let mut body = BytesMut::new();
        while (body.len() as u64) < length {
            let mut file = at(file, offset + body.len() as u64)?;
            let left = (length - body.len() as u64) as u32;
            match file.read(left, BytesMut::new()).await? {
                Some(more) if !more.is_empty() && more.len() as u64 <= u64::from(left) => {
                    self.note_moved(more.len() as u64);
                    body.extend_from_slice(&more);
                }
                _ => return Ok((body, false)),
            }
        }
        Ok((body, true))
    }

    /// Reads a whole file, up to `limit` bytes.
    async fn read_to_end(&self, file: &mut File, limit: u64) -> Answer<BytesMut> {
        let size = file.metadata().await?.len().unwrap_or(0).min(limit);
        let mut body = self.read_range(file, 0..size).await?;
        // The file may have grown, or its size is unknown.
        while (body.len() as u64) < limit {
            let left = PIECE.min(limit - body.len() as u64);
            let (more, _) = self.read_piece(file, body.len() as u64, left).await?;
            if more.is_empty() {
                break;
            }
            body.extend_from_slice(&more);
        }
        Ok(body)
    }
}

impl Drop for SftpStore {
    fn drop(&mut self) {
        // Close the connection on this thread and not on the runtime's: closing waits for the
        // process.
        drop(self.link.get_mut().take());
    }
}

impl ObjectStore for SftpStore {
    fn abilities(&self) -> Abilities {
        Abilities { write: true, create: false, list: true }
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        check_key(key)?;
        let length = range.as_ref().map(|range| range.end.saturating_sub(range.start));
        if length.is_some_and(|length| length > limit) {
            return Err(too_long(key, limit));
        }
        self.traffic.request(0);
        let link = self.link()?;
        let path = self.path(key);
        let read = async {
            let mut file = link.sftp().open(&path).await?;
            let body = match &range {
                Some(range) => self.read_range(&file, range.clone()).await,
                // One byte more shows that the object is too long.
                None => self.read_to_end(&mut file, limit.saturating_add(1)).await,
            };
            file.close().await?;
            body
        };
        let body = self.request(&link, "read", key, read)?;
        self.traffic.answer(body.len() as u64);
        match range {
            Some(range) if (body.len() as u64) < range.end.saturating_sub(range.start) => {
                Err(too_short(key, &range, body.len() as u64))
            }
            None if body.len() as u64 > limit => Err(too_long(key, limit)),
            _ => Ok(body.freeze()),
        }
    }

    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        check_key(key)?;
        self.place(key, body.len() as u64, &body, &mut std::io::empty())
    }

    fn create(&self, _: &str, _: Bytes) -> Result<Receipt, Failure> {
        let message = "'sftp' can't create an object only if absent";
        Err(Failure::Permanent(Error::new(ErrorKind::Unsupported, message)))
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        check_key(key)?;
        let first = read_part(key, PART.min(size), source).map_err(Failure::Permanent)?;
        self.place(key, size, &first, source)
    }

    fn stat(&self, key: &str) -> Result<ObjectStat, Failure> {
        check_key(key)?;
        self.traffic.request(0);
        let link = self.link()?;
        let path = self.path(key);
        let found = async { link.sftp().fs().metadata(&path).await };
        let found = self.request(&link, "get the size of", key, found)?;
        match (found.file_type(), found.len()) {
            (Some(kind), _) if !kind.is_file() => Err(Failure::Absent),
            (_, Some(size)) => {
                let modified = found.modified().map(UnixTimeStamp::as_system_time);
                Ok(ObjectStat { size, modified: modified.and_then(timestamp) })
            }
            (_, None) => {
                let message = format!("the server does not report the size of '{key}'");
                Err(Failure::Permanent(Error::new(ErrorKind::Unsupported, message)))
            }
        }
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        self.traffic.request(0);
        let link = self.link()?;
        let list = self.find_below(&link, prefix, limit.saturating_add(1));
        let mut found = self.request(&link, "list", prefix, list)?;
        found.retain(|listed| after.is_none_or(|after| &*listed.key > after));
        if found.len() > limit {
            return Err(too_many(prefix, limit));
        }
        found.sort();
        Ok(found)
    }

    fn lists_flat(&self) -> bool {
        false
    }

    fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        for key in keys {
            check_key(key)?;
        }
        self.traffic.request(0);
        let link = self.link()?;
        let shown = keys.first().map_or("", String::as_str);
        let removed = futures::stream::iter(keys)
            .map(|key| {
                let (link, path) = (&link, self.path(key));
                async move {
                    let removed = remove(link, &path).await;
                    self.note_answer();
                    removed
                }
            })
            .buffer_unordered(NAMES_AT_ONCE)
            .try_collect::<Vec<()>>();
        self.request(&link, "remove", shown, removed).map(drop)
    }
}

/// An entry of a directory.
struct SftpEntry {
    name: String,
    is_file: bool,
    is_directory: bool,
    size: Option<u64>,
    modified: Option<SystemTime>,
}

/// The server's time of a file.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_seconds(i64::try_from(seconds).ok()?))
}

/// Returns the same file with a separate offset.
fn at(file: &File, offset: u64) -> Answer<File> {
    let mut file = file.clone();
    Pin::new(&mut file).start_seek(std::io::SeekFrom::Start(offset))?;
    Ok(file)
}

/// Splits `range` into pieces of `length`: the offset and the length of each.
fn pieces(range: Range<u64>, length: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = range.end;
    range.step_by(length as usize).map(move |start| (start, length.min(end - start)))
}
