//! The steps of a garbage collection (gc) on a remote. Each call does the parts that are due, in
//! any order: it retires packs, names retired packs as deleted, and deletes the files of packs with
//! dead names. A part that another gc began counts as its own.

use super::log::{Entry, P, Packs, Q, R, each, lowest};
use super::rules::Rule;
use super::state::{Gc, GcAt, State};
use super::step::{Actor, Event, Step};
use super::steps::{Now, Visit};

/// Calls `visit` with each step of the gc `at`.
pub(crate) fn gc(now: &Now<'_>, at: usize, visit: &mut Visit<'_>) {
    let state = now.state;
    let gc = &state.gcs[at];
    let actor = Actor::Gc(at);
    let with = |new_gc: Gc| {
        let mut new = *state;
        new.gcs[at] = new_gc;
        new
    };
    match gc.at {
        GcAt::Plan => {
            let mut plan = |event, new_gc| visit(Step { actor, event }, with(new_gc));
            plan_deletion(now, gc, &mut plan);
            if gc.left > 0 {
                plan_retirement(now, gc, &mut plan);
                plan_names(now, gc, &mut plan);
            }
        }
        GcAt::Send => {
            let mut new = with(Gc { at: GcAt::Store, ..*gc });
            new.files |= gc.adds;
            visit(Step { actor, event: Event::Sends(gc.adds) }, new);
        }
        GcAt::Store => store(now, at, visit),
        GcAt::Delete => {
            let mut new = with(gc.idle());
            new.files &= !gc.deletes;
            visit(Step { actor, event: Event::DeletesFiles(gc.deletes) }, new);
        }
    }
}

fn store(now: &Now<'_>, at: usize, visit: &mut Visit<'_>) {
    let Now { scene, state, .. } = *now;
    let gc = &state.gcs[at];
    let actor = Actor::Gc(at);
    let is_behind = scene.rules.is_linear && gc.view != state.log.len();
    if is_behind && scene.rules.has(Rule::G1) {
        let mut new = *state;
        new.gcs[at] = gc.idle();
        visit(Step { actor, event: Event::PlansAgain }, new);
        return;
    }
    let known = state.log.remote(gc.view);
    let number = state.log.next_number(gc.view);
    let entry = Entry { number, ..gc.entry(scene.rules) }.with_knowledge(&known);
    for log in state.log.with(entry) {
        let mut new = State { log, ..*state };
        new.gcs[at] = Gc { left: gc.left - 1, ..Gc::default() };
        visit(Step { actor, event: Event::StoresEntry(*gc) }, new);
    }
}

/// All live packs are retired if nothing needs the content, otherwise all but one, or the last one
/// is copied to another pack.
fn plan_retirement(now: &Now<'_>, gc: &Gc, plan: &mut dyn FnMut(Event, Gc)) {
    let Now { scene, state, remote } = now;
    let mut retire = |at, adds, retires| {
        if retires != 0 {
            let planned = Gc { at, view: state.log.len(), adds, retires, ..*gc };
            plan(Event::PlansEntry(planned), planned);
        }
    };
    if !is_needed(now) {
        retire(GcAt::Store, 0, remote.live);
        return;
    }
    for kept in each(remote.live) {
        retire(GcAt::Store, 0, remote.live & !(1 << kept));
    }
    let is_single = remote.live == lowest(remote.live) && remote.live & (1 << P | 1 << Q) != 0;
    if scene.repacks && is_single {
        let is_dead = remote.dead >> R & 1 == 1 && scene.rules.has(Rule::W3);
        let copy = if is_dead { state.random_name() } else { R };
        retire(GcAt::Send, 1 << copy, remote.live);
    }
}

/// Returns true if a ref needs the content, or needed it within the grace.
fn is_needed(now: &Now<'_>) -> bool {
    let Now { scene, state, remote } = now;
    let waits = scene.rules.has(Rule::G8);
    let refs = if waits { remote.refs_before(state.aged) } else { remote.refs };
    refs != 0
}

/// The packs that nothing needs: retired ones, if their grace is over, and those that no entry
/// names.
fn unneeded(now: &Now<'_>) -> (Packs, Packs) {
    let Now { scene, state, remote } = now;
    let rules = scene.rules;
    let waits = rules.has(Rule::G2);
    let retired =
        if waits { remote.changed_before(state.aged, remote.retired) } else { remote.retired };
    let orphans = if rules.has(Rule::G4) { state.files & !remote.named() } else { 0 };
    // The second marking: needed content that is live nowhere is kept.
    let is_missed = is_needed(now) && remote.live == 0;
    let kept = if rules.has(Rule::G3) && is_missed { lowest(retired & state.files) } else { 0 };
    ((retired | orphans) & !kept, kept)
}

/// Names packs as deleted, and adds needed ones again.
fn plan_names(now: &Now<'_>, gc: &Gc, plan: &mut dyn FnMut(Event, Gc)) {
    let (deletes, adds) = unneeded(now);
    if now.scene.rules.has(Rule::G4) && deletes | adds != 0 {
        let planned = Gc { at: GcAt::Store, view: now.state.log.len(), adds, deletes, ..*gc };
        plan(Event::PlansEntry(planned), planned);
    }
}

/// Decides to delete a file. The request arrives in a later step.
fn plan_deletion(now: &Now<'_>, gc: &Gc, plan: &mut dyn FnMut(Event, Gc)) {
    let Now { scene, state, remote } = now;
    let rules = scene.rules;
    let dead = if rules.has(Rule::G5) {
        remote.changed_before(state.aged, remote.dead)
    } else {
        remote.dead
    };
    let deletable = if rules.has(Rule::G4) { dead } else { unneeded(now).0 };
    for pack in each(deletable & state.files) {
        let planned = Gc { at: GcAt::Delete, deletes: 1 << pack, ..*gc };
        plan(Event::ReadsNames(1 << pack), planned);
    }
}
