//! Reflogs: the targets of each ref and who moved it, in git's files and format.
//!
//! ```text
//! OLD-ID NEW-ID NAME <EMAIL> SECONDS +0000<TAB>MESSAGE
//! ```
//!
//! The log of a deleted ref stays. Its last line has the last value, and a new ref of that name
//! continues the same file. `git rev-parse REF@{N}` can read such a log, with a warning when it
//! passes the deletion. Names that `art` manages never nest, so the log of a deleted ref never
//! blocks another log. If git creates a ref below the name of a deleted one, git itself reports the
//! conflict. Like git, this module ignores torn lines and lines in another format.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use serde::Serialize;

use super::backwards::Backwards;
use super::packed::id_from_hex;
use super::{History, Signature};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::name::RefName;

/// The longest line of a reflog that is taken into memory: a line holds two ids, a name and a subject.
pub(super) const MAX_LINE: u64 = 1 << 20;

/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 200;

/// The move of a ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflogEntry {
    /// The old target, or `None` if the ref was created.
    pub old: Option<Id>,
    /// The new target, or `None` if the ref was deleted.
    pub new: Option<Id>,
    /// The author of the move: `NAME <EMAIL>`.
    pub who: String,
    /// The time of the move.
    pub time: Timestamp,
    /// The reason of the move: the first line of a message, cut after 200 bytes.
    pub message: String,
}

impl ReflogEntry {
    /// An entry as it will be read back: only the first line of the message, where what can't stand in
    /// a log is dropped or made a space. The commit has the whole message.
    pub(super) fn new(
        (old, new): (Option<Id>, Option<Id>),
        who: &Signature,
        message: &str,
    ) -> Self {
        let subject = message.trim_ascii().lines().next().unwrap_or_default();
        let mut message = subject.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        message.retain(|character| character != '\0');
        message.truncate(message.floor_char_boundary(MAX_SUBJECT));
        // Git has no time before 1970.
        let time = Timestamp::from_seconds(who.time.seconds().max(0));
        ReflogEntry { old, new, who: identity(who), time, message }
    }

    /// Parses a line without its line feed. Returns `None` if it is invalid.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let (old, rest) = line.split_at_checked(Id::HEX_LEN)?;
        let (new, rest) = rest.strip_prefix(b" ")?.split_at_checked(Id::HEX_LEN)?;
        let rest = rest.strip_prefix(b" ")?;
        let (who, rest) = rest.split_at(rest.find_byte(b'>')? + 1);
        let rest = rest.strip_prefix(b" ")?;
        let (time, rest) = rest.split_once_str(" ")?;
        let (zone, message) = rest.split_at_checked(5)?;
        if !matches!(zone[0], b'+' | b'-') || !zone[1..].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let known = |id: Id| (!id.is_null()).then_some(id);
        Some(ReflogEntry {
            old: known(id_from_hex(old)?),
            new: known(id_from_hex(new)?),
            who: who.to_str_lossy().into_owned(),
            time: Timestamp::from_seconds(time.to_str().ok()?.parse().ok()?),
            message: message.strip_prefix(b"\t").unwrap_or(message).to_str_lossy().into_owned(),
        })
    }

    /// Formats the line, including the line feed.
    pub(super) fn to_line(&self) -> String {
        let tab = if self.message.is_empty() { "" } else { "\t" };
        format!(
            "{} {} {} {} +0000{tab}{}\n",
            self.old.unwrap_or(Id::NULL),
            self.new.unwrap_or(Id::NULL),
            self.who,
            self.time.seconds(),
            self.message
        )
    }
}

/// Formats `NAME <EMAIL>` as in logs.
pub(super) fn identity(who: &Signature) -> String {
    let mut line = who.to_line();
    line.truncate(line.rfind('>').map_or(line.len(), |end| end + 1));
    line
}

/// Returns the path of the log of the ref `name`.
pub(super) fn path(git_dir: &Path, name: &str) -> PathBuf {
    git_dir.join("logs").join(name)
}

/// The entries of one log, newest first.
pub(super) struct LogEntries {
    lines: Backwards,
}

