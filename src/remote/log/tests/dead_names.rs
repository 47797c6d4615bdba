//! Tests of retired and deleted files: which names are dead, and when a push must plan again.

use super::*;
use crate::clock::Moment;

/// A proposal without moves.
pub(super) fn proposal() -> Proposal {
    Proposal::new("Ada <ada@example.com>", Timestamp::from_seconds(1_800_000_000), "gc")
}

pub(super) fn adds(pack: &str) -> Proposal {
    Proposal { packs: vec![Stored { id: id(pack), size: 5 }], ..proposal() }
}

pub(super) fn retires(pack: &str) -> Proposal {
    Proposal { retired: vec![id(pack)], ..proposal() }
}

fn deletes(pack: &str) -> Proposal {
    Proposal { deleted: vec![id(pack)], ..proposal() }
}

fn is_live(state: &LogState, pack: &str) -> bool {
    state.remote_state().packs.contains_key(&id(pack))
}

fn is_dead(state: &LogState, pack: &str) -> bool {
    state.remote_state().is_dead(&id(pack))
}

#[test]
fn a_retired_file_and_a_file_without_an_entry_can_be_named_as_deleted() {
    for (log, mut state) in [linear(), siblings()] {
        let mut add = |proposal: &Proposal| done(log.commit(&mut state, proposal)).entry.write;
        add(&adds("a"));
        add(&deletes("a"));
        add(&retires("a"));
        let first = add(&deletes("a"));
        add(&deletes("orphan"));
        assert!(!is_live(&state, "a") && is_dead(&state, "a") && is_dead(&state, "orphan"));
        assert!(state.remote_state().retired.is_empty());
        let saved = LogState::decode(&state.encode().unwrap()).unwrap();
        assert_eq!(saved.remote_state(), state.remote_state());
        // When the file is gone, its name is forgotten.
        let _ = done(log.commit(&mut state, &Proposal { gone: vec![first], ..proposal() }));
        assert!(!is_dead(&state, "a") && is_dead(&state, "orphan"));
    }
}

#[test]
fn a_live_file_is_not_deleted_and_a_file_that_is_added_is_live() {
    let (log, mut state) = linear();
    let _ = done(log.commit(&mut state, &adds("a")));
    let _ = done(log.commit(&mut state, &deletes("a")));
    assert!(is_live(&state, "a") && !is_dead(&state, "a"));
    // An older writer may add a dead name. Adding wins.
    let _ = done(log.commit(&mut state, &retires("a")));
    let _ = done(log.commit(&mut state, &deletes("a")));
    let mut entry = entry_of(state.remote_state().number() + 1, 77, &adds("a"));
    entry.packs = adds("a").packs;
    entry.seen = state.heads();
    let mut now = state.remote_state().clone();
    now.apply(EntryName { number: entry.number, write: None }, &entry);
    assert!(now.packs.contains_key(&id("a")) && !now.is_dead(&id("a")));
    // A deletion by someone who does not know of that does nothing.
    let late = entry_of(entry.number + 1, 78, &deletes("a"));
    now.retired.clear();
    now.apply(EntryName { number: late.number, write: None }, &late);
    assert!(now.packs.contains_key(&id("a")));
}

#[test]
fn the_names_and_times_of_a_garbage_collection_are_in_the_state() {
    let (log, mut state) = siblings();
    assert_eq!(state.remote_state().gc_times(), GcTimes::default());
    let times = GcTimes { grace: Duration::from_secs(40), ..GcTimes::default() };
    let forgotten = vec![Forgotten { commit: id("commit"), name: run("r") }];
    let all = Proposal { gc: Some(times), forgotten, ..proposal() };
    let _ = done(log.commit(&mut state, &all));
    assert_eq!(state.remote_state().gc_times(), times);
    let one = state.remote_state().forgotten.get(&id("commit")).unwrap();
    assert_eq!(one.name, run("r"));
    let mut reader = log.load().unwrap();
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader.remote_state(), state.remote_state());
    let saved = LogState::decode(&state.encode().unwrap()).unwrap();
    assert_eq!(saved.remote_state(), state.remote_state());
}

#[test]
fn a_push_whose_base_may_have_been_removed_is_planned_again() {
    for (log, mut state) in [linear(), siblings()] {
        let _ = done(log.commit(&mut state, &adds("a")));
        let _ = done(log.commit(&mut state, &adds("b")));
        for (number, removal) in [retires("a"), deletes("a")].into_iter().enumerate() {
            let mut planned = state.clone();
            let _ = done(log.commit(&mut state, &removal));
            let name = format!("r{number}");
            let mut based = push(&name, "-", "x");
            based.has_base = true;
            let outcome = log.commit(&mut planned, &based).unwrap();
            assert!(matches!(outcome, Commit::Outdated), "{outcome:?}");
            // With the new state, it is added. A compaction removes nothing.
            let mut other = planned.clone();
            let joined = Proposal { joined: true, ..retires("b") };
            let joined = if number == 1 { joined } else { proposal() };
            let _ = done(log.commit(&mut other, &joined));
            let _ = done(log.commit(&mut planned, &based));
            assert_eq!(at(&planned, &name), Some(id("x")));
            state = planned;
        }
    }
}

#[test]
fn a_push_under_a_dead_name_is_planned_again() {
    for (log, mut state) in [linear(), siblings()] {
        let _ = done(log.commit(&mut state, &deletes("a")));
        let outcome = log.commit(&mut state, &adds("a")).unwrap();
        assert!(matches!(outcome, Commit::Outdated), "{outcome:?}");
        assert!(is_dead(&state, "a"));
    }
}

#[test]
fn an_old_plan_is_not_added_to_a_log_with_siblings() {
    let old = |name: &str| Proposal {
        planned: Some(Moment::ago(GcTimes::default().grace)),
        ..push(name, "-", "a")
    };
    let (log, mut state) = siblings();
    let outcome = log.commit(&mut state, &old("r")).unwrap();
    assert!(matches!(outcome, Commit::Outdated), "{outcome:?}");
    assert_eq!(log.store().list("log/", None, 10).unwrap(), []);
    let young = Proposal { planned: Some(Moment::now()), ..push("r", "-", "a") };
    let _ = done(log.commit(&mut state, &young));
    // In a log without siblings, the order of the entries decides, and no clock.
    let (log, mut state) = linear();
    let _ = done(log.commit(&mut state, &old("r")));
}
