//! `art reflog`: lists what moved, when, and by which command.

use derive_setters::Setters;
use serde::Serialize;

use super::operations::{OperationsOptions, operations};
use crate::error::{Error, Result};
use crate::history::{Operation, ReflogEntry, Revision};
use crate::name::RefName;
use crate::repo::Repository;

/// The log to show, and its maximum length.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct ReflogOptions {
    /// The run, version, tag or `HEAD`. `None` shows the operation log.
    #[setters(into)]
    pub reference: Option<Revision>,
    /// The maximum number of entries.
    #[setters(into)]
    pub limit: Option<usize>,
}

/// One entry of a log.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ReflogItem {
    /// A command with everything that it moved.
    Operation {
        /// The operation.
        #[serde(flatten)]
        operation: Box<Operation>,
        /// True if the operation was undone.
        undone: bool,
    },
    /// One move of one ref.
    Move {
        /// The ref's full name, or `HEAD`.
        #[serde(rename = "ref")]
        name: String,
        /// The number of moves since then: the N of `REF@{N}`.
        index: usize,
        /// The move.
        #[serde(flatten)]
        entry: ReflogEntry,
    },
}

/// Passes every entry to `show`, newest first. Reads only as much of the operation log as
/// necessary.
///
/// A deleted ref keeps its log. Fails with [`NotFound`](crate::ErrorKind::NotFound) if the ref
/// never existed. Returns the damage of the log that prevented entries from being shown.
pub fn reflog(
    repo: &Repository,
    options: &ReflogOptions,
    show: &mut dyn FnMut(&ReflogItem) -> Result<()>,
) -> Result<Option<Error>> {
    let limit = options.limit.unwrap_or(usize::MAX);
    let Some(revision) = &options.reference else { return show_operations(repo, limit, show) };
    let history = repo.history();
    let (name, entries) = match history.find_logged(revision, &repo.settings().project)? {
        Some(reference) => (reference.to_string(), log_of(repo, &reference)?),
        None => ("HEAD".to_owned(), history.head_reflog()?),
    };
    for (index, entry) in entries.into_iter().enumerate().take(limit) {
        show(&ReflogItem::Move { name: name.clone(), index, entry })?;
    }
    Ok(history.verify_log(&name).err())
}

/// Reads the log of a current or deleted ref.
fn log_of(repo: &Repository, reference: &RefName) -> Result<Vec<ReflogEntry>> {
    let entries = repo.history().reflog(reference)?;
    if entries.is_empty() {
        repo.history().find_ref(reference)?;
    }
    Ok(entries)
}

fn show_operations(
    repo: &Repository,
    limit: usize,
    show: &mut dyn FnMut(&ReflogItem) -> Result<()>,
) -> Result<Option<Error>> {
    let options = OperationsOptions { limit: Some(limit), ..OperationsOptions::default() };
    operations(repo, &options, &mut |listed| {
        let operation = Box::new(listed.operation.clone());
        show(&ReflogItem::Operation { operation, undone: listed.undone_by.is_some() })
    })
}
