//! Finds the refs and files that the losses of a remote affect.

use std::collections::{BTreeSet, HashSet};

use super::super::losses::{LossyTrees, LostFile, NAMED};
use super::RemoteCheck;
use crate::error::Result;
use crate::history::{RecordTree, Visit};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::tree_path::TreePath;

/// The most paths that are visited to count the files: a long history can have the same files in each
/// commit.
const VISITED: usize = 1_000_000;

/// The affected refs and files.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Refs that reach missing or damaged objects, sorted.
    pub(super) refs: BTreeSet<RefName>,
    /// The first lost files.
    pub(super) files: Vec<LostFile<RefName>>,
    /// The number of files that were counted.
    pub(super) file_count: u64,
    visited: usize,
}

impl Affected {
    pub(super) fn find(found: &RemoteCheck, progress: &dyn Progress) -> Result<Self> {
        let mut affected = Affected::default();
        affected.refs.extend(found.scratch.broken_refs.iter().cloned());
        if found.lost.files.is_empty() {
            return Ok(affected);
        }
        progress.begin("finding affected files", None, Unit::Items);
        let history = &found.scratch.history;
        let is_lost = |id: &Id| found.lost.files.contains(id);
        let mut trees = LossyTrees::new(history, &is_lost);
        let mut seen = HashSet::new();
        let sound = |commit: &Id| found.scratch.sound.binary_search(commit).is_ok();
        for (name, commit) in
            found.audit.remote_state.refs.iter().filter(|(_, commit)| sound(commit))
        {
            let tip = history.peel(commit)?;
            if let Some(tree) = RecordTree::of_commit(history, &tip)?.artifacts()
                && trees.has_lost(&tree)?
            {
                affected.refs.insert(name.clone());
            }
            affected.walk(name, &tip, &mut trees, &mut seen, progress)?;
        }
        progress.end();
        Ok(affected)
    }

    /// Lists the lost files of `tip` and its ancestors, except commits already `seen`.
    fn walk(
        &mut self,
        name: &RefName,
        tip: &Id,
        trees: &mut LossyTrees<'_>,
        seen: &mut HashSet<Id>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut paths = HashSet::new();
        let mut next = vec![*tip];
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            check_interrupt(progress)?;
            let (commit, tree) = RecordTree::with_commit(trees.history, &id)?;
            next.extend(commit.parents.into_iter().rev());
            let Some(tree) = tree.artifacts() else { continue };
            if !trees.has_lost(&tree)? {
                continue;
            }
            self.refs.insert(name.clone());
            let lost = lost_files(trees, &tree, VISITED.saturating_sub(self.visited))?;
            self.visited += lost.len();
            for (path, content) in lost {
                if !paths.insert((path.clone(), content)) {
                    continue;
                }
                self.file_count += 1;
                if self.files.len() < NAMED {
                    let name = name.clone();
                    self.files.push(LostFile { name, commit: id, path, id: content });
                }
            }
        }
        Ok(())
    }
}

/// The first `most` paths of lost files below a tree with losses.
fn lost_files(trees: &LossyTrees<'_>, root: &Id, most: usize) -> Result<Vec<(TreePath, Id)>> {
    let mut found = Vec::new();
    trees.history.visit_tree(root, &mut |path, entry| {
        if found.len() >= most {
            return Ok(Visit::Stop);
        }
        let is_lossy = trees.is_lossy(entry);
        if is_lossy && !entry.mode.is_directory() {
            found.push((path.clone(), entry.id));
        }
        Ok(if is_lossy { Visit::Enter } else { Visit::Skip })
    })?;
    Ok(found)
}
