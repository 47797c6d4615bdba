//! Finds the stored bytes that only one run needs.
//!
//! Every commit, directory, file and chunk has at most one owner. The first run that reaches an
//! item owns it. When a second run reaches the item, it and everything below become shared. Each
//! item is therefore visited at most twice, for any number of runs.

use super::graph::Graph;
use crate::error::Result;
use crate::pack::{Location, member_span};

/// No ref reaches the item.
const NOBODY: u32 = u32::MAX;
/// Several runs, or a ref that is not a run, reach the item.
const EVERYBODY: u32 = u32::MAX - 1;

/// The owners of all items.
pub(super) struct Shares<'a, 'g> {
    graph: &'a Graph<'g>,
    commits: Vec<u32>,
    trees: Vec<u32>,
    /// The owners of index entries, by entry number.
    entries: Vec<u32>,
}

/// Claims an item for `who`. Returns true if the owner changed.
fn take(owner: &mut u32, who: u32) -> bool {
    match *owner {
        NOBODY => *owner = who,
        EVERYBODY => return false,
        same if same == who => return false,
        _ => *owner = EVERYBODY,
    }
    true
}

/// Like [`take`], but keeps an existing owner.
fn take_if_free(owner: &mut u32, who: u32) -> bool {
    let is_free = *owner == NOBODY;
    if is_free {
        *owner = who;
    }
    is_free
}

type Take = fn(&mut u32, u32) -> bool;

impl<'a, 'g> Shares<'a, 'g> {
    pub(super) fn new(graph: &'a Graph<'g>) -> Self {
        Shares {
            graph,
            commits: vec![NOBODY; graph.commits.len()],
            trees: vec![NOBODY; graph.trees.len()],
            entries: vec![NOBODY; graph.entries.len()],
        }
    }

    /// Claims the commit `tip` and everything below for the run `who`.
    pub(super) fn claim(&mut self, tip: u32, who: u32) -> Result<()> {
        self.walk(tip, who, take)
    }

    /// Marks everything that another ref reaches and no run owns as needed.
    pub(super) fn keep(&mut self, tip: u32) -> Result<()> {
        self.walk(tip, EVERYBODY, take_if_free)
    }

    /// Claims the files of one commit for `who`.
    pub(super) fn claim_files(&mut self, commit: u32, who: u32) -> Result<()> {
        match self.graph.commits[commit as usize].tree {
            Some(tree) => self.walk_tree(tree, who, take),
            None => Ok(()),
        }
    }

    /// Marks the files of one commit as needed, whoever claimed them.
    pub(super) fn keep_files(&mut self, commit: u32) -> Result<()> {
        self.claim_files(commit, EVERYBODY)
    }

    fn walk(&mut self, tip: u32, who: u32, take: Take) -> Result<()> {
        let mut stack = vec![tip];
        while let Some(at) = stack.pop() {
            if !take(&mut self.commits[at as usize], who) {
                continue;
            }
            let commit = &self.graph.commits[at as usize];
            stack.extend(&commit.parents);
            if let Some(tree) = commit.tree {
                self.walk_tree(tree, who, take)?;
            }
        }
        Ok(())
    }

    fn walk_tree(&mut self, root: u32, who: u32, take: Take) -> Result<()> {
        let mut stack = vec![root];
        while let Some(at) = stack.pop() {
            if !take(&mut self.trees[at as usize], who) {
                continue;
            }
            let node = &self.graph.trees[at as usize];
            stack.extend(&node.trees);
            for file in &node.files {
                if take(&mut self.entries[*file as usize], who) {
                    let (graph, entries) = (self.graph, &mut self.entries);
                    graph.chunks(*file, |chunk| {
                        if let Some(at) = graph.entries.find(&chunk.id) {
                            take(&mut entries[at], who);
                        }
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Returns the stored bytes that only one run needs, for each of the `runs` runs.
    pub(super) fn of_runs(&self, runs: usize) -> Vec<u64> {
        let mut sums = vec![0u64; runs];
        for (at, place) in self.graph.places() {
            if let Some(sum) = sums.get_mut(self.entries[at] as usize) {
                *sum += stored(&place);
            }
        }
        sums
    }

    /// The stored bytes that no ref reaches.
    pub(super) fn unused(&self) -> u64 {
        let places = self.graph.places();
        let unused = places.filter(|(at, _)| self.entries[*at] == NOBODY);
        unused.map(|(_, place)| stored(&place)).sum()
    }
}

/// Returns the content's share of its stored frame, in bytes.
fn stored(place: &Location) -> u64 {
    let span = member_span(place.size as usize) as u128;
    let whole = u128::from(place.frame.size.max(1));
    (u128::from(place.frame.stored) * span / whole) as u64
}
