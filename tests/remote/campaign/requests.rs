//! Every request of every verb fails in every way, once and from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifacts::config::{Config, Sources, initial};
use artifacts::ops::clone::{CloneOptions, clone};
use artifacts::ops::evict::{EvictOptions, evict};
use artifacts::ops::fetch::{FetchOptions, fetch};
use artifacts::ops::pull::{PullOptions, pull};
use artifacts::ops::push::{PushOptions, push};
use artifacts::remote::RemoteUri;
use artifacts::remote::fault::{Fault, FaultStore};
use artifacts::repo::TransferSettings;
use artifacts::{Error, ErrorKind, NoProgress, Result};

use super::world::{Log, World, settings, thorough};

/// What is done, and what has to be so when it is done.
struct Case {
    name: &'static str,
    world: World,
    act: fn(&World, TransferSettings) -> Result<()>,
    done: fn(&World, &str),
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Once,
    FromThenOn,
}

/// Reads that are cut again and again.
const LIKE_FAILURES: (When, Fault) = (When::FromThenOn, Fault::Cut);

const FAULTS: [Fault; 5] =
    [Fault::Fails, Fault::Hangs, Fault::Cut, Fault::AnswerLost, Fault::Refused];

/// Settings that let `fault` strike at the request `number`; the second is how many were made.
fn struck(fault: Fault, when: When, number: u64) -> (TransferSettings, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let transfer = TransferSettings {
        jobs: 2,
        first_wait: Duration::from_millis(1),
        wrap: Some(Arc::new(move |inner| {
            let counter = Arc::clone(&counter);
            Arc::new(FaultStore::new(inner, move |_, _, _| {
                let now = counter.fetch_add(1, Ordering::SeqCst);
                (now == number || when == When::FromThenOn && now > number).then_some(fault)
            }))
        })),
        ..TransferSettings::default()
    };
    (transfer, asked)
}

/// Whether an operation may end so.
fn is_fair(fault: Fault, error: &Error) -> bool {
    match fault {
        Fault::Refused => error.kind() == ErrorKind::Unauthorized,
        // A store whose answers are silently short is one that is damaged, as far as one can see.
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
                println!("{}: {fault:?} {when:?}: {steps} requests", self.name);
            }
        }
    }

    /// Strikes at the first request, then at the second, until there is none so late.
    fn every_request(&self, fault: Fault, when: When) -> u64 {
        for number in 0.. {
            let context = format!("{}: {fault:?} {when:?} at request {number}", self.name);
            self.world.restore();
            let (transfer, asked) = struck(fault, when, number);
            let outcome = (self.act)(&self.world, transfer);
            if asked.load(Ordering::SeqCst) <= number {
                outcome.unwrap();
                (self.done)(&self.world, &context);
                return number;
            }
            self.check(&outcome, fault, when, &context);
            let (transfer, _) = struck(fault, When::Once, u64::MAX);
            (self.act)(&self.world, transfer).unwrap_or_else(|e| panic!("{context}: again: {e:?}"));
            (self.done)(&self.world, &context);
            self.world.is_sound(&context);
        }
        unreachable!()
    }

    fn check(&self, outcome: &Result<()>, fault: Fault, when: When, context: &str) {
        if let Err(error) = outcome {
            assert!(is_fair(fault, error), "{context}: {error:?}");
            let is_survived = matches!(fault, Fault::Fails | Fault::Hangs | Fault::AnswerLost);
            assert!(when == When::FromThenOn || !is_survived, "{context}: {error:?}");
        }
        self.world.is_sound(context);
    }
}

fn push_all(world: &World, transfer: TransferSettings) -> Result<()> {
    push(&world.open("a", transfer), &PushOptions::default(), &NoProgress).map(drop)
}

fn pull_with(world: &World, transfer: TransferSettings, full: bool) -> Result<()> {
    let options = PullOptions { full, ..PullOptions::default() };
    pull(&world.open("b", transfer), &options, &NoProgress).map(drop)
}

fn clone_with(world: &World, transfer: TransferSettings, full: bool) -> Result<()> {
    let directory = world.sandbox.path("c");
    if super::world::is_there(&directory) {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let uri = world.sandbox.path("store");
    let options = CloneOptions {
        uri: RemoteUri::parse(uri.to_str().unwrap(), &world.sandbox.work()).unwrap(),
        name: "origin".parse().unwrap(),
        directory: directory.clone(),
        config: initial(&Config::load(Sources::default())?, Some(&"ada/digits".parse()?))?,
        has_project: true,
        full,
        command: "clone".to_owned(),
    };
    let cloned = clone(&options, settings(transfer), &NoProgress);
    assert!(cloned.is_ok() || !directory.exists(), "a clone that failed leaves nothing");
    cloned.map(drop)
}

fn pushed(world: &World, context: &str) {
    world.agrees("a", context);
}

fn pulled(world: &World, context: &str) {
    world.tracks("b", context);
    let repo = world.open("b", TransferSettings::default());
    let outcome = push(&repo, &PushOptions::default(), &NoProgress);
    outcome.unwrap_or_else(|error| panic!("{context}: a push after the pull: {error:?}"));
    world.agrees("b", context);
}

fn cloned(world: &World, context: &str) {
    world.agrees("c", context);
    world.tracks("c", context);
}

fn first_push(log: Log) {
    let case = Case { name: "first push", world: World::new(log), act: push_all, done: pushed };
    case.run();
}

fn second_push(log: Log) {
    let case = Case { name: "push", world: World::shared(log), act: push_all, done: pushed };
    case.run();
}

#[test]
fn a_first_push() {
    first_push(Log::Linear);
}

#[test]
fn a_first_push_to_a_store_without_exclusive_create() {
    first_push(Log::Siblings);
}

#[test]
fn a_push_that_fails_can_be_made_again() {
    second_push(Log::Linear);
}

#[test]
fn a_push_to_a_store_without_exclusive_create() {
    second_push(Log::Siblings);
}

#[test]
fn a_fetch_that_fails_can_be_made_again() {
    let act = |world: &World, transfer| {
        fetch(&world.open("b", transfer), &FetchOptions::default(), &NoProgress).map(drop)
    };
    let done = |world: &World, context: &str| world.tracks("b", context);
    Case { name: "fetch", world: World::diverged(Log::Linear), act, done }.run();
}

#[test]
fn a_pull_that_fails_can_be_made_again() {
    let act = |world: &World, transfer| pull_with(world, transfer, false);
    Case { name: "pull", world: World::diverged(Log::Siblings), act, done: pulled }.run();
}

#[test]
fn a_pull_of_all_content() {
    let act = |world: &World, transfer| pull_with(world, transfer, true);
    Case { name: "pull --full", world: World::diverged(Log::Linear), act, done: pulled }.run();
}

#[test]
fn a_clone_that_fails_leaves_nothing_and_can_be_made_again() {
    let act = |world: &World, transfer| clone_with(world, transfer, false);
    Case { name: "clone", world: World::diverged(Log::Linear), act, done: cloned }.run();
}

#[test]
fn a_clone_of_all_content() {
    let act = |world: &World, transfer| clone_with(world, transfer, true);
    Case { name: "clone --full", world: World::diverged(Log::Siblings), act, done: cloned }.run();
}

#[test]
fn an_eviction_that_fails_loses_nothing() {
    let act = |world: &World, transfer| {
        let options = EvictOptions { full: true, ..EvictOptions::default() };
        evict(&world.open("a", transfer), &options, &NoProgress).map(drop)
    };
    let done = |world: &World, context: &str| world.reads("a", context);
    Case { name: "evict", world: World::diverged(Log::Linear), act, done }.run();
}
