//! Visits all states that a scene can reach, the nearest first.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::fingerprint::fingerprint;
use super::state::{Scene, State};
use super::step::Step;
use super::steps::successors;

/// The result of an exploration.
pub(crate) struct Explored {
    /// The number of different states.
    pub(crate) states: usize,
    /// The steps to the nearest state in which content is lost.
    pub(crate) loss: Option<Trace>,
    /// True if some state has a live pack without a file.
    pub(crate) has_dangling_pack: bool,
    /// The length of the longest log.
    pub(crate) longest: u8,
}

/// The steps from the start to a state.
pub(crate) struct Trace(Vec<Step>);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, step)| writeln!(f, "  {:2}. {step}", at + 1))
    }
}

/// A hasher for fingerprints, which are hashes already.
#[derive(Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Visits the states of `scene` until all are known or content is lost.
pub(crate) fn explore(scene: &Scene) -> Explored {
    explore_by(scene, fingerprint, &mut |_| ())
}

/// Visits the states with different identities, and calls `visit` with each.
pub(crate) fn explore_by(
    scene: &Scene,
    identity: fn(&Scene, &State) -> u128,
    visit: &mut dyn FnMut(&State),
) -> Explored {
    let (start, rules) = (scene.start(), scene.rules);
    let mut seen: HashSet<u128, BuildHasherDefault<Unchanged>> = HashSet::default();
    seen.insert(identity(scene, &start));
    visit(&start);
    // For each state but the first, its predecessor and the step from there.
    let mut origins: Vec<(usize, Step)> = Vec::new();
    let mut current = vec![(0, start)];
    let mut explored =
        Explored { states: 1, loss: None, has_dangling_pack: false, longest: start.log.len() };
    while !current.is_empty() {
        let mut next: Vec<(usize, State)> = Vec::new();
        for (at, state) in &current {
            let mut lost = None;
            successors(scene, state, &mut |step, new| {
                if lost.is_some() || !seen.insert(identity(scene, &new)) {
                    return;
                }
                visit(&new);
                origins.push((*at, step));
                next.push((origins.len(), new));
                explored.longest = explored.longest.max(new.log.len());
                let remote = new.log.remote(new.log.len());
                explored.has_dangling_pack |= remote.live & !new.files != 0;
                if new.has_loss(rules, &remote) {
                    lost = Some(origins.len());
                }
            });
            explored.states = origins.len() + 1;
            if let Some(lost) = lost {
                explored.loss = Some(trace(&origins, lost));
                return explored;
            }
        }
        current = next;
    }
    explored
}

fn trace(origins: &[(usize, Step)], mut state: usize) -> Trace {
    let mut steps = Vec::new();
    while state > 0 {
        let (before, step) = origins[state - 1];
        steps.push(step);
        state = before;
    }
    steps.reverse();
    Trace(steps)
}
