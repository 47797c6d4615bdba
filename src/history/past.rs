//! What was so before: the log of operations, read backwards for the changes of some refs alone.
//!
//! A log of two hundred thousand operations is read in some tenths of a second: of a line, no more
//! is looked at than when it was and which refs it moved.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::History;
use super::backwards::Backwards;
use super::operations::{self, RefChange};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;

/// An operation, as far as it is about the refs that were asked for.
#[derive(Debug)]
pub struct PastOperation {
    /// When it happened.
    pub time: Timestamp,
    /// Whether it takes another one back.
    pub is_undo: bool,
    /// The refs it moved, of those asked for.
    pub changes: Vec<RefChange>,
}

/// A line of the log, as far as it is looked at.
#[derive(Deserialize)]
struct Line<'a> {
    format: u32,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    abandons: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    undoes: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(rename = "ref", borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    old: Option<Cow<'a, str>>,
    #[serde(borrow)]
    new: Option<Cow<'a, str>>,
}

impl Change<'_> {
    /// `None` for what is no change of a ref of ours.
    fn read(&self) -> Option<RefChange> {
        let name: RefName = self.name.parse().ok()?;
        let id = |hex: &Option<Cow<'_, str>>| match hex {
            None => Some(None),
            Some(hex) => Id::from_hex(hex.as_bytes()).map(Some),
        };
        Some(RefChange { name, old: id(&self.old)?, new: id(&self.new)? })
    }
}

impl History {
    /// Calls `visit` with every operation, newest first, until it breaks; their changes are those of
    /// refs whose full names begin with `prefix`. Returns whether the beginning of the log was
    /// reached.
    ///
    /// The newest may be under way: then its refs still are where it found them.
    pub fn visit_past(
        &self,
        prefix: &str,
        visit: &mut dyn FnMut(PastOperation) -> Result<ControlFlow<()>>,
    ) -> Result<bool> {
        let mut lines = Backwards::open(&operations::path(self.git_dir()))?;
        let mut abandoned = HashSet::new();
        while let Some(line) = lines.next_line()? {
            if !line.is_whole {
                continue;
            }
            let read = serde_json::from_slice::<Line<'_>>(&line.bytes);
            let Some(read) = read.ok().filter(|read| read.format <= operations::FORMAT) else {
                // Damaged, or of a newer art: which of them, is found out at leisure.
                operations::check_line(&line.bytes)?;
                continue;
            };
            if let Some(id) = read.abandons {
                abandoned.insert(id.into_owned());
                continue;
            }
            let (Some(id), Some(time)) = (&read.id, &read.time) else { continue };
            let Ok(time) = time.parse() else { continue };
            if !abandoned.is_empty() && abandoned.remove(id.as_ref()) {
                continue;
            }
            let changes = read.changes.iter().filter(|change| change.name.starts_with(prefix));
            let operation = PastOperation {
                time,
                changes: changes.filter_map(Change::read).collect(),
                is_undo: read.undoes.is_some(),
            };
            if visit(operation)?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
