//! The steps that lead from one state to the next. A client that never takes its next step has
//! crashed, so crashes need no steps of their own.

use super::gc_steps;
use super::log::{Entry, P, Packs, Remote, each};
use super::rules::Rule;
use super::state::{Basis, CLIENTS, GcAt, Pusher, PusherAt, Scene, State};
use super::step::{Actor, Event, Step};

/// A function that receives each successor of a state.
pub(crate) type Visit<'a> = dyn FnMut(Step, State) + 'a;

/// A state before a step.
pub(crate) struct Now<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) state: &'a State,
    pub(crate) remote: Remote,
}

/// Calls `visit` with each step from `state` and the state after it.
pub(crate) fn successors(scene: &Scene, state: &State, visit: &mut Visit<'_>) {
    let now = Now { scene, state, remote: state.log.remote(state.log.len()) };
    for at in 0..CLIENTS {
        push(&now, at, visit);
        gc_steps::gc(&now, at, visit);
    }
    delete_refs(&now, visit);
    if !scene.rules.is_linear {
        pass_grace(&now, visit);
    }
}

/// The next step of a pusher, or its restart.
fn push(now: &Now<'_>, at: usize, visit: &mut Visit<'_>) {
    let Now { scene, state, .. } = *now;
    let pusher = state.pushers[at];
    let mut step = |event, pusher: Pusher| {
        let mut new = *state;
        new.pushers[at] = pusher;
        visit(Step { actor: Actor::Pusher(at), event }, new);
    };
    match pusher.at {
        PusherAt::Done => {}
        PusherAt::Send => {
            let Basis::New(pack) = pusher.basis else { unreachable!("only new packs are sent") };
            let mut new = *state;
            new.files |= 1 << pack;
            new.pushers[at] = Pusher { at: PusherAt::Refresh, sent: 1 << pack, ..pusher };
            let event = Event::Sends(1 << pack);
            visit(Step { actor: Actor::Pusher(at), event }, new);
        }
        PusherAt::Refresh if scene.rules.is_linear && pusher.view == state.log.len() => {
            step(Event::Restarts, planning(pusher));
            commit(state, at, PusherAt::Done, visit);
        }
        PusherAt::Refresh => {
            step(Event::Restarts, planning(pusher));
            if is_stale(now, pusher) {
                step(Event::PlansAgain, planning(pusher));
            } else {
                let next = if scene.rules.is_linear { PusherAt::Refresh } else { PusherAt::Store };
                let view = state.log.len();
                let ages = scene.rules.has(Rule::W4FromPlan);
                let planned = if ages { pusher.planned } else { view };
                step(Event::Refreshes, Pusher { at: next, view, planned, ..pusher });
            }
        }
        PusherAt::Store => {
            step(Event::Restarts, planning(pusher));
            let looks = scene.rules.has(Rule::W4);
            let next = if looks { PusherAt::LookAgain } else { PusherAt::Done };
            commit(state, at, next, visit);
        }
        PusherAt::LookAgain if now.remote.live != 0 => {
            step(Event::FindsContent, Pusher { at: PusherAt::Done, ..Pusher::default() });
        }
        PusherAt::Plan | PusherAt::LookAgain => plan_push(now, pusher, &mut step),
    }
}

/// The same pusher before it has a plan.
fn planning(pusher: Pusher) -> Pusher {
    let Pusher { sent, has_committed, .. } = pusher;
    Pusher { sent, has_committed, ..Pusher::default() }
}

/// Every reason why the content of a push exists on the remote, or its new pack.
fn plan_push(now: &Now<'_>, pusher: Pusher, step: &mut dyn FnMut(Event, Pusher)) {
    let Now { scene, state, remote } = now;
    let mut plan = |at, basis| {
        let (planned, view) = (state.log.len(), state.log.len());
        let planned = Pusher { at, basis, planned, view, ..pusher };
        step(Event::Plans(basis), planned);
    };
    if remote.refs != 0 && !pusher.has_committed {
        plan(PusherAt::Refresh, Basis::Refs);
    }
    if remote.live != 0 {
        each(remote.live).for_each(|pack| plan(PusherAt::Refresh, Basis::Existing(pack)));
        return;
    }
    let usable = if scene.rules.has(Rule::W3) { !remote.dead } else { Packs::MAX };
    if let Some(pack) = each(pusher.sent & usable).next() {
        plan(PusherAt::Refresh, Basis::New(pack));
        return;
    }
    let pack = if usable >> P & 1 == 1 { P } else { state.random_name() };
    plan(PusherAt::Send, Basis::New(pack));
}

