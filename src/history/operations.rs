//! The operation log: which command moved which refs together, so that the command can be undone.
//!
//! `operations.jsonl` has one JSON object per line. A line is written before the refs move.
//! The refs of an operation move all together, so any of them shows whether the operation happened.
//! Only the newest line can be in doubt, because the next operation settles it: if the refs never
//! moved, it first writes a line `{"format":1,"abandons":ID}`.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::History;
use super::backwards::Backwards;
use super::head::HeadName;
use super::ref_verify::LastMove;
use super::reflog::{LogEntries, ReflogEntry, Sync, append, path as log_path, unreadable_lines};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{atomic, read};
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};

/// The format version that is written and understood.
pub(super) const FORMAT: u32 = 1;

/// A command that moved refs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The unique id.
    pub id: String,
    /// The time of the operation.
    pub time: Timestamp,
    /// The author: `NAME <EMAIL>`.
    pub who: String,
    /// The command.
    pub command: String,
    /// The refs that the operation moved.
    pub changes: Vec<RefChange>,
    /// The runs and versions that the operation renamed or transferred to another project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Rename>,
    /// The change of the current run, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadChange>,
    /// The id of the operation that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

/// The move of one ref in an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old target, or `None` if the ref was created.
    pub old: Option<Id>,
    /// The new target, or `None` if the ref was deleted.
    pub new: Option<Id>,
}

/// The rename of a run or version, or its transfer to another project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rename {
    /// The old ref. It may have existed only on a remote.
    pub from: RefName,
    /// The new ref.
    pub to: RefName,
}

/// A change of the current run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadChange {
    /// The project of the current run, if it is not the repository's own project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// The previous current run, if there was one.
    pub old: Option<RefName>,
    /// The new current run, if there is one.
    pub new: Option<RefName>,
}

impl HeadChange {
    /// Returns the head that the change applies to.
    pub(super) fn name(&self) -> HeadName {
        HeadName::new(self.project.clone())
    }
}

/// An operation in the log that has not happened: it is in progress, or its process was killed.
#[derive(Debug)]
pub(super) struct PendingOperation {
    pub(super) operation: Operation,
    /// The heads whose logs may have a line about the operation, and their targets.
    heads: Vec<(String, Option<Id>)>,
}

impl PendingOperation {
    /// Returns the heads whose logs may have a line about the operation.
    pub(super) fn heads(&self) -> impl Iterator<Item = String> {
        self.heads.iter().map(|(head, _)| head.clone())
    }

    /// Returns true if the operation is to move the ref `name`.
    pub(super) fn moves(&self, name: &str) -> bool {
        self.operation.changes.iter().any(|change| change.name.to_string() == name)
    }

    /// Returns true if this operation wrote `entry`, the newest line in the log of the ref `name`
    /// (or `HEAD`).
    pub(super) fn wrote(&self, name: &str, entry: &ReflogEntry) -> bool {
        let operation = &self.operation;
        if let Some((_, head)) = self.heads.iter().find(|(head, _)| head == name) {
            let is_same = entry.time == operation.time && entry.who == operation.who;
            return is_same && entry.new != *head;
        }
        let mut changes = operation.changes.iter();
        changes.any(|change| change.name.to_string() == name && operation.has(change, entry))
    }
}

impl Operation {
    /// The number of characters of an id that are displayed.
    pub const SHORT_ID: usize = 8;

    /// Returns the beginning of the id, as displayed.
    pub fn short_id(&self) -> &str {
        self.id.get(..Self::SHORT_ID).unwrap_or(&self.id)
    }

    /// Returns the operation with all changes reversed.
    #[must_use]
    pub fn reversed(&self) -> Operation {
        let mut reversed = self.clone();
        for change in &mut reversed.changes {
            std::mem::swap(&mut change.old, &mut change.new);
        }
        for rename in &mut reversed.renamed {
            std::mem::swap(&mut rename.from, &mut rename.to);
        }
        if let Some(head) = &mut reversed.head {
            std::mem::swap(&mut head.old, &mut head.new);
        }
        reversed
    }

    /// Returns true if `entry` is the line about `change` in the log of its ref.
    fn has(&self, change: &RefChange, entry: &ReflogEntry) -> bool {
        (entry.old, entry.new, entry.time) == (change.old, change.new, self.time)
            && entry.who == self.who
    }
}

