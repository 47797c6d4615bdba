//! Distinguishes an unreadable object from an unreachable store.

use super::super::layout::{ART_TOML, EntryName, LATEST};
use super::Store;
use crate::error::{Error, ErrorKind, Result};

/// The maximum number of bytes to read of another object to test the store.
const ASKED: u64 = 64 << 20;

impl Store {
    /// Describes the defect of the object `key`, whose request failed with `error`: the object is
    /// missing or damaged, or the store fails to return it but returns another object. If the store
    /// does not answer, the object's state is unknown, and the error is returned.
    pub fn defect_of(&self, key: &str, error: Error) -> Result<String> {
        use ErrorKind::{Corrupt, Internal, Interrupted, Locked, NotFound, Unsupported};
        match error.kind() {
            Corrupt | NotFound => Ok(in_short(&error)),
            Interrupted | Internal | Locked | Unsupported => Err(error),
            _ if self.answers_beside(key) => Ok(format!("it can't be read: {}", in_short(&error))),
            _ => Err(error),
        }
    }

    /// Describes a defect as [`Store::defect_of`] does, for a failure while the object was read and
    /// used. Unless it is damage, the object is at fault only if the request `has_failed`.
    pub fn defect_of_read(&self, key: &str, error: Error, has_failed: bool) -> Result<String> {
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound => self.defect_of(key, error),
            _ if has_failed => self.defect_of(key, error),
            _ => Err(error),
        }
    }

    /// Returns true if the store returns an object other than `key`.
    fn answers_beside(&self, key: &str) -> bool {
        let first = EntryName { number: 1, write: None }.key();
        let others = [ART_TOML, LATEST, first.as_str()];
        let mut others = others.into_iter().filter(|other| *other != key);
        others.any(|other| matches!(self.try_read(other, ASKED), Ok(Some(_))))
    }
}

/// Shortens an error to the last part of its message, which describes the problem.
fn in_short(error: &Error) -> String {
    let cause = error.causes().pop().unwrap_or_else(|| error.message().to_owned());
    match cause.split_once(" is damaged: ") {
        Some((_, problem)) => problem.to_owned(),
        None => cause,
    }
}
