//! Every request of every verb fails in every way, once and from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts::remote::fault::{Fault, FaultStore};
use artifacts::repo::TransferSettings;
use artifacts::{Error, ErrorKind, Result};

use super::verbs::{
    CLONE, CLONE_FULL, COLLECT, EVICT, FETCH, FIRST_PUSH, PULL, PULL_FULL, PUSH, Verb,
};
use super::world::{Log, World, transfer};
use crate::common::thorough;

/// A verb and the state in which it runs.
struct Case {
    verb: Verb,
    world: World,
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Once,
    FromThenOn,
}

/// Reads that are truncated repeatedly.
const LIKE_FAILURES: (When, Fault) = (When::FromThenOn, Fault::Cut);

const FAULTS: [Fault; 5] =
    [Fault::Fails, Fault::Hangs, Fault::Cut, Fault::AnswerLost, Fault::Refused];

/// Returns settings with `fault` at the request `number`, and the counter of requests.
fn struck(fault: Fault, when: When, number: u64) -> (TransferSettings, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let transfer = TransferSettings {
        wrap: Some(Arc::new(move |inner| {
            let counter = Arc::clone(&counter);
            Arc::new(FaultStore::new(inner, move |_, _, _| {
                let now = counter.fetch_add(1, Ordering::SeqCst);
                (now == number || when == When::FromThenOn && now > number).then_some(fault)
            }))
        })),
        ..transfer()
    };
    (transfer, asked)
}

/// Returns true if `error` is a valid result of `fault`.
fn is_fair(fault: Fault, error: &Error) -> bool {
    match fault {
        Fault::Refused => error.kind() == ErrorKind::Unauthorized,
        // A store with silently truncated answers cannot be distinguished from a damaged one.
        Fault::Cut => matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Corrupt),
        _ => error.kind() == ErrorKind::Unavailable,
    }
}

impl Case {
    fn run(&self) {
        self.world.keep();
        for when in [When::Once, When::FromThenOn] {
            for fault in FAULTS {
                // A hang is a failure that takes longer.
                if !thorough() && (fault == Fault::Hangs || (when, fault) == LIKE_FAILURES) {
                    continue;
                }
                let steps = self.every_request(fault, when);
                println!("{}: {fault:?} {when:?}: {steps} requests", self.verb.name);
            }
        }
    }

    /// Fails the first request, then the second, until the verb has fewer requests.
    fn every_request(&self, fault: Fault, when: When) -> u64 {
        for number in 0.. {
            let context = format!("{}: {fault:?} {when:?} at request {number}", self.verb.name);
            self.world.restore();
            let (transfer, asked) = struck(fault, when, number);
            let outcome = (self.verb.act)(&self.world, transfer);
            if asked.load(Ordering::SeqCst) <= number {
                outcome.unwrap();
                (self.verb.done)(&self.world, &context);
                return number;
            }
            self.check(&outcome, fault, when, &context);
            let (transfer, _) = struck(fault, When::Once, u64::MAX);
            (self.verb.act)(&self.world, transfer)
                .unwrap_or_else(|e| panic!("{context}: again: {e:?}"));
            (self.verb.done)(&self.world, &context);
            self.world.is_sound(&context);
        }
        unreachable!()
    }

    fn check(&self, outcome: &Result<()>, fault: Fault, when: When, context: &str) {
        // A truncated entry looks like an entry that is being written.
        if outcome.is_ok() && fault != Fault::Cut {
            (self.verb.done)(&self.world, context);
        }
        if let Err(error) = outcome {
            assert!(is_fair(fault, error), "{context}: {error:?}");
            let is_survived = matches!(fault, Fault::Fails | Fault::Hangs | Fault::AnswerLost);
            assert!(when == When::FromThenOn || !is_survived, "{context}: {error:?}");
        }
        self.world.is_sound(context);
    }
}

fn run(verb: Verb, world: World) {
    Case { verb, world }.run();
}

#[test]
fn a_first_push() {
    run(FIRST_PUSH, World::new(Log::Linear));
}

#[test]
fn a_first_push_to_a_store_without_exclusive_create() {
    run(FIRST_PUSH, World::new(Log::Siblings));
}

#[test]
fn a_failed_push_can_be_repeated() {
    run(PUSH, World::shared(Log::Linear));
}

#[test]
fn a_push_to_a_store_without_exclusive_create() {
    run(PUSH, World::shared(Log::Siblings));
}

#[test]
fn a_failed_fetch_can_be_repeated() {
    run(FETCH, World::diverged(Log::Linear));
}

#[test]
fn a_failed_pull_can_be_repeated() {
    run(PULL, World::diverged(Log::Siblings));
}

#[test]
fn a_pull_of_all_content() {
    run(PULL_FULL, World::diverged(Log::Linear));
}

#[test]
fn a_failed_clone_leaves_nothing_and_can_be_repeated() {
    run(CLONE, World::diverged(Log::Linear));
}

#[test]
fn a_clone_of_all_content() {
    run(CLONE_FULL, World::diverged(Log::Siblings));
}

#[test]
fn a_failed_eviction_loses_nothing() {
    run(EVICT, World::diverged(Log::Linear));
}

#[test]
fn a_failed_collection_can_be_repeated() {
    run(COLLECT, crate::collect::with_garbage(Log::Linear));
}

#[test]
fn a_failed_collection_on_a_store_without_exclusive_create_can_be_repeated() {
    run(COLLECT, crate::collect::with_garbage(Log::Siblings));
}
