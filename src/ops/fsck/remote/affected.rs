//! Finds the refs and files that the losses of a remote affect.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::RemoteCheck;
use crate::error::Result;
use crate::history::{History, RecordTree, Visit};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::tree_path::TreePath;

/// The most files that are listed.
const NAMED: usize = 200;
/// The most paths that are visited to count the files: a long history can have the same files in each
/// commit.
const VISITED: usize = 1_000_000;

/// A file that the remote has lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostFile {
    /// A ref that reaches the file.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The newest commit of the ref that contains the file.
    pub commit: Id,
    /// The path among the artifacts.
    pub path: TreePath,
    /// The content.
    pub id: Id,
}

/// The affected refs and files.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Refs that reach missing or damaged objects, sorted.
    pub(super) refs: BTreeSet<RefName>,
    /// The first lost files.
    pub(super) files: Vec<LostFile>,
    /// The number of files that were counted.
    pub(super) file_count: u64,
    visited: usize,
}

impl Affected {
    pub(super) fn find(found: &RemoteCheck, progress: &dyn Progress) -> Result<Self> {
        let mut affected = Affected::default();
        affected.refs.extend(found.scratch.broken_refs.iter().cloned());
        let lost = &found.lost.files;
        if lost.is_empty() {
            return Ok(affected);
        }
        progress.begin("finding affected files", None, Unit::Items);
        let history = &found.scratch.history;
        let mut trees = Trees { history, lost, known: HashMap::new() };
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
        trees: &mut Trees<'_>,
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
            let lost = trees.lost_files(&tree, VISITED.saturating_sub(self.visited))?;
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

/// Trees of artifacts, with the knowledge which of them contain lost files.
struct Trees<'a> {
    history: &'a History,
    lost: &'a BTreeSet<Id>,
    known: HashMap<Id, bool>,
}

impl Trees<'_> {
    /// Returns true if a lost file is below `root`.
    fn has_lost(&mut self, root: &Id) -> Result<bool> {
        // A directory is decided after all directories below it: it is on the stack twice.
        let mut stack = vec![(*root, false)];
        while let Some((tree, is_decided)) = stack.pop() {
            if self.known.contains_key(&tree) {
                continue;
            }
            let entries = self.history.read_tree(&tree)?;
            let below = || entries.iter().filter(|entry| entry.mode.is_directory());
            if !is_decided {
                stack.push((tree, true));
                stack.extend(below().map(|entry| (entry.id, false)));
                continue;
            }
            let has = below().any(|entry| self.known.get(&entry.id) == Some(&true))
                || entries.iter().any(|entry| self.lost.contains(&entry.id));
            self.known.insert(tree, has);
        }
        Ok(self.known.get(root) == Some(&true))
    }

    /// The first `most` paths of lost files below `root`.
    fn lost_files(&self, root: &Id, most: usize) -> Result<Vec<(TreePath, Id)>> {
        let mut found = Vec::new();
        self.history.visit_tree(root, &mut |path, entry| {
            if found.len() >= most {
                return Ok(Visit::Stop);
            }
            if !entry.mode.is_directory() {
                if self.lost.contains(&entry.id) {
                    found.push((path.clone(), entry.id));
                }
                return Ok(Visit::Skip);
            }
            let has_lost = self.known.get(&entry.id) == Some(&true);
            Ok(if has_lost { Visit::Enter } else { Visit::Skip })
        })?;
        Ok(found)
    }
}
