//! How two commits are related: whether one comes from the other, and what both come from.
//!
//! Both sides are walked from the newest commit on until nothing is left that only one of them
//! reaches, or a common commit is below it. Every way from a commit to a best common ancestor leads
//! through commits of one side alone, so none is missed, whatever the clocks say; clocks decide how
//! soon it is over.

use std::cmp::Reverse;

use super::History;
use super::paint::{ONE, OTHER, Painting, SETTLED};
use crate::error::Result;
use crate::id::Id;

const BOTH: u8 = ONE | OTHER;

impl History {
    /// Whether `ancestor` is `descendant` or reachable from it.
    ///
    /// Of two lines of history, what is below the commits where they parted is not read.
    pub fn is_ancestor(&self, ancestor: &Id, descendant: &Id) -> Result<bool> {
        let mut painting = Painting::new(self);
        painting.paint(*ancestor, ONE)?;
        painting.paint(*descendant, OTHER)?;
        painting.require(ancestor)?;
        loop {
            let reached =
                painting.nodes.get(ancestor).is_some_and(|node| node.colours & OTHER != 0);
            if reached || !step(&mut painting, &mut |_| {})? {
                return Ok(reached);
            }
        }
    }

    /// The best common ancestors of two commits: those that no other common ancestor comes from,
    /// newest first. Most often it is one; none if the two have nothing in common.
    pub fn merge_bases(&self, a: &Id, b: &Id) -> Result<Vec<Id>> {
        self.merge_bases_with_all(a, std::slice::from_ref(b))
    }

    /// As [`History::merge_bases`] of `a` and a merge of all `others`, which need not be there.
    pub fn merge_bases_with_all(&self, a: &Id, others: &[Id]) -> Result<Vec<Id>> {
        let mut painting = Painting::new(self);
        painting.paint(*a, ONE)?;
        for other in others {
            painting.paint(*other, OTHER)?;
        }
        let mut common = Vec::new();
        while step(&mut painting, &mut |id| common.push(id))? {}
        common.retain(|id| painting.nodes.get(id).is_some_and(|node| !node.is_settled()));
        common.sort_by_key(|id| (Reverse(painting.time(id)), *id));
        // The walk may end before it sees that one comes from another.
        let mut best = Vec::new();
        for (at, id) in common.iter().enumerate() {
            let others = common.iter().enumerate().filter(|(other, _)| *other != at);
            let mut is_below = false;
            for (_, other) in others {
                is_below = is_below || self.is_ancestor(id, other)?;
            }
            best.extend((!is_below).then_some(*id));
        }
        Ok(best)
    }

    /// How many commits `a` reaches and `b` does not, and the other way round.
    ///
    /// Where clocks were far apart, commits that both reach may be counted.
    pub fn ahead_behind(&self, a: &Id, b: &Id) -> Result<(u64, u64)> {
        let mut painting = Painting::new(self);
        painting.paint(*a, ONE)?;
        painting.paint(*b, OTHER)?;
        let mut oldest = i64::MAX;
        while painting.is_open() || painting.next_time().is_some_and(|time| time >= oldest) {
            if painting.is_open() {
                oldest = oldest.min(painting.next_time().unwrap_or(oldest));
            }
            step(&mut painting, &mut |_| {})?;
        }
        let count = |colour: u8| {
            let alone = painting.nodes.values().filter(|node| node.colours & BOTH == colour);
            alone.count() as u64
        };
        Ok((count(ONE), count(OTHER)))
    }
}

/// Takes the colours of one commit to its parents; `common` is told of one that both sides reach.
/// Returns false if nothing is left that only one of them reaches.
fn step(painting: &mut Painting<'_>, common: &mut dyn FnMut(Id)) -> Result<bool> {
    let is_open = painting.is_open();
    let Some((id, colours)) = painting.next() else { return Ok(false) };
    painting.require(&id)?;
    let is_common = colours & BOTH == BOTH;
    if is_common && colours & SETTLED == 0 {
        common(id);
    }
    let settled = if is_common { SETTLED } else { 0 };
    painting.paint_parents(&id, colours | settled)?;
    Ok(is_open)
}