/// Returns true if the entries since the plan forbid to commit it.
fn is_stale(now: &Now<'_>, pusher: Pusher) -> bool {
    let Now { scene: Scene { rules, .. }, state, remote } = now;
    match pusher.basis {
        Basis::None => false,
        Basis::Refs => rules.has(Rule::W2) && state.log.has_losses_since(pusher.view),
        Basis::Existing(pack) => rules.has(Rule::W1) && remote.live >> pack & 1 == 0,
        Basis::New(pack) => rules.has(Rule::W3) && remote.dead >> pack & 1 == 1,
    }
}

/// Stores the entry of a pusher.
fn commit(state: &State, at: usize, next: PusherAt, visit: &mut Visit<'_>) {
    let pusher = state.pushers[at];
    let adds = if let Basis::New(pack) = pusher.basis { 1 << pack } else { 0 };
    let creates = if pusher.has_committed { 0 } else { 2 << at };
    let number = state.log.next_number(pusher.view);
    let entry = Entry { number, creates, adds, ..Entry::default() };
    let event = if creates == 0 { Event::AddsContent } else { Event::Commits };
    for log in state.log.with(entry) {
        let mut new = State { log, ..*state };
        new.pushers[at] = match next {
            PusherAt::Done => Pusher { at: next, ..Pusher::default() },
            _ => Pusher { at: next, has_committed: true, ..planning(pusher) },
        };
        visit(Step { actor: Actor::Pusher(at), event }, new);
    }
}

/// Somebody deletes a ref. A log without siblings accepts the entry only if its writer knows all
/// others.
fn delete_refs(now: &Now<'_>, visit: &mut Visit<'_>) {
    let Now { scene, state, .. } = *now;
    let deleter = &state.deleter;
    let actor = Actor::Deleter;
    if deleter.left == 0 {
        return;
    }
    let len = state.log.len();
    let is_behind = scene.rules.is_linear && deleter.view != len;
    if deleter.removes == 0 || is_behind {
        for bit in each(now.remote.refs) {
            let mut new = *state;
            (new.deleter.removes, new.deleter.view) = (1 << bit, len);
            visit(Step { actor, event: Event::PlansToDelete(1 << bit) }, new);
        }
        return;
    }
    let (number, removes) = (state.log.next_number(deleter.view), deleter.removes);
    for log in state.log.with(Entry { number, removes, ..Entry::default() }) {
        let mut new = State { log, ..*state };
        (new.deleter.removes, new.deleter.view) = (0, 0);
        new.deleter.left -= 1;
        visit(Step { actor, event: Event::DeletesRefs(removes) }, new);
    }
}

/// The grace of the next entry passes for which gc waits. Each plan that was made without that entry
/// expires before that.
fn pass_grace(now: &Now<'_>, visit: &mut Visit<'_>) {
    let Now { scene, state, .. } = *now;
    let Some(entry) = state.log.waiting_entry_from(state.aged) else { return };
    let mut new = State { aged: entry + 1, ..*state };
    if scene.rules.has(Rule::W4) {
        for pusher in &mut new.pushers {
            if pusher.basis != Basis::None && pusher.planned <= entry {
                *pusher = planning(*pusher);
            }
        }
        for gc in &mut new.gcs {
            if matches!(gc.at, GcAt::Send | GcAt::Store) && gc.view <= entry {
                *gc = gc.idle();
            }
        }
    }
    visit(Step { actor: Actor::Time, event: Event::GracePasses(entry) }, new);
}
