//! Finds the commits that are new to someone who has other commits.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::History;
use super::object::expect_kind;
use super::paint::{Links, ONE, Painting, SETTLED};
use crate::error::Result;
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, check_interrupt};

/// With more known commits than this, commits near the new ones are tried first. Reading all known
/// commits would take longer than sending a few commits too many.
const MANY: usize = 1000;

/// The maximum number of commits in that search.
const NEAR: usize = 64;

/// Colours commits that are reachable from `starts` and from `have`. Commits that are not settled
/// are new.
///
/// Some commits that `have` reaches may count as new: if clocks differed a lot, or near the new
/// commits if `have` is very large.
pub(super) fn paint_new<'h>(
    history: &'h History,
    starts: &[Id],
    have: &HashSet<Id>,
    progress: &dyn Progress,
) -> Result<Painting<'h>> {
    let mut painting = Painting::new(history);
    for start in starts {
        painting.paint(*start, ONE)?;
    }
    let near = if have.len() > MANY { find_near(history, starts, have)? } else { None };
    for id in near.iter().flatten().chain(have.iter().filter(|_| near.is_none())) {
        check_interrupt(progress)?;
        settle(history, &mut painting, id)?;
    }
    let mut oldest = i64::MAX;
    while painting.is_open() || painting.next_time().is_some_and(|time| time >= oldest) {
        check_interrupt(progress)?;
        let Some((id, colours)) = painting.next() else { break };
        let is_settled = colours & SETTLED != 0;
        if !is_settled {
            let links = painting.nodes.get(&id).and_then(|node| node.links.as_ref());
            oldest = links.map_or(oldest, |links| oldest.min(links.time));
        }
        painting.paint_parents(&id, if is_settled { SETTLED } else { ONE })?;
    }
    Ok(painting)
}

/// Settles the commit that `id` leads to, if it exists in this repository.
fn settle(history: &History, painting: &mut Painting<'_>, id: &Id) -> Result<()> {
    match history.try_read(id)? {
        Some((ObjectKind::Commit, bytes)) => painting.paint_read(*id, &bytes, SETTLED),
        Some((ObjectKind::Tag, _)) => match history.peel(id) {
            Ok(commit) => settle(history, painting, &commit),
            Err(_) => Ok(()),
        },
        None => Ok(()),
        found => expect_kind(id, ObjectKind::Commit, found).map(drop),
    }
}

/// Returns commits of `have` that stop all paths from `starts` within a few steps, or `None` if
/// some path does not reach one.
fn find_near(history: &History, starts: &[Id], have: &HashSet<Id>) -> Result<Option<Vec<Id>>> {
    let mut waiting = starts.to_vec();
    let mut seen = HashSet::new();
    let mut near = Vec::new();
    while let Some(id) = waiting.pop() {
        if have.contains(&id) {
            near.push(id);
        } else if seen.insert(id) {
            let parents = history.try_links(&id)?.map(|links| links.parents).unwrap_or_default();
            if parents.is_empty() || seen.len() > NEAR {
                return Ok(None);
            }
            waiting.extend(parents);
        }
    }
    Ok(Some(near))
}

/// Returns the new commits with parents before their children, otherwise oldest first, and the
/// missing commits.
pub(super) fn in_order(painting: &Painting<'_>) -> (Vec<Id>, Vec<Id>) {
    let mut new: HashMap<Id, (&Links, usize)> = HashMap::new();
    let mut missing = Vec::new();
    for (id, node) in painting.nodes.iter().filter(|(_, node)| !node.is_settled()) {
        match &node.links {
            Some(links) => _ = new.insert(*id, (links, 0)),
            None => missing.push(*id),
        }
    }
    missing.sort_unstable();
    let mut children: HashMap<Id, Vec<Id>> = HashMap::new();
    for (id, (links, _)) in &new {
        for parent in links.parents.iter().filter(|parent| new.contains_key(*parent)) {
            children.entry(*parent).or_default().push(*id);
        }
    }
    for child in children.values().flatten() {
        if let Some((_, parents)) = new.get_mut(child) {
            *parents += 1;
        }
    }
    let roots = new.iter().filter(|(_, (_, parents))| *parents == 0);
    let mut ready: BinaryHeap<Reverse<(i64, Id)>> =
        roots.map(|(id, (links, _))| Reverse((links.time, *id))).collect();
    let mut order = Vec::with_capacity(new.len());
    while let Some(Reverse((_, id))) = ready.pop() {
        order.push(id);
        for child in children.remove(&id).unwrap_or_default() {
            let Some((links, parents)) = new.get_mut(&child) else { continue };
            *parents -= 1;
            if *parents == 0 {
                ready.push(Reverse((links.time, child)));
            }
        }
    }
    (order, missing)
}