impl LogEntries {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(LogEntries { lines: Backwards::open_bounded(path, MAX_LINE)? })
    }

    /// Returns the entry in the newest complete line. `None` if there is no line or it is invalid.
    pub(super) fn newest(&mut self) -> Result<Option<ReflogEntry>> {
        while let Some(line) = self.lines.next_line()? {
            if line.is_whole {
                return Ok(ReflogEntry::parse(&line.bytes));
            }
        }
        Ok(None)
    }

    /// Returns the next older entry and the offset of its line.
    pub(super) fn next_entry(&mut self) -> Result<Option<(u64, ReflogEntry)>> {
        while let Some(line) = self.lines.next_line()? {
            if let Some(entry) = ReflogEntry::parse(&line.bytes).filter(|_| line.is_whole) {
                return Ok(Some((line.start, entry)));
            }
        }
        Ok(None)
    }
}

/// When an append is synced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Before the append returns.
    Now,
    /// Later. The caller syncs the file system once, after many appends.
    Later,
}

/// Appends complete lines to the log at `path`, which is created if it is missing. First removes a
/// torn last line, because nothing depends on an incomplete line.
pub(super) fn append(path: &Path, lines: &str, sync: Sync) -> Result<()> {
    let exists = read::is_file(path)?;
    let directory = path.parent().unwrap_or(path);
    if exists {
        if let Some(torn) = Backwards::open(path)?.next_line()?.filter(|line| !line.is_whole) {
            atomic::truncate(path, torn.start)?;
        }
    } else if sync == Sync::Now {
        atomic::create_dir_all_durably(directory)?;
    }
    match sync {
        Sync::Now => atomic::append(path, lines.as_bytes())?,
        Sync::Later => match atomic::append_unsynced(path, lines.as_bytes()) {
            // Most of many logs are in directories that exist.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                atomic::create_dir_all(directory)?;
                return atomic::append_unsynced(path, lines.as_bytes());
            }
            other => return other,
        },
    }
    if exists { Ok(()) } else { atomic::sync_dir(directory) }
}

/// The contents of the log of a ref.
#[derive(Debug, Default)]
pub(super) struct LogSurvey {
    /// All ids in the log.
    pub(super) ids: BTreeSet<Id>,
    /// The number of invalid lines.
    pub(super) bad: usize,
    /// True if the last line is incomplete. A killed writer leaves such a line, and the next writer
    /// removes it. This is not damage.
    pub(super) is_torn: bool,
}

/// Reads the whole log at `path`.
pub(super) fn survey(path: &Path) -> Result<LogSurvey> {
    let mut survey = LogSurvey::default();
    let mut lines = Backwards::open_bounded(path, MAX_LINE)?;
    while let Some(line) = lines.next_line()? {
        match ReflogEntry::parse(&line.bytes) {
            // A killed writer leaves the start of a line, but never a file of zeros.
            _ if !line.is_whole && line.is_all_of_file_and_zero() => survey.bad += 1,
            _ if !line.is_whole => survey.is_torn = true,
            Some(entry) => {
                survey.ids.extend([entry.old, entry.new].into_iter().flatten());
            }
            None => survey.bad += 1,
        }
    }
    Ok(survey)
}

/// Returns the readable entries of the log at `path`, newest first.
pub(super) fn lines(path: &Path) -> Result<Vec<ReflogEntry>> {
    let mut entries = LogEntries::open(path)?;
    let mut found = Vec::new();
    while let Some((_, entry)) = entries.next_entry()? {
        found.push(entry);
    }
    Ok(found)
}

/// Returns true if this is a valid line of a log, without its line feed.
pub(super) fn is_line(line: &[u8]) -> bool {
    ReflogEntry::parse(line).is_some()
}

/// The error for a log with unreadable lines.
pub(super) fn unreadable_lines(path: &Path, count: usize) -> Error {
    let lines = if count == 1 { "a line" } else { "lines" };
    Error::corrupt(format!("'{}' has {lines} that can't be read ({count})", path.display()))
}

/// Appends `entry` to the log of the ref `name`.
pub(super) fn record(git_dir: &Path, name: &str, entry: &ReflogEntry, sync: Sync) -> Result<()> {
    append(&path(git_dir, name), &entry.to_line(), sync)
}

