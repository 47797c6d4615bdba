//! Tests of compaction: its savings, and that no failure of it does harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::super::{content_of_history, fetch_missing};
use super::*;
use crate::fs::atomic;
use crate::ops::clone::{CloneOptions, CloneOutcome, clone};
use crate::ops::fetch::{FetchOptions, fetch};
use crate::ops::push::{PushOptions, PushOutcome, push};
use crate::ops::upload::{UploadOptions, upload};
use crate::remote::fault::{Fault, FaultStore, Request};
use crate::remote::layout::ART_TOML;
use crate::remote::log::{EVERY, StoredKind};
use crate::remote::{
    FileKind, FsStore, Guarantee, Log, Protocol, RemoteUri, Store, StoreOptions, TrafficCount,
};
use crate::repo::{RemoteConfig, Repository, Settings};

/// A temporary directory, in memory if possible: the tests sync thousands of files.
fn directory() -> TempDir {
    match tempfile::tempdir_in("/dev/shm") {
        Ok(directory) => directory,
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

/// A repository below `root` with the remote `lab`, which all repositories share.
fn repository(root: &Path, name: &str, guarantee: Guarantee) -> Repository {
    let directory = root.join(name);
    atomic::create_dir_all(&directory).unwrap();
    let repo = Repository::create(&directory, Settings::default()).unwrap();
    let store = root.join("store");
    atomic::create_dir_all(&store).unwrap();
    let uri = store.to_str().unwrap().to_owned();
    let guarantee = Some(guarantee);
    repo.add_remote(&RemoteConfig { name: "lab".parse().unwrap(), uri, guarantee }).unwrap();
    repo
}

/// Uploads a small distinct file to the run, and pushes.
fn push_one(repo: &Repository, number: usize) -> PushOutcome {
    push_saying(repo, number, None)
}

/// Like [`push_one`], with a commit message that adds its size to the history.
fn push_saying(repo: &Repository, number: usize, message: Option<String>) -> PushOutcome {
    let cwd = repo.directory().parent().unwrap().to_owned();
    let content = format!("{number} {}", repo.directory().display());
    let file = format!("file-{number}");
    atomic::write(&cwd.join(&file), &cwd, content.as_bytes()).unwrap();
    let options = UploadOptions::new(&cwd, [file.as_str()]).message(message);
    upload(repo, &options, &mut io::empty(), &NoProgress).unwrap();
    push(repo, &PushOptions::default(), &NoProgress).unwrap()
}

/// A text of some hundred thousand bytes that compresses poorly.
fn long_message(number: usize) -> String {
    let words = (0..3000).map(|word| Id::of_blob(format!("{number} {word}").as_bytes()).to_hex());
    words.collect::<Vec<_>>().join(" ")
}

/// The content that [`push_one`] pushed.
fn content_of(repo: &Repository, number: usize) -> Id {
    Id::of_blob(format!("{number} {}", repo.directory().display()).as_bytes())
}

fn clone_of(root: &Path, name: &str, full: bool) -> (Repository, CloneOutcome) {
    let store = root.join("store");
    let options = CloneOptions {
        uri: RemoteUri::parse(store.to_str().unwrap(), root).unwrap(),
        name: "lab".parse().unwrap(),
        directory: root.join(name),
        project: Some(Settings::default().project),
        full,
    };
    let outcome = clone(&options, Settings::default(), &NoProgress).unwrap();
    (Repository::discover(&root.join(name), Settings::default()).unwrap(), outcome)
}

fn fetched(repo: &Repository) -> TrafficCount {
    fetch(repo, &FetchOptions::default(), &NoProgress).unwrap().traffic
}

/// The number of Git packs and of segments that the log names.
fn files(repo: &Repository) -> (usize, usize) {
    let mut connection = Connection::open(repo, None).unwrap();
    connection.refresh(&NoProgress).unwrap();
    let remote_state = connection.state.remote_state();
    (remote_state.meta.len(), remote_state.segments.len())
}

/// Counts the requests to clone the remote, to read one file in the new clone, to fetch one push,
/// and to push without changes.
#[derive(Debug)]
struct Requests {
    clone: u64,
    file: u64,
    fetch: u64,
    push: u64,
}

#[test]
fn a_reader_makes_few_requests_however_many_pushes_there_were() {
    // If entries can be siblings, a list request looks for concurrent pushes.
    for (guarantee, more, pushes) in [(Guarantee::Exclusive, 0, 300), (Guarantee::None, 1, 64)] {
        let root = directory();
        let repo = repository(root.path(), "a", guarantee);
        let mut follower = None;
        for number in 1..=pushes {
            let is_measured = [1, 7, 10, 63, 64, 100, 255, 300].contains(&number);
            if let Some(follower) = follower.as_ref().filter(|_| is_measured) {
                fetched(follower);
            }
            push_one(&repo, number);
            if is_measured {
                let (there, cloned) = clone_of(root.path(), &format!("b{number}"), false);
                fetch_missing(&there, &[content_of(&repo, number / 2 + 1)], &NoProgress).unwrap();
                let file = there.settings().transfer.ledger.total().unwrap();
                let made = Requests {
                    clone: cloned.traffic.requests,
                    file: file.requests,
                    fetch: follower.as_ref().map_or(0, |follower| fetched(follower).requests),
                    push: push(&repo, &PushOptions::default(), &NoProgress)
                        .unwrap()
                        .traffic
                        .requests,
                };
                assert!(made.clone <= 40 + more, "{number}: {made:?}");
                assert!(made.file <= 3, "{number}: {made:?}");
                assert!(made.fetch <= 8 + more, "{number}: {made:?}");
                assert!(made.push <= 3, "{number}: {made:?}");
                follower.get_or_insert(there);
            }
        }
        let (full, cloned) = clone_of(root.path(), "full", true);
        check_has_all_of(&repo, &full, pushes);
        assert!(cloned.traffic.requests <= 60 + more, "{:?}", cloned.traffic);
        check_has_all_of(&repo, &follower.unwrap(), 0);
    }
}

#[test]
#[ignore = "takes minutes: run it by its name"]
fn a_full_clone_after_two_thousand_pushes_makes_fewer_than_150_requests() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    for number in 1..=2000 {
        push_one(&repo, number);
    }
    let (full, cloned) = clone_of(root.path(), "full", true);
    check_has_all_of(&repo, &full, 2000);
    let checkpoints = std::fs::read_dir(root.path().join("store/checkpoint")).unwrap().count();
    assert!(cloned.traffic.requests < 150 && checkpoints <= 4, "{:?}", cloned.traffic);
}

#[test]
fn content_packs_are_compacted_and_no_content_is_lost() {
    for guarantee in [Guarantee::Exclusive, Guarantee::None] {
        let root = directory();
        let repo = repository(root.path(), "a", guarantee);
        let pushes = 2 * EVERY as usize;
        (1..=pushes).for_each(|number| drop(push_one(&repo, number)));
        let mut connection = Connection::open(&repo, None).unwrap();
        connection.refresh(&NoProgress).unwrap();
        let remote_state = connection.state.remote_state();
        assert!(remote_state.packs.len() < MANY_PACKS, "{}", remote_state.packs.len());
        assert!(
            remote_state.retired.values().filter(|one| one.kind == StoredKind::Pack).count() >= 8
        );
        // The compacted packs hold all content: the inputs are not needed.
        let retired = remote_state.retired.values().filter(|one| one.kind == StoredKind::Pack);
        let keys: Vec<String> = retired.map(|one| FileKind::Pack.key(one.id)).collect();
        connection.log.store().delete(&keys).unwrap();
        let (full, cloned) = clone_of(root.path(), "full", true);
        check_has_all_of(&repo, &full, pushes);
        assert!(cloned.traffic.requests < 40, "{:?}", cloned.traffic);
        // A lazy clone also finds each file, and nothing is pushed twice.
        let (lazy, _) = clone_of(root.path(), "lazy", false);
        fetch_missing(&lazy, &[content_of(&repo, 1)], &NoProgress).unwrap();
        assert!(lazy.content().contains(&content_of(&repo, 1)).unwrap());
        assert_eq!(push(&lazy, &PushOptions::default(), &NoProgress).unwrap().entry, None);
    }
}

#[test]
fn a_damaged_pack_is_kept_and_the_others_are_compacted() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    (1..EVERY as usize).for_each(|number| drop(push_one(&repo, number)));
    let (other, _) = clone_of(root.path(), "b", false);
    let mut connection = Connection::open(&other, None).unwrap();
    connection.refresh(&NoProgress).unwrap();
    let (damaged, size) = connection.state.remote_state().packs.iter().next().unwrap();
    let (damaged, bytes) = (*damaged, vec![7; usize::try_from(*size).unwrap()]);
    connection.log.store().write(&FileKind::Pack.key(damaged), bytes).unwrap();
    // A client without a copy of the damaged pack compacts the rest once there is enough.
    (0..EVERY as usize).for_each(|number| drop(push_one(&other, number)));
    connection.refresh(&NoProgress).unwrap();
    let packs = &connection.state.remote_state().packs;
    assert!(packs.contains_key(&damaged) && packs.len() == 2, "{packs:?}");
    // A client with a copy puts its content into a sound pack.
    (0..EVERY as usize).for_each(|number| drop(push_one(&repo, 100 + number)));
    connection.refresh(&NoProgress).unwrap();
    assert!(!connection.state.remote_state().packs.contains_key(&damaged));
    let (full, _) = clone_of(root.path(), "full", true);
    check_has_all_of(&repo, &full, EVERY as usize - 1);
}

