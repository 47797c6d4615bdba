//! Local memory about a remote's refs that their commits alone do not record.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Id;
use crate::name::{RefKind, RefName};

/// Facts about earlier ref changes that the commits alone do not record.
///
/// The file is disposable. Without it, a deletion on the remote is not applied locally, and a tag
/// that moved on one side is a conflict. Nothing else changes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RefMemory {
    notes: Notes,
    /// The notes as they were read. Differences to `notes` are new.
    read: Notes,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Notes {
    /// Refs that the remote deleted, with their commits.
    deleted_there: BTreeMap<RefName, Id>,
    /// Refs that the remote deleted and recreated, with their old commits.
    replaced: BTreeMap<RefName, BTreeSet<Id>>,
    /// The last common commit of both sides; `None` if neither side had the ref. Recorded for tags,
    /// because their commits do not show which side moved, and for refs that both sides deleted.
    agreed: BTreeMap<RefName, Option<Id>>,
    /// Refs that were deleted locally, then changed on the remote, and are still to be deleted,
    /// with their commits on the remote.
    given_up: BTreeMap<RefName, Id>,
}

impl RefMemory {
    /// Parses the recorded text. Skips damaged lines.
    pub(super) fn parse(text: &str) -> Self {
        let notes = Notes::parse(text);
        RefMemory { read: notes.clone(), notes }
    }

    /// Returns true if there are notes that were not read.
    pub(super) fn has_news(&self) -> bool {
        self.notes != self.read
    }

    /// The text to record: the notes that are recorded `now`, and the new notes made since this
    /// value was read.
    pub(super) fn added_to(&self, now: RefMemory) -> String {
        let Notes { mut deleted_there, mut replaced, mut agreed, mut given_up } = now.notes;
        let (now, before) = (&self.notes, &self.read);
        carry(&mut deleted_there, &now.deleted_there, &before.deleted_there);
        carry(&mut replaced, &now.replaced, &before.replaced);
        carry(&mut agreed, &now.agreed, &before.agreed);
        carry(&mut given_up, &now.given_up, &before.given_up);
        Notes { deleted_there, replaced, agreed, given_up }.text()
    }

    /// Records that the remote deleted `name`, which was at `commit`.
    pub(crate) fn note_deleted_there(&mut self, name: &RefName, commit: Id) {
        self.notes.deleted_there.insert(name.clone(), commit);
    }

    /// Records that the remote has `name`.
    pub(crate) fn note_there(&mut self, name: &RefName) {
        self.notes.deleted_there.remove(name);
    }

    /// Records that the remote recreated `name`; the replaced ref was at `commit`.
    pub(crate) fn note_replaced(&mut self, name: &RefName, commit: Id) {
        self.notes.replaced.entry(name.clone()).or_default().insert(commit);
    }

    /// Records that the remote's `name` at `commit` is to be deleted.
    pub(crate) fn note_given_up(&mut self, name: &RefName, commit: Id) {
        self.notes.given_up.insert(name.clone(), commit);
    }

    /// Records that both sides have `name` at `commit`, or that both lack it.
    pub(crate) fn note_agreed(&mut self, name: &RefName, commit: Option<Id>) {
        let notes = &mut self.notes;
        notes.deleted_there.remove(name);
        notes.replaced.remove(name);
        notes.given_up.remove(name);
        if name.kind() == RefKind::Tag || commit.is_none() {
            notes.agreed.insert(name.clone(), commit);
        } else {
            notes.agreed.remove(name);
        }
    }

    /// Returns true if the remote's `name` at `commit` is to be deleted.
    pub(crate) fn is_given_up(&self, name: &RefName, commit: &Id) -> bool {
        self.notes.given_up.get(name) == Some(commit)
    }

    /// The commit that `name` had when the remote deleted it.
    pub(crate) fn was_deleted_there(&self, name: &RefName) -> Option<Id> {
        self.notes.deleted_there.get(name).copied()
    }

    /// The refs that the remote deleted.
    pub(crate) fn deleted_there(&self) -> impl Iterator<Item = &RefName> {
        self.notes.deleted_there.keys()
    }

    /// The last common commit of `name` on both sides, if recorded.
    pub(super) fn agreed(&self, name: &RefName) -> Option<Id> {
        self.notes.agreed.get(name).copied().flatten()
    }

    /// Returns true if both sides are recorded to lack `name`.
    pub(super) fn agreed_on_none(&self, name: &RefName) -> bool {
        self.notes.agreed.get(name) == Some(&None)
    }

    /// All recorded commits.
    pub(super) fn commits(&self) -> impl Iterator<Item = &Id> {
        let Notes { deleted_there, replaced, agreed, given_up } = &self.notes;
        let of_refs = deleted_there.values().chain(given_up.values());
        of_refs.chain(replaced.values().flatten()).chain(agreed.values().flatten())
    }

    /// The commits of replaced refs that the remote had under `name`.
    pub(super) fn replaced(&self, name: &RefName) -> impl Iterator<Item = &Id> {
        self.notes.replaced.get(name).into_iter().flatten()
    }
}

impl Notes {
    fn parse(text: &str) -> Self {
        let mut notes = Notes::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, commit, name] = words[..] else { continue };
            let Ok(name) = name.parse::<RefName>() else { continue };
            let commit = if commit == "-" { None } else { Some(Id::from_hex(commit.as_bytes())) };
            match (what, commit) {
                ("deleted", Some(Some(commit))) => drop(notes.deleted_there.insert(name, commit)),
                ("replaced", Some(Some(commit))) => {
                    notes.replaced.entry(name).or_default().insert(commit);
                }
                ("given-up", Some(Some(commit))) => drop(notes.given_up.insert(name, commit)),
                ("agreed", None) => drop(notes.agreed.insert(name, None)),
                ("agreed", Some(Some(commit))) => drop(notes.agreed.insert(name, Some(commit))),
                _ => {}
            }
        }
        notes
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, commit) in &self.deleted_there {
            text.push_str(&format!("deleted {commit} {name}\n"));
        }
        for (name, commits) in &self.replaced {
            for commit in commits {
                text.push_str(&format!("replaced {commit} {name}\n"));
            }
        }
        for (name, commit) in &self.given_up {
            text.push_str(&format!("given-up {commit} {name}\n"));
        }
        for (name, commit) in &self.agreed {
            let commit = commit.map_or_else(|| "-".to_owned(), |commit| commit.to_string());
            text.push_str(&format!("agreed {commit} {name}\n"));
        }
        text
    }
}

/// Applies the changes from `before` to `now` to `all`.
fn carry<T: Clone + PartialEq>(
    all: &mut BTreeMap<RefName, T>,
    now: &BTreeMap<RefName, T>,
    before: &BTreeMap<RefName, T>,
) {
    for name in now.keys().chain(before.keys()) {
        let value = now.get(name);
        if value == before.get(name) {
            continue;
        }
        match value {
            Some(value) => drop(all.insert(name.clone(), value.clone())),
            None => drop(all.remove(name)),
        }
    }
}
