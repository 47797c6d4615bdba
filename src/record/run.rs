//! `run.toml`: the record of one run, its result and its artifacts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::expiration::Expiration;
use super::lineage::LineageEntry;
use super::source::SourceRecord;
use super::tags::Tags;
use super::{Extra, FORMAT, Record};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::suggest;
use crate::tree_path::text_of_bytes;

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Created; no command runs.
    Created,
    /// The command runs.
    Running,
    /// The command exited with code 0, or a user marked the run as succeeded.
    Succeeded,
    /// The command exited with another code, or a user marked the run as failed.
    Failed,
    /// A signal ended the command, or a user stopped the run.
    Stopped,
}

impl RunStatus {
    /// Every status, in the order of a run's life cycle.
    pub const ALL: [RunStatus; 5] = [
        RunStatus::Created,
        RunStatus::Running,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Stopped,
    ];

    /// The words of [`RunStatus::ALL`].
    pub const WORDS: [&str; 5] = ["created", "running", "succeeded", "failed", "stopped"];

    /// The word in records and queries.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Returns true if the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Stopped)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let error = Error::invalid(format!("'{}' is not a run's status", text.escape_debug()));
            match suggest::closest(text, Self::WORDS) {
                Some(word) => error.with_hint(format!("did you mean '{word}'?")),
                None => error.with_hint(format!("use one of {}", Self::WORDS.join(", "))),
            }
        })
    }
}

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The format number, [`FORMAT`].
    pub format: u32,
    /// The id, which a rename does not change.
    pub uuid: Uuid,
    /// The name, unique within the project.
    pub name: Name,
    /// The description; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The status.
    pub status: RunStatus,
    /// When the run was created.
    pub created_at: Timestamp,
    /// When the command started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the run finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The command and its arguments. Passwords in URIs are masked, and bytes that are not UTF-8 are
    /// written as `\xNN`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The exit code; absent if a signal ended the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The name of the signal that ended the command, such as `SIGKILL`. Signal numbers differ
    /// between systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The user account that the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The machine that the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The origin of the run's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRecord>,
    /// The content that expired, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<Expiration>,
    /// The named artifacts. Names are unique; see [`RunRecord::set_lineage`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<LineageEntry>,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RunRecord {
    /// Creates the record of a new run.
    pub fn new(uuid: Uuid, name: Name, created_at: Timestamp) -> Self {
        RunRecord {
            format: FORMAT,
            uuid,
            name,
            description: String::new(),
            tags: Tags::default(),
            status: RunStatus::Created,
            created_at,
            started_at: None,
            finished_at: None,
            command: Vec::new(),
            exit_code: None,
            signal: None,
            user: None,
            host: None,
            source: None,
            expired: None,
            lineage: Vec::new(),
            extra: Extra::new(),
        }
    }

    /// Records the command of the run from the bytes of its words.
    pub fn set_command<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.command = words.into_iter().map(|word| text_of_bytes(word.as_ref())).collect();
    }

    /// Sets the status of the run at the time `now`, and updates the times to match:
    ///
    /// * `running` restarts the run and clears its previous end.
    /// * A final status sets the time of the end, unless the run is already over.
    /// * `created` clears the start and the end.
    ///
    /// Returns true if the status changed.
    pub fn set_status(&mut self, status: RunStatus, now: Timestamp) -> bool {
        let was = self.status;
        if was == status {
            return false;
        }
        self.status = status;
        match status {
            RunStatus::Created => {
                self.started_at = None;
                self.forget_end();
            }
            RunStatus::Running => {
                self.started_at = Some(now);
                self.forget_end();
            }
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Stopped => {
                self.finished_at = self.finished_at.filter(|_| was.is_final()).or(Some(now));
            }
        }
        true
    }

    /// Records that the command exited. Exit code 0 means that it succeeded.
    pub fn exited(&mut self, exit_code: i32, now: Timestamp) {
        let status = if exit_code == 0 { RunStatus::Succeeded } else { RunStatus::Failed };
        self.set_status(status, now);
        self.exit_code = Some(exit_code);
        self.signal = None;
    }

    /// Records that a signal ended the command.
    pub fn killed(&mut self, signal: impl Into<String>, now: Timestamp) {
        self.set_status(RunStatus::Stopped, now);
        self.exit_code = None;
        self.signal = Some(signal.into());
    }

    fn forget_end(&mut self) {
        self.finished_at = None;
        self.exit_code = None;
        self.signal = None;
    }

    /// The lineage entry called `name`.
    pub fn try_find_lineage(&self, name: &Name) -> Option<&LineageEntry> {
        self.lineage.iter().find(|entry| entry.name == *name)
    }

    /// Finds the lineage entry called `name`. The error suggests a similar name or how to list the
    /// names.
    pub fn find_lineage(&self, name: &Name) -> Result<&LineageEntry> {
        self.try_find_lineage(name).ok_or_else(|| {
            let names = self.lineage.iter().map(|entry| entry.name.as_str());
            let hint = match suggest::closest(name.as_str(), names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("art lineage run/{} lists them", self.name),
            };
            Error::not_found(format!("run '{}' has no artifact named '{name}'", self.name))
                .with_hint(hint)
        })
    }

    /// Adds `entry` to the lineage, or replaces the entry with the same name. Returns the replaced
    /// entry.
    pub fn set_lineage(&mut self, entry: LineageEntry) -> Option<LineageEntry> {
        if let Some(known) = self.lineage.iter_mut().find(|known| known.name == entry.name) {
            return Some(std::mem::replace(known, entry));
        }
        self.lineage.push(entry);
        None
    }

    /// Removes the entry called `name` from the lineage.
    pub fn remove_lineage(&mut self, name: &Name) -> Option<LineageEntry> {
        let place = self.lineage.iter().position(|entry| entry.name == *name)?;
        Some(self.lineage.remove(place))
    }
}

