//! The output and the exit code of a program, identical in every test run.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// The output and the exit code of a program.
///
/// As text it is a snapshot: `exit CODE`, then both streams if they are not empty, with the
/// sandbox's path as `[ROOT]`, UUIDs as `[UUID]` and object ids, long or short, as `[ID n]`,
/// numbered by their first appearance.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The exit code; 128 and the signal's number if a signal ended it.
    pub(crate) code: i32,
    /// Standard output as text.
    pub(crate) stdout: String,
    /// Standard error as text.
    pub(crate) stderr: String,
    /// Standard output in bytes.
    pub(crate) stdout_bytes: Vec<u8>,
    root: String,
}

impl Output {
    /// The output of a program that ran under `root`.
    pub(crate) fn new(output: &std::process::Output, root: &Path) -> Self {
        let signal = output.status.signal().map(|signal| 128 + signal);
        Output {
            code: output.status.code().or(signal).unwrap(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            stdout_bytes: output.stdout.clone(),
            root: root.display().to_string(),
        }
    }

    /// Returns the output if the exit code is 0. Otherwise, the test fails with the whole output.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.fails_with(0)
    }

    /// Returns the output if the exit code is `code`. Otherwise, the test fails with the whole output.
    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let value = |line| serde_json::from_str(line);
        self.stdout
            .lines()
            .map(|line| value(line).unwrap_or_else(|error| panic!("{error} in {line}")))
            .collect()
    }

    /// The error object that `--json` puts on standard error.
    #[track_caller]
    pub(crate) fn json_error(&self) -> serde_json::Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let value: serde_json::Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {self}"));
        value["error"].clone()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}", self.code)?;
        let mut redaction = Redaction::default();
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                let text = redaction.apply(&text.replace(&self.root, "[ROOT]"));
                write!(f, "\n-- {name}\n{}", text.trim_end_matches('\n'))?;
            }
        }
        Ok(())
    }
}

/// Replaces random values, and values derived from them.
#[derive(Default)]
struct Redaction {
    seen: BTreeMap<String, usize>,
}

impl Redaction {
    fn apply(&mut self, text: &str) -> String {
        let mut redacted = String::new();
        let mut before = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || c == '-' {
                word.push(c);
                continue;
            }
            redacted.push_str(&self.word(&before, &word));
            redacted.push(c);
            if !word.is_empty() {
                before = std::mem::take(&mut word);
            }
        }
        redacted.pop();
        redacted
    }

    /// The word, or the sign for its kind of value.
    fn word(&mut self, before: &str, word: &str) -> String {
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        if parts == [8, 4, 4, 4, 12] && word.split('-').all(is_hex) {
            return "[UUID]".to_owned();
        }
        if is_hex(word)
            && word.len() == 8
            && ["back", "by", "operation", "redid", "redo", "undid", "undo"].contains(&before)
        {
            return "[OPERATION]".to_owned();
        }
        if is_hex(word) && matches!(word.len(), 12 | 64) {
            let next = self.seen.len() + 1;
            let number = *self.seen.entry(word[..12].to_owned()).or_insert(next);
            return format!("[ID {number}]");
        }
        word.to_owned()
    }
}

#[test]
fn what_differs_between_runs_is_redacted() {
    let id = "0123456789ab".to_owned() + &"c".repeat(52);
    let text =
        format!("{id} 0123456789ab\nffffffffffff 12ab-34 a 6f1c1f3e-0000-4000-8000-0123456789ab");
    assert_eq!(Redaction::default().apply(&text), "[ID 1] [ID 1]\n[ID 2] 12ab-34 a [UUID]");
}
