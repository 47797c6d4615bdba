//! Is one object unreadable, or the whole store?

use super::super::layout::{ART_TOML, EntryName, LATEST};
use super::Store;
use crate::error::{Error, ErrorKind, Result};

/// The most bytes of another object that are read to see whether the store answers.
const ASKED: u64 = 64 << 20;

impl Store {
    /// What is wrong with the object `key`, whose request failed with `error`: it is missing or
    /// damaged, or the store fails to give it while it gives another object. Gives the error back if
    /// it is not the object's: nothing is known of an object of a store that does not answer.
    pub fn defect_of(&self, key: &str, error: Error) -> Result<String> {
        use ErrorKind::{Corrupt, Internal, Interrupted, Locked, NotFound, Unsupported};
        match error.kind() {
            Corrupt | NotFound => Ok(in_short(&error)),
            Interrupted | Internal | Locked | Unsupported => Err(error),
            _ if self.answers_beside(key) => Ok(format!("it can't be read: {}", in_short(&error))),
            _ => Err(error),
        }
    }

    /// As [`Store::defect_of`], for a failure while the object was read and used: unless it is damage, the
    /// object is at fault only if the request `has_failed`.
    pub fn defect_of_read(&self, key: &str, error: Error, has_failed: bool) -> Result<String> {
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound => self.defect_of(key, error),
            _ if has_failed => self.defect_of(key, error),
            _ => Err(error),
        }
    }

    /// Whether the store gives an object other than `key`.
    fn answers_beside(&self, key: &str) -> bool {
        let first = EntryName { number: 1, write: None }.key();
        let others = [ART_TOML, LATEST, first.as_str()];
        let mut others = others.into_iter().filter(|other| *other != key);
        others.any(|other| matches!(self.try_read(other, ASKED), Ok(Some(_))))
    }
}

/// The last part of a message says what is wrong.
fn in_short(error: &Error) -> String {
    let cause = error.causes().pop().unwrap_or_else(|| error.message().to_owned());
    match cause.split_once(" is damaged: ") {
        Some((_, problem)) => problem.to_owned(),
        None => cause,
    }
}
