//! Which operation can be taken back, and whether its refs are still where it left them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operations::{self, FORMAT, Operation, RefChange};
use super::{Expected, History, Signature};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::fs::atomic;
use crate::id::Id;
use crate::name::RefName;

/// The newest operation that was not taken back.
#[derive(Debug, Clone)]
pub struct Undoable {
    /// The operation.
    pub operation: Operation,
    /// For each of its changes: where the ref is if nothing moved it since, but operations that
    /// were taken back. An undo may leave a ref at a new commit that stands for an old one.
    expected: Vec<Option<Id>>,
}

/// An operation that came after another one.
struct Newer {
    operation: Operation,
    /// An undo that is in force took it back.
    is_undone: bool,
}

/// What the operations after one have done to a ref.
struct Since {
    /// Where the oldest of them found it.
    found: Option<Id>,
    /// Where the newest of them left it.
    left: Option<Id>,
    /// Each of them found it where the one before had left it, and all of them cancel out.
    is_whole: bool,
}

/// What `newer`, newest first, have done to each ref. Undone operations and what took them back cancel
/// out: together they leave a ref as they found it, or at a new commit that stands for that state.
fn since(newer: &[Newer]) -> HashMap<RefName, Since> {
    let ids: HashSet<&str> = newer.iter().map(|newer| &*newer.operation.id).collect();
    let mut since: HashMap<RefName, Since> = HashMap::new();
    for Newer { operation, is_undone } in newer {
        let cancels = operation.undoes.as_deref().is_some_and(|id| ids.contains(id));
        for RefChange { name, old, new } in &operation.changes {
            let is_whole = *is_undone || cancels;
            since
                .entry(name.clone())
                .and_modify(|since| {
                    since.is_whole &= is_whole && since.found == *new;
                    since.found = *old;
                })
                .or_insert(Since { found: *old, left: *new, is_whole });
        }
    }
    since
}

impl Undoable {
    fn new(operation: Operation, newer: &[Newer]) -> Self {
        let since = since(newer);
        let expected = |change: &RefChange| match since.get(&change.name) {
            Some(since) if since.is_whole && since.found == change.new => since.left,
            _ => change.new,
        };
        let expected = operation.changes.iter().map(expected).collect();
        Undoable { operation, expected }
    }

    /// Where the refs of the operation are now, in the order of its changes.
    ///
    /// Fails with [`Moved`](ErrorKind::Moved), and the names, if something else moved them since.
    pub fn check(&self, history: &History) -> Result<Vec<Option<Id>>> {
        let mut states = Vec::new();
        let mut moved = Vec::new();
        for (change, expected) in self.operation.changes.iter().zip(&self.expected) {
            let now = history.try_find_ref(&change.name)?;
            if now != *expected && now != change.new {
                moved.push(change.name.to_string());
            }
            states.push(now);
        }
        if let Some(head) = &self.operation.head
            && history.head_of(&head.name())? != head.new
        {
            moved.push("HEAD".to_owned());
        }
        let Some(first) = moved.first() else { return Ok(states) };
        let verb = if moved.len() == 1 { "has" } else { "have" };
        let cause = format!("{} {verb} moved since", moved.join(", "));
        Err(Error::new(ErrorKind::Moved, cause)
            .with_hint(format!("see how: art reflog {first}"))
            .context(format!("cannot undo '{}'", self.operation.command)))
    }
}

/// Which operation to take back.
#[derive(Debug, Clone, Copy)]
pub enum Undoing<'a> {
    /// The newest that is neither an undo nor taken back.
    Newest,
    /// The newest undo that is not taken back.
    NewestUndo,
    /// The one with this id, or the only one whose id begins so.
    Id(&'a str),
}

impl History {
    /// Finds the operation to take back; `None` if there is none to choose.
    ///
    /// Fails with [`NotFound`](ErrorKind::NotFound) if no operation has the id, with
    /// [`Invalid`](ErrorKind::Invalid) if several have, and with [`Refused`](ErrorKind::Refused) if
    /// it was taken back already.
    pub fn find_undoable(&self, wanted: Undoing<'_>) -> Result<Option<Undoable>> {
        let wanted_id = match wanted {
            Undoing::Id(id) => Some(self.find_operation(id)?.id),
            _ => None,
        };
        let mut undone: HashMap<String, String> = HashMap::new();
        let mut newer: Vec<Newer> = Vec::new();
        for operation in self.operations()? {
            let operation = operation?;
            let undone_by = undone.remove(&operation.id);
            let is_wanted = match wanted {
                Undoing::Id(_) => wanted_id.as_ref() == Some(&operation.id),
                _ if undone_by.is_some() => false,
                Undoing::Newest => operation.undoes.is_none(),
                Undoing::NewestUndo => self.is_undo(&operation)?,
            };
            let is_undone = undone_by.is_some();
            match undone_by {
                None if is_wanted => return Ok(Some(Undoable::new(operation, &newer))),
                Some(by) if is_wanted => return Err(undone_already(&operation, &by)),
                // Only an undo that is in force takes anything back.
                None => {
                    undone.extend(operation.undoes.clone().map(|id| (id, operation.id.clone())));
                }
                Some(_) => {}
            }
            newer.push(Newer { operation, is_undone });
        }
        Ok(None)
    }

