//! Finds the runs and files that missing or damaged objects affect.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::walk::Walk;
use crate::id::Id;
use crate::tree_path::TreePath;

/// A file that cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// A ref that reaches the file.
    #[serde(rename = "ref")]
    pub name: String,
    /// The newest commit that contains the file.
    pub commit: Id,
    /// The path among the artifacts; a directory if its tree is missing.
    pub path: TreePath,
    /// The id of the content, or of the directory's tree.
    pub id: Id,
}

/// The most files that are listed.
const NAMED: usize = 200;

/// The first files that cannot be restored, and the number of commits with such files.
pub(super) fn affected(walk: &Walk<'_>) -> (Vec<Affected>, u64) {
    if !walk.has_losses {
        return (Vec::new(), 0);
    }
    let broken = broken_trees(walk);
    let mut named = Vec::new();
    let mut seen_trees = HashSet::new();
    let mut seen_paths = HashSet::new();
    let mut commits = 0;
    for visited in &walk.commits {
        let Some(tree) = visited.artifacts.filter(|tree| broken.contains(tree)) else { continue };
        commits += 1;
        if named.len() >= NAMED || !seen_trees.insert((visited.label, tree)) {
            continue;
        }
        for (path, id) in paths(walk, &broken, tree) {
            if named.len() < NAMED && seen_paths.insert((visited.label, path.clone())) {
                let name = walk.labels[visited.label].clone();
                named.push(Affected { name, commit: visited.commit, path, id });
            }
        }
    }
    (named, commits)
}

/// The trees that reach a missing or damaged object.
fn broken_trees(walk: &Walk<'_>) -> HashSet<Id> {
    let mut parents: HashMap<Id, Vec<Id>> = HashMap::new();
    let mut broken = HashSet::new();
    for tree in &walk.trees {
        let Ok(entries) = walk.history.read_tree(tree) else {
            broken.insert(*tree);
            continue;
        };
        for entry in entries {
            if entry.mode.is_directory() {
                parents.entry(entry.id).or_default().push(*tree);
            } else if !walk.has_content(&entry.id) {
                broken.insert(*tree);
            }
        }
    }
    let mut next: Vec<Id> = broken.iter().copied().collect();
    while let Some(tree) = next.pop() {
        for parent in parents.get(&tree).into_iter().flatten() {
            if broken.insert(*parent) {
                next.push(*parent);
            }
        }
    }
    broken
}

/// The first paths of missing or damaged objects below `root`.
fn paths(walk: &Walk<'_>, broken: &HashSet<Id>, root: Id) -> Vec<(TreePath, Id)> {
    let mut found = Vec::new();
    let mut stack = vec![(root, TreePath::root())];
    while let Some((tree, path)) = stack.pop() {
        let Ok(entries) = walk.history.read_tree(&tree) else {
            found.push((path, tree));
            continue;
        };
        let mut below = Vec::new();
        for entry in entries {
            let path = path.join(&entry.name).unwrap_or_default();
            if entry.mode.is_directory() {
                if broken.contains(&entry.id) {
                    below.push((entry.id, path));
                }
            } else if !walk.has_content(&entry.id) {
                found.push((path, entry.id));
            }
        }
        if found.len() >= NAMED {
            break;
        }
        below.reverse();
        stack.append(&mut below);
    }
    found
}
