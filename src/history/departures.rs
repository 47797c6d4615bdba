//! Local departures of refs from their names: deletions, and renames with the current names. The
//! operation log records them.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::{History, PastOperation, Rename};
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;

/// The last departure of a ref from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Departure {
    /// The last commit under the name. If only a remote had the name: the first commit under the
    /// new name.
    pub(crate) commit: Id,
    /// Where the ref is now.
    pub(crate) end: End,
}

/// Where a departed ref is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The ref has this name.
    Now(RefName),
    /// The ref was deleted at this commit, possibly under a later name.
    Deleted(Id),
}

impl Departure {
    /// The current name, unless the ref was deleted.
    pub(crate) fn now(&self) -> Option<&RefName> {
        match &self.end {
            End::Now(name) => Some(name),
            End::Deleted(_) => None,
        }
    }
}

impl History {
    /// Finds the last local departure from each of `names`. The flag of a name is true if a newer
    /// ref has this name now. In this case the departure of the older ref is returned.
    ///
    /// Undone operations and their undos are ignored: the undo of an operation that created a ref
    /// (for example a pull) is not a deletion, and does not affect the ref on a remote. An undo that
    /// renames a version back is a rename.
    pub(crate) fn departures(
        &self,
        names: impl IntoIterator<Item = (RefName, bool)>,
    ) -> Result<BTreeMap<RefName, Departure>> {
        let asked: HashMap<RefName, bool> = names.into_iter().collect();
        let mut search = Search { asked, ..Search::default() };
        if !search.asked.is_empty() {
            self.visit_operations("refs/", &mut |operation| {
                search.look(operation);
                let is_done = search.asked.is_empty();
                Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
        }
        Ok(search.found)
    }
}

/// A backward search through the operation log.
#[derive(Default)]
struct Search {
    asked: HashMap<RefName, bool>,
    found: BTreeMap<RefName, Departure>,
    /// For each name that a ref left since: where the ref that had the name then is now.
    ends: HashMap<RefName, End>,
    /// The operations that were undone since, with the renames of their undos.
    undone: HashMap<String, Vec<Rename>>,
}

impl Search {
    fn look(&mut self, operation: PastOperation) {
        let PastOperation { id, undoes, changes, mut renamed, .. } = operation;
        let undo = self.undone.remove(&id);
        let counts = undo.is_none() && undoes.is_none();
        match (&undo, undoes) {
            (Some(back), _) => renamed.retain(|rename| {
                back.iter().any(|back| (&back.from, &back.to) == (&rename.to, &rename.from))
            }),
            (None, Some(id)) => drop(self.undone.insert(id, renamed.clone())),
            (None, None) => {}
        }
        let mut departed = Vec::new();
        for Rename { from, to } in &renamed {
            let end = self.ends.get(to).cloned().unwrap_or_else(|| End::Now(to.clone()));
            let old = changes.iter().find(|change| change.name == *from);
            let new = changes.iter().find(|change| change.name == *to);
            let commit = old.and_then(|it| it.old).or_else(|| new.and_then(|it| it.new));
            departed.extend(commit.map(|commit| (from.clone(), Departure { commit, end })));
        }
        for change in changes.iter().filter(|_| counts) {
            if let (Some(commit), None) = (change.old, change.new)
                && renamed.iter().all(|rename| rename.from != change.name)
            {
                let end = End::Deleted(commit);
                departed.push((change.name.clone(), Departure { commit, end }));
            }
        }
        let moved = changes.iter().filter(|_| counts).map(|change| &change.name);
        for name in moved.chain(renamed.iter().map(|rename| &rename.to)) {
            self.ends.remove(name);
        }
        for (name, departure) in &departed {
            // A ref that came back under its old name did not leave it.
            if departure.now() != Some(name) && self.asked.remove(name).is_some() {
                self.found.insert(name.clone(), departure.clone());
            }
        }
        let moved = changes.iter().filter(|_| counts).map(|change| &change.name);
        for name in moved.chain(renamed.iter().map(|rename| &rename.to)) {
            if self.asked.get(name) == Some(&false) {
                self.asked.remove(name);
            }
        }
        self.ends.extend(departed.into_iter().map(|(name, departure)| (name, departure.end)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::history::RefChange;

    fn name(text: &str) -> RefName {
        format!("refs/versions/o/p/{text}").parse().unwrap()
    }

    fn commit(text: &str) -> Id {
        Id::of_blob(text.as_bytes())
    }

    /// Creates an operation from its id, the id of the operation that it undoes, its moves (`NAME
    /// OLD NEW`, `-` for no commit) and its renames (`FROM TO`).
    fn operation(
        (id, undoes): (&str, Option<&str>),
        moves: &[&str],
        renames: &[&str],
    ) -> PastOperation {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let target = |text: &str| (text != "-").then(|| commit(text));
        let change = |line: &&str| {
            let words = words(line);
            RefChange { name: name(&words[0]), old: target(&words[1]), new: target(&words[2]) }
        };
        let rename = |line: &&str| {
            let words = words(line);
            Rename { from: name(&words[0]), to: name(&words[1]) }
        };
        PastOperation {
            id: id.to_owned(),
            time: Timestamp::from_seconds(0),
            undoes: undoes.map(str::to_owned),
            changes: moves.iter().map(change).collect(),
            renamed: renames.iter().map(rename).collect(),
        }
    }

    /// Finds departures after `operations`, the oldest first. A name with `!` exists again.
    fn find(operations: Vec<PastOperation>, asked: &[&str]) -> Vec<String> {
        let flag = |text: &&str| (name(text.trim_end_matches('!')), text.ends_with('!'));
        let asked = asked.iter().map(flag).collect();
        let mut search = Search { asked, ..Search::default() };
        operations.into_iter().rev().for_each(|operation| search.look(operation));
        let end = |departure: &Departure| match &departure.end {
            End::Now(now) => now.name().to_string(),
            End::Deleted(_) => "-".to_owned(),
        };
        let found = search.found.iter();
        found.map(|(name, departure)| format!("{} {}", name.name(), end(departure))).collect()
    }

    #[test]
    fn chains_and_swaps_lead_to_the_current_names() {
        let first = operation(("1", None), &["a 1 -", "x - 2"], &["a x"]);
        let second = operation(("2", None), &["b 3 -", "a - 4"], &["b a"]);
        let third = operation(("3", None), &["x 2 -", "b - 5"], &["x b"]);
        let found = find(vec![first, second, third], &["a!", "b!", "x"]);
        assert_eq!(found, ["a b", "b a", "x b"]);
        let at_once = operation(("1", None), &["a 1 4", "b 3 5"], &["a b", "b a"]);
        assert_eq!(find(vec![at_once], &["a!", "b!"]), ["a b", "b a"]);
    }

    #[test]
    fn a_renamed_ref_that_was_deleted_later_is_deleted() {
        let rename = operation(("1", None), &["a 1 -", "b - 2"], &["a b"]);
        let delete = operation(("2", None), &["b 2 -"], &[]);
        let again = operation(("3", None), &["b - 3"], &[]);
        assert_eq!(find(vec![rename, delete, again], &["a", "b!"]), ["a -", "b -"]);
    }

    #[test]
    fn a_name_that_got_a_new_ref_keeps_the_departure_of_the_old_one() {
        let all = || {
            let rename = operation(("1", None), &["a 1 -", "b - 2"], &["a b"]);
            let create = operation(("2", None), &["a - 3"], &[]);
            let change = operation(("3", None), &["a 3 4"], &[]);
            vec![rename, create, change]
        };
        assert_eq!(find(all(), &["a!"]), ["a b"]);
        // Without an operation that removed it, an absent ref was not deleted.
        assert!(find(all(), &["a"]).is_empty());
    }

    #[test]
    fn an_undone_creation_is_no_departure_and_an_undone_rename_is_a_rename_back() {
        let pull = || operation(("1", None), &["a - 1", "b - 2", "c 3 -", "d - 4"], &["c d"]);
        let undo = || operation(("2", Some("1")), &["a 1 -", "b 2 -", "d 4 -", "c - 5"], &["d c"]);
        assert_eq!(find(vec![pull(), undo()], &["a", "b", "d"]), ["d c"]);
        let redo = operation(("3", Some("2")), &["a - 1", "b - 2", "c 5 -", "d - 6"], &["c d"]);
        let delete = operation(("4", None), &["b 2 -"], &[]);
        let all = vec![pull(), undo(), redo, delete];
        assert_eq!(find(all, &["b", "c"]), ["b -", "c d"]);
    }

    #[test]
    fn an_undo_without_renames_ignores_the_rename_that_it_undoes() {
        let rename = operation(("1", None), &["a 1 -", "b - 2"], &["a b"]);
        let undo = operation(("2", Some("1")), &["b 2 -", "a - 1"], &[]);
        assert!(find(vec![rename, undo], &["b", "a!"]).is_empty());
    }

    #[test]
    fn a_name_that_only_a_remote_had_can_be_renamed() {
        let resolve = operation(("1", None), &["b 1 2"], &["a b"]);
        assert_eq!(find(vec![resolve], &["a"]), ["a b"]);
    }
}