#[test]
fn file_sizes_grow_by_factors_and_little_is_rewritten() {
    let (mut files, mut written, mut most) = (BTreeMap::new(), 0, 0);
    let id = |number: u64| Id::of_blob(&number.to_le_bytes());
    let size = 1500;
    for number in 1..=50_000u64 {
        files.insert(id(number), size);
        if number % EVERY == 0 {
            let parts = many(worth_it(&files, MOST));
            if !parts.is_empty() {
                let sum: u64 = parts.iter().map(|(_, size)| size).sum();
                assert!(sum <= MOST);
                files.retain(|id, _| !parts.iter().any(|(part, _)| part == id));
                files.insert(id(1_000_000 + number), sum);
                written += sum;
            }
            most = most.max(files.len());
        }
    }
    let pushed = 50_000 * size;
    assert_eq!(files.values().sum::<u64>(), pushed);
    // The files that cannot grow further are a few of the largest.
    assert!(most <= 6 + (pushed / MOST) as usize, "{most}");
    assert!(written <= 40 * pushed, "{written} of {pushed}");
}

#[test]
fn large_segments_are_compacted_before_there_are_many() {
    let mut remote_state = RemoteState::empty(Protocol::Linear);
    let push = |remote_state: &mut RemoteState, number: u8, size: u64| {
        let segment = Stored { id: Id::of_blob(&[number]), size };
        remote_state.segments.insert(segment.id, segment.size);
        leaves_many_large(remote_state, &[segment])
    };
    assert!(!push(&mut remote_state, 1, 900 << 10));
    assert!(!push(&mut remote_state, 2, 800 << 10));
    assert!(!push(&mut remote_state, 3, 5000), "it is not this one that makes it worth it");
    assert!(push(&mut remote_state, 4, 700 << 10));
}