    /// Whether `operation` takes back one that is no undo itself: what takes an undo back is a redo.
    fn is_undo(&self, operation: &Operation) -> Result<bool> {
        let Some(id) = &operation.undoes else { return Ok(false) };
        Ok(self.find_operation(id)?.undoes.is_none())
    }

    /// The operation with this id, or the only one whose id begins so.
    pub fn find_operation(&self, id: &str) -> Result<Operation> {
        let mut found: Option<Operation> = None;
        for operation in self.operations()? {
            let operation = operation?;
            if operation.id == id {
                return Ok(operation);
            }
            if id.len() < MIN_ID || !operation.id.starts_with(id) {
                continue;
            }
            if found.is_some() {
                return Err(Error::invalid(format!("several operations begin with '{id}'"))
                    .with_hint("give more of the id; see: art operations"));
            }
            found = Some(operation);
        }
        found.ok_or_else(|| {
            Error::not_found(format!("there is no operation '{}'", id.escape_debug()))
                .with_hint("see the ids: art operations")
        })
    }

    /// Takes the newest operation that can be taken back, as a new operation that it returns: every
    /// ref is where it was. Records need more than that; see [`ops::undo`](crate::ops::undo).
    ///
    /// Fails with [`ErrorKind::NotFound`] if there is nothing to undo and with
    /// [`ErrorKind::Moved`] if one of the refs has moved since.
    pub fn undo(&self, who: &Signature, timeout: Duration) -> Result<Operation> {
        let Some(undoable) = self.find_undoable(Undoing::Newest)? else {
            return Err(Error::not_found("there is nothing to undo")
                .with_hint("see what was done: art operations"));
        };
        let states = undoable.check(self)?;
        let operation = undoable.operation;
        let message = format!("undo: {}", operation.command);
        let mut transaction = self.transaction(who, "undo");
        transaction.undoes(&operation.id);
        for (change, now) in operation.changes.into_iter().zip(states) {
            let expected = now.map_or(Expected::Absent, Expected::Id);
            transaction.update(change.name, expected, change.old, &message);
        }
        if let Some(head) = &operation.head {
            transaction.restore_head(head);
        }
        transaction.commit(timeout).context(|| format!("cannot undo '{}'", operation.command))
    }

    /// Notes that `command` changed nothing, for an undo right after it.
    ///
    /// The note only makes an undo more careful: a full disk does not fail the command.
    pub(crate) fn note_unchanged(&self, command: &str) {
        let note = Unchanged { format: FORMAT, command: command.to_owned(), size: self.log_size() };
        if let Ok(line) = serde_json::to_string(&note) {
            let line = format!("{line}\n");
            let path = self.git_dir().join(UNCHANGED);
            let _ = atomic::write(&path, &self.tmp_dir(), line.as_bytes());
        }
    }

    /// The last command that changed nothing, if no operation came after it.
    pub fn unchanged_since(&self) -> Option<String> {
        let path = self.git_dir().join(UNCHANGED);
        let metadata = path.symlink_metadata().ok()?;
        if !metadata.is_file() || metadata.len() > MAX_NOTE {
            return None;
        }
        let bytes = crate::fs::read::read_bounded(path.as_ref(), crate::fs::read::SMALL).ok()?;
        let note: Unchanged = serde_json::from_slice(&bytes).ok()?;
        (note.format == FORMAT && note.size == self.log_size()).then_some(note.command)
    }

    /// The bytes of the operation log: it grows with every operation.
    fn log_size(&self) -> u64 {
        std::fs::metadata(operations::path(self.git_dir())).map_or(0, |metadata| metadata.len())
    }
}

/// The fewest characters of an id that name an operation.
const MIN_ID: usize = 4;

/// The note of the last command that changed nothing. It is not a log of moves, as its ending says.
const UNCHANGED: &str = "logs/unchanged.jsonl";

/// The most bytes of the note: a command line is shorter.
const MAX_NOTE: u64 = 4 << 20;

/// A command that changed nothing, and the bytes of the operation log at that time.
#[derive(Serialize, Deserialize)]
struct Unchanged {
    format: u32,
    command: String,
    size: u64,
}

fn undone_already(operation: &Operation, by: &str) -> Error {
    let (id, by) = (operation.short_id(), by.get(..Operation::SHORT_ID).unwrap_or(by));
    Error::refused(format!("operation {id} was taken back already, by operation {by}"))
        .with_hint("to do it again: art redo; see: art operations")
}
