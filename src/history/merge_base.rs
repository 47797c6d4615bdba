//! Relations between two commits: ancestors and common ancestors.
//!
//! Both sides are walked from the newest commit on. The walk ends when every remaining commit is
//! reachable from both sides, or is below a common commit. Every path from a commit to a best
//! common ancestor consists of commits of one side, so none is missed, even if clocks were wrong.
//! Clocks only affect how early the walk ends.

use std::cmp::Reverse;

use super::History;
use super::paint::{ONE, OTHER, Painting, SETTLED};
use crate::error::Result;
use crate::id::Id;

const BOTH: u8 = ONE | OTHER;

impl History {
    /// Returns true if `ancestor` is `descendant` or is reachable from it.
    ///
    /// The walk does not read below the commits where the two lines of history diverged.
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

    /// Returns the best common ancestors of two commits, newest first: the common ancestors that
    /// are not ancestors of another common ancestor. Usually there is one. The result is empty if
    /// the histories are unrelated.
    pub fn merge_bases(&self, a: &Id, b: &Id) -> Result<Vec<Id>> {
        self.merge_bases_with_all(a, std::slice::from_ref(b))
    }

    /// Like [`History::merge_bases`] of `a` and a hypothetical merge of all `others`.
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
        // The walk can end before it discovers that one is an ancestor of another.
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

    /// Returns the number of commits that only `a` reaches, and the number that only `b` reaches.
    ///
    /// If clocks differed a lot, commits that both reach may be counted.
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

/// Passes the colours of one commit on to its parents, and calls `common` for a commit that both
/// sides reach. Returns false if no remaining commit is reachable from only one side.
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