/// Checks that `there` has all refs of `repo` and this number of their contents.
fn check_has_all_of(repo: &Repository, there: &Repository, contents: usize) {
    for (name, tip) in repo.history().refs("refs/").unwrap() {
        let tracking = name.tracking(&"lab".parse().unwrap());
        assert_eq!(there.history().try_find_ref(&tracking).unwrap(), Some(tip));
        let wanted = content_of_history(there, &[tip], &NoProgress).unwrap();
        let here = wanted.iter().filter(|id| there.content().contains(id).unwrap());
        assert!(here.count() >= contents);
    }
}

#[test]
fn a_client_with_some_inputs_of_a_large_compacted_file_fetches_the_others() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    let push_much = |number| drop(push_saying(&repo, number, Some(long_message(number))));
    (0..MANY).for_each(push_much);
    let (some, _) = clone_of(root.path(), "some", false);
    push_much(MANY);
    let (all, _) = clone_of(root.path(), "all", false);
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    connection.refresh(&NoProgress).unwrap();
    connection.compact(false, &NoProgress);
    assert_eq!(files(&repo), (1, 1));
    let compacted: u64 = connection.state.remote_state().meta.values().sum();
    push_one(&repo, MANY + 1);
    for (reader, most, requests) in [(&all, compacted / 8, 7), (&some, compacted / 2, 9)] {
        // The record of compacted files outlives the command that reads it from the log.
        let mut connection = Connection::open(reader, None).unwrap();
        connection.refresh(&NoProgress).unwrap();
        connection.save().unwrap();
        let traffic = fetched(reader);
        assert!(traffic.received < most, "{traffic:?} {compacted}");
        assert!(traffic.requests <= requests, "{traffic:?}");
        check_has_all_of(&repo, reader, 0);
        let before = reader.settings().transfer.ledger.total().unwrap();
        fetch_missing(reader, &[content_of(&repo, 1)], &NoProgress).unwrap();
        let after = reader.settings().transfer.ledger.total().unwrap();
        assert_eq!(after.requests - before.requests, 1, "the index is complete");
    }
    let (fresh, cloned) = clone_of(root.path(), "fresh", true);
    assert!(cloned.traffic.received > compacted);
    check_has_all_of(&repo, &fresh, MANY + 2);
}

