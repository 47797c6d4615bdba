//! The interface between the store client and the kinds of stores.
//!
//! An [`ObjectStore`] answers one request once: no retries, no limits, no memory of earlier
//! requests. [`Store`](super::Store) adds those, in the same way for all kinds.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use uuid::Uuid;

use super::traffic::Traffic;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};

/// The reason why a request failed.
#[derive(Debug)]
pub enum Failure {
    /// There is no object with this key.
    Absent,
    /// There is already an object with this key. After a repeated request, it may be the object of
    /// the first attempt.
    Taken,
    /// The same request may work the next time. A write may have happened anyway.
    Temporary(Error),
    /// The same request will fail again.
    Permanent(Error),
}

impl Failure {
    /// Converts the failure of a request for `key` to the error to show.
    pub fn into_error(self, key: &str) -> Error {
        match self {
            Failure::Absent => Error::not_found(format!("'{key}' does not exist")),
            Failure::Taken => {
                Error::new(ErrorKind::AlreadyExists, format!("'{key}' already exists"))
            }
            Failure::Temporary(error) | Failure::Permanent(error) => error,
        }
    }

    /// Marks the failure as one that another attempt may not have.
    pub(super) fn again(self) -> Self {
        match self {
            Failure::Permanent(error) => Failure::Temporary(error),
            other => other,
        }
    }
}

/// The proof that the answer to a write gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Receipt {
    /// The store has the bytes: the answer identifies them, or this process stored them itself.
    Proven,
    /// Any server could have given this answer. Check that the object exists before relying on it.
    Unproven,
}

/// The stated abilities of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// The store can write and delete objects.
    pub write: bool,
    /// The store claims exclusive creation: if several writers create one object, only one
    /// succeeds.
    pub create: bool,
    /// The store can list its objects.
    pub list: bool,
}

impl Abilities {
    /// The abilities of a store that can do everything.
    pub const ALL: Abilities = Abilities { write: true, create: true, list: true };
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The whole key of the object.
    pub key: String,
    /// The size in bytes, if the listing has it.
    pub size: Option<u64>,
    /// When the object was stored, by the store's clock, if the listing has it.
    pub modified: Option<Timestamp>,
}

/// The size and the time of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectStat {
    /// The size in bytes.
    pub size: u64,
    /// When the object was stored, by the store's clock, if the store has it.
    pub modified: Option<Timestamp>,
}

/// A container of objects: bytes under keys such as `packs/ab/abcd….tar.zst`.
///
/// A key is relative, with `/` between its parts. An object becomes visible only as a whole. Only
/// [`ObjectStore::write`] replaces an existing object.
pub trait ObjectStore: Send + Sync {
    /// The stated abilities of the store.
    fn abilities(&self) -> Abilities;

    /// The counters of requests and transferred bytes.
    fn traffic(&self) -> &Traffic;

    /// Reads an object, or `range` of it. Fails if there are more than `limit` bytes, or fewer than
    /// the range.
    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure>;

    /// Stores an object and replaces an existing one, in one request if the store allows that.
    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure>;

    /// Stores an object unless the key is taken, in a single request.
    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure>;

    /// Stores an object of `size` bytes from a stream, in bounded memory.
    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure>;

    /// Returns the size and the time of an object.
    fn stat(&self, key: &str) -> Result<ObjectStat, Failure>;

    /// Returns the time of the store's clock, the one that [`Listed::modified`] has, by storing an
    /// object below `probe/`. `None` if the store has no times.
    fn now(&self) -> Result<Option<Timestamp>, Failure> {
        let key = format!("probe/{}", Uuid::new_v4());
        let _ = self.write(&key, Bytes::from_static(b"now\n"))?;
        let found = self.stat(&key);
        // A probe that cannot be removed does no harm.
        let _ = self.delete(&[key]);
        found.map(|found| found.modified)
    }

    /// Lists the objects whose keys begin with the directory `prefix` (with its final `/`) and sort
    /// after `after`, sorted by key. Fails if there are more than `limit`.
    fn list(&self, prefix: &str, after: Option<&str>, limit: usize)
    -> Result<Vec<Listed>, Failure>;

    /// Removes objects. An absent object is not an error.
    fn delete(&self, keys: &[String]) -> Result<(), Failure>;

    /// Returns true if one listing shows all objects below a prefix, including subdirectories.
    fn lists_flat(&self) -> bool {
        true
    }

    /// Returns true if the store itself applies the limit on bytes per second.
    fn paces(&self) -> bool {
        false
    }

    /// Returns the time until which the store asked to send no requests, if that is in the future.
    fn hold(&self) -> Option<Instant> {
        None
    }

    /// Permits `requests` more concurrent requests, until [`ObjectStore::narrow`] revokes them.
    fn widen(&self, requests: usize) {
        let _ = requests;
    }

    /// Revokes the permits of [`ObjectStore::widen`].
    fn narrow(&self, requests: usize) {
        let _ = requests;
    }
}

/// Checks that `key` is valid. A store could interpret an invalid key as another path.
pub(super) fn check_key(key: &str) -> Result<(), Failure> {
    let bad = |part: &str| part.is_empty() || matches!(part, "." | "..");
    if key.is_empty() || key.split('/').any(bad) || key.contains(['\0', '\\', '\n']) {
        let message = format!("'{}' is not the key of an object", key.escape_debug());
        return Err(Failure::Permanent(Error::internal(message)));
    }
    Ok(())
}

/// The failure of a read that would exceed its limit.
pub(super) fn too_long(key: &str, limit: u64) -> Failure {
    let message = format!("'{key}' is longer than the {limit} bytes it may have");
    Failure::Permanent(Error::corrupt(message))
}

/// The failure of a read that got fewer bytes than its range.
pub(super) fn too_short(key: &str, range: &Range<u64>, got: u64) -> Failure {
    let message = format!("'{key}' ends early: got {got} bytes of {}..{}", range.start, range.end);
    Failure::Permanent(Error::corrupt(message))
}

/// The failure of a listing with more than `limit` entries.
pub(super) fn too_many(prefix: &str, limit: usize) -> Failure {
    let message = format!("there are more than {limit} objects in '{prefix}'");
    Failure::Permanent(Error::new(ErrorKind::Unsupported, message))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Absent => f.write_str("the object does not exist"),
            Failure::Taken => f.write_str("the object already exists"),
            Failure::Temporary(error) | Failure::Permanent(error) => error.fmt(f),
        }
    }
}
