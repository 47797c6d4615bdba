//! Walks that colour commits by reachability: from one side, from the other, or from both.
//!
//! Colours flow from a commit to its parents, also to parents that were visited before. A wrong
//! clock therefore never makes a colour wrong. Newer commits go first, so that a walk can stop
//! early.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bstr::ByteSlice;

use super::History;
use super::object::expect_kind;
use crate::error::{Error, Result};
use crate::id::{Id, ObjectKind};

/// Reachable from the first side.
pub(super) const ONE: u8 = 1;

/// Reachable from the second side.
pub(super) const OTHER: u8 = 2;

/// This commit and its ancestors cannot change the result. The walk ends when all queued commits
/// are settled.
pub(super) const SETTLED: u8 = 4;

/// The parts of a commit that walks use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    pub(super) tree: Id,
    pub(super) parents: Vec<Id>,
    /// The committer's time in seconds. Arbitrary if a clock was wrong.
    pub(super) time: i64,
}

impl Links {
    /// Parses the headers of the commit `id`.
    pub fn parse(id: &Id, bytes: &[u8]) -> Result<Self> {
        Self::try_parse(bytes).ok_or_else(|| {
            Error::corrupt(format!("commit {id} is damaged: its headers can't be read"))
        })
    }

    fn try_parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split_str("\n");
        let tree = Id::from_hex(lines.next()?.strip_prefix(b"tree ")?)?;
        let mut parents = Vec::new();
        for line in lines {
            if let Some(parent) = line.strip_prefix(b"parent ") {
                parents.push(Id::from_hex(parent)?);
            } else if let Some(line) = line.strip_prefix(b"committer ") {
                let (_, time) = line.rsplit_once_str("> ")?;
                let seconds = time.fields().next()?.to_str().ok()?.parse().ok()?;
                return Some(Links { tree, parents, time: seconds });
            } else if line.is_empty() {
                return None;
            }
        }
        None
    }
}

/// A commit that a walk has reached.
#[derive(Debug)]
pub(super) struct PaintNode {
    /// `None` if the commit is not in the repository.
    pub(super) links: Option<Links>,
    pub(super) colours: u8,
    is_queued: bool,
}

impl PaintNode {
    pub(super) fn is_settled(&self) -> bool {
        self.colours & SETTLED != 0
    }

    fn time(&self) -> i64 {
        self.links.as_ref().map_or(i64::MAX, |links| links.time)
    }
}

/// The commits of a walk and their colours. Each commit is read once.
pub(super) struct Painting<'h> {
    history: &'h History,
    pub(super) nodes: HashMap<Id, PaintNode>,
    /// The commits whose colours have not reached their parents.
    queue: BinaryHeap<(i64, Reverse<Id>)>,
    /// The number of queued commits that are not settled.
    open: usize,
}

impl<'h> Painting<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        Painting { history, nodes: HashMap::new(), queue: BinaryHeap::new(), open: 0 }
    }

    /// Adds colours to the commit `id`.
    pub(super) fn paint(&mut self, id: Id, colours: u8) -> Result<()> {
        if !self.nodes.contains_key(&id) {
            let links = self.history.try_links(&id)?;
            self.add(id, links);
        }
        self.colour(id, colours);
        Ok(())
    }

    /// Like [`Painting::paint`], for a commit that was already read.
    pub(super) fn paint_read(&mut self, id: Id, bytes: &[u8], colours: u8) -> Result<()> {
        if !self.nodes.contains_key(&id) {
            let links = Links::parse(&id, bytes)?;
            self.add(id, Some(links));
        }
        self.colour(id, colours);
        Ok(())
    }

    fn add(&mut self, id: Id, links: Option<Links>) {
        self.nodes.insert(id, PaintNode { links, colours: 0, is_queued: false });
    }

    fn colour(&mut self, id: Id, colours: u8) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.colours | colours == node.colours {
            return;
        }
        let was_counted = node.is_queued && !node.is_settled();
        node.colours |= colours;
        if !node.is_queued {
            node.is_queued = true;
            self.queue.push((node.time(), Reverse(id)));
        }
        self.open -= usize::from(was_counted);
        self.open += usize::from(!node.is_settled());
    }

    /// Returns the newest commit whose colours have not reached its parents, with its colours.
    pub(super) fn next(&mut self) -> Option<(Id, u8)> {
        let (_, Reverse(id)) = self.queue.pop()?;
        let node = self.nodes.get_mut(&id)?;
        node.is_queued = false;
        self.open -= usize::from(!node.is_settled());
        Some((id, node.colours))
    }

    /// Adds colours to the parents of `id`.
    pub(super) fn paint_parents(&mut self, id: &Id, colours: u8) -> Result<()> {
        let links = self.nodes.get(id).and_then(|node| node.links.as_ref());
        let parents = links.map(|links| links.parents.clone()).unwrap_or_default();
        parents.into_iter().try_for_each(|parent| self.paint(parent, colours))
    }

    /// Returns true if some queued commits are not settled.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Returns the time of the next commit.
    pub(super) fn next_time(&self) -> Option<i64> {
        self.queue.peek().map(|(time, _)| *time)
    }

    /// Returns the time of a commit that the walk has reached.
    pub(super) fn time(&self, id: &Id) -> Option<i64> {
        self.nodes.get(id).map(PaintNode::time)
    }

    /// Fails with `NotFound` if the commit `id` is not in the repository.
    pub(super) fn require(&self, id: &Id) -> Result<()> {
        match self.nodes.get(id) {
            Some(PaintNode { links: None, .. }) => {
                expect_kind(id, ObjectKind::Commit, None).map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl History {
    /// Reads the links of the commit `id`, if it exists.
    pub(super) fn try_links(&self, id: &Id) -> Result<Option<Links>> {
        match self.try_read(id)? {
            None => Ok(None),
            found => Links::parse(id, &expect_kind(id, ObjectKind::Commit, found)?).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_a_commit_are_parsed() {
        let id = Id::of_blob(b"x");
        let text = format!(
            "tree {id}\nparent {id}\nparent {id}\nauthor A > <a> 5 +0100\ncommitter B <b> 77 \
             +0000\ngpgsig x\n\nparent {id}\n"
        );
        let links = Links::parse(&id, text.as_bytes()).unwrap();
        assert_eq!(links, Links { tree: id, parents: vec![id, id], time: 77 });
        for end in 0..text.find(" +0000").unwrap() - 2 {
            assert!(Links::parse(&id, &text.as_bytes()[..end]).is_err(), "{end}");
        }
        let hidden = format!("tree {id}\n\ncommitter B <b> 77 +0000\n");
        assert!(Links::parse(&id, hidden.as_bytes()).is_err());
    }
}