#[test]
fn a_deleted_input_does_no_harm_if_the_compacted_file_exists() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    let push_much = |number| drop(push_saying(&repo, number, Some(long_message(number))));
    (0..MANY).for_each(push_much);
    let (some, _) = clone_of(root.path(), "some", false);
    push_much(MANY);
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    connection.refresh(&NoProgress).unwrap();
    connection.compact(false, &NoProgress);
    let retired: Vec<String> = connection
        .state
        .remote_state()
        .retired
        .values()
        .map(|one| match one.kind {
            StoredKind::Meta => FileKind::Meta.key(one.id),
            _ => FileKind::Segment.key(one.id),
        })
        .collect();
    connection.log.store().delete(&retired).unwrap();
    fetched(&some);
    check_has_all_of(&repo, &some, 0);
    fetch_missing(&some, &[content_of(&repo, 1)], &NoProgress).unwrap();
    assert!(some.content().contains(&content_of(&repo, 1)).unwrap());
}

/// Compacts over a store that fails with `fault` at request `at`. Counts only the first reading
/// requests and all other requests. Returns true if the fault occurred.
fn compact_with(repo: &Repository, fault: Fault, at: u64) -> bool {
    let mut connection = Connection::open(repo, None).unwrap();
    connection.refresh(&NoProgress).unwrap();
    let objects = FsStore::new(repo.directory().join("../../store"));
    let (reads, rest) = (AtomicU64::new(0), AtomicU64::new(READS));
    let happened = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&happened);
    let script = move |_, request: Request, key: &str| {
        let counter = if request == Request::Read { &reads } else { &rest };
        let number = counter.fetch_add(u64::from(key != ART_TOML), Ordering::SeqCst);
        let is_meant = number == at && key != ART_TOML && (request != Request::Read || at < READS);
        note.fetch_or(is_meant, Ordering::SeqCst);
        is_meant.then_some(fault)
    };
    let options =
        StoreOptions { retries: 0, first_wait: Duration::ZERO, ..StoreOptions::default() };
    let store = FaultStore::new(Arc::new(objects), script);
    connection.log = Log::open(Store::on(Arc::new(store), "the store", options)).unwrap();
    connection.compact(false, &NoProgress);
    happened.load(Ordering::SeqCst)
}

/// The number of reading requests that fail in turn.
const READS: u64 = 2;

#[test]
fn no_failure_of_compaction_does_harm() {
    for guarantee in [Guarantee::Exclusive, Guarantee::None] {
        for fault in [Fault::Refused, Fault::AnswerLost, Fault::Cut] {
            let root = directory();
            let repo = repository(root.path(), "a", guarantee);
            let mut pushes = MANY;
            (0..pushes).for_each(|number| drop(push_one(&repo, number)));
            let mut steps = 0;
            while compact_with(&repo, fault, steps) {
                check_sound(root.path(), &repo, steps);
                steps += 1;
                // Each round needs files to compact.
                while files(&repo).0 < MANY {
                    pushes += 1;
                    push_one(&repo, pushes);
                }
            }
            check_sound(root.path(), &repo, steps);
            assert_eq!(files(&repo), (1, 1), "what failed is done by the next one");
            assert!(steps >= READS + 5, "{steps}");
        }
    }
}

/// Checks that a clone has all pushed data, and that the repository can push and fetch.
fn check_sound(root: &Path, repo: &Repository, at: u64) {
    let name = format!("clone-{at}");
    let (there, _) = clone_of(root, &name, true);
    for (name, tip) in repo.history().refs("refs/").unwrap() {
        assert_eq!(there.history().try_find_ref(&name).unwrap(), Some(tip), "{at}");
        for id in content_of_history(&there, &[tip], &NoProgress).unwrap() {
            assert!(there.content().contains(&id).unwrap(), "{at}: {id}");
        }
    }
    atomic::remove_tree(&root.join(name)).unwrap();
}

#[test]
fn one_of_two_concurrent_compactions_wins_if_the_store_has_exclusive_create() {
    for (guarantee, compactions) in [(Guarantee::Exclusive, 1), (Guarantee::None, 1)] {
        let root = directory();
        let repo = repository(root.path(), "a", guarantee);
        for number in 0..MANY {
            push_one(&repo, number);
        }
        let (other, _) = clone_of(root.path(), "b", false);
        let mut first = Connection::open_or_make(&repo, None, false).unwrap();
        let mut second = Connection::open(&other, None).unwrap();
        first.refresh(&NoProgress).unwrap();
        second.refresh(&NoProgress).unwrap();
        second.import(&NoProgress).unwrap();
        first.compact(false, &NoProgress);
        second.compact(false, &NoProgress);
        // The same inputs give the same compacted file for every client.
        assert_eq!(files(&repo), (compactions, compactions), "{guarantee:?}");
        check_sound(root.path(), &repo, 0);
    }
}
