//! Every HTTP request of every verb fails in every way, on a server that keeps its guarantees and
//! on servers that do not.
//!
//! A verb that reports success has done its work. After a failure, the same verb finishes the work
//! when it runs again. In both cases each log entry exists once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use artifacts::repo::TransferSettings;
use artifacts::{ErrorKind, Result};

use super::oracle;
use super::verbs::{CLONE, CLONE_FULL, EVICT, FETCH, FIRST_PUSH, PULL, PULL_FULL, PUSH, Verb};
use super::world::{World, transfer};
use crate::blow::{Blow, Strike};
use crate::common::thorough;
use crate::server::Manners;

/// The number of successive requests that fail: fewer than the number of attempts, and all.
const TIMES: [u64; 3] = [1, 3, u64::MAX];

/// The number of strikes of a case that run if not all do.
const SOME: usize = 4;

/// A verb and the state in which it runs.
struct Case<'w> {
    verb: Verb,
    world: &'w World,
    /// The name of the case.
    name: String,
    /// The number of log entries if nothing fails.
    entries: usize,
}

impl<'w> Case<'w> {
    fn new(verb: Verb, manners: Manners, world: &'w World) -> Self {
        let name = format!("{} to a server that is {manners:?}", verb.name);
        Case { verb, world, name, entries: 0 }
    }

    /// Runs all strikes, or some of them.
    fn run(mut self) {
        let requests = self.undisturbed();
        if !thorough() {
            for strike in some(&self.name, requests) {
                self.strike(strike);
            }
            return;
        }
        let (mut tried, mut failed) = (0, 0);
        for (blow, times) in all() {
            for from in 0.. {
                let strike = || self.strike(Strike { blow, from, times });
                // A panic has printed its message. The other strikes must run too.
                let is_struck = catch_unwind(AssertUnwindSafe(strike));
                failed += u64::from(is_struck.is_err());
                if !is_struck.unwrap_or(from < requests) {
                    break;
                }
                tried += 1;
            }
        }
        println!("{}: {requests} requests, {tried} strikes, {failed} failed", self.name);
        assert_eq!(failed, 0, "{}", self.name);
    }

    fn act(&self, patience: Duration) -> Result<()> {
        let transfer = TransferSettings { answer_timeout: patience, ..transfer() };
        (self.verb.act)(self.world, transfer)
    }

    /// Runs the verb without a strike, and returns the number of its requests.
    fn undisturbed(&mut self) -> u64 {
        self.world.restore();
        self.act(Duration::from_secs(30)).unwrap();
        let requests = self.world.server().asked();
        (self.verb.done)(self.world, &self.name);
        self.entries = oracle::entries_of(&self.world.store()).len();
        requests
    }

    /// Runs the case with `strike`. Returns false if there were too few requests to strike one.
    fn strike(&self, strike: Strike) -> bool {
        let context = format!("{}: {strike:?}", self.name);
        self.world.restore();
        self.world.server().strike(Some(strike));
        let outcome = self.act(patience(strike.blow));
        let is_struck = self.world.server().asked() > strike.from;
        self.world.server().strike(None);
        match &outcome {
            Ok(()) => (self.verb.done)(self.world, &context),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{context}: {error:?}");
                assert!(strike.times == u64::MAX, "{context}: {error:?}");
            }
        }
        self.world.is_sound(&context);
        let again = self.act(Duration::from_secs(30));
        again.unwrap_or_else(|error| panic!("{context}: again: {error:?}"));
        (self.verb.done)(self.world, &context);
        self.world.is_sound(&context);
        let entries = oracle::entries_of(&self.world.store());
        assert_eq!(entries.len(), self.entries, "{context}: entries of the log");
        is_struck
    }
}

/// The timeout of an answer.
fn patience(blow: Blow) -> Duration {
    match (blow.is_slow(), thorough()) {
        (true, true) => Duration::from_millis(300),
        // Long enough that a busy machine finishes all requests that do not hang.
        (true, false) => Duration::from_secs(1),
        (false, _) => Duration::from_secs(30),
    }
}

fn all() -> impl Iterator<Item = (Blow, u64)> {
    Blow::ALL.into_iter().flat_map(|blow| TIMES.map(|times| (blow, times)))
}

/// Selects some strikes of a verb with this number of requests, the same ones in each run.
fn some(name: &str, requests: u64) -> Vec<Strike> {
    let mut state = name.bytes().fold(1, |sum: u64, byte| sum * 31 % 1_000_003 + u64::from(byte));
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let quick: Vec<Blow> = Blow::ALL.into_iter().filter(|blow| !blow.is_slow()).collect();
    let mut strike = |_| {
        let blow = quick[next(quick.len() as u64) as usize];
        let times = TIMES[next(TIMES.len() as u64) as usize];
        Strike { blow, from: next(requests), times }
    };
    (0..SOME).map(&mut strike).collect()
}

/// Runs each verb on a server with these manners.
fn every_verb(manners: Manners) {
    on(&World::new(manners), manners, &[FIRST_PUSH]);
    on(&World::shared(manners), manners, &[PUSH]);
    let verbs = [FETCH, PULL, PULL_FULL, CLONE, CLONE_FULL, EVICT];
    on(&World::diverged(manners), manners, &verbs);
}

fn on(world: &World, manners: Manners, verbs: &[Verb]) {
    world.keep();
    for verb in verbs {
        Case::new(*verb, manners, world).run();
    }
}

#[test]
fn requests_to_a_server_that_keeps_its_word() {
    every_verb(Manners::Honest);
}

#[test]
fn requests_to_a_server_whose_racing_uploads_win_together() {
    every_verb(Manners::HalfHonest);
}

#[test]
fn requests_to_a_server_that_ignores_conditions() {
    every_verb(Manners::Ignores);
}

#[test]
fn an_entry_whose_writer_gets_no_answer_for_long() {
    let world = World::shared(Manners::Honest);
    world.keep();
    let mut case = Case::new(PUSH, Manners::Honest, &world);
    let last = case.undisturbed() - 1;
    for blow in [Blow::Hangs, Blow::DoneAndHangs] {
        assert!(case.strike(Strike { blow, from: last, times: 1 }));
    }
}

#[test]
fn requests_that_send_a_pack_in_parts() {
    on(&World::large(Manners::Honest), Manners::Honest, &[FIRST_PUSH]);
}
