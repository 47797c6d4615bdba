//! The largest states of refs that a garbage collection would remove, for a dry run.

use std::cmp::Reverse;

use serde::Serialize;

use super::roots::Marked;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::history::ReflogCut;
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::sync::content_of_tree;

/// The number of states to report.
const REPORTED: usize = 10;
/// The number of refs to measure. More would take long and say little.
const MEASURED: usize = 1000;

/// A state of a ref that would be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoomedState {
    /// The ref that had the commit last.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The newest commit that would be removed.
    pub commit: Id,
    /// The time at which the ref moved there.
    pub time: Timestamp,
    /// The bytes of its files that nothing else needs.
    pub bytes: u64,
}

/// Finds the largest states among the logs to cut, largest first.
pub(super) fn largest(
    repo: &Repository,
    cut: &ReflogCut,
    marked: &Marked,
    progress: &dyn Progress,
) -> Result<Vec<DoomedState>> {
    let mut states = Vec::new();
    let mut reader = repo.content().reader();
    progress.begin("measuring", None, Unit::Items);
    for log in &cut.logs {
        let (Ok(name), Some((commit, time))) = (log.name.parse::<RefName>(), log.newest) else {
            continue;
        };
        check_interrupt(progress)?;
        let files = match content_of_tree(repo, &[commit]) {
            Ok(files) => files,
            // An earlier collection that was stopped has removed a part.
            Err(error) if error.kind() != ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut bytes = 0;
        for id in files.iter().filter(|id| !marked.has_content(id)) {
            bytes += reader.size(id).unwrap_or(0);
        }
        states.push(DoomedState { name, commit, time, bytes });
        progress.advance(1);
        if states.len() == MEASURED {
            break;
        }
    }
    states.sort_by_key(|state| Reverse(state.bytes));
    states.truncate(REPORTED);
    Ok(states)
}
