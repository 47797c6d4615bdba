//! Thirty-two writers push ten commits each to one remote in parallel, or fifty if all cases run. No commit is lost: if the
//! store can order writers, the log is one line. Otherwise every conflict is kept and named. An
//! independent reader verifies this.

use std::collections::{BTreeMap, BTreeSet};

use artifacts::Id;
use artifacts::clock::Timestamp;
use artifacts::name::RefName;
use artifacts::remote::log::{Commit, Log, LogState, Proposal, RefMove};
use artifacts::remote::probe::probe;
use artifacts::remote::{Honesty, Protocol};

use super::replay::{Entry, Replayed, entries, replay};
use super::server::Manners;
use super::stores::{Place, fs, memory, s3, sftp, webdav};
use crate::common::thorough;

const SHARED: &str = "refs/runs/o/p/shared";

/// The number of commits after which a writer also moves the shared ref.
const SHARE: usize = 5;

/// The number of commits of each writer.
fn commits() -> usize {
    if thorough() { 50 } else { 10 }
}

fn move_to(state: &LogState, name: &str, commit: &str) -> RefMove {
    let name: RefName = name.parse().unwrap();
    let old = state.remote_state().refs.get(&name).copied();
    RefMove { name, old, new: Some(Id::of_blob(commit.as_bytes())) }
}

/// Pushes as one writer. Returns the number of pushes that reported a conflict.
fn write(log: &Log, writer: usize, commits: usize) -> usize {
    let mut state = log.load().unwrap();
    let mut told = 0;
    for commit in 0..commits {
        let commit_name = format!("writer {writer} commit {commit}");
        loop {
            let when = Timestamp::from_seconds(1_800_000_000);
            let mut proposal = Proposal::new("W <w@example.com>", when, "push");
            let own = format!("refs/runs/o/p/writer-{writer}");
            proposal.refs.push(move_to(&state, &own, &commit_name));
            if commit % SHARE == 0 {
                proposal.refs.push(move_to(&state, SHARED, &format!("shared {commit_name}")));
            }
            match log.commit(&mut state, &proposal).unwrap() {
                Commit::Done(done) => {
                    told += usize::from(!done.conflicts.is_empty());
                    if done.wants_checkpoint {
                        log.write_checkpoint(&state).unwrap();
                    }
                    break;
                }
                Commit::Moved(refs) => assert_eq!(refs.len(), 1, "only the shared ref can move"),
                Commit::Retired(_) | Commit::Outdated => panic!("nothing was retired"),
            }
        }
    }
    told
}

pub(crate) fn race(place: &Place, writers: usize, commits: usize) {
    let name = &place.name;
    let guarantee = probe(&place.store).unwrap();
    let log = Log::open_or_make(&place.store, guarantee.protocol()).unwrap();
    let told: usize = std::thread::scope(|scope| {
        let log = &log;
        let run = |writer| scope.spawn(move || write(log, writer, commits));
        let all: Vec<_> = (0..writers).map(run).collect();
        all.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let entries = entries(&place.store);
    assert_eq!(entries.len(), writers * commits, "{name}");
    let replayed = replay(&entries);
    nothing_is_lost(name, writers, commits, &entries, &replayed);
    if guarantee.protocol() == Protocol::Linear {
        is_one_line(name, &entries, &replayed);
        assert_eq!(told, 0, "{name}");
    } else if replayed.conflicts.contains_key(SHARED) {
        assert!(told > 0, "{name}: no push reported the existing conflict");
    }
    the_library_reads_the_same(name, &log, &replayed);
}

/// Checks that every commit is reachable from a ref or from a side of a conflict.
fn nothing_is_lost(
    name: &str,
    writers: usize,
    commits: usize,
    entries: &[Entry],
    replayed: &Replayed,
) {
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (old, new, _) in entries.iter().flat_map(|entry| &entry.refs) {
        before.entry(new).or_default().push(old);
    }
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = replayed.refs.values().map(String::as_str).collect();
    next.extend(replayed.conflicts.values().flatten().map(String::as_str));
    while let Some(commit) = next.pop() {
        if reached.insert(commit) {
            next.extend(before.get(commit).into_iter().flatten());
        }
    }
    for writer in 0..writers {
        for commit in 0..commits {
            let commit_name = format!("writer {writer} commit {commit}");
            let own = Id::of_blob(commit_name.as_bytes()).to_hex();
            assert!(reached.contains(own.as_str()), "{name}: {commit_name} is lost");
            let shared = Id::of_blob(format!("shared {commit_name}").as_bytes()).to_hex();
            let is_there = commit % SHARE != 0 || reached.contains(shared.as_str());
            assert!(is_there, "{name}: shared {commit_name} is lost");
        }
    }
}

/// Checks that each number has one entry, that each entry names the previous one, and that no
/// conflict exists.
fn is_one_line(name: &str, entries: &[Entry], replayed: &Replayed) {
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.number, index as u64 + 1, "{name}");
        let before = index.checked_sub(1).map(|before| entries[before].identity.clone());
        assert_eq!(entry.seen, before.into_iter().collect::<Vec<_>>(), "{name}");
    }
    assert!(replayed.conflicts.is_empty(), "{name}: {:?}", replayed.conflicts);
}

fn the_library_reads_the_same(name: &str, log: &Log, replayed: &Replayed) {
    let mut from_start = LogState::empty(log.made().log);
    log.refresh(&mut from_start).unwrap();
    let mut from_checkpoint = log.load().unwrap();
    log.refresh(&mut from_checkpoint).unwrap();
    assert_eq!(from_start.remote_state(), from_checkpoint.remote_state(), "{name}");
    let replay = from_start.remote_state();
    let refs: BTreeMap<String, String> =
        replay.refs.iter().map(|(name, id)| (name.to_string(), id.to_hex())).collect();
    assert_eq!(refs, replayed.refs, "{name}");
    let sides = replay.conflicts.iter().map(|(name, sides)| {
        let commits = sides.iter().map(|side| side.commit.map_or("-".to_owned(), |id| id.to_hex()));
        (name.to_string(), commits.collect::<BTreeSet<_>>())
    });
    assert_eq!(sides.collect::<BTreeMap<_, _>>(), replayed.conflicts, "{name}");
    assert!(replay.doubled.is_empty(), "{name}");
    let before = log.store().traffic();
    assert!(log.refresh(&mut from_start).unwrap().entries.is_empty());
    let requests = log.store().traffic().since(before).requests;
    assert!(requests <= 2, "{name}: {requests} requests to learn that nothing is new");
}

#[test]
fn memory_of_every_honesty_loses_nothing() {
    for honesty in [Honesty::Honest, Honesty::Races, Honesty::Ignores, Honesty::Declines] {
        race(&memory(honesty), 32, commits());
    }
}

#[test]
fn a_directory_loses_nothing() {
    race(&fs(), 32, commits());
}

#[test]
fn s3_that_keeps_its_word_loses_nothing() {
    race(&s3(Manners::Honest), 32, commits());
}

#[test]
fn s3_whose_racing_uploads_win_together_loses_nothing() {
    race(&s3(Manners::HalfHonest), 32, commits());
}

#[test]
fn s3_that_ignores_conditions_loses_nothing() {
    race(&s3(Manners::Ignores), 32, commits());
}

#[test]
fn webdav_loses_nothing() {
    race(&webdav(), 32, commits());
}

#[test]
fn sftp_loses_nothing() {
    if let Some(place) = sftp() {
        race(&place, 32, commits());
    }
}

#[test]
fn s3_that_loses_answers_loses_nothing() {
    race(&s3(Manners::LosesAnswers(5)), 8, 20);
}