impl History {
    /// Returns the moves of a ref, newest first. Empty if the ref never existed. A deleted ref
    /// keeps its log.
    pub fn reflog(&self, name: &RefName) -> Result<Vec<ReflogEntry>> {
        self.reflog_of(&name.to_string())
    }

    /// Returns the moves of the viewed project's current run, newest first, including switches
    /// between runs.
    pub fn head_reflog(&self) -> Result<Vec<ReflogEntry>> {
        self.reflog_of(&self.viewed_head().file())
    }

    pub(super) fn reflog_of(&self, name: &str) -> Result<Vec<ReflogEntry>> {
        let mut found = lines(&path(self.git_dir(), name))?;
        // A line is written before its ref moves. Ignore the line if the ref never moved.
        if let Some(newest) = found.first()
            && self.pending_operation()?.is_some_and(|pending| pending.wrote(name, newest))
        {
            found.remove(0);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signature(name: &str) -> Signature {
        let time = Timestamp::from_seconds(1_700_000_000);
        Signature { name: name.into(), email: "ada@example.org".into(), time }
    }

    #[test]
    fn a_line_has_exactly_the_format_of_git() {
        let id = Id::of_blob(b"x");
        let entry =
            ReflogEntry::new((None, Some(id)), &signature("Ada L."), "upload: two  words \n\nmore");
        let expected = format!(
            "{} {id} Ada L. <ada@example.org> 1700000000 +0000\tupload: two words\n",
            Id::NULL
        );
        assert_eq!(entry.to_line(), expected);
        let silent = ReflogEntry::new((Some(id), None), &signature("a<b>\nc"), "");
        assert!(silent.to_line().ends_with(" abc <ada@example.org> 1700000000 +0000\n"));
    }

    #[test]
    fn a_message_of_any_length_becomes_a_short_subject() {
        for (message, expected) in [
            ("ä".repeat(3 << 20), "ä".repeat(100)),
            (format!("x{}", "ä".repeat(200)), format!("x{}", "ä".repeat(99))),
            ("\n\nfirst\nsecond".to_owned(), "first".to_owned()),
            ("a".repeat(200), "a".repeat(200)),
        ] {
            let entry = ReflogEntry::new((None, None), &signature("a"), &message);
            assert_eq!(entry.message, expected);
            assert!(entry.to_line().len() < 600);
        }
    }

    #[test]
    fn a_torn_line_is_passed_over_and_never_continued() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/log");
        let entry = |n| ReflogEntry::new((None, Some(Id::of_blob(&[n]))), &signature("a"), "m");
        append(&path, &entry(1).to_line(), Sync::Now).unwrap();
        atomic::append(&path, b"0000 torn").unwrap();
        append(&path, &entry(2).to_line(), Sync::Now).unwrap();
        atomic::append(&path, &entry(3).to_line().as_bytes()[..150]).unwrap();
        let mut entries = LogEntries::open(&path).unwrap();
        assert_eq!(entries.next_entry().unwrap().unwrap().1, entry(2));
        assert_eq!(entries.next_entry().unwrap().unwrap().1, entry(1));
        assert!(entries.next_entry().unwrap().is_none());
    }

    proptest! {
        #[test]
        fn entries_round_trip(name in ".{0,20}", email in ".{0,20}", message in ".{0,40}", time: i64) {
            let time = Timestamp::from_seconds(time);
            let who = Signature { name, email, time };
            let entry = ReflogEntry::new((None, Some(Id::of_blob(b"x"))), &who, &message);
            let line = entry.to_line();
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains('\n'));
            prop_assert_eq!(ReflogEntry::parse(body.as_bytes()), Some(entry));
        }

        #[test]
        fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..200usize) {
            let _ = ReflogEntry::parse(&bytes);
            let entry = ReflogEntry::new((None, None), &signature("a"), "message");
            let mut line = entry.to_line().into_bytes();
            line.truncate(cut);
            line.extend_from_slice(&bytes);
            let _ = ReflogEntry::parse(&line);
        }
    }
}