impl Record for RunRecord {
    const FILE: &'static str = "run.toml";

    fn format(&self) -> u32 {
        self.format
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn run() -> RunRecord {
        RunRecord::new(Uuid::nil(), "sharp-shrimp-1".parse().unwrap(), at(0))
    }

    fn entry(name: &str, path: &str) -> LineageEntry {
        LineageEntry::new(name.parse().unwrap(), "file".parse().unwrap(), path)
    }

    #[test]
    fn times_follow_the_status() {
        let mut run = run();
        assert!(run.set_status(RunStatus::Running, at(1)));
        assert!(!run.set_status(RunStatus::Running, at(2)));
        assert_eq!((run.started_at, run.finished_at), (Some(at(1)), None));
        run.exited(3, at(5));
        assert_eq!(run.status, RunStatus::Failed);
        assert_eq!((run.finished_at, run.exit_code), (Some(at(5)), Some(3)));
        run.set_status(RunStatus::Succeeded, at(9));
        assert_eq!(run.finished_at, Some(at(5)), "a correction keeps the time of the end");
        run.set_status(RunStatus::Running, at(10));
        assert_eq!((run.started_at, run.finished_at, run.exit_code), (Some(at(10)), None, None));
        run.killed("SIGKILL", at(11));
        assert_eq!((run.status, run.exit_code), (RunStatus::Stopped, None));
        assert_eq!((run.signal.as_deref(), run.finished_at), (Some("SIGKILL"), Some(at(11))));
    }

    #[test]
    fn status_words_match_the_words_that_serde_writes() {
        for status in RunStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse::<RunStatus>().unwrap(), status);
        }
        let error = "suceeded".parse::<RunStatus>().unwrap_err();
        assert_eq!(error.hint(), Some("did you mean 'succeeded'?"));
    }

    #[test]
    fn lineage_has_one_entry_per_name_in_insertion_order() {
        let mut run = run();
        assert!(run.set_lineage(entry("a", "1")).is_none());
        assert!(run.set_lineage(entry("b", "2")).is_none());
        let replaced = run.set_lineage(entry("a", "3")).unwrap();
        assert_eq!(replaced.path, "1");
        let paths: Vec<_> = run.lineage.iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["3", "2"]);
        let error = run.find_lineage(&"c".parse().unwrap()).unwrap_err();
        assert_eq!(error.message(), "run 'sharp-shrimp-1' has no artifact named 'c'");
        assert!(run.remove_lineage(&"a".parse().unwrap()).is_some());
        assert!(run.remove_lineage(&"a".parse().unwrap()).is_none());
        assert_eq!(run.lineage.len(), 1);
    }

    #[test]
    fn commands_keep_their_words_whatever_the_bytes() {
        let mut run = run();
        run.set_command([&b"python"[..], b"-c", b"print(1)\nprint(2)", b"\xff.bin"]);
        assert_eq!(run.command, ["python", "-c", "print(1)\nprint(2)", r"\xff.bin"]);
    }
}
