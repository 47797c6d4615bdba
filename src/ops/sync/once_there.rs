//! Commits that refs of a remote led to and lead to no more, because they were deleted or overtaken,
//! and the sides of its conflicts.
//!
//! The remote has their content nevertheless, and here it may not be: local refs and logs still
//! lead to it. Without the note such content could not be told from lost one, so it does not stand in
//! the cache.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::history::History;
use crate::id::Id;
use crate::name::{Name, RefKind, RefName};
use crate::repo::Repository;

/// The file about a remote: a commit a line.
const FILE: &str = "once-there";

/// The directory of what is known of the remote called `name` and can't be thrown away.
fn directory(repo: &Repository, name: &Name) -> PathBuf {
    repo.directory().join("remotes").join(name.as_str())
}

/// The commits that refs of any remote led to.
pub(crate) fn once_there(repo: &Repository) -> Vec<Id> {
    let names = repo.remote_names().unwrap_or_default();
    names.iter().flat_map(|name| read(repo, name)).collect()
}

/// The commits that refs of the remote called `name` led to.
pub(super) fn once_there_on(repo: &Repository, name: &Name) -> BTreeSet<Id> {
    read(repo, name)
}

fn read(repo: &Repository, name: &Name) -> BTreeSet<Id> {
    let text = read::read_text(&directory(repo, name).join(FILE), read::LARGE).unwrap_or_default();
    text.lines().filter_map(|line| Id::from_hex(line.as_bytes())).collect()
}

/// Whether anything is noted of the remote called `name`.
pub(super) fn has_once_there(repo: &Repository, name: &Name) -> bool {
    read::is_file(&directory(repo, name).join(FILE)).unwrap_or(true)
}

/// Where refs of a remote were that do not lead there after `moves` (a ref, where it was, where it
/// is). To be noted before they are made.
pub(super) fn overtaken<'m>(
    history: &History,
    moves: impl IntoIterator<Item = (&'m RefName, Option<Id>, Option<Id>)>,
) -> Result<Vec<Id>> {
    let mut left = Vec::new();
    for (name, old, new) in moves {
        if let Some(old) = old
            && !leads_to(history, name, &old, new)?
        {
            left.push(old);
        }
    }
    Ok(left)
}

/// Notes commits that are on the remote called `name` and that no ref of it leads to.
pub(super) fn note_once(
    repo: &Repository,
    name: &Name,
    commits: impl IntoIterator<Item = Id>,
) -> Result<()> {
    let known = read(repo, name);
    let new: BTreeSet<Id> = commits.into_iter().filter(|id| !known.contains(id)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let directory = directory(repo, name);
    atomic::create_dir_all_durably(&directory)?;
    // A line that a crash cut off is ended.
    atomic::append(&directory.join(FILE), format!("\n{}", lines(&new)).as_bytes())
}

/// Forgets all that is noted of the remote called `name` but the commits `kept`.
pub(super) fn retain_once_there(repo: &Repository, name: &Name, kept: &BTreeSet<Id>) -> Result<()> {
    let known = read(repo, name);
    if known.is_subset(kept) {
        return Ok(());
    }
    let left: BTreeSet<Id> = known.intersection(kept).copied().collect();
    let (target, tmp) = (directory(repo, name).join(FILE), repo.content().tmp_dir());
    atomic::write(&target, &tmp, lines(&left).as_bytes())
}

fn lines(ids: &BTreeSet<Id>) -> String {
    let lines: Vec<String> = ids.iter().map(|id| format!("{id}\n")).collect();
    lines.concat()
}

/// Throws away what is known of the remote called `name`, which is one no more.
pub(crate) fn forget_once_there(repo: &Repository, name: &Name) -> Result<()> {
    atomic::remove_tree(&directory(repo, name))
}

/// Whether a ref that was at `old` leads there from where it is now.
fn leads_to(history: &History, name: &RefName, old: &Id, new: Option<Id>) -> Result<bool> {
    match new {
        Some(new) if name.kind() != RefKind::Tag && history.try_kind(old)?.is_some() => {
            history.is_ancestor(old, &new)
        }
        _ => Ok(false),
    }
}
