//! Walks from commits to their parents, newest first, on demand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use super::{Commit, History};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};

/// The commits that are reachable from some starts, newest first, each once.
///
/// The order is that of `git log`: among all commits whose children were returned, the one with the
/// latest committer time comes next. For equal times, the commit that was found first comes next.
/// An unreadable commit is returned as an error once, and the walk continues with the others.
pub struct Log<'h> {
    history: &'h History,
    queue: BinaryHeap<Queued>,
    seen: HashSet<Id>,
    failed: VecDeque<Error>,
}

/// A commit that was read but not returned yet.
struct Queued {
    order: (Timestamp, Reverse<usize>),
    id: Id,
    commit: Commit,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl Log<'_> {
    fn push(&mut self, id: Id) {
        let found_as = self.seen.len();
        if !self.seen.insert(id) {
            return;
        }
        match self.history.read_commit(&id) {
            Ok(commit) => {
                let order = (commit.committer.time, Reverse(found_as));
                self.queue.push(Queued { order, id, commit });
            }
            Err(error) => self.failed.push_back(error),
        }
    }
}

impl Iterator for Log<'_> {
    type Item = Result<(Id, Commit)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.pop_front() {
            return Some(Err(error));
        }
        let Queued { id, commit, .. } = self.queue.pop()?;
        for parent in &commit.parents {
            self.push(*parent);
        }
        Some(Ok((id, commit)))
    }
}

/// The commits that are reachable from some starts. No parent comes before all of its children,
/// whatever the clocks say.
///
/// The order is that of `git log --graph`: one line of history is shown down to the commit where
/// another line meets it, before that other line is shown. Unreadable commits come first, as
/// errors.
pub struct TopologicalLog<'h> {
    history: &'h History,
    nodes: HashMap<Id, WalkNode>,
    /// The commits whose children were all returned. The next one is last.
    ready: Vec<Id>,
    failed: VecDeque<Error>,
}

/// The links of a commit to others.
#[derive(Default)]
struct WalkNode {
    parents: Vec<Id>,
    /// The number of children that were not returned yet.
    children: usize,
}

impl Iterator for TopologicalLog<'_> {
    type Item = Result<(Id, Commit)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.pop_front() {
            return Some(Err(error));
        }
        let id = self.ready.pop()?;
        for parent in self.nodes.remove(&id).unwrap_or_default().parents {
            let Some(node) = self.nodes.get_mut(&parent) else { continue };
            node.children -= 1;
            if node.children == 0 {
                self.ready.push(parent);
            }
        }
        Some(self.history.read_commit(&id).map(|commit| (id, commit)))
    }
}

impl History {
    /// Returns the commits that are reachable from `starts`, children before their parents. All
    /// commits are read before the first one is returned.
    pub fn topological_log(
        &self,
        starts: &[Id],
        progress: &dyn Progress,
    ) -> Result<TopologicalLog<'_>> {
        let mut nodes: HashMap<Id, WalkNode> = HashMap::new();
        let mut by_time = Vec::new();
        let mut failed = VecDeque::new();
        for found in self.log(starts) {
            check_interrupt(progress)?;
            match found {
                Err(error) => failed.push_back(error),
                Ok((id, commit)) => {
                    by_time.push(id);
                    for parent in &commit.parents {
                        nodes.entry(*parent).or_default().children += 1;
                    }
                    nodes.entry(id).or_default().parents = commit.parents;
                }
            }
        }
        // Remove unreadable commits, so that their children never make them ready.
        let known: HashSet<&Id> = by_time.iter().collect();
        nodes.retain(|id, _| known.contains(id));
        by_time.retain(|id| nodes[id].children == 0);
        by_time.reverse();
        Ok(TopologicalLog { history: self, nodes, ready: by_time, failed })
    }

    /// Returns the commits that are reachable from `starts`, newest first. Reads them on demand.
    pub fn log(&self, starts: &[Id]) -> Log<'_> {
        let mut log = Log {
            history: self,
            queue: BinaryHeap::new(),
            seen: HashSet::new(),
            failed: VecDeque::new(),
        };
        for start in starts {
            log.push(*start);
        }
        log
    }

    /// Returns the ids of the commits that are reachable from `start`, beginning with `start`
    /// itself.
    pub fn ancestors(&self, start: &Id) -> impl Iterator<Item = Result<Id>> {
        self.log(&[*start]).map(|found| found.map(|(id, _)| id))
    }
}
