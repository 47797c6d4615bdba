//! A store in a directory, local or mounted.
//!
//! It does not use OpenDAL, whose exclusive creation either lets readers see partial objects or is
//! not exclusive (measured: decision 0020 in the book). Instead, every object is a complete, synced
//! temporary file that gets its name in one step: by a rename if it may replace another object,
//! otherwise by a hard link.

use std::fs::FileType;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use bytes::Bytes;

use super::object_store::{
    Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt, check_key, too_long, too_many,
    too_short,
};
use super::traffic::Traffic;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, IoResultExt};
use crate::fs::atomic::{self, TempFile};
use crate::fs::guarded::guard;
use crate::fs::read;
use crate::fs::stat::Stat;
use crate::fs::temporary;

/// The directory of files that do not have their final names yet.
const TMP: &str = "tmp";

/// A directory as a store.
#[derive(Debug)]
pub struct FsStore {
    root: PathBuf,
    traffic: Traffic,
    swept: Once,
}

impl FsStore {
    /// Opens the store in `root`, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        guard(&root);
        FsStore { root, traffic: Traffic::default(), swept: Once::new() }
    }

    fn path(&self, key: &str) -> Result<PathBuf, Failure> {
        check_key(key)?;
        Ok(self.root.join(key))
    }

    fn temporary(&self) -> Result<TempFile, Failure> {
        let tmp = self.root.join(TMP);
        atomic::create_dir_all_durably(&tmp).map_err(failure)?;
        let file = TempFile::new_in(&tmp).map_err(failure)?;
        let now = Stat::of_file(file.file()).on("read", file.path()).map_err(failure)?.ctime;
        // The next writer sweeps files that can't be removed now.
        self.swept.call_once(|| drop(temporary::sweep(&tmp, now)));
        Ok(file)
    }

    /// Returns the path of `key` after creating its directory.
    fn target(&self, key: &str) -> Result<PathBuf, Failure> {
        let path = self.path(key)?;
        if let Some(parent) = path.parent() {
            atomic::create_dir_all_durably(parent).map_err(failure)?;
        }
        Ok(path)
    }
}

/// Converts an error of the file system to a failure. Only an interrupted call is worth a retry: a
/// full disk stays full.
fn failure(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::Absent,
        ErrorKind::AlreadyExists => Failure::Taken,
        ErrorKind::Interrupted => Failure::Temporary(error),
        _ => Failure::Permanent(error),
    }
}

/// The failure of a request for an object if its path is a directory or a device.
fn not_a_file_failure(key: &str) -> Failure {
    Failure::Permanent(Error::corrupt(format!("'{key}' is damaged: it is not a file")))
}

impl ObjectStore for FsStore {
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        let path = self.path(key)?;
        self.traffic.request(0);
        // Opening a pipe would block.
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(not_a_file_failure(key));
        }
        let file = read::open(&path).on("open", &path).map_err(failure)?;
        let length = file.metadata().on("read", &path).map_err(failure)?.len();
        let wanted = range.unwrap_or(0..length);
        let count = wanted.end.saturating_sub(wanted.start);
        if count > limit {
            return Err(too_long(key, limit));
        }
        if wanted.end > length {
            return Err(too_short(key, &wanted, length.saturating_sub(wanted.start)));
        }
        let mut bytes = vec![0; count as usize];
        file.read_exact_at(&mut bytes, wanted.start).on("read", &path).map_err(failure)?;
        self.traffic.answer(count);
        Ok(bytes.into())
    }

    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        self.stream(key, body.len() as u64, &mut &body[..])
    }

    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        self.traffic.request(body.len() as u64);
        let target = self.target(key)?;
        let mut file = self.temporary()?;
        file.write_all(&body).on("write", &target).map_err(failure)?;
        let is_new = file.persist_new(&target).map_err(failure)?;
        if is_new { Ok(Receipt::Proven) } else { Err(Failure::Taken) }
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        self.traffic.request(size);
        let target = self.target(key)?;
        let mut file = self.temporary()?;
        let source = io::BufReader::with_capacity(BUFFER, source.take(size));
        let copied = copy(source, &mut file);
        let copied = copied.on("write", &target).map_err(failure)?;
        if copied != size {
            let message = format!("got only {copied} of {size} bytes for '{key}'");
            return Err(Failure::Permanent(Error::corrupt(message)));
        }
        file.persist(&target).map_err(failure)?;
        Ok(Receipt::Proven)
    }

    fn stat(&self, key: &str) -> Result<ObjectStat, Failure> {
        let path = self.path(key)?;
        self.traffic.request(0);
        let metadata = std::fs::metadata(&path).on("read", &path).map_err(failure)?;
        if !metadata.is_file() {
            return Err(not_a_file_failure(key));
        }
        Ok(ObjectStat { size: metadata.len(), modified: Some(modified(&metadata)) })
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        let directory = self.path(prefix.trim_end_matches('/'))?;
        self.traffic.request(0);
        let mut found = Vec::new();
        walk(&directory, prefix, limit, &mut found)?;
        found.retain(|listed| after.is_none_or(|after| listed.key.as_str() > after));
        found.sort();
        Ok(found)
    }

    fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        self.traffic.request(0);
        for key in keys {
            atomic::remove_file(&self.path(key)?).map_err(failure)?;
        }
        Ok(())
    }
}

/// The time of a file, by the clock of the machine that has the file system.
fn modified(file: &std::fs::Metadata) -> Timestamp {
    Timestamp::from_seconds(file.mtime())
}

/// The number of bytes per read and write.
const BUFFER: usize = 256 << 10;

fn copy(mut source: impl io::BufRead, file: &mut TempFile) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(copied);
        }
        let length = bytes.len();
        file.write_all(bytes)?;
        source.consume(length);
        copied += length as u64;
    }
}

/// Adds the files below `directory` to `found`. A missing directory has no files.
fn walk(
    directory: &Path,
    prefix: &str,
    limit: usize,
    found: &mut Vec<Listed>,
) -> Result<(), Failure> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.on("list", directory).map_err(failure)?,
    };
    for entry in entries {
        let entry = entry.on("list", directory).map_err(failure)?;
        // Skip names that are not UTF-8: no object has such a name.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind: FileType = entry.file_type().on("list", directory).map_err(failure)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), limit, found)?;
        } else {
            // Directory entries that are not files are listed too: they occupy a key.
            let is_file = |found: &std::fs::Metadata| found.is_file();
            let file = std::fs::metadata(entry.path()).ok().filter(is_file);
            let (size, modified) =
                (file.as_ref().map(std::fs::Metadata::len), file.as_ref().map(modified));
            found.push(Listed { key: format!("{prefix}{name}"), size, modified });
        }
        if found.len() > limit {
            return Err(too_many(prefix, limit));
        }
    }
    Ok(())
}
