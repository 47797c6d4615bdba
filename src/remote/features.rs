//! Feature words: what a program must know to read a remote, or to write to it.
//!
//! A later release can add rules without a new format number. It adds a word to `art.toml` or to a
//! log entry. A program that does not know a word of `needed_to_read` does not read the remote, and
//! one that does not know a word of `needed_to_write` does not write to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The words of `needed_to_read` that this program knows.
const READ: [&str; 0] = [];
/// The words of `needed_to_write` that this program knows. `gc`: the rules for writers beside a garbage
/// collection on the remote, which are in the book's page about formats.
const WRITE: [&str; 1] = ["gc"];
/// The maximum number of words, which bounds the memory for a hostile file.
const MAX_WORDS: usize = 1000;

/// The features that a program must know to use a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// A program that does not know one of these words does not read the remote.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needed_to_read: BTreeSet<String>,
    /// A program that does not know one of these words does not write to the remote.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needed_to_write: BTreeSet<String>,
}

impl Features {
    /// One feature that a program must know to write to the remote.
    pub(crate) fn needed_to_write(word: &str) -> Self {
        Features { needed_to_write: BTreeSet::from([word.to_owned()]), ..Features::default() }
    }

    /// Adds the features of another file of the same remote.
    pub(super) fn unite(&mut self, other: &Features) {
        self.needed_to_read.extend(other.needed_to_read.iter().cloned());
        self.needed_to_write.extend(other.needed_to_write.iter().cloned());
    }

    /// Fails with [`Unsupported`](ErrorKind::Unsupported) if this program may not read the remote
    /// that has the file `key`.
    pub(crate) fn check_readable(&self, key: &str) -> Result<()> {
        if self.needed_to_read.len() > MAX_WORDS || self.needed_to_write.len() > MAX_WORDS {
            return Err(Error::corrupt(format!("'{key}' names more than {MAX_WORDS} features")));
        }
        check(&self.needed_to_read, &READ, "read")
    }

    /// Fails with [`Unsupported`](ErrorKind::Unsupported) if this program may not write to the
    /// remote.
    pub(crate) fn check_writable(&self) -> Result<()> {
        check(&self.needed_to_write, &WRITE, "write to")
    }
}

fn check(words: &BTreeSet<String>, known: &[&str], action: &str) -> Result<()> {
    let Some(word) = words.iter().find(|word| !known.contains(&word.as_str())) else {
        return Ok(());
    };
    let shown: String = word.escape_debug().take(40).collect();
    let message = format!(
        "this version of art cannot {action} the remote: it was made by a newer art, with the feature '{shown}'"
    );
    Err(Error::new(ErrorKind::Unsupported, message)
        .with_hint("install the newest art and try again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(read: &[&str], write: &[&str]) -> Features {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Features { needed_to_read: set(read), needed_to_write: set(write) }
    }

    #[test]
    fn an_unknown_word_shuts_out_this_program() {
        let error = features(&["age"], &[]).check_readable("art.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("made by a newer art, with the feature 'age'"));
        features(&[], &["age"]).check_readable("art.toml").unwrap();
        let error = features(&["x"], &["age"]).check_writable().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        features(&["age"], &[]).check_writable().unwrap();
    }

    #[test]
    fn the_features_of_several_files_are_united() {
        let mut all = features(&["a"], &["b"]);
        all.unite(&features(&["c"], &["b", "d"]));
        assert_eq!(all, features(&["a", "c"], &["b", "d"]));
    }
}
