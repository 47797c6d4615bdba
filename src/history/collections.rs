//! The record of garbage collections: from which operation on an undo may lack commits or content.
//!
//! `gc.jsonl` has one line for each collection that went beyond an operation:
//! `{"format":1,"time":TIME,"through":OPERATION}`. It is written before anything is removed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::backwards::Backwards;
use super::reflog::{Sync, append};
use super::{History, operations};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

#[derive(Serialize, Deserialize)]
struct Line {
    format: u32,
    /// The time of the collection.
    time: Timestamp,
    /// The newest operation that it did not keep.
    through: String,
}

fn path(git_dir: &Path) -> PathBuf {
    git_dir.join("gc.jsonl")
}

impl History {
    /// Records that a collection at `time` keeps no operation up to `through`.
    pub(crate) fn record_collection(&self, time: Timestamp, through: &str) -> Result<()> {
        let newest = self.collections()?.remove(through);
        if newest.is_some() {
            return Ok(());
        }
        let line = Line { format: operations::FORMAT, time, through: through.to_owned() };
        let mut text = serde_json::to_string(&line)
            .map_err(|error| Error::internal("cannot record a collection").with_source(error))?;
        text.push('\n');
        append(&path(self.git_dir()), &text, Sync::Now)
    }

    /// Returns the time of the garbage collection that did not keep the operation `id`, if any.
    pub(crate) fn find_collection(&self, id: &str) -> Result<Option<Timestamp>> {
        let collections = self.collections()?;
        if collections.is_empty() {
            return Ok(None);
        }
        let mut passed = None;
        for operation in self.operations()? {
            let operation = operation?;
            passed = collections.get(&operation.id).copied().or(passed);
            if operation.id == id {
                return Ok(passed);
            }
        }
        Ok(None)
    }

    /// Returns true if a garbage collection ever removed anything that an operation needs.
    pub(crate) fn was_collected(&self) -> Result<bool> {
        Ok(!self.collections()?.is_empty())
    }

    /// The times of the collections, by the newest operation that each did not keep. The first
    /// collection counts. Unreadable lines are ignored: they only explain missing content.
    fn collections(&self) -> Result<HashMap<String, Timestamp>> {
        let mut lines = Backwards::open(&path(self.git_dir()))?;
        let mut found = HashMap::new();
        while let Some(line) = lines.next_line()? {
            if let Ok(line) = serde_json::from_slice::<Line>(&line.bytes) {
                found.insert(line.through, line.time);
            }
        }
        Ok(found)
    }
}
