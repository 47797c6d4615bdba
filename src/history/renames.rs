//! Detects renames: pairs of a deleted and an added file with the same or similar content.

use std::collections::{HashMap, VecDeque};

use super::EntryMode;
use super::diff::{Change, DiffSide};
use crate::error::Result;
use crate::tree_path::TreePath;

/// The minimum similarity of a rename in percent, as in Git.
const SIMILAR_ENOUGH: u8 = 50;
/// The maximum number of pairs whose contents are compared.
const PAIR_LIMIT: usize = 10_000;

/// Returns the similarity of two contents in percent, or `None` if it should not be computed.
pub type Similarity<'a> = dyn FnMut(&DiffSide, &DiffSide) -> Result<Option<u8>> + 'a;

/// Replaces a deleted and an added file with the same content by one rename. If there are several
/// candidates, prefers one with the same file name, then the first by path. With `similarity`,
/// compares the remaining files by content and pairs the most similar ones first. Links and empty
/// directories are never renamed.
pub fn find_renames(
    changes: Vec<Change>,
    similarity: Option<&mut Similarity<'_>>,
) -> Result<Vec<Change>> {
    let mut sources: Vec<(TreePath, DiffSide)> = Vec::new();
    let mut targets: Vec<(TreePath, DiffSide)> = Vec::new();
    let mut rest = Vec::new();
    for change in changes {
        match change {
            Change::Deleted { path, old } if is_file(old) => sources.push((path, old)),
            Change::Added { path, new } if is_file(new) => targets.push((path, new)),
            other => rest.push(other),
        }
    }
    let mut moves = Moves { from: vec![None; targets.len()], taken: vec![false; sources.len()] };
    moves.match_equal(&sources, &targets);
    if let Some(similarity) = similarity {
        moves.match_similar(&sources, &targets, similarity)?;
    }
    rest.extend(moves.into_changes(sources, targets));
    rest.sort_by(|a, b| a.path().as_bytes().cmp(b.path().as_bytes()));
    Ok(rest)
}

fn is_file(side: DiffSide) -> bool {
    matches!(side.mode, EntryMode::File | EntryMode::Executable)
}

/// The source of each target, both by index.
struct Moves {
    from: Vec<Option<(usize, u8)>>,
    taken: Vec<bool>,
}

impl Moves {
    fn take(&mut self, source: usize, target: usize, similarity: u8) {
        self.from[target] = Some((source, similarity));
        self.taken[source] = true;
    }

    fn match_equal(&mut self, sources: &[(TreePath, DiffSide)], targets: &[(TreePath, DiffSide)]) {
        self.match_by(sources, targets, |path, side| {
            (side.id, path.split_last().map(|(_, name)| name.to_owned()))
        });
        self.match_by(sources, targets, |_, side| side.id);
    }

    /// Pairs the remaining files with the same key, in order.
    fn match_by<K: Eq + std::hash::Hash>(
        &mut self,
        sources: &[(TreePath, DiffSide)],
        targets: &[(TreePath, DiffSide)],
        key: impl Fn(&TreePath, &DiffSide) -> K,
    ) {
        let mut free: HashMap<K, VecDeque<usize>> = HashMap::new();
        for (index, (path, side)) in sources.iter().enumerate() {
            if !self.taken[index] {
                free.entry(key(path, side)).or_default().push_back(index);
            }
        }
        for (target, (path, side)) in targets.iter().enumerate() {
            if self.from[target].is_none()
                && let Some(source) = free.get_mut(&key(path, side)).and_then(VecDeque::pop_front)
            {
                self.take(source, target, 100);
            }
        }
    }

    fn match_similar(
        &mut self,
        sources: &[(TreePath, DiffSide)],
        targets: &[(TreePath, DiffSide)],
        similarity: &mut Similarity<'_>,
    ) -> Result<()> {
        let free_sources: Vec<_> = (0..sources.len()).filter(|i| !self.taken[*i]).collect();
        let free_targets: Vec<_> = (0..targets.len()).filter(|i| self.from[*i].is_none()).collect();
        if free_sources.len().saturating_mul(free_targets.len()) > PAIR_LIMIT {
            return Ok(());
        }
        let mut scores = Vec::new();
        for target in free_targets {
            for &source in &free_sources {
                match similarity(&sources[source].1, &targets[target].1)? {
                    Some(score) if score >= SIMILAR_ENOUGH => {
                        scores.push((score.min(100), source, target));
                    }
                    _ => {}
                }
            }
        }
        scores.sort_by_key(|(score, source, target)| (std::cmp::Reverse(*score), *source, *target));
        for (score, source, target) in scores {
            if !self.taken[source] && self.from[target].is_none() {
                self.take(source, target, score);
            }
        }
        Ok(())
    }

    fn into_changes(
        self,
        sources: Vec<(TreePath, DiffSide)>,
        targets: Vec<(TreePath, DiffSide)>,
    ) -> Vec<Change> {
        let mut changes = Vec::with_capacity(sources.len().max(targets.len()));
        for ((to, new), from) in targets.into_iter().zip(self.from) {
            changes.push(match from {
                Some((source, similarity)) => {
                    let (from, old) = sources[source].clone();
                    Change::Renamed { from, to, old, new, similarity }
                }
                None => Change::Added { path: to, new },
            });
        }
        let left = sources.into_iter().zip(self.taken).filter(|(_, taken)| !taken);
        changes.extend(left.map(|((path, old), _)| Change::Deleted { path, old }));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::diff::tests::{shown, tree};
    use crate::history::tests::temporary_history;
    use crate::id::Id;

    #[test]
    fn a_moved_file_is_one_rename_and_prefers_the_same_file_name() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("a/x", "1"), ("a/y", "1"), ("z", "2")]);
        let b = tree(&history, &[("b/y", "1"), ("b/z", "1"), ("w", "3")]);
        let changes = find_renames(history.diff(Some(a), Some(b)).unwrap(), None).unwrap();
        assert_eq!(shown(&changes), ["R100 a/y b/y", "R100 a/x b/z", "A w", "D z"]);
    }

    #[test]
    fn similar_files_are_renamed_most_similar_first() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("one", "1"), ("two", "2")]);
        let b = tree(&history, &[("uno", "11"), ("due", "22"), ("tre", "333")]);
        let one = Id::of_blob(b"1");
        let uno = Id::of_blob(b"11");
        let mut alike = |old: &DiffSide, new: &DiffSide| {
            Ok(match (old.id == one, new.id == uno) {
                (true, true) => Some(90),
                (true, false) => Some(95),
                (false, true) => Some(60),
                (false, false) => Some(40),
            })
        };
        let changes = history.diff(Some(a), Some(b)).unwrap();
        let changes = find_renames(changes, Some(&mut alike)).unwrap();
        assert_eq!(shown(&changes), ["R95 one due", "A tre", "R60 two uno"]);
    }

    #[test]
    fn many_equal_moved_files_are_matched_quickly() {
        let id = Id::of_blob(b"");
        let side = DiffSide { mode: EntryMode::File, id };
        let path = |top: &str, n: u32| TreePath::parse(format!("{top}/{n}")).unwrap();
        let count = 50_000;
        let deleted = (0..count).map(|n| Change::Deleted { path: path("a", n), old: side });
        let added = (0..count).map(|n| Change::Added { path: path("b", count - n), new: side });
        let changes = find_renames(deleted.chain(added).collect(), None).unwrap();
        assert_eq!(changes.len(), count as usize);
    }
}