#[derive(Serialize)]
struct WrittenOperation<'a> {
    format: u32,
    #[serde(flatten)]
    operation: &'a Operation,
}

#[derive(Serialize, Deserialize)]
struct Abandonment {
    format: u32,
    abandons: String,
}

/// A parsed line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Operation(Box<Operation>),
    Abandons(String),
    /// A torn or damaged line.
    Garbage,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Line> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let Ok(head) = serde_json::from_slice::<Head>(line) else {
            return Ok(Line::Garbage);
        };
        if head.format > FORMAT {
            let message =
                format!("the operation log has format {}, made by a newer art", head.format);
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint("update art"));
        }
        if let Ok(line) = serde_json::from_slice::<Abandonment>(line) {
            return Ok(Line::Abandons(line.abandons));
        }
        Ok(serde_json::from_slice(line)
            .map_or(Line::Garbage, |line| Line::Operation(Box::new(line))))
    }
}

pub(super) fn path(git_dir: &Path) -> PathBuf {
    git_dir.join("operations.jsonl")
}

/// Checks that all lines of the log are readable. Returns true if the last line is torn, as a
/// killed writer can leave it.
pub(super) fn check(git_dir: &Path) -> Result<bool> {
    let path = path(git_dir);
    let mut lines = Backwards::open(&path)?;
    let mut bad = 0;
    let mut is_torn = false;
    while let Some(line) = lines.next_line()? {
        // A killed writer leaves the start of a line, but never a file of zeros.
        let is_zero = !line.is_whole && line.is_all_of_file_and_zero();
        bad += usize::from(is_zero);
        is_torn |= !line.is_whole && !is_zero;
        bad += usize::from(line.is_whole && Line::parse(&line.bytes)? == Line::Garbage);
    }
    if bad > 0 { Err(unreadable_lines(&path, bad)) } else { Ok(is_torn) }
}

/// Returns true if this is a line of the log, without its line feed. Lines of a newer art count as
/// valid.
pub(super) fn is_line(line: &[u8]) -> bool {
    !matches!(Line::parse(line), Ok(Line::Garbage))
}

/// Fails for a line of a newer art. A damaged line is not an error.
pub(super) fn check_line(line: &[u8]) -> Result<()> {
    Line::parse(line).map(|_| ())
}

/// Appends an operation that is about to happen. Returns the sizes of the log before and after.
pub(super) fn record(git_dir: &Path, operation: &Operation) -> Result<Range<u64>> {
    let size = || std::fs::metadata(path(git_dir)).map_or(0, |metadata| metadata.len());
    let before = size();
    append_json(git_dir, &WrittenOperation { format: FORMAT, operation })?;
    Ok(before..size())
}

/// Records that the operation `id` never happened.
pub(super) fn abandon(git_dir: &Path, id: &str) -> Result<()> {
    append_json(git_dir, &Abandonment { format: FORMAT, abandons: id.to_owned() })
}

/// The file with the id of the newest operation that happened.
fn note_path(git_dir: &Path) -> PathBuf {
    git_dir.join("cache/last-operation")
}

/// Records that the operation `id` has happened, so that a ref that is set back afterwards does not
/// look as if it never moved. The note is not synced. Without it, the refs decide.
pub(super) fn note(git_dir: &Path, id: &str) {
    // Nothing depends on the note, and the next operation rewrites it.
    let _ = atomic::overwrite_throwaway(&note_path(git_dir), format!("{id}\n").as_bytes());
}

/// Returns the id that [`note`] wrote last, or `None` if it cannot be read.
pub(super) fn noted(git_dir: &Path) -> Option<String> {
    let text = read::read_text(&note_path(git_dir), 64).ok()?;
    let id = text.strip_suffix('\n')?;
    uuid::Uuid::parse_str(id).is_ok().then(|| id.to_owned())
}

/// Removes the file that [`note`] writes.
pub(super) fn forget_note(git_dir: &Path) -> Result<()> {
    atomic::remove_file(&note_path(git_dir))
}

/// Returns the start of the line about the operation `id`.
fn start_of_line(id: &str) -> String {
    format!("{{\"format\":{FORMAT},\"id\":\"{id}\",")
}

