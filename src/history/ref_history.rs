//! The history of refs: reads the operation log backwards for the changes of some refs.
//!
//! Reading a log of two hundred thousand operations takes a few tenths of a second, because only
//! the time and the refs of each line are parsed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::History;
use super::backwards::Backwards;
use super::operations::{self, RefChange, Rename};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;

/// An operation, reduced to the requested refs.
#[derive(Debug)]
pub struct PastOperation {
    /// The unique id.
    pub id: String,
    /// The time of the operation.
    pub time: Timestamp,
    /// The id of the operation that this one undoes.
    pub undoes: Option<String>,
    /// The moves of the requested refs.
    pub changes: Vec<RefChange>,
    /// All renames.
    pub renamed: Vec<Rename>,
}

/// The parsed parts of a line.
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
    #[serde(default)]
    renamed: Vec<Rename>,
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
    /// Converts the change. Returns `None` if it is not a valid change of a ref that `art` manages.
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
    /// Calls `visit` for every operation, newest first, until `visit` breaks. The changes are
    /// limited to refs whose full names begin with `prefix`. Returns true if the start of the log
    /// was reached.
    ///
    /// The newest operation may be in progress. Its refs then still have their old values.
    pub fn visit_operations(
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
                // The line is damaged or from a newer art. Only now parse it fully to find out.
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
                id: id.to_string(),
                time,
                undoes: read.undoes.as_deref().map(str::to_owned),
                changes: changes.filter_map(Change::read).collect(),
                renamed: read.renamed,
            };
            if visit(operation)?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
