//! `art reflog`: what moved, when, and by which command.

use serde::Serialize;

use super::operations::{OperationsOptions, operations};
use crate::error::{Error, Result};
use crate::history::{Operation, ReflogEntry, Revision};
use crate::name::RefName;
use crate::repo::Repository;

/// Which log, and how much of it.
#[derive(Debug, Clone, Default)]
pub struct ReflogOptions {
    /// The run, version, tag or `HEAD`; `None` is the log of operations.
    pub reference: Option<Revision>,
    /// At most so many entries.
    pub limit: Option<usize>,
}

/// One entry of a log.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ReflogItem {
    /// A command and all that it moved.
    Operation {
        /// What happened.
        #[serde(flatten)]
        operation: Box<Operation>,
        /// Whether it was taken back later.
        undone: bool,
    },
    /// One move of one ref.
    Move {
        /// The ref's full name, or `HEAD`.
        #[serde(rename = "ref")]
        name: String,
        /// How many moves ago: the N of `REF@{N}`.
        index: usize,
        /// What happened.
        #[serde(flatten)]
        entry: ReflogEntry,
    },
}

/// Shows every entry to `show`, newest first; the log of operations is read as far as needed.
///
/// The ref need not be there: a deleted one keeps its log. Fails with
/// [`NotFound`](crate::ErrorKind::NotFound) if there never was one. Gives what is damaged in the log, so
/// that not every entry was shown.
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

/// The log of a ref that is or was there.
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
