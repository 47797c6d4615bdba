//! Finds the runs and files that missing or damaged objects affect.

use std::collections::HashSet;

use super::losses::{LossyTrees, LostFile, NAMED};
use super::walk::Walk;
use crate::error::Result;
use crate::id::Id;
use crate::tree_path::TreePath;

/// The first files that cannot be restored, and the number of commits with such files.
pub(super) fn affected(walk: &Walk<'_>) -> Result<(Vec<LostFile<String>>, u64)> {
    if !walk.has_losses {
        return Ok((Vec::new(), 0));
    }
    let is_lost = |id: &Id| !walk.has_content(id);
    let mut trees = LossyTrees::new(walk.history, &is_lost);
    let mut named = Vec::new();
    let mut seen_trees = HashSet::new();
    let mut seen_paths = HashSet::new();
    let mut commits = 0;
    for visited in &walk.commits {
        let Some(tree) = visited.artifacts else { continue };
        if !trees.has_lost(&tree)? {
            continue;
        }
        commits += 1;
        if named.len() >= NAMED || !seen_trees.insert((visited.label, tree)) {
            continue;
        }
        for (path, id) in paths(&trees, tree)? {
            if named.len() < NAMED && seen_paths.insert((visited.label, path.clone())) {
                let name = walk.labels[visited.label].clone();
                named.push(LostFile { name, commit: visited.commit, path, id });
            }
        }
    }
    Ok((named, commits))
}

/// The first paths of missing or damaged objects below `root`.
fn paths(trees: &LossyTrees<'_>, root: Id) -> Result<Vec<(TreePath, Id)>> {
    let mut found = Vec::new();
    let mut stack = vec![(TreePath::root(), root)];
    while let Some((path, tree)) = stack.pop() {
        let Some(entries) = trees.read(&tree)? else {
            found.push((path, tree));
            continue;
        };
        let mut below = Vec::new();
        for entry in entries.into_iter().filter(|entry| trees.is_lossy(entry)) {
            let path = path.join(&entry.name).unwrap_or_default();
            let list = if entry.mode.is_directory() { &mut below } else { &mut found };
            list.push((path, entry.id));
        }
        if found.len() >= NAMED {
            break;
        }
        below.reverse();
        stack.append(&mut below);
    }
    Ok(found)
}
