//! Where a ref stands here, compared with where it stands on a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::fs::atomic;
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};

/// How the two sides of a ref relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Both are at the same commit, or both have none.
    Same,
    /// The remote's commit comes after ours.
    Behind,
    /// Our commit comes after the remote's.
    Ahead,
    /// Each side has commits that the other has not.
    Diverged,
    /// Only this repository has it.
    OnlyHere,
    /// Only the remote has it.
    OnlyThere,
    /// It was deleted here and is on the remote as it was then.
    DeletedHere,
    /// It was deleted here, and the remote's has gone on since.
    DeletedHereChangedThere,
    /// It was deleted on the remote and is here as it was then.
    DeletedThere,
    /// It was deleted on the remote, and ours has gone on since.
    DeletedThereChangedHere,
}

/// What is known of how refs came to be as they are: what their commits alone don't say.
///
/// The file that it is kept in can be thrown away. Then a deletion on the remote is not taken over,
/// and a tag that moved on one side is a conflict; nothing else.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// Refs that the remote deleted, and the commits they had.
    deleted_there: BTreeMap<RefName, Id>,
    /// Where both sides agreed last, `None` for nowhere. For tags, which go anywhere, so that their
    /// commits don't say which side moved them; and for refs that both sides deleted.
    agreed: BTreeMap<RefName, Option<Id>>,
    /// Refs that were changed there after they were deleted here and shall be deleted nevertheless,
    /// and the commits they have there.
    given_up: BTreeMap<RefName, Id>,
}

/// The file in the directory of what is known of a remote.
const FILE: &str = "past";

impl Past {
    /// Reads it from the directory of what is known of a remote; nothing where there is none.
    pub(crate) fn load(directory: &Path) -> Self {
        let mut past = Past::default();
        let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, commit, name] = words[..] else { continue };
            let Ok(name) = name.parse::<RefName>() else { continue };
            let commit = if commit == "-" { None } else { Some(Id::from_hex(commit.as_bytes())) };
            match (what, commit) {
                ("deleted", Some(Some(commit))) => drop(past.deleted_there.insert(name, commit)),
                ("given-up", Some(Some(commit))) => drop(past.given_up.insert(name, commit)),
                ("agreed", None) => drop(past.agreed.insert(name, None)),
                ("agreed", Some(Some(commit))) => drop(past.agreed.insert(name, Some(commit))),
                _ => {}
            }
        }
        past
    }

    /// Writes it into that directory, with `tmp` on the same file system.
    pub(crate) fn save(&self, directory: &Path, tmp: &Path) -> Result<()> {
        let mut text = String::new();
        for (name, commit) in &self.deleted_there {
            text.push_str(&format!("deleted {commit} {name}\n"));
        }
        for (name, commit) in &self.given_up {
            text.push_str(&format!("given-up {commit} {name}\n"));
        }
        for (name, commit) in &self.agreed {
            let commit = commit.map_or_else(|| "-".to_owned(), |commit| commit.to_string());
            text.push_str(&format!("agreed {commit} {name}\n"));
        }
        atomic::write(&directory.join(FILE), tmp, text.as_bytes())
    }

    /// The remote deleted `name`, which was at `commit`.
    pub(crate) fn note_deleted_there(&mut self, name: &RefName, commit: Id) {
        self.deleted_there.insert(name.clone(), commit);
    }

    /// The remote has `name`.
    pub(crate) fn note_there(&mut self, name: &RefName) {
        self.deleted_there.remove(name);
    }

    /// What the remote has of `name` at `commit` shall be deleted.
    pub(crate) fn note_given_up(&mut self, name: &RefName, commit: Id) {
        self.given_up.insert(name.clone(), commit);
    }

    /// The refs that the remote deleted.
    pub(crate) fn deleted_there(&self) -> impl Iterator<Item = &RefName> {
        self.deleted_there.keys()
    }

    /// Both sides have `name` at `commit`, or not at all.
    pub(crate) fn note_agreed(&mut self, name: &RefName, commit: Option<Id>) {
        self.deleted_there.remove(name);
        self.given_up.remove(name);
        if name.kind() == RefKind::Tag || commit.is_none() {
            self.agreed.insert(name.clone(), commit);
        } else {
            self.agreed.remove(name);
        }
    }
}

/// Compares the two sides of `name`. A commit of the remote that is not in this repository makes
/// them diverged: it has to be fetched first. `deleted` has what [`deleted_here`] found.
pub(crate) fn standing(
    history: &History,
    name: &RefName,
    (here, there): (Option<Id>, Option<Id>),
    past: &Past,
    deleted: &BTreeMap<RefName, Id>,
) -> Result<Standing> {
    let agreed = past.agreed.get(name).copied();
    let is_before = |before: &Id, after: &Id| -> Result<bool> {
        if before == after {
            return Ok(true);
        }
        if history.try_kind(before)?.is_none() || history.try_kind(after)?.is_none() {
            return Ok(false);
        }
        history.is_ancestor(before, after)
    };
    Ok(match (here, there) {
        (None, None) => Standing::Same,
        (Some(here), Some(there)) if here == there => Standing::Same,
        (Some(here), Some(there)) => match agreed.flatten() {
            Some(agreed) if agreed == here => Standing::Behind,
            Some(agreed) if agreed == there => Standing::Ahead,
            _ if name.kind() == RefKind::Tag => Standing::Diverged,
            _ if is_before(&here, &there)? => Standing::Behind,
            _ if is_before(&there, &here)? => Standing::Ahead,
            _ => Standing::Diverged,
        },
        (Some(here), None) => match past.deleted_there.get(name) {
            Some(deleted) if is_before(&here, deleted)? => Standing::DeletedThere,
            Some(deleted) if is_before(deleted, &here)? => Standing::DeletedThereChangedHere,
            _ => Standing::OnlyHere,
        },
        (None, Some(there)) => match deleted.get(name) {
            // It came back after both sides had deleted it, or a new one has its name.
            _ if agreed == Some(None) => Standing::OnlyThere,
            _ if past.given_up.get(name) == Some(&there) => Standing::DeletedHere,
            Some(deleted) if is_before(&there, deleted)? => Standing::DeletedHere,
            Some(deleted) if is_before(deleted, &there)? => Standing::DeletedHereChangedThere,
            _ => Standing::OnlyThere,
        },
    })
}

/// Which of `names`, none of which is here, were deleted by a command, and the commits they had.
///
/// To take back what made a ref (a pull, say) is no deletion: it says nothing of the ref elsewhere.
pub(crate) fn deleted_here(
    history: &History,
    names: impl IntoIterator<Item = RefName>,
) -> Result<BTreeMap<RefName, Id>> {
    let mut asked: BTreeSet<RefName> = names.into_iter().collect();
    let mut deleted = BTreeMap::new();
    if asked.is_empty() {
        return Ok(deleted);
    }
    history.visit_past("refs/", &mut |operation| {
        for change in operation.changes {
            if !asked.remove(&change.name) {
                continue;
            }
            // Its newest change says why it is not here.
            if let (Some(old), None, false) = (change.old, change.new, operation.is_undo) {
                deleted.insert(change.name, old);
            }
        }
        Ok(if asked.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(deleted)
}
