//! Commits that refs of a remote led to and lead to no more, because they were deleted or overtaken.
//!
//! The remote has their content nevertheless, and here it may not be: local refs and logs still
//! lead to it. What is noted can be thrown away; then a check can't tell such content from lost one.

use std::collections::BTreeSet;
use std::path::Path;

use super::cache_directory;
use crate::error::Result;
use crate::fs::atomic;
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::repo::Repository;

/// The file in the directory of what is known of a remote: a commit a line.
const FILE: &str = "once-there";

/// The commits that refs of any remote led to.
pub(crate) fn once_there(repo: &Repository) -> Vec<Id> {
    let names = repo.remote_names().unwrap_or_default();
    names.iter().flat_map(|name| read(&cache_directory(repo, name))).collect()
}

fn read(directory: &Path) -> BTreeSet<Id> {
    let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| Id::from_hex(line.as_bytes())).collect()
}

/// Notes those of `moves` (a ref, where it was, where it is) after which a ref of a remote does not
/// lead to where it was. To be called before they are made.
pub(super) fn note_moves<'m>(
    history: &History,
    directory: &Path,
    moves: impl IntoIterator<Item = (&'m RefName, Option<Id>, Option<Id>)>,
) -> Result<()> {
    let mut lines = String::new();
    let known = read(directory);
    for (name, old, new) in moves {
        let Some(old) = old.filter(|old| !known.contains(old)) else { continue };
        let leads_there = match new {
            Some(new) if name.kind() != RefKind::Tag && history.try_kind(&old)?.is_some() => {
                history.is_ancestor(&old, &new)?
            }
            _ => false,
        };
        if !leads_there {
            lines.push_str(&format!("{old}\n"));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    atomic::note_throwaway(&directory.join(FILE), lines.as_bytes())
}
