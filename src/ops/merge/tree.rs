//! Trees, path by path. A directory is read only where both sides differ from the base and from each
//! other; what files hold is never looked at. Nothing here recurses, so the depth of a tree costs no
//! stack.

use std::vec::IntoIter;

use bstr::BString;

use super::conflict::{FieldConflict, Judge, cut};
use crate::error::Result;
use crate::history::{EntryMode, ObjectWriter, TreeEntry, WalkBudget};
use crate::id::Id;
use crate::tree_path::TreePath;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) mode: EntryMode,
    pub(super) id: Id,
}

impl Node {
    /// As text for people.
    pub(super) fn text(self) -> String {
        let mode = match self.mode {
            EntryMode::File => "file",
            EntryMode::Executable => "executable",
            EntryMode::Symlink => "link",
            EntryMode::Directory => "directory",
        };
        format!("{mode} {}", self.id.short())
    }

    fn is_file(self) -> bool {
        matches!(self.mode, EntryMode::File | EntryMode::Executable)
    }
}

/// What is at a path before, on our side and on theirs.
type Nodes = [Option<Node>; 3];

/// What comes of a path.
enum Outcome {
    /// This is there, or nothing.
    Is(Option<Node>),
    /// Both sides have changed what is in the directory.
    Below,
}

/// Merges what stands at `path`, a path that conflicts call `what`. A directory of which nothing is
/// left is gone, unless one side has it empty or it `stays`.
pub(super) fn merge_nodes(
    writer: &mut ObjectWriter<'_>,
    judge: &mut Judge<'_>,
    (path, what): (&TreePath, &str),
    nodes: Nodes,
    stays: bool,
) -> Result<Option<Node>> {
    match decide(judge, what, nodes) {
        Outcome::Is(node) => Ok(node),
        Outcome::Below => {
            let mut top = Level::read(writer, path.clone(), BString::default(), nodes)?;
            top.stays |= stays;
            merge_below(writer, judge, top)
        }
    }
}

fn merge_below(
    writer: &mut ObjectWriter<'_>,
    judge: &mut Judge<'_>,
    top: Level,
) -> Result<Option<Node>> {
    let mut budget = WalkBudget::new(writer.limits());
    let mut levels = Vec::new();
    let mut level = top;
    loop {
        if let Some((name, nodes)) = level.next() {
            let path = level.path.join(&name).expect("because a tree's names were checked");
            match decide(judge, &path.to_string(), nodes) {
                Outcome::Is(node) => level.add(name, node),
                Outcome::Below => {
                    let length = path.as_bytes().len();
                    let below = Level::read(writer, path, name, nodes)?;
                    budget.enter(levels.len() + 1, length, below.len())?;
                    levels.push(std::mem::replace(&mut level, below));
                }
            }
            continue;
        }
        let Level { name, merged, stays, .. } = level;
        let node = if merged.is_empty() && !stays {
            None
        } else {
            Some(Node { mode: EntryMode::Directory, id: writer.tree(merged)? })
        };
        match levels.pop() {
            None => return Ok(node),
            Some(parent) => level = parent,
        }
        level.add(name, node);
    }
}

/// What comes of one path, as far as its name and ids tell.
fn decide(judge: &mut Judge<'_>, what: &str, [base, ours, theirs]: Nodes) -> Outcome {
    let is_known = judge.knows(what);
    if ours == theirs || is_known && base == theirs {
        return Outcome::Is(ours);
    }
    if is_known && base == ours {
        return Outcome::Is(theirs);
    }
    let is_directory = |node: Option<Node>| node.is_some_and(|node| node.mode.is_directory());
    // What is not there holds nothing: of a directory that one side deleted, what the other left
    // alone is gone.
    let holds = |node: Option<Node>| node.is_none() && is_directory(base) || is_directory(node);
    if holds(ours) && holds(theirs) {
        return Outcome::Below;
    }
    if let (Some(base), Some(ours), Some(theirs)) = (base.filter(|_| is_known), ours, theirs)
        && let Some(node) = merge_file(base, ours, theirs)
    {
        return Outcome::Is(Some(node));
    }
    let text = |node: Option<Node>| node.map(Node::text);
    let side = judge.settle(what, || FieldConflict {
        what: cut(what),
        base: text(base),
        ours: text(ours),
        theirs: text(theirs),
    });
    Outcome::Is(side.of(ours, theirs))
}

/// A file of which one side changed the content and the other the mode.
fn merge_file(base: Node, ours: Node, theirs: Node) -> Option<Node> {
    if ![base, ours, theirs].into_iter().all(Node::is_file) {
        return None;
    }
    let id = one_of(base.id, ours.id, theirs.id)?;
    let mode = one_of(base.mode, ours.mode, theirs.mode)?;
    Some(Node { mode, id })
}

/// What is changed on one side at most, or alike.
fn one_of<T: PartialEq + Copy>(base: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || base == theirs {
        Some(ours)
    } else if base == ours {
        Some(theirs)
    } else {
        None
    }
}

/// A directory, as far as it is not merged yet.
struct Level {
    path: TreePath,
    name: BString,
    /// Before, ours and theirs, by name.
    left: [IntoIter<TreeEntry>; 3],
    merged: Vec<TreeEntry>,
    /// Whether it is there also if nothing is in it.
    stays: bool,
}

impl Level {
    fn read(
        writer: &ObjectWriter<'_>,
        path: TreePath,
        name: BString,
        nodes: Nodes,
    ) -> Result<Level> {
        let mut left = [const { Vec::new() }; 3];
        let mut stays = false;
        for (at, (list, node)) in left.iter_mut().zip(nodes).enumerate() {
            let Some(node) = node.filter(|node| node.mode.is_directory()) else { continue };
            *list = writer.read_tree(&node.id)?;
            // Git's order puts a file and a directory of one name in different places.
            list.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            stays |= at > 0 && list.is_empty();
        }
        let left = left.map(Vec::into_iter);
        Ok(Level { path, name, left, merged: Vec::new(), stays })
    }

    /// The next name, and what each has there.
    fn next(&mut self) -> Option<(BString, Nodes)> {
        let heads = self.left.iter().filter_map(|list| list.as_slice().first());
        let name = heads.map(|entry| &entry.name).min()?.clone();
        let nodes = self.left.each_mut().map(|list| {
            list.as_slice().first().filter(|entry| entry.name == name)?;
            list.next().map(|TreeEntry { mode, id, .. }| Node { mode, id })
        });
        Some((name, nodes))
    }

    /// The entries of the side that has the most.
    fn len(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).max().unwrap_or_default()
    }

    fn add(&mut self, name: BString, node: Option<Node>) {
        self.merged.extend(node.map(|Node { mode, id }| TreeEntry { name, mode, id }));
    }
}
