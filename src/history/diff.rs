//! What differs between two trees, and what only moved.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::vec::IntoIter;

use bstr::BString;

use super::tree::git_order;
use super::{EntryMode, History, TreeEntry};
use crate::error::Result;
use crate::id::Id;
use crate::tree_path::TreePath;

/// A file, link or empty directory on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Side {
    /// What it is.
    pub mode: EntryMode,
    /// Its blob or tree.
    pub id: Id,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the second tree has it.
    Added {
        /// Where.
        path: TreePath,
        /// What is there.
        new: Side,
    },
    /// Only the first tree has it.
    Deleted {
        /// Where.
        path: TreePath,
        /// What was there.
        old: Side,
    },
    /// Both have it, with another content or mode.
    Modified {
        /// Where.
        path: TreePath,
        /// What was there.
        old: Side,
        /// What is there.
        new: Side,
    },
    /// The first tree has it at one path, the second at another.
    Renamed {
        /// Where it was.
        from: TreePath,
        /// Where it is.
        to: TreePath,
        /// What was there.
        old: Side,
        /// What is there.
        new: Side,
        /// How alike the contents are, in percent; 100 is the same bytes.
        similarity: u8,
    },
}

impl Change {
    /// Where it is, or was if it is nowhere now.
    pub fn path(&self) -> &TreePath {
        match self {
            Change::Added { path, .. }
            | Change::Deleted { path, .. }
            | Change::Modified { path, .. }
            | Change::Renamed { to: path, .. } => path,
        }
    }

    /// What was there before.
    pub fn before(&self) -> Option<Side> {
        match self {
            Change::Added { .. } => None,
            Change::Deleted { old, .. }
            | Change::Modified { old, .. }
            | Change::Renamed { old, .. } => Some(*old),
        }
    }

    /// What is there now.
    pub fn after(&self) -> Option<Side> {
        match self {
            Change::Deleted { .. } => None,
            Change::Added { new, .. }
            | Change::Modified { new, .. }
            | Change::Renamed { new, .. } => Some(*new),
        }
    }
}

/// From so much likeness on, in percent, a file counts as renamed; Git's default.
const SIMILAR_ENOUGH: u8 = 50;
/// Contents are compared for at most so many pairs of a deleted and an added file.
const PAIR_LIMIT: usize = 10_000;

impl History {
    /// The differences from the tree `a` to the tree `b` (`None` is an empty one), ordered by path.
    ///
    /// Directories that are equal are not read. Only files, links and empty directories are named;
    /// a file in the place of a directory is one deleted and one added. Renames are not looked for:
    /// see [`find_renames`].
    pub fn diff(&self, a: Option<Id>, b: Option<Id>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        if a == b {
            return Ok(changes);
        }
        let mut levels = vec![self.level(TreePath::root(), a, b)?];
        while let Some(level) = levels.last_mut() {
            let Some((old, new)) = level.next_pair() else {
                levels.pop();
                continue;
            };
            if side(old.as_ref()) == side(new.as_ref()) {
                continue;
            }
            let name = old.as_ref().or(new.as_ref()).map_or(BString::default(), |e| e.name.clone());
            let path = level.path.join(&name).expect("because a tree's names were checked");
            let below = |entry: &Option<TreeEntry>| {
                entry.as_ref().filter(|entry| entry.mode.is_directory()).map(|entry| entry.id)
            };
            let (below_a, below_b) = (below(&old), below(&new));
            if below_a.is_none() && below_b.is_none() {
                changes.extend(leaf_change(path, side(old.as_ref()), side(new.as_ref())));
                continue;
            }
            let next = self.level(path.clone(), below_a, below_b)?;
            let empty = |entries: &Entries, entry| side(entry).filter(|_| entries.len() == 0);
            let (old, new) = (empty(&next.a, old.as_ref()), empty(&next.b, new.as_ref()));
            changes.extend(leaf_change(path, old, new));
            levels.push(next);
        }
        Ok(changes)
    }

    fn level(&self, path: TreePath, a: Option<Id>, b: Option<Id>) -> Result<Level> {
        let entries = |id: Option<Id>| -> Result<Entries> {
            let entries = id.map(|id| self.read_tree(&id)).transpose()?;
            Ok(entries.unwrap_or_default().into_iter())
        };
        Ok(Level { path, a: entries(a)?, b: entries(b)? })
    }
}

type Entries = IntoIter<TreeEntry>;

/// One directory on both sides, as far as it is not compared yet.
struct Level {
    path: TreePath,
    a: Entries,
    b: Entries,
}

impl Level {
    /// The next name in Git's order and what each side has there.
    fn next_pair(&mut self) -> Option<(Option<TreeEntry>, Option<TreeEntry>)> {
        let order = match (self.a.as_slice().first(), self.b.as_slice().first()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => git_order((&a.name, a.mode), (&b.name, b.mode)),
        };
        Some(match order {
            Ordering::Less => (self.a.next(), None),
            Ordering::Greater => (None, self.b.next()),
            Ordering::Equal => (self.a.next(), self.b.next()),
        })
    }
}

fn side(entry: Option<&TreeEntry>) -> Option<Side> {
    entry.map(|entry| Side { mode: entry.mode, id: entry.id })
}

fn leaf_change(path: TreePath, old: Option<Side>, new: Option<Side>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => Some(Change::Added { path, new }),
        (Some(old), None) => Some(Change::Deleted { path, old }),
        (Some(old), Some(new)) => Some(Change::Modified { path, old, new }),
    }
}

/// How alike two contents are, in percent; `None` where it is not worth knowing.
pub type Similarity<'a> = dyn FnMut(&Side, &Side) -> Result<Option<u8>> + 'a;

