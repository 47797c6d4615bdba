//! The history in memory, with numbers for commits, trees and files.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::content::{IndexEntries, Reader};
use crate::error::{Error, Result};
use crate::history::RecordTree;
use crate::id::Id;
use crate::pack::{Chunk, Location, MemberKind};
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;

/// A commit.
#[derive(Debug)]
pub(super) struct CommitNode {
    pub(super) parents: Vec<u32>,
    /// The number of the tree of artifacts.
    pub(super) tree: Option<u32>,
}

/// A directory.
#[derive(Debug, Default)]
pub(super) struct TreeNode {
    pub(super) trees: Vec<u32>,
    /// The numbers of the files' index entries.
    pub(super) files: Vec<u32>,
    /// Contents that are not in the index.
    missing: Vec<Id>,
}

/// A number of files, and their size in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// All loaded commits, with their ancestors, trees and files.
pub(super) struct Graph<'a> {
    repo: &'a Repository,
    progress: &'a dyn Progress,
    pub(super) entries: IndexEntries,
    commit_numbers: HashMap<Id, u32>,
    pub(super) commits: Vec<CommitNode>,
    tree_numbers: HashMap<Id, u32>,
    pub(super) trees: Vec<TreeNode>,
    /// The sizes of files that are stored in chunks, by index entry.
    sizes: HashMap<u32, u64>,
    /// The files whose lists of chunks cannot be read.
    unreadable_files: HashSet<u32>,
    /// The commits and the trees that cannot be read, or that have an unreadable file.
    damaged_commits: HashMap<u32, Error>,
    damaged_trees: HashMap<u32, Error>,
    /// One reader for all files, because one frame holds the chunk lists of many files.
    reader: RefCell<Reader<'a>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(repo: &'a Repository, progress: &'a dyn Progress) -> Result<Self> {
        Ok(Graph {
            repo,
            progress,
            entries: repo.content().entries()?,
            commit_numbers: HashMap::new(),
            commits: Vec::new(),
            tree_numbers: HashMap::new(),
            trees: Vec::new(),
            sizes: HashMap::new(),
            unreadable_files: HashSet::new(),
            damaged_commits: HashMap::new(),
            damaged_trees: HashMap::new(),
            reader: RefCell::new(repo.content().reader()),
        })
    }

    /// Loads a commit and its ancestors. Returns the number of the commit. Unreadable ancestors and
    /// directories count as empty; see [`Graph::damage`].
    pub(super) fn load(&mut self, tip: &Id) -> Result<u32> {
        let tip = self.repo.history().peel(tip)?;
        let mut stack = Vec::new();
        let number = self.commit_number(tip, &mut stack);
        while let Some((id, number)) = stack.pop() {
            check_interrupt(self.progress)?;
            self.progress.advance(1);
            let (commit, root) = match RecordTree::with_commit(self.repo.history(), &id) {
                Ok(read) => read,
                Err(error) => {
                    self.damaged_commits.insert(number, error);
                    continue;
                }
            };
            let parents = commit.parents.iter().map(|id| self.commit_number(*id, &mut stack));
            let parents = parents.collect();
            let tree = root.artifacts().map(|tree| self.load_tree(tree)).transpose()?;
            self.commits[number as usize] = CommitNode { parents, tree };
        }
        Ok(number)
    }

    /// Returns the number of a commit. Puts a new commit on the stack.
    fn commit_number(&mut self, id: Id, stack: &mut Vec<(Id, u32)>) -> u32 {
        *self.commit_numbers.entry(id).or_insert_with(|| {
            let number = self.commits.len() as u32;
            self.commits.push(CommitNode { parents: Vec::new(), tree: None });
            stack.push((id, number));
            number
        })
    }

    /// Lists the loaded commits with their numbers.
    pub(super) fn numbered_commits(&self) -> impl Iterator<Item = (Id, u32)> {
        self.commit_numbers.iter().map(|(id, number)| (*id, *number))
    }

    /// Returns the number of a loaded commit.
    pub(super) fn find_commit(&self, id: &Id) -> Option<u32> {
        self.commit_numbers.get(id).copied()
    }

    fn load_tree(&mut self, root: Id) -> Result<u32> {
        let mut stack = Vec::new();
        let number = self.tree_number(root, &mut stack);
        while let Some((id, number)) = stack.pop() {
            check_interrupt(self.progress)?;
            self.progress.advance(1);
            let mut node = TreeNode::default();
            let entries = match self.repo.history().read_tree(&id) {
                Ok(entries) => entries,
                Err(error) => {
                    self.damaged_trees.insert(number, error);
                    continue;
                }
            };
            for entry in entries {
                if entry.mode.is_directory() {
                    node.trees.push(self.tree_number(entry.id, &mut stack));
                } else if let Some(file) = self.entries.find(&entry.id) {
                    node.files.push(file as u32);
                    if let Err(error) = self.measure(file as u32) {
                        self.unreadable_files.insert(file as u32);
                        self.damaged_trees.insert(number, error);
                    }
                } else {
                    node.missing.push(entry.id);
                }
            }
            self.trees[number as usize] = node;
        }
        Ok(number)
    }

    fn tree_number(&mut self, id: Id, stack: &mut Vec<(Id, u32)>) -> u32 {
        *self.tree_numbers.entry(id).or_insert_with(|| {
            let number = self.trees.len() as u32;
            self.trees.push(TreeNode::default());
            stack.push((id, number));
            number
        })
    }

    /// Returns the first damage among everything that the commit `tip` reaches.
    pub(super) fn damage(&self, tip: u32) -> Option<Error> {
        let copy = |error: &Error| {
            let copy = Error::new(error.kind(), error.message());
            let causes = error.causes();
            if causes.is_empty() { copy } else { copy.with_source(causes.join(": ")) }
        };
        if self.damaged_commits.is_empty() && self.damaged_trees.is_empty() {
            return None;
        }
        let mut seen = HashSet::from([tip]);
        let mut seen_trees = HashSet::new();
        let (mut stack, mut trees) = (vec![tip], Vec::new());
        while let Some(at) = stack.pop() {
            if let Some(error) = self.damaged_commits.get(&at) {
                return Some(copy(error));
            }
            let commit = &self.commits[at as usize];
            trees.extend(commit.tree.filter(|tree| seen_trees.insert(*tree)));
            stack.extend(commit.parents.iter().filter(|parent| seen.insert(**parent)));
        }
        while let Some(at) = trees.pop() {
            if let Some(error) = self.damaged_trees.get(&at) {
                return Some(copy(error));
            }
            let below = self.trees[at as usize].trees.iter();
            trees.extend(below.filter(|tree| seen_trees.insert(**tree)));
        }
        None
    }

    /// Computes the size of a file that is stored in chunks.
    fn measure(&mut self, file: u32) -> Result<()> {
        let is_chunked = self.place(file).is_some_and(|place| place.kind == MemberKind::Manifest);
        if is_chunked && !self.sizes.contains_key(&file) {
            let mut sum = 0;
            self.chunks(file, |chunk| sum += u64::from(chunk.size))?;
            self.sizes.insert(file, sum);
        }
        Ok(())
    }

    /// Passes each chunk of a file to `each`. A file that is not stored in chunks, or whose list of
    /// chunks cannot be read, has none.
    pub(super) fn chunks(&self, file: u32, mut each: impl FnMut(Chunk)) -> Result<()> {
        match self.place(file) {
            Some(_) if self.unreadable_files.contains(&file) => Ok(()),
            Some(place) if place.kind == MemberKind::Manifest => {
                self.reader.borrow_mut().chunks(&place, |chunk| {
                    each(chunk);
                    Ok(())
                })
            }
            _ => Ok(()),
        }
    }

    fn place(&self, entry: u32) -> Option<Location> {
        self.entries.get(entry as usize).map(|(_, place)| place)
    }

    fn size(&self, file: u32) -> u64 {
        let chunked = self.sizes.get(&file).copied();
        chunked.unwrap_or_else(|| self.place(file).map_or(0, |place| u64::from(place.size)))
    }

    /// Lists every index entry with a readable location, with its number.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, Location)> {
        (0..self.entries.len()).filter_map(|at| Some((at, self.entries.get(at)?.1)))
    }

    /// Sums the files of each commit.
    pub(super) fn sums(&self) -> Vec<Sum> {
        let mut sums: Vec<Option<Sum>> = vec![None; self.trees.len()];
        for tree in 0..self.trees.len() as u32 {
            let mut stack = vec![tree];
            while let Some(at) = stack.last().copied() {
                let node = &self.trees[at as usize];
                let open = node.trees.iter().filter(|below| sums[**below as usize].is_none());
                let before = stack.len();
                if sums[at as usize].is_none() {
                    stack.extend(open);
                }
                if stack.len() > before {
                    continue;
                }
                stack.pop();
                if sums[at as usize].is_none() {
                    sums[at as usize] = Some(self.sum(node, &sums));
                }
            }
        }
        let of_commit = |commit: &CommitNode| commit.tree.and_then(|tree| sums[tree as usize]);
        self.commits.iter().map(|commit| of_commit(commit).unwrap_or_default()).collect()
    }

    /// Sums the files of a directory. The sums of its subdirectories are already known.
    fn sum(&self, node: &TreeNode, known: &[Option<Sum>]) -> Sum {
        let mut sum = Sum { files: node.files.len() as u64 + node.missing.len() as u64, bytes: 0 };
        sum.bytes = node.files.iter().map(|file| self.size(*file)).sum();
        for below in node.trees.iter().filter_map(|below| known[*below as usize]) {
            // A hostile tree can name more files than the number type can hold.
            sum.files = sum.files.saturating_add(below.files);
            sum.bytes = sum.bytes.saturating_add(below.bytes);
        }
        sum
    }

    /// The contents that are missing locally, without duplicates.
    pub(super) fn missing(&self) -> BTreeSet<Id> {
        self.trees.iter().flat_map(|tree| tree.missing.iter().copied()).collect()
    }

    /// The missing contents of some commits.
    pub(super) fn missing_of(&self, commits: &[u32]) -> HashSet<&Id> {
        let mut stack: Vec<u32> =
            commits.iter().filter_map(|commit| self.commits[*commit as usize].tree).collect();
        let mut seen: HashSet<u32> = stack.iter().copied().collect();
        let mut missing = HashSet::new();
        while let Some(at) = stack.pop() {
            let node = &self.trees[at as usize];
            missing.extend(&node.missing);
            stack.extend(node.trees.iter().filter(|below| seen.insert(**below)));
        }
        missing
    }

    /// The numbers of the commits whose artifacts differ from the artifacts of all their parents.
    /// These are uploads; a commit that changes only the record is not one.
    pub(super) fn uploads(&self) -> impl Iterator<Item = usize> {
        self.commits.iter().enumerate().filter_map(|(number, commit)| {
            let tree = commit.tree?;
            let mut parents = commit.parents.iter();
            let is_new = !parents.any(|at| self.commits[*at as usize].tree == Some(tree));
            is_new.then_some(number)
        })
    }

    /// Counts the commits that are reachable from a commit, including the commit itself.
    pub(super) fn count_commits(&self, tip: u32) -> u64 {
        let mut seen = HashSet::from([tip]);
        let mut stack = vec![tip];
        while let Some(at) = stack.pop() {
            let parents = self.commits[at as usize].parents.iter();
            stack.extend(parents.filter(|parent| seen.insert(**parent)));
        }
        seen.len() as u64
    }
}
