//! Which stored bytes one run alone needs.
//!
//! Every commit, directory, file and chunk has at most one owner. The first run that leads to it
//! owns it; when a second one does, it is everybody's, and so is all below it. So everything is
//! visited twice at most, however many runs there are.

use super::graph::Graph;
use crate::error::Result;
use crate::pack::{Location, member_span};

/// Nobody leads to it.
const NOBODY: u32 = u32::MAX;
/// Several runs do, or something that is no run.
const EVERYBODY: u32 = u32::MAX - 1;

/// Who owns what.
pub(super) struct Shares<'a, 'g> {
    graph: &'a Graph<'g>,
    commits: Vec<u32>,
    trees: Vec<u32>,
    /// By the number of the index entry.
    entries: Vec<u32>,
}

/// What a claim has changed.
fn take(owner: &mut u32, who: u32) -> bool {
    match *owner {
        NOBODY => *owner = who,
        EVERYBODY => return false,
        same if same == who => return false,
        _ => *owner = EVERYBODY,
    }
    true
}

/// As [`take`], but what has an owner stays its own.
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

    /// The run `who` leads to the commit `tip` and all below it.
    pub(super) fn claim(&mut self, tip: u32, who: u32) -> Result<()> {
        self.walk(tip, who, take)
    }

    /// Something else leads to it: what no run owns is needed all the same.
    pub(super) fn keep(&mut self, tip: u32) -> Result<()> {
        self.walk(tip, EVERYBODY, take_if_free)
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

    /// For each of so many runs the stored bytes that only it needs.
    pub(super) fn of_runs(&self, runs: usize) -> Vec<u64> {
        let mut sums = vec![0u64; runs];
        for (at, place) in self.graph.places() {
            if let Some(sum) = sums.get_mut(self.entries[at] as usize) {
                *sum += stored(&place);
            }
        }
        sums
    }

    /// Stored bytes that nobody needs.
    pub(super) fn unused(&self) -> u64 {
        let places = self.graph.places();
        let unused = places.filter(|(at, _)| self.entries[*at] == NOBODY);
        unused.map(|(_, place)| stored(&place)).sum()
    }
}

/// A content's share of its frame, as stored.
fn stored(place: &Location) -> u64 {
    let span = member_span(place.size as usize) as u128;
    let whole = u128::from(place.frame.size.max(1));
    (u128::from(place.frame.stored) * span / whole) as u64
}
