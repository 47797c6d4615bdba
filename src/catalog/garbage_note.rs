//! A note about the content that no run, version or tag needed when it was last measured.
//!
//! Only reading all history can measure it, which is too slow for `art status`. So `art du` notes the
//! result, and `art gc` drops the note. Without the note, `art status` says nothing about garbage.

use std::path::PathBuf;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::fs::{atomic, read};
use crate::repo::Repository;

/// The note is worth showing if more than one part of so many is unneeded.
const PARTS: u64 = 5;

/// Content that no run, version or tag needed when it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GarbageNote {
    /// The stored bytes that no ref reached.
    pub unused: u64,
    /// The bytes of all packs.
    pub stored: u64,
    /// The time of the measurement.
    pub at: Timestamp,
}

impl GarbageNote {
    /// Returns true if more than a fifth of the stored bytes was unneeded.
    pub fn is_much(&self) -> bool {
        self.unused > self.stored / PARTS
    }
}

/// Notes a measurement if it found much, and otherwise drops the note. Failures are ignored, because
/// nothing depends on the note.
pub(crate) fn note_garbage(repo: &Repository, unused: u64, stored: u64) {
    let note = GarbageNote { unused, stored, at: repo.settings().clock.now() };
    if !note.is_much() {
        return drop_garbage_note(repo);
    }
    let text = format!("{unused} {stored} {}\n", note.at);
    let _ = atomic::write(&path(repo), &repo.content().tmp_dir(), text.as_bytes());
}

/// Drops the note.
pub(crate) fn drop_garbage_note(repo: &Repository) {
    let _ = atomic::remove_file(&path(repo));
}

/// The last measurement, if it found much.
pub(crate) fn noted_garbage(repo: &Repository) -> Option<GarbageNote> {
    let text = read::read_text(&path(repo), read::SMALL).ok()?;
    let mut words = text.split_whitespace();
    let (unused, stored) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let note = GarbageNote { unused, stored, at: words.next()?.parse().ok()? };
    note.is_much().then_some(note)
}

fn path(repo: &Repository) -> PathBuf {
    repo.directory().join("cache").join("garbage")
}
