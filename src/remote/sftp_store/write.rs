//! How an object is stored on an SFTP server.
//!
//! An object is written under a temporary name, made durable, and renamed. A server in front of
//! other storage may accept data only in the order of the file: see `write_first`.

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use openssh_sftp_client::file::File;

use super::super::object_store::{Failure, Receipt};
use super::super::runtime::wait;
use super::super::service::read_part;
use super::super::sftp_files::{Answer, make_directories, may_want_order, remove, rename};
use super::super::ssh::SshConnection;
use super::super::temporary;
use super::{PART, PIECE, PIECES_AT_ONCE, SftpStore, at, pieces};
use crate::error::{Error, ErrorKind};

/// The time limit for an interrupted write to remove its temporary object.
const CLEANUP: Duration = Duration::from_secs(5);

impl SftpStore {
    /// Creates the directory of `key` and its missing ancestors.
    fn make_room(&self, link: &Arc<SshConnection>, key: &str) -> Result<(), Failure> {
        let directory = key.rsplit_once('/').map_or("", |(directory, _)| directory);
        if self.known().contains(directory) {
            return Ok(());
        }
        let path = self.path(directory);
        self.traffic.request(0);
        let made = make_directories(link, path.trim_end_matches('/'));
        self.request(link, "create the directory of", key, made)?;
        self.known().insert(directory.to_owned());
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an object of `size` bytes: those of `first`, then those of `rest`.
    pub(super) fn place(
        &self,
        key: &str,
        size: u64,
        first: &Bytes,
        rest: &mut dyn Read,
    ) -> Result<Receipt, Failure> {
        let temporary = temporary::name();
        let link = self.link()?;
        let placed = self.make_room(&link, &temporary).and_then(|()| {
            self.make_room(&link, key)?;
            self.traffic.request(size);
            let file = self.write_first(&link, &temporary, key, first)?;
            self.write_rest(&link, key, &file, (first.len() as u64)..size, rest)?;
            self.finish(&link, file, &temporary, key)
        });
        if placed.is_err() {
            self.discard(&link, &temporary);
        }
        if matches!(placed, Err(Failure::Absent)) {
            // Another process removed a directory.
            self.known().clear();
            let message = format!("cannot write '{key}': its directory no longer exists");
            return Err(Failure::Temporary(Error::new(ErrorKind::Unavailable, message)));
        }
        if placed.is_ok() && !self.is_swept.swap(true, Ordering::Relaxed) {
            self.sweep(&link);
        }
        placed.map(|()| Receipt::Unproven)
    }

    /// Creates the temporary file of `key` with the bytes of `first`.
    ///
    /// A server that accepts data only in order fails here, and gets the file again, one request at
    /// a time. If it fails later, the next attempt to store the object does so.
    fn write_first(
        &self,
        link: &Arc<SshConnection>,
        temporary: &str,
        key: &str,
        first: &Bytes,
    ) -> Result<File, Failure> {
        let path = self.path(temporary);
        let in_parallel = !self.writes_in_order.load(Ordering::Relaxed);
        let mut options = link.sftp().options();
        options.write(true).create_new(true);
        let file = self.request(link, "write", key, options.open(&path))?;
        let written = self.request(link, "write", key, self.write_at(&file, 0, first.clone()));
        let Err(failure) = written else { return Ok(file) };
        if !(in_parallel && self.writes_in_order.load(Ordering::Relaxed)) {
            return Err(failure);
        }
        // The server reports the failure once more when the file is closed.
        let _ = self.request(link, "write", key, file.close());
        self.traffic.request(first.len() as u64);
        options.create_new(false).create(true).truncate(true);
        let file = self.request(link, "write", key, options.open(&path))?;
        self.request(link, "write", key, self.write_at(&file, 0, first.clone()))?;
        Ok(file)
    }

    /// Adds the bytes `range` of an object, which are the next ones in `source`.
    fn write_rest(
        &self,
        link: &Arc<SshConnection>,
        key: &str,
        file: &File,
        range: Range<u64>,
        source: &mut dyn Read,
    ) -> Result<(), Failure> {
        for offset in range.clone().step_by(PART as usize) {
            let length = PART.min(range.end - offset);
            let body = read_part(key, length, source).map_err(Failure::Permanent)?;
            self.request(link, "write", key, self.write_at(file, offset, body))?;
        }
        Ok(())
    }

    /// Makes the temporary file durable and renames it to `key`.
    fn finish(
        &self,
        link: &Arc<SshConnection>,
        mut file: File,
        temporary: &str,
        key: &str,
    ) -> Result<(), Failure> {
        let end = async {
            if link.sftp().support_fsync() {
                file.sync_all().await?;
            }
            file.close().await
        };
        self.request(link, "write", key, end)?;
        self.traffic.request(0);
        let (from, to) = (self.path(temporary), self.path(key));
        let renamed = self.request(link, "rename", key, rename(link, &from, &to));
        if link.sftp().support_posix_rename() || !matches!(renamed, Err(Failure::Temporary(_))) {
            return renamed;
        }
        // The server does not replace on rename: remove the old object first.
        self.request(link, "replace", key, remove(link, &to))?;
        self.request(link, "rename", key, rename(link, &from, &to))
    }

    /// Removes a temporary object of this process, even after an interrupt.
    fn discard(&self, link: &Arc<SshConnection>, temporary: &str) {
        let path = self.path(temporary);
        let gone = wait(None, async {
            matches!(tokio::time::timeout(CLEANUP, remove(link, &path)).await, Ok(Ok(())))
        });
        if matches!(gone, Ok(true)) {
            return;
        }
        // The connection is lost. Try again over a new one.
        self.forget(link);
        if self.options.interrupt.as_ref().is_none_or(|asks| !asks())
            && let Ok(link) = self.link()
        {
            let _ = self.request(&link, "remove", temporary, remove(&link, &path));
        }
    }

    /// Removes temporary objects that no process writes any longer. Failures do no harm.
    fn sweep(&self, link: &Arc<SshConnection>) {
        self.traffic.request(0);
        let directory = self.path(temporary::DIRECTORY);
        let list = self.list_directory(link, directory.trim_end_matches('/'));
        let Ok(entries) = self.request(link, "list", temporary::DIRECTORY, list) else {
            return;
        };
        let now = entries.iter().filter_map(|entry| entry.modified).max();
        for entry in entries.iter().filter(|entry| entry.is_file) {
            // Use the server's clock, estimated from the newest object.
            let age = now.zip(entry.modified).and_then(|(now, then)| now.duration_since(then).ok());
            if temporary::is_abandoned(&entry.name, age) {
                let key = format!("{}{}", temporary::DIRECTORY, entry.name);
                let path = self.path(&key);
                let _ = self.request(link, "remove", &key, remove(link, &path));
            }
        }
    }

    /// Writes `body` in parallel, or one piece at a time if the server needs that.
    async fn write_at(&self, file: &File, offset: u64, body: Bytes) -> Answer<()> {
        let at_once = if self.writes_in_order.load(Ordering::Relaxed) { 1 } else { PIECES_AT_ONCE };
        let written = self.write_pieces(file, offset, body, at_once).await;
        if at_once > 1 && matches!(&written, Err(error) if may_want_order(error)) {
            self.writes_in_order.store(true, Ordering::Relaxed);
        }
        written
    }

    /// Writes `body` with up to `at_once` requests in parallel, which begin in the order of the
    /// file. One request writes a whole piece: the second half of a piece would begin after the
    /// next piece.
    async fn write_pieces(
        &self,
        file: &File,
        offset: u64,
        body: Bytes,
        at_once: usize,
    ) -> Answer<()> {
        let end = body.len() as u64;
        let mut start = 0;
        if self.write_length.get().is_none() && end > 0 {
            let wanted = PIECE.min(end);
            start = at(file, offset)?.write(&body[..wanted as usize]).await? as u64;
            self.note_moved(start);
            if start < wanted || wanted == PIECE {
                let _ = self.write_length.set(start);
            }
        }
        let length = self.write_length.get().copied().unwrap_or(PIECE);
        futures::stream::iter(pieces(start..end, length))
            .map(|(start, length)| {
                let piece = body.slice(start as usize..(start + length) as usize);
                async move {
                    let mut file = at(file, offset + start)?;
                    file.write_all(&piece).await?;
                    self.note_moved(length);
                    Ok(())
                }
            })
            .buffer_unordered(at_once)
            .try_collect::<Vec<()>>()
            .await
            .map(drop)
    }
}
