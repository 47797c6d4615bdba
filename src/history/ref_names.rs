//! Finds the refs that point to a commit, for display in a log.

use std::ops::Range;

use super::History;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{RefName, TRACKING};

/// The directories of refs that `art` manages, below `refs/` or `refs/remotes/REMOTE/`.
const KINDS: [&str; 4] = ["projects/", "runs/", "versions/", "tags/"];

/// Returns true if the ref `name` is in one of these directories.
fn is_ours(name: &str) -> bool {
    let rest = match name.strip_prefix(TRACKING) {
        Some(rest) => rest.split_once('/').map(|(_, rest)| rest),
        None => name.strip_prefix("refs/"),
    };
    rest.is_some_and(|rest| KINDS.iter().any(|kind| rest.starts_with(kind)))
}

/// The refs of a repository at one moment, indexed by target.
///
/// Names are stored as text and parsed on demand, because a log shows only a few dozen of a hundred
/// thousand refs.
#[derive(Debug, Default)]
pub struct RefNames {
    text: String,
    /// Sorted by id, then by name.
    entries: Vec<(Id, Range<usize>)>,
}

impl RefNames {
    /// Returns the refs that point to `commit`, sorted by name, at most `limit`, and the number of
    /// further refs.
    pub fn of(&self, commit: &Id, limit: usize) -> (Vec<RefName>, usize) {
        let start = self.entries.partition_point(|(id, _)| id < commit);
        let found = self.entries[start..].iter().take_while(|(id, _)| id == commit);
        let mut names = Vec::new();
        let mut more = 0;
        for (_, range) in found {
            if names.len() == limit {
                more += 1;
            } else {
                names.extend(self.text[range.clone()].parse::<RefName>());
            }
        }
        (names, more)
    }

    /// Returns the distinct targets of the refs.
    pub fn targets(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.entries.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        ids
    }

    /// Returns the number of refs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if there are no refs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl History {
    /// Returns every ref that `art` manages whose full name begins with `prefix`, indexed by
    /// target. Tracking refs are included only if `prefix` begins with `refs/remotes/`.
    ///
    /// Fails if a ref is missing or damaged.
    pub fn ref_names(&self, prefix: &str) -> Result<RefNames> {
        let (names, damaged) = self.list_ref_names(prefix)?;
        match damaged.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(names),
        }
    }

    /// Like [`History::ref_names`], but also returns the errors of damaged refs.
    pub fn list_ref_names(&self, prefix: &str) -> Result<(RefNames, Vec<Error>)> {
        let mut names = RefNames::default();
        let damaged = self.visit_refs(prefix, &mut |name, id| {
            // Ignore the refs of other tools.
            if !is_ours(name) {
                return;
            }
            let start = names.text.len();
            names.text.push_str(name);
            names.entries.push((id, start..names.text.len()));
        })?;
        // The names are visited in order, so sorting by position sorts by name.
        names.entries.sort_unstable_by_key(|(id, range)| (*id, range.start));
        Ok((names, damaged.into_iter().map(|(_, error)| error).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::history::tests::temporary_history;
    use crate::history::{Commit, Expected, Signature};

    #[test]
    fn refs_are_found_by_their_target() {
        let (_directory, history) = temporary_history();
        let ada = Signature {
            name: "Ada".into(),
            email: "ada@example.org".into(),
            time: Timestamp::from_seconds(1_700_000_000),
        };
        let mut writer = history.writer().unwrap();
        let tree = writer.tree(Vec::new()).unwrap();
        let commit = |message: &str| Commit {
            tree,
            parents: Vec::new(),
            author: ada.clone(),
            committer: ada.clone(),
            message: message.into(),
        };
        let [a, b, c] = ["a", "b", "c"].map(|message| writer.commit(&commit(message)).unwrap());
        writer.flush().unwrap();
        let mut transaction = history.transaction(&ada, "test");
        for (name, id) in [("o/p/x", a), ("o/p/y", b), ("o/p/z", a), ("o/q/x", a)] {
            let name = format!("refs/runs/{name}").parse().unwrap();
            transaction.update(name, Expected::Absent, Some(id), "test");
        }
        transaction.commit(std::time::Duration::from_secs(9)).unwrap();
        let names = history.ref_names("refs/").unwrap();
        let shown = |id: &Id, limit| {
            let (names, more) = names.of(id, limit);
            (names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), more)
        };
        assert_eq!(names.len(), 4);
        assert_eq!(shown(&a, 9), ("refs/runs/o/p/x refs/runs/o/p/z refs/runs/o/q/x".into(), 0));
        assert_eq!(shown(&a, 1), ("refs/runs/o/p/x".into(), 2));
        assert_eq!(shown(&b, 9), ("refs/runs/o/p/y".into(), 0));
        assert_eq!(shown(&c, 9), (String::new(), 0));
        let mut targets = vec![a, b];
        targets.sort();
        assert_eq!(names.targets(), targets);
        assert!(history.ref_names("refs/runs/x/").unwrap().is_empty());
    }
}
