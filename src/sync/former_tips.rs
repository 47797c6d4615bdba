//! Former tips of a remote's refs: commits that no ref of the remote reaches any more, because the
//! ref was deleted or rewritten, and the sides of the remote's conflicts.
//!
//! The remote still has the content of these commits. It may be missing locally, although local
//! refs and logs reach it. Without this note, such content would look lost. The file is therefore
//! not in the cache.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::history::History;
use crate::id::Id;
use crate::name::{Name, RefKind, RefName};
use crate::repo::Repository;

/// The file about a remote, with one commit per line.
const FILE: &str = "once-there";

/// The directory of the indispensable files about the remote called `name`.
pub(super) fn directory(repo: &Repository, name: &Name) -> PathBuf {
    repo.directory().join("remotes").join(name.as_str())
}

/// The former tips of all remotes.
pub(crate) fn former_tips(repo: &Repository) -> Vec<Id> {
    let names = repo.remote_names().unwrap_or_default();
    names.iter().flat_map(|name| read(repo, name)).collect()
}

/// The former tips of the remote called `name`.
pub(super) fn former_tips_on(repo: &Repository, name: &Name) -> BTreeSet<Id> {
    read(repo, name)
}

fn read(repo: &Repository, name: &Name) -> BTreeSet<Id> {
    let text = read::read_text(&directory(repo, name).join(FILE), read::LARGE).unwrap_or_default();
    text.lines().filter_map(|line| Id::from_hex(line.as_bytes())).collect()
}

/// Returns true if former tips of the remote called `name` are recorded.
pub(super) fn has_former_tips(repo: &Repository, name: &Name) -> bool {
    read::is_file(&directory(repo, name).join(FILE)).unwrap_or(true)
}

/// The old commits that refs of a remote no longer reach after `moves` (ref, old commit, new
/// commit). They must be recorded before the refs move.
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

/// Records commits of the remote called `name` that no ref of the remote reaches.
pub(super) fn add_former_tips(
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
    // The leading line break ends a line that a crash cut off.
    atomic::append(&directory.join(FILE), format!("\n{}", lines(&new)).as_bytes())
}

/// Removes all recorded tips of the remote called `name` except the commits `kept`.
pub(super) fn retain_former_tips(
    repo: &Repository,
    name: &Name,
    kept: &BTreeSet<Id>,
) -> Result<()> {
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

/// Deletes the former tips of the remote called `name`, which was removed.
pub(crate) fn forget_former_tips(repo: &Repository, name: &Name) -> Result<()> {
    atomic::remove_tree(&directory(repo, name))
}

/// Returns true if a ref that was at `old` still reaches that commit.
fn leads_to(history: &History, name: &RefName, old: &Id, new: Option<Id>) -> Result<bool> {
    match new {
        Some(new) if name.kind() != RefKind::Tag && history.try_kind(old)?.is_some() => {
            history.is_ancestor(old, &new)
        }
        _ => Ok(false),
    }
}
