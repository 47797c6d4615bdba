//! Finds the operation to undo, and checks that its refs still have the values that it left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operations::{self, FORMAT, Operation, RefChange};
use super::{Expected, History, Signature};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::fs::atomic;
use crate::id::Id;
use crate::name::RefName;

/// The newest operation that was not undone.
#[derive(Debug, Clone)]
pub struct Undoable {
    /// The operation.
    pub operation: Operation,
    /// For each change: the value of the ref if nothing moved it since, apart from undone
    /// operations. An undo can leave a ref at a new commit that stands for an old one.
    expected: Vec<Option<Id>>,
}

/// An operation that is newer than another one.
struct Newer {
    operation: Operation,
    /// True if an effective undo reverted it.
    is_undone: bool,
}

/// The effect of newer operations on a ref.
struct Since {
    /// The value before the oldest of them.
    found: Option<Id>,
    /// The value after the newest of them.
    left: Option<Id>,
    /// True if the operations form an unbroken chain and cancel out.
    is_whole: bool,
}

/// Computes the effect of `newer`, newest first, on each ref. Undone operations and their undos
/// cancel out: together, they leave a ref at its old value, or at a new commit that stands for that
/// state.
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

    /// Returns the current values of the operation's refs, in the order of its changes.
    ///
    /// Fails with [`Moved`](ErrorKind::Moved), naming the refs, if something else moved them since.
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

/// The choice of the operation to undo.
#[derive(Debug, Clone, Copy)]
pub enum Undoing<'a> {
    /// The newest operation that is neither an undo nor undone.
    Newest,
    /// The newest undo that is not undone.
    NewestUndo,
    /// The operation with this id, or with a unique id that begins with it.
    Id(&'a str),
}

impl History {
    /// Finds the operation to undo. Returns `None` if there is none.
    ///
    /// Fails with [`NotFound`](ErrorKind::NotFound) if no operation has the id, with
    /// [`Invalid`](ErrorKind::Invalid) if several match, and with [`Refused`](ErrorKind::Refused)
    /// if the operation was already undone.
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
                // Only an effective undo reverts anything.
                None => {
                    undone.extend(operation.undoes.clone().map(|id| (id, operation.id.clone())));
                }
                Some(_) => {}
            }
            newer.push(Newer { operation, is_undone });
        }
        self.check_log_exists().map(|()| None)
    }

    /// Fails if the operation log is damaged, or lost although there are refs.
    fn check_log_exists(&self) -> Result<()> {
        operations::check(self.git_dir())?;
        if self.log_size() > 0 || self.refs("refs/")?.is_empty() {
            return Ok(());
        }
        let path = operations::path(self.git_dir());
        Err(Error::corrupt(format!("the operation log '{}' is lost", path.display()))
            .with_hint("check the repository: art fsck"))
    }

    /// Returns true if `operation` undoes an operation that is not itself an undo. Undoing an undo
    /// is a redo.
    fn is_undo(&self, operation: &Operation) -> Result<bool> {
        let Some(id) = &operation.undoes else { return Ok(false) };
        Ok(self.find_operation(id)?.undoes.is_none())
    }

    /// Finds the operation with this id, or with a unique id that begins with it.
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
                    .with_hint("use more of the id; see: art operations"));
            }
            found = Some(operation);
        }
        found.ok_or_else(|| {
            Error::not_found(format!("there is no operation '{}'", id.escape_debug()))
                .with_hint("see the ids: art operations")
        })
    }

    /// Undoes the newest operation that can be undone, and returns the undo as a new operation.
    /// Every ref gets its old value. For records, use [`ops::undo`](crate::ops::undo) instead.
    ///
    /// Fails with [`ErrorKind::NotFound`] if there is nothing to undo, and with
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

    /// Records that `command` changed nothing, for an undo directly after it.
    ///
    /// The note only makes an undo more careful. A full disk therefore does not fail the command.
    pub(super) fn note_unchanged(&self, command: &str) {
        let note = Unchanged { format: FORMAT, command: command.to_owned(), size: self.log_size() };
        if let Ok(line) = serde_json::to_string(&note) {
            let line = format!("{line}\n");
            let path = self.git_dir().join(UNCHANGED);
            let _ = atomic::write(&path, &self.tmp_dir(), line.as_bytes());
        }
    }

    /// Returns the last command that changed nothing, if no operation followed it.
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

    /// Returns the size of the operation log, which grows with every operation.
    fn log_size(&self) -> u64 {
        std::fs::metadata(operations::path(self.git_dir())).map_or(0, |metadata| metadata.len())
    }
}

/// The minimum number of characters of an id that name an operation.
const MIN_ID: usize = 4;

/// The note about the last command that changed nothing. Its extension marks it as not being the
/// log of a ref.
const UNCHANGED: &str = "unchanged.jsonl";

/// The maximum size of the note in bytes. A command line is shorter.
const MAX_NOTE: u64 = 4 << 20;

/// A command that changed nothing, and the size of the operation log at that time.
#[derive(Serialize, Deserialize)]
struct Unchanged {
    format: u32,
    command: String,
    size: u64,
}

fn undone_already(operation: &Operation, by: &str) -> Error {
    let (id, by) = (operation.short_id(), by.get(..Operation::SHORT_ID).unwrap_or(by));
    Error::refused(format!("operation {id} was already undone by operation {by}"))
        .with_hint("to do it again: art redo; see: art operations")
}
