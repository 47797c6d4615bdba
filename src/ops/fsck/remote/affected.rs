//! Which runs, versions and files suffer from what a remote has lost.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::Found;
use crate::error::Result;
use crate::history::{History, Visit};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::tree_path::TreePath;

/// So many files are named.
const NAMED: usize = 200;

/// A file that a remote can't give any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostFile {
    /// A ref that leads to it.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The newest commit of that ref that has it.
    pub commit: Id,
    /// Where it is among the artifacts.
    pub path: TreePath,
    /// The content.
    pub id: Id,
}

/// What suffers.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Refs that lead to what is missing or damaged, sorted.
    pub(super) refs: BTreeSet<RefName>,
    /// The files, the first ones.
    pub(super) files: Vec<LostFile>,
}

impl Affected {
    pub(super) fn find(found: &Found, progress: &dyn Progress) -> Result<Self> {
        let mut affected = Affected::default();
        affected.refs.extend(found.scratch.broken_refs.iter().cloned());
        let lost = &found.lost.files;
        if lost.is_empty() {
            return Ok(affected);
        }
        progress.begin("looking for what is affected", None, Unit::Items);
        let history = &found.scratch.history;
        let mut trees = Trees { history, lost, known: HashMap::new() };
        let mut seen = HashSet::new();
        let sound = |commit: &Id| found.scratch.sound.binary_search(commit).is_ok();
        for (name, commit) in found.audit.fold.refs.iter().filter(|(_, commit)| sound(commit)) {
            let tip = history.peel(commit)?;
            if let Some(tree) = artifacts(history, &tip)?
                && trees.has_lost(&tree)?
            {
                affected.refs.insert(name.clone());
            }
            affected.walk(name, &tip, &mut trees, &mut seen, progress)?;
        }
        progress.end();
        Ok(affected)
    }

    /// Names the lost files of the commits from `tip` on that were not `seen` before.
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
            next.extend(trees.history.read_commit(&id)?.parents.into_iter().rev());
            let Some(tree) = artifacts(trees.history, &id)? else { continue };
            if !trees.has_lost(&tree)? {
                continue;
            }
            self.refs.insert(name.clone());
            for (path, content) in trees.lost_files(&tree)? {
                if self.files.len() < NAMED && paths.insert((path.clone(), content)) {
                    let name = name.clone();
                    self.files.push(LostFile { name, commit: id, path, id: content });
                }
            }
        }
        Ok(())
    }
}

/// The tree of the artifacts of a commit.
fn artifacts(history: &History, commit: &Id) -> Result<Option<Id>> {
    let tree = history.read_commit(commit)?.tree;
    let entries = history.read_tree(&tree)?;
    let found = entries.iter().find(|entry| entry.name == "artifacts" && entry.mode.is_directory());
    Ok(found.map(|entry| entry.id))
}

/// Trees of artifacts, and which of them have lost files.
struct Trees<'a> {
    history: &'a History,
    lost: &'a BTreeSet<Id>,
    known: HashMap<Id, bool>,
}

impl Trees<'_> {
    /// Whether a lost file is below `root`.
    fn has_lost(&mut self, root: &Id) -> Result<bool> {
        // A directory is decided when all below it are: it comes up a second time then.
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

    /// The paths of the lost files below `root`, the first of them.
    fn lost_files(&self, root: &Id) -> Result<Vec<(TreePath, Id)>> {
        let mut found = Vec::new();
        self.history.visit_tree(root, &mut |path, entry| {
            if found.len() >= NAMED {
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
