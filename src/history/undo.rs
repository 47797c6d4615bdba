//! Which operation can be taken back, and whether its refs are still where it left them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::operations::{Operation, RefChange};
use super::{Expected, History, Signature};
use crate::error::{Error, ErrorKind, Result, ResultExt};
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

/// What the operations after one have done to a ref.
struct Since {
    /// Where the oldest of them found it.
    found: Option<Id>,
    /// Where the newest of them left it.
    left: Option<Id>,
    /// Each of them found it where the one before had left it.
    is_whole: bool,
}

impl Undoable {
    fn new(operation: Operation, since: &HashMap<RefName, Since>) -> Self {
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
            && history.head()? != head.new
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

impl History {
    /// The newest operation that is not an undo and not undone.
    pub fn last_undoable(&self) -> Result<Option<Undoable>> {
        let mut undone = HashSet::new();
        let mut since: HashMap<RefName, Since> = HashMap::new();
        for operation in self.operations()? {
            let operation = operation?;
            match &operation.undoes {
                Some(id) => {
                    undone.insert(id.clone());
                }
                None if undone.remove(&operation.id) => {}
                None => return Ok(Some(Undoable::new(operation, &since))),
            }
            for RefChange { name, old, new } in operation.changes {
                let newest = Since { found: old, left: new, is_whole: true };
                since
                    .entry(name)
                    .and_modify(|since| {
                        since.is_whole &= since.found == new;
                        since.found = old;
                    })
                    .or_insert(newest);
            }
        }
        Ok(None)
    }

    /// Takes [`History::last_undoable`] back, as a new operation that it returns: every ref is
    /// where it was. Records need more than that; see [`ops::undo`](crate::ops::undo).
    ///
    /// Fails with [`ErrorKind::NotFound`] if there is nothing to undo and with
    /// [`ErrorKind::Moved`] if one of the refs has moved since.
    pub fn undo(&self, who: &Signature, timeout: Duration) -> Result<Operation> {
        let Some(undoable) = self.last_undoable()? else {
            return Err(Error::not_found("there is nothing to undo")
                .with_hint("see what was done: art reflog"));
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
        if let Some(head) = operation.head {
            transaction.expect_head(head.new).set_head(head.old);
        }
        transaction.commit(timeout).context(|| format!("cannot undo '{}'", operation.command))
    }
}
