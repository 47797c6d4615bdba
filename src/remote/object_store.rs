//! The seam between what is asked of a store and the stores there are.
//!
//! An [`ObjectStore`] answers one request, once: no retries, no limits, no memory of what was
//! before. [`Store`](super::Store) puts those on top, the same for all.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::traffic::Traffic;
use crate::error::{Error, ErrorKind};

/// Why a request did not do what it was for.
#[derive(Debug)]
pub enum Failure {
    /// Nothing is stored under the key.
    Absent,
    /// Something is stored under the key already. After a repeated request it may be what the
    /// request before it stored.
    Taken,
    /// The same request may work the next time. A write may have happened nevertheless.
    Temporary(Error),
    /// The same request will fail again.
    Permanent(Error),
}

impl Failure {
    /// The error to show, for a request that was about `key`.
    pub fn into_error(self, key: &str) -> Error {
        match self {
            Failure::Absent => Error::not_found(format!("'{key}' is not there")),
            Failure::Taken => {
                Error::new(ErrorKind::AlreadyExists, format!("'{key}' is there already"))
            }
            Failure::Temporary(error) | Failure::Permanent(error) => error,
        }
    }

    /// The same, as one that another attempt may not meet.
    pub(super) fn again(self) -> Self {
        match self {
            Failure::Permanent(error) => Failure::Temporary(error),
            other => other,
        }
    }
}

/// What the answer to a write proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Receipt {
    /// The store has the bytes: the answer names them, or this process has stored them itself.
    Proven,
    /// Any server could have given this answer. Whoever relies on the object asks for it first.
    Unproven,
}

/// What a store can do, as far as it says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Objects can be stored and deleted.
    pub write: bool,
    /// It claims that of several writers that create one object only one is let.
    pub create: bool,
    /// It can list its objects.
    pub list: bool,
}

impl Abilities {
    /// A store that can be read, written and listed, and claims to create exclusively.
    pub const ALL: Abilities = Abilities { write: true, create: true, list: true };
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its whole key.
    pub key: String,
    /// Its size in bytes, where the listing says it.
    pub size: Option<u64>,
}

/// Where objects are: bytes under keys such as `packs/ab/abcd….tar.zst`.
///
/// A key is relative, with `/` between its parts. An object appears whole or not at all; that an
/// object which exists is replaced happens only where [`ObjectStore::write`] is told to.
pub trait ObjectStore: Send + Sync {
    /// What it says it can do.
    fn abilities(&self) -> Abilities;

    /// What was asked of it and moved so far.
    fn traffic(&self) -> &Traffic;

    /// The bytes of an object, or those of `range`; fails if that is more than `limit` bytes or
    /// less than the range.
    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure>;

    /// Stores an object, replacing what is there, in one request as far as the store has one.
    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure>;

    /// Stores an object unless the key is taken, in a single request.
    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure>;

    /// Stores an object of `size` bytes as they come, in bounded memory.
    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure>;

    /// The size of an object in bytes.
    fn size(&self, key: &str) -> Result<u64, Failure>;

    /// The objects whose keys begin with the directory `prefix` (with its final `/`) and sort
    /// behind `after`, by key; fails if there are more than `limit`.
    fn list(&self, prefix: &str, after: Option<&str>, limit: usize)
    -> Result<Vec<Listed>, Failure>;

    /// Removes objects; that one is gone already is fine.
    fn delete(&self, keys: &[String]) -> Result<(), Failure>;

    /// Whether one listing shows all objects below a prefix, however many directories these are in.
    fn lists_flat(&self) -> bool {
        true
    }

    /// Whether the store itself keeps to the limit on bytes a second.
    fn paces(&self) -> bool {
        false
    }

    /// Until when the store wants to be left alone, if it said so and that is later than now.
    fn hold(&self) -> Option<Instant> {
        None
    }

    /// Lets `requests` more be under way at the same time, until [`ObjectStore::narrow`] takes them back.
    fn widen(&self, requests: usize) {
        let _ = requests;
    }

    /// Takes back what [`ObjectStore::widen`] allowed.
    fn narrow(&self, requests: usize) {
        let _ = requests;
    }
}

/// Why `key` can't be one, if so: what a store would read as another place.
pub(super) fn check_key(key: &str) -> Result<(), Failure> {
    let bad = |part: &str| part.is_empty() || matches!(part, "." | "..");
    if key.is_empty() || key.split('/').any(bad) || key.contains(['\0', '\\', '\n']) {
        let message = format!("'{}' is not the key of an object", key.escape_debug());
        return Err(Failure::Permanent(Error::internal(message)));
    }
    Ok(())
}

/// The failure of a read that would take more than its limit.
pub(super) fn too_long(key: &str, limit: u64) -> Failure {
    let message = format!("'{key}' is longer than the {limit} bytes it may have");
    Failure::Permanent(Error::corrupt(message))
}

/// The failure of a read that got less than its range.
pub(super) fn too_short(key: &str, range: &Range<u64>, got: u64) -> Failure {
    let message = format!("'{key}' ends early: {got} bytes came of {}..{}", range.start, range.end);
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
            Failure::Absent => f.write_str("nothing is there"),
            Failure::Taken => f.write_str("something is there already"),
            Failure::Temporary(error) | Failure::Permanent(error) => error.fmt(f),
        }
    }
}