/// Finds what moved: a deleted and an added file with the same content become one rename; of several
/// candidates, one that keeps its file name, else the first by path. With `similarity`, what is left
/// is compared by content, the most alike first. Links and empty directories don't move.
pub fn find_renames(
    changes: Vec<Change>,
    similarity: Option<&mut Similarity<'_>>,
) -> Result<Vec<Change>> {
    let mut sources: Vec<(TreePath, Side)> = Vec::new();
    let mut targets: Vec<(TreePath, Side)> = Vec::new();
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

fn is_file(side: Side) -> bool {
    matches!(side.mode, EntryMode::File | EntryMode::Executable)
}

/// Which target came from which source, both by index.
struct Moves {
    from: Vec<Option<(usize, u8)>>,
    taken: Vec<bool>,
}

impl Moves {
    fn take(&mut self, source: usize, target: usize, similarity: u8) {
        self.from[target] = Some((source, similarity));
        self.taken[source] = true;
    }

    fn match_equal(&mut self, sources: &[(TreePath, Side)], targets: &[(TreePath, Side)]) {
        self.match_by(sources, targets, |path, side| {
            (side.id, path.split_last().map(|(_, name)| name.to_owned()))
        });
        self.match_by(sources, targets, |_, side| side.id);
    }

    /// Pairs what is still free and has the same key, in order.
    fn match_by<K: Eq + std::hash::Hash>(
        &mut self,
        sources: &[(TreePath, Side)],
        targets: &[(TreePath, Side)],
        key: impl Fn(&TreePath, &Side) -> K,
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
        sources: &[(TreePath, Side)],
        targets: &[(TreePath, Side)],
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
        sources: Vec<(TreePath, Side)>,
        targets: Vec<(TreePath, Side)>,
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
    use crate::history::edit::{Edit, apply};
    use crate::history::tests::temporary_history;

    fn tree(history: &History, files: &[(&str, &str)]) -> Id {
        let mut writer = history.writer().unwrap();
        let edits: Vec<_> = files
            .iter()
            .map(|(path, content)| {
                let id = Id::of_blob(content.as_bytes());
                (TreePath::parse(path).unwrap(), Edit::Put { mode: EntryMode::File, id })
            })
            .collect();
        let id = apply(&mut writer, None, &edits).unwrap();
        writer.flush().unwrap();
        id
    }

    fn shown(changes: &[Change]) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::Added { path, .. } => format!("A {path}"),
            Change::Deleted { path, .. } => format!("D {path}"),
            Change::Modified { path, .. } => format!("M {path}"),
            Change::Renamed { from, to, similarity, .. } => format!("R{similarity} {from} {to}"),
        };
        changes.iter().map(show).collect()
    }

    #[test]
    fn differences_are_named_by_path_in_order() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("a", "1"), ("b/c", "2"), ("b/d", "3"), ("same/x", "4")]);
        let b = tree(&history, &[("a/x", "1"), ("b/c", "9"), ("b.c", "5"), ("same/x", "4")]);
        let changes = history.diff(Some(a), Some(b)).unwrap();
        assert_eq!(shown(&changes), ["D a", "A a/x", "A b.c", "M b/c", "D b/d"]);
        assert_eq!(history.diff(Some(a), Some(a)).unwrap(), []);
        assert_eq!(
            shown(&history.diff(None, Some(a)).unwrap()),
            ["A a", "A b/c", "A b/d", "A same/x"]
        );
    }

    #[test]
    fn a_directory_that_becomes_empty_is_named_itself() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("d/x", "1")]);
        let mut writer = history.writer().unwrap();
        let empty = apply(&mut writer, None, &[]).unwrap();
        let put = Edit::Put { mode: EntryMode::Directory, id: empty };
        let b = apply(&mut writer, None, &[(TreePath::parse("d").unwrap(), put)]).unwrap();
        writer.flush().unwrap();
        let (a, b) = (Some(a), Some(b));
        assert_eq!(shown(&history.diff(a, b).unwrap()), ["A d", "D d/x"]);
        assert_eq!(shown(&history.diff(b, a).unwrap()), ["D d", "A d/x"]);
    }

    #[test]
    fn what_moved_is_one_rename_that_keeps_its_file_name_if_it_can() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("a/x", "1"), ("a/y", "1"), ("z", "2")]);
        let b = tree(&history, &[("b/y", "1"), ("b/z", "1"), ("w", "3")]);
        let changes = find_renames(history.diff(Some(a), Some(b)).unwrap(), None).unwrap();
        assert_eq!(shown(&changes), ["R100 a/y b/y", "R100 a/x b/z", "A w", "D z"]);
    }

    #[test]
    fn files_that_are_alike_are_renamed_the_most_alike_first() {
        let (_directory, history) = temporary_history();
        let a = tree(&history, &[("one", "1"), ("two", "2")]);
        let b = tree(&history, &[("uno", "11"), ("due", "22"), ("tre", "333")]);
        let one = Id::of_blob(b"1");
        let uno = Id::of_blob(b"11");
        let mut alike = |old: &Side, new: &Side| {
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
    fn a_great_many_equal_files_that_moved_take_no_great_time() {
        let id = Id::of_blob(b"");
        let side = Side { mode: EntryMode::File, id };
        let path = |top: &str, n: u32| TreePath::parse(format!("{top}/{n}")).unwrap();
        let count = 50_000;
        let deleted = (0..count).map(|n| Change::Deleted { path: path("a", n), old: side });
        let added = (0..count).map(|n| Change::Added { path: path("b", count - n), new: side });
        let changes = find_renames(deleted.chain(added).collect(), None).unwrap();
        assert_eq!(changes.len(), count as usize);
    }
}