fn append_json(git_dir: &Path, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value)
        .map_err(|error| Error::internal("cannot write an operation").with_source(error))?;
    line.push('\n');
    append(&path(git_dir), &line, Sync::Now)
}

/// The operations that happened, newest first. See [`History::operations`].
#[derive(Debug)]
pub struct Operations<'h> {
    history: &'h History,
    lines: Backwards,
    settled: HashSet<String>,
    is_newest: bool,
}

impl Operations<'_> {
    /// Returns the next older operation that happened or may have happened, and whether it is the
    /// newest in the log.
    fn next_written(&mut self) -> Result<Option<(Operation, bool)>> {
        while let Some(line) = self.lines.next_line()? {
            // A torn line was never synced, so its operation did not happen.
            if !line.is_whole {
                continue;
            }
            match Line::parse(&line.bytes)? {
                Line::Garbage => {}
                Line::Abandons(id) => {
                    self.settled.insert(id);
                }
                Line::Operation(operation) => {
                    let is_newest = std::mem::take(&mut self.is_newest);
                    if !self.settled.remove(&operation.id) {
                        return Ok(Some((*operation, is_newest)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn next_effective(&mut self) -> Result<Option<Operation>> {
        while let Some((operation, is_newest)) = self.next_written()? {
            if !is_newest || !self.history.is_pending(&operation)? {
                return Ok(Some(operation));
            }
        }
        Ok(None)
    }
}

impl Iterator for Operations<'_> {
    type Item = Result<Operation>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_effective().transpose()
    }
}

impl History {
    /// Returns the heads that may name a run among `changes`, and `HEAD`.
    pub(super) fn heads_of(&self, changes: &[RefChange]) -> BTreeSet<HeadName> {
        let runs = changes.iter().filter(|change| change.name.kind() == RefKind::Run);
        let heads = runs.map(|change| self.head_name(change.name.project()));
        heads.chain([HeadName::default()]).collect()
    }

    /// Returns the operations that happened, newest first. Reads the log on demand.
    pub fn operations(&self) -> Result<Operations<'_>> {
        let lines = Backwards::open(&path(self.git_dir()))?;
        Ok(Operations { history: self, lines, settled: HashSet::new(), is_newest: true })
    }

    /// Returns the newest operation that happened.
    pub fn last_effective_operation(&self) -> Result<Option<Operation>> {
        self.operations()?.next_effective()
    }

    /// Returns the newest operation in the log if it has not happened.
    pub(super) fn pending_operation(&self) -> Result<Option<PendingOperation>> {
        if self.is_newest_noted()? {
            return Ok(None);
        }
        match self.operations()?.next_written()? {
            Some((operation, true)) if self.is_pending(&operation)? => {
                let mut names = self.heads_of(&operation.changes);
                names.extend(operation.head.as_ref().map(HeadChange::name));
                let value = |name: &HeadName| self.head_value(name).unwrap_or(None);
                let heads = names.iter().map(|name| (name.file(), value(name))).collect();
                Ok(Some(PendingOperation { operation, heads }))
            }
            _ => Ok(None),
        }
    }

    /// Returns true if the newest line is about the noted operation, which has happened. Does not
    /// parse the line, because an operation can move a hundred thousand refs.
    fn is_newest_noted(&self) -> Result<bool> {
        let Some(id) = noted(self.git_dir()) else { return Ok(false) };
        let newest = Backwards::open(&path(self.git_dir()))?.next_line()?;
        let start = start_of_line(&id);
        Ok(newest.is_some_and(|line| line.is_whole && line.bytes.starts_with(start.as_bytes())))
    }

    /// Returns the newest operation in the log that was not abandoned, whether or not it happened.
    pub(super) fn last_written_operation(&self) -> Result<Option<Operation>> {
        Ok(self.operations()?.next_written()?.map(|(operation, _)| operation))
    }

    /// Returns true if `operation`, the newest in the log, has not happened.
    pub(super) fn is_pending(&self, operation: &Operation) -> Result<bool> {
        if noted(self.git_dir()).is_some_and(|noted| noted == operation.id) {
            return Ok(false);
        }
        if operation.changes.is_empty() {
            let next = self.next_head();
            let mut head = operation.head.iter();
            return Ok(next.is_some_and(|next| head.any(|head| head.new == next.run)));
        }
        // `HEAD.next` is written before the operation, and exists until the refs have moved.
        if operation.head.is_some() && self.has_no_next_head() {
            return Ok(false);
        }
        for change in &operation.changes {
            if self.has_happened(operation, change)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns true if a ref shows that the operation moved it: the ref has the new value, or its
    /// log continues from there.
    ///
    /// A damaged ref counts as moved, so that it does not block its own repair. A ref that has
    /// neither the old value of the operation nor the value of its newest log line also counts as
    /// moved, because no operation left it there.
    fn has_happened(&self, operation: &Operation, change: &RefChange) -> Result<bool> {
        let name = change.name.to_string();
        let Ok(now) = self.try_find_id(&name) else { return Ok(true) };
        if now == change.new {
            return Ok(true);
        }
        let is_explained = |logged: Option<LastMove>| logged.is_none_or(|last| last.new == now);
        if now != change.old && !is_explained(self.last_logged_move(&name)?) {
            return Ok(true);
        }
        let mut entries = LogEntries::open(&log_path(self.git_dir(), &name))?;
        let mut newer: Option<ReflogEntry> = None;
        while let Some((_, entry)) = entries.next_entry()? {
            if newer.is_some_and(|newer| newer.old == change.new) && operation.has(change, &entry) {
                return Ok(true);
            }
            if entry.time < operation.time {
                break;
            }
            newer = Some(entry);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation() -> Operation {
        let name: RefName = "refs/runs/o/p/r".parse().unwrap();
        Operation {
            id: "1".into(),
            time: Timestamp::from_seconds(0),
            who: "a <b>".into(),
            command: "upload -m 'x'".into(),
            changes: vec![RefChange { name: name.clone(), old: None, new: Some(Id::NULL) }],
            renamed: Vec::new(),
            head: Some(HeadChange { project: None, old: None, new: Some(name) }),
            undoes: None,
        }
    }

    #[test]
    fn the_line_of_an_operation_keeps_its_format() {
        let line =
            serde_json::to_string(&WrittenOperation { format: FORMAT, operation: &operation() });
        let line = line.unwrap();
        let expected = format!(
            r#"{{"format":1,"id":"1","time":"1970-01-01T00:00:00Z","who":"a <b>","command":"upload -m 'x'","changes":[{{"ref":"refs/runs/o/p/r","old":null,"new":"{}"}}],"head":{{"old":null,"new":"refs/runs/o/p/r"}}}}"#,
            Id::NULL
        );
        assert_eq!(line, expected);
        assert!(line.starts_with(&start_of_line("1")), "noted operations are recognized");
        assert_eq!(Line::parse(line.as_bytes()).unwrap(), Line::Operation(Box::new(operation())));
    }

    #[test]
    fn a_rename_is_written_after_the_changes() {
        let to: RefName = "refs/runs/o/p/s".parse().unwrap();
        let from = operation().changes[0].name.clone();
        let operation = Operation { renamed: vec![Rename { from, to }], ..operation() };
        let line = WrittenOperation { format: FORMAT, operation: &operation };
        let line = serde_json::to_string(&line).unwrap();
        let renamed = r#"}],"renamed":[{"from":"refs/runs/o/p/r","to":"refs/runs/o/p/s"}],"head""#;
        assert!(line.contains(renamed), "{line}");
        assert_eq!(Line::parse(line.as_bytes()).unwrap(), Line::Operation(Box::new(operation)));
    }

    #[test]
    fn a_line_of_a_newer_art_is_refused_and_a_damaged_line_is_ignored() {
        let error = Line::parse(br#"{"format":2,"anything":[]}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for garbage in ["", "{", "null", "[1]", r#"{"format":1}"#, r#"{"format":1,"id":3}"#] {
            assert_eq!(Line::parse(garbage.as_bytes()).unwrap(), Line::Garbage, "{garbage}");
        }
        let abandons = Line::parse(br#"{"format":1,"abandons":"x"}"#).unwrap();
        assert_eq!(abandons, Line::Abandons("x".into()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Line::parse(&bytes);
        }
    }
}
