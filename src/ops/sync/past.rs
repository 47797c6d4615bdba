//! What is remembered of a remote that the commits of its refs don't say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::id::Id;
use crate::name::{RefKind, RefName};

/// What is known of how refs came to be as they are: what their commits alone don't say.
///
/// The file that it is kept in can be thrown away. Then a deletion on the remote is not taken over,
/// and a tag that moved on one side is a conflict; nothing else.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    notes: Notes,
    /// As they were when they were read: what differs from it was noted since.
    read: Notes,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Notes {
    /// Refs that the remote deleted, and the commits they had.
    deleted_there: BTreeMap<RefName, Id>,
    /// Refs under whose name the remote has another thing now, and the commits they had.
    replaced: BTreeMap<RefName, BTreeSet<Id>>,
    /// Where both sides agreed last, `None` for nowhere. For tags, which go anywhere, so that their
    /// commits don't say which side moved them; and for refs that both sides deleted.
    agreed: BTreeMap<RefName, Option<Id>>,
    /// Refs that were changed there after they were deleted here and shall be deleted nevertheless,
    /// and the commits they have there.
    given_up: BTreeMap<RefName, Id>,
}

/// The file in the directory of what is known of a remote.
const FILE: &str = "past";
/// Whoever changes that file holds this one.
const LOCK: &str = "past.lock";
/// So long is waited for others who change it.
const PATIENCE: Duration = Duration::from_secs(10);

impl Past {
    /// Reads it from the directory of what is known of a remote; nothing where there is none.
    pub(crate) fn load(directory: &Path) -> Self {
        let text = read::read_text(&directory.join(FILE), read::LARGE).unwrap_or_default();
        let notes = Notes::parse(&text);
        Past { read: notes.clone(), notes }
    }

    /// Writes what was noted since it was read into that directory, with `tmp` on the same file
    /// system. What another process noted of other refs meanwhile stays.
    pub(crate) fn save(&self, directory: &Path, tmp: &Path) -> Result<()> {
        let _lock = FileLock::acquire(&directory.join(LOCK), Mode::Exclusive, PATIENCE)?;
        let Notes { mut deleted_there, mut replaced, mut agreed, mut given_up } =
            Past::load(directory).notes;
        let (now, before) = (&self.notes, &self.read);
        carry(&mut deleted_there, &now.deleted_there, &before.deleted_there);
        carry(&mut replaced, &now.replaced, &before.replaced);
        carry(&mut agreed, &now.agreed, &before.agreed);
        carry(&mut given_up, &now.given_up, &before.given_up);
        let all = Notes { deleted_there, replaced, agreed, given_up };
        atomic::write(&directory.join(FILE), tmp, all.text().as_bytes())
    }

    /// The remote deleted `name`, which was at `commit`.
    pub(crate) fn note_deleted_there(&mut self, name: &RefName, commit: Id) {
        self.notes.deleted_there.insert(name.clone(), commit);
    }

    /// The remote has `name`.
    pub(crate) fn note_there(&mut self, name: &RefName) {
        self.notes.deleted_there.remove(name);
    }

    /// The remote has another thing as `name` than the one that was at `commit`.
    pub(crate) fn note_replaced(&mut self, name: &RefName, commit: Id) {
        self.notes.replaced.entry(name.clone()).or_default().insert(commit);
    }

    /// What the remote has of `name` at `commit` shall be deleted.
    pub(crate) fn note_given_up(&mut self, name: &RefName, commit: Id) {
        self.notes.given_up.insert(name.clone(), commit);
    }

    /// Both sides have `name` at `commit`, or not at all.
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

    /// Whether what the remote has of `name` at `commit` shall be deleted.
    pub(crate) fn is_given_up(&self, name: &RefName, commit: &Id) -> bool {
        self.notes.given_up.get(name) == Some(commit)
    }

    /// The commit that `name` had when the remote deleted it, if it did.
    pub(crate) fn was_deleted_there(&self, name: &RefName) -> Option<Id> {
        self.notes.deleted_there.get(name).copied()
    }

    /// The refs that the remote deleted.
    pub(crate) fn deleted_there(&self) -> impl Iterator<Item = &RefName> {
        self.notes.deleted_there.keys()
    }

    /// Where both sides had `name` last, if that is noted and was somewhere.
    pub(super) fn agreed(&self, name: &RefName) -> Option<Id> {
        self.notes.agreed.get(name).copied().flatten()
    }

    /// Whether it is noted that neither side had `name`.
    pub(super) fn agreed_on_none(&self, name: &RefName) -> bool {
        self.notes.agreed.get(name) == Some(&None)
    }

    /// The commits of things that the remote had as `name` before.
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

/// Makes the changes from `before` to `now` in `all`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_processes_note_at_once_is_noted() {
        let place = tempfile::tempdir().unwrap();
        let name = |text: &str| -> RefName { format!("refs/versions/o/p/{text}").parse().unwrap() };
        let commit = Id::of_blob(b"x");
        let save = |past: &Past| past.save(place.path(), place.path()).unwrap();
        let mut first = Past::load(place.path());
        first.note_deleted_there(&name("old"), commit);
        save(&first);
        let (mut one, mut other) = (Past::load(place.path()), Past::load(place.path()));
        one.note_deleted_there(&name("a"), commit);
        one.note_agreed(&name("old"), None);
        other.note_given_up(&name("b"), commit);
        other.note_replaced(&name("c"), commit);
        save(&one);
        save(&other);
        let both = Past::load(place.path());
        assert_eq!(both.deleted_there().collect::<Vec<_>>(), [&name("a")]);
        assert!(both.agreed_on_none(&name("old")));
        assert!(both.is_given_up(&name("b"), &commit));
        assert_eq!(both.replaced(&name("c")).collect::<Vec<_>>(), [&commit]);
    }
}
