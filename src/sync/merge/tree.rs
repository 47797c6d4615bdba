//! Merges trees path by path. Reads a directory only if both sides differ from the base and from
//! each other. Never reads file contents. There is no recursion, so deep trees need no stack.

use std::vec::IntoIter;

use bstr::BString;

use super::conflict::{FieldConflict, Judge, cut};
use crate::error::Result;
use crate::history::{EntryMode, ObjectWriter, TreeEntry, WalkBudget};
use crate::id::Id;
use crate::tree_path::TreePath;

/// The entry at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) mode: EntryMode,
    pub(super) id: Id,
}

impl Node {
    /// The readable text.
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

/// The entry at a path in the base, ours and theirs.
type Nodes = [Option<Node>; 3];

/// The result for a path.
enum NodeMerge {
    /// The resulting entry; `None` if there is none.
    Is(Option<Node>),
    /// Both sides changed the contents of the directory.
    Below,
}

/// Merges the entries at `path`, which conflicts name `what`. An empty result directory is removed,
/// unless one side has it empty or it `stays`.
pub(super) fn merge_nodes(
    writer: &mut ObjectWriter<'_>,
    judge: &mut Judge<'_>,
    (path, what): (&TreePath, &str),
    nodes: Nodes,
    stays: bool,
) -> Result<Option<Node>> {
    match decide(judge, what, nodes) {
        NodeMerge::Is(node) => Ok(node),
        NodeMerge::Below => {
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
                NodeMerge::Is(node) => level.add(name, node),
                NodeMerge::Below => {
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

/// Decides the result for one path from names and ids alone.
fn decide(judge: &mut Judge<'_>, what: &str, [base, ours, theirs]: Nodes) -> NodeMerge {
    let is_known = judge.knows(what);
    if ours == theirs || is_known && base == theirs {
        return NodeMerge::Is(ours);
    }
    if is_known && base == ours {
        return NodeMerge::Is(theirs);
    }
    let is_directory = |node: Option<Node>| node.is_some_and(|node| node.mode.is_directory());
    // A missing directory counts as empty: if one side deleted a directory, files that the other
    // side left unchanged are deleted.
    let holds = |node: Option<Node>| node.is_none() && is_directory(base) || is_directory(node);
    if holds(ours) && holds(theirs) {
        return NodeMerge::Below;
    }
    if let (Some(base), Some(ours), Some(theirs)) = (base.filter(|_| is_known), ours, theirs)
        && let Some(node) = merge_file(base, ours, theirs)
    {
        return NodeMerge::Is(Some(node));
    }
    let text = |node: Option<Node>| node.map(Node::text);
    let side = judge.settle(what, || FieldConflict {
        what: cut(what),
        base: text(base),
        ours: text(ours),
        theirs: text(theirs),
    });
    NodeMerge::Is(side.of(ours, theirs))
}

/// Merges a file whose content one side changed and whose mode the other side changed.
fn merge_file(base: Node, ours: Node, theirs: Node) -> Option<Node> {
    if ![base, ours, theirs].into_iter().all(Node::is_file) {
        return None;
    }
    let id = one_of(base.id, ours.id, theirs.id)?;
    let mode = one_of(base.mode, ours.mode, theirs.mode)?;
    Some(Node { mode, id })
}

/// Returns the value if at most one side changed it, or both made the same change.
fn one_of<T: PartialEq + Copy>(base: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || base == theirs {
        Some(ours)
    } else if base == ours {
        Some(theirs)
    } else {
        None
    }
}

/// A partly merged directory.
struct Level {
    path: TreePath,
    name: BString,
    /// The remaining entries of the base, ours and theirs, by name.
    left: [IntoIter<TreeEntry>; 3],
    merged: Vec<TreeEntry>,
    /// True if the directory is kept even if it is empty.
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
            // Git's order puts a file and a directory with the same name in different places.
            list.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            stays |= at > 0 && list.is_empty();
        }
        let left = left.map(Vec::into_iter);
        Ok(Level { path, name, left, merged: Vec::new(), stays })
    }

    /// Returns the next name and its three entries.
    fn next(&mut self) -> Option<(BString, Nodes)> {
        let heads = self.left.iter().filter_map(|list| list.as_slice().first());
        let name = heads.map(|entry| &entry.name).min()?.clone();
        let nodes = self.left.each_mut().map(|list| {
            list.as_slice().first().filter(|entry| entry.name == name)?;
            list.next().map(|TreeEntry { mode, id, .. }| Node { mode, id })
        });
        Some((name, nodes))
    }

    /// The largest number of entries of the three.
    fn len(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).max().unwrap_or_default()
    }

    fn add(&mut self, name: BString, node: Option<Node>) {
        self.merged.extend(node.map(|Node { mode, id }| TreeEntry { name, mode, id }));
    }
}
