//! Tests of two writers on a store without conditional writes, whose entries are stored at the same
//! moment.

use std::sync::Mutex;

use super::dead_names::{adds, retires};
use super::*;

/// A log on a store in memory without conditional writes, and another access to the same log.
struct Race {
    inner: Arc<MemoryStore>,
    log: Log,
}

impl Race {
    fn new() -> Self {
        let inner = Arc::new(MemoryStore::new(Honesty::Declines));
        let store = Store::on(Arc::clone(&inner) as _, "memory://test", options());
        Race { inner, log: Log::open_or_make(&store, Protocol::Siblings).unwrap() }
    }

    /// The log for a second writer. Another writer with `state` commits `proposal` after the second
    /// writer has looked, directly before its own entry is stored.
    fn second(&self, state: &LogState, proposal: Proposal) -> Log {
        let (log, state) = (self.log.clone(), state.clone());
        let waiting = Mutex::new(Some((log, state, proposal)));
        let objects = FaultStore::new(Arc::clone(&self.inner) as _, move |_, request, key| {
            if request == Request::Write && key.starts_with("log/") {
                let waiting = waiting.lock().unwrap().take();
                let commit = |(log, mut state, proposal): (Log, LogState, Proposal)| {
                    _ = done(log.commit(&mut state, &proposal));
                };
                waiting.map(commit);
            }
            None
        });
        Log::open(Store::on(Arc::new(objects), "memory://test", options())).unwrap()
    }
}

#[test]
fn siblings_keep_both_commits_and_name_the_conflict() {
    let race = Race::new();
    let log = &race.log;
    let mut one = log.load().unwrap();
    done(log.commit(&mut one, &push("r", "-", "x")));
    let mut two = one.clone();
    let racing = race.second(&one, push("r", "x", "a"));
    let second = done(racing.commit(&mut two, &push("r", "x", "b")));
    // The second writer lists the log after the first has written, and sees the conflict
    // immediately. The first writer sees it on its next refresh.
    assert_eq!(second.conflicts, [run("r")]);
    log.refresh(&mut one).unwrap();
    assert_eq!(one.remote_state(), two.remote_state());
    let winner = if second.others[0].write < second.entry.write { "a" } else { "b" };
    let loser = if winner == "a" { "b" } else { "a" };
    assert_eq!(at(&one, "r"), Some(id(winner)));
    let sides = &one.remote_state().conflicts[&run("r")];
    assert_eq!(sides.iter().map(|side| side.commit).collect::<Vec<_>>(), [Some(id(loser))]);
    // Both sides advance, and each is represented by its newest commit. Then the user chooses one.
    done(log.commit(&mut one, &push("r", winner, "w2")));
    let mut resolve = push("r", "w2", "merged");
    resolve.settled.push(Settled { name: run("r"), commit: Some(id(loser)) });
    done(log.commit(&mut one, &resolve));
    assert_eq!(at(&one, "r"), Some(id("merged")));
    assert!(one.remote_state().conflicts.is_empty());
}

#[test]
fn a_push_learns_that_a_sibling_removed_files_at_the_same_moment() {
    let race = Race::new();
    let mut theirs = race.log.load().unwrap();
    let _ = done(race.log.commit(&mut theirs, &adds("base")));
    let log = race.second(&theirs, retires("base"));
    let mut state = log.load().unwrap();
    log.refresh(&mut state).unwrap();
    let based = Proposal { has_base: true, ..push("r", "-", "a") };
    assert!(done(log.commit(&mut state, &based)).must_resend);
    let again = Proposal { has_base: true, ..push("s", "-", "a") };
    assert!(!done(log.commit(&mut state, &again)).must_resend);
}
