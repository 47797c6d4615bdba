//! Splits a push of more refs than one log entry can carry.
//!
//! Each part is one entry, which moves either all of its refs or none. A push that also deletes
//! or renames refs is never split, because one entry moves both names of a renamed ref.

use std::collections::BTreeSet;

use super::Selection;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;
use crate::remote::limits::{MOVES, MOVES_TEXT};
use crate::remote::log::RefMove;

/// The part of a push that one log entry carries.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) selection: Selection,
    /// True if no other part follows.
    pub(super) is_last: bool,
    /// True if the push has several parts.
    pub(super) is_split: bool,
}

impl Selection {
    /// Splits the push into parts, in order. Fails before anything is sent if the push cannot be
    /// split.
    pub(super) fn into_parts(self) -> Result<Vec<Part>> {
        self.into_parts_of(MOVES)
    }

    /// Like [`Selection::into_parts`], with at most `most` refs in a part.
    fn into_parts_of(mut self, most: usize) -> Result<Vec<Part>> {
        let mut groups = split(std::mem::take(&mut self.moves), most, MOVES_TEXT);
        let has_deletion = groups.iter().flatten().any(|moved| moved.new.is_none());
        if groups.len() > 1 && (has_deletion || !self.renamed.is_empty()) {
            let count: usize = groups.iter().map(Vec::len).sum();
            let message = format!(
                "the push moves {count} refs and deletes or renames some of them: one step can move {MOVES}"
            );
            return Err(Error::invalid(message)
                .with_hint("push some refs first, by their names: art push REF…"));
        }
        let last = groups.pop().unwrap_or_default();
        let is_split = !groups.is_empty();
        let mut parts = Vec::new();
        for moves in groups {
            let names: BTreeSet<&RefName> = moves.iter().map(|moved| &moved.name).collect();
            let (settled, rest) =
                self.settled.into_iter().partition(|settled| names.contains(&settled.name));
            self.settled = rest;
            let forced = self.forced.iter().filter(|name| names.contains(name)).cloned().collect();
            let selection = Selection { moves, forced, settled, ..Selection::default() };
            parts.push(Part { selection, is_last: false, is_split });
        }
        self.moves = last;
        parts.push(Part { selection: self, is_last: true, is_split });
        Ok(parts)
    }
}

/// Splits moves into groups of at most `most` moves and at most `text` bytes of text.
fn split(moves: Vec<RefMove>, most: usize, text: usize) -> Vec<Vec<RefMove>> {
    let mut groups = vec![Vec::new()];
    let mut length = 0;
    for moved in moves {
        let own = moved.name.to_string().len() + 2 * Id::HEX_LEN + 8;
        let Some(open) = groups.last_mut() else { break };
        if open.len() < most && length + own <= text {
            length += own;
            open.push(moved);
        } else {
            length = own;
            groups.push(vec![moved]);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::{Push, PushOptions, select};
    use super::*;
    use crate::fs::atomic;
    use crate::ops::upload::{UploadOptions, upload};
    use crate::progress::NoProgress;
    use crate::remote::Guarantee;
    use crate::repo::{RemoteConfig, Repository, Settings};
    use crate::sync::Connection;

    fn moves(count: usize) -> Vec<RefMove> {
        let name = |number| format!("refs/tags/o/p/t{number}").parse().unwrap();
        let new = Some(Id::EMPTY_TREE);
        (0..count).map(|number| RefMove { name: name(number), old: None, new }).collect()
    }

    #[test]
    fn groups_are_bounded_by_count_and_by_bytes_and_lose_nothing() {
        let sizes = |groups: Vec<Vec<RefMove>>| groups.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(split(moves(0), 3, 1 << 20)), [0]);
        assert_eq!(sizes(split(moves(3), 3, 1 << 20)), [3]);
        assert_eq!(sizes(split(moves(7), 3, 1 << 20)), [3, 3, 1]);
        assert_eq!(sizes(split(moves(4), 100, 400)), [2, 2]);
        assert_eq!(split(moves(7), 3, 1 << 20).concat(), moves(7));
    }

    #[test]
    fn all_parts_of_a_split_push_arrive_and_a_checkpoint_ends_it() {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("a");
        atomic::create_dir_all(&work).unwrap();
        let repo = Repository::create(&work, Settings::default()).unwrap();
        let store = root.path().join("store");
        atomic::create_dir_all(&store).unwrap();
        let uri = store.to_str().unwrap().to_owned();
        let guarantee = Some(Guarantee::Exclusive);
        repo.add_remote(&RemoteConfig { name: "lab".parse().unwrap(), uri, guarantee }).unwrap();
        for number in 0..5 {
            atomic::write(&work.join("file"), &work, format!("{number}").as_bytes()).unwrap();
            let options = UploadOptions::new(&work, ["file"]).always_new(true);
            upload(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        }
        let options = PushOptions::default();
        let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
        connection.refresh(&NoProgress).unwrap();
        connection.save().unwrap();
        let selection = select(&connection, &options).unwrap();
        let wanted: Vec<RefMove> = selection.moves.clone();
        assert_eq!(wanted.len(), 5);
        let parts = selection.into_parts_of(2).unwrap();
        let push = Push { options: &options, progress: &NoProgress };
        let mut done = None;
        assert!(push.all(&mut connection, parts, &mut done).unwrap());
        let outcome = done.unwrap();
        assert_eq!((outcome.entry, outcome.refs.len()), (Some(3), 5));
        let state = connection.log.load().unwrap();
        assert_eq!(state.remote_state().number(), 3, "a new reader reads no entry");
        let there = state.remote_state().refs.iter();
        assert!(there.eq(wanted.iter().map(|moved| (&moved.name, moved.new.as_ref().unwrap()))));
        let again = select(&connection, &options).unwrap();
        assert_eq!((again.moves.len(), again.same.len()), (0, 5));
    }

    #[test]
    fn a_push_with_deletions_is_refused_before_anything_is_sent() {
        let mut all = moves(MOVES + 1);
        all[5].new = None;
        let error = Selection { moves: all, ..Selection::default() }.into_parts().unwrap_err();
        assert!(error.message().contains("moves 100001 refs"), "{error}");
        let parts = Selection { moves: moves(MOVES + 1), ..Selection::default() };
        let parts = parts.into_parts().unwrap();
        assert_eq!(parts.len(), 2);
        assert!(!parts[0].is_last && parts[1].is_last && parts[0].is_split);
    }
}
