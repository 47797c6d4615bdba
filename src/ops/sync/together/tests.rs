//! Many small pushes put together: what it saves, and that no failure of it does harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::super::{content_of_history, take_in};
use super::*;
use crate::fs::atomic;
use crate::ops::clone::{CloneOptions, CloneOutcome, clone};
use crate::ops::fetch::{FetchOptions, fetch};
use crate::ops::push::{PushOptions, PushOutcome, push};
use crate::ops::upload::{Source, UploadOptions, upload};
use crate::remote::fault::{Fault, FaultStore, Request};
use crate::remote::layout::ART_TOML;
use crate::remote::{FsStore, Guarantee, Log, RemoteUri, Store, StoreOptions};
use crate::repo::{RemoteConfig, Settings};

/// A directory in memory, where there is one: thousands of files are synced.
fn directory() -> TempDir {
    match tempfile::tempdir_in("/dev/shm") {
        Ok(directory) => directory,
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

/// A repository below `root` with the remote `lab`, which all of them share.
fn repository(root: &Path, name: &str, guarantee: Guarantee) -> Repository {
    let directory = root.join(name);
    atomic::create_dir_all(&directory).unwrap();
    Repository::init(&directory, "").unwrap();
    let repo = Repository::discover(&directory, Settings::default()).unwrap();
    let uri = root.join("store").to_str().unwrap().to_owned();
    let guarantee = Some(guarantee);
    repo.add_remote(&RemoteConfig { name: "lab".parse().unwrap(), uri, guarantee }).unwrap();
    repo
}

/// Uploads a small file of its own to the run, and pushes.
fn push_one(repo: &Repository, number: usize) -> PushOutcome {
    let cwd = repo.directory().parent().unwrap().to_owned();
    let content = format!("{number} {}", repo.directory().display());
    let file = format!("file-{number}");
    atomic::write(&cwd.join(&file), &cwd, content.as_bytes()).unwrap();
    let options =
        UploadOptions { cwd, sources: vec![Source::Path(file.into())], ..UploadOptions::default() };
    upload(repo, &options, &mut io::empty(), &NoProgress).unwrap();
    push(repo, &PushOptions::default(), &NoProgress).unwrap()
}

fn clone_of(root: &Path, name: &str, full: bool) -> (Repository, CloneOutcome) {
    let store = root.join("store");
    let options = CloneOptions {
        uri: RemoteUri::parse(store.to_str().unwrap(), root).unwrap(),
        name: "lab".parse().unwrap(),
        directory: root.join(name),
        config: String::new(),
        has_project: true,
        full,
        command: "clone".to_owned(),
    };
    let outcome = clone(&options, Settings::default(), &NoProgress).unwrap();
    (Repository::discover(&root.join(name), Settings::default()).unwrap(), outcome)
}

fn fetch_received(repo: &Repository) -> u64 {
    fetch(repo, &FetchOptions::default(), &NoProgress).unwrap().traffic.received
}

/// The meta packs and the segments that the log names.
fn files(repo: &Repository) -> (usize, usize) {
    let mut connection = Connection::open(repo, None).unwrap();
    connection.refresh(&NoProgress).unwrap();
    let fold = connection.state.fold();
    (fold.meta.len(), fold.segments.len())
}

#[test]
fn after_two_hundred_pushes_a_clone_makes_few_requests() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    push_one(&repo, 0);
    for number in 1..200 {
        push_one(&repo, number);
        if number == 63 {
            assert_eq!(files(&repo), (1, 1));
        }
    }
    let (there, outcome) = clone_of(root.path(), "b", false);
    assert!(outcome.traffic.requests <= 40, "{:?}", outcome.traffic);
    let (meta, segments) = files(&there);
    assert!(meta <= 16 && segments <= 16, "{meta} {segments}");
    let (full, _) = clone_of(root.path(), "full", true);
    for (name, tip) in repo.history().refs("refs/").unwrap() {
        assert_eq!(full.history().try_find_ref(&name).unwrap(), Some(tip));
        let wanted = content_of_history(&full, &[tip], &NoProgress).unwrap();
        assert_eq!(wanted.len(), 200);
        for id in wanted {
            assert!(full.content().contains(&id).unwrap(), "{id}");
        }
    }
}

#[test]
fn who_has_all_parts_is_not_sent_the_union_and_who_has_some_is() {
    let root = directory();
    let repo = repository(root.path(), "a", Guarantee::Exclusive);
    (0..MANY).for_each(|number| drop(push_one(&repo, number)));
    let (some, _) = clone_of(root.path(), "some", false);
    (MANY..2 * MANY).for_each(|number| drop(push_one(&repo, number)));
    let (all, _) = clone_of(root.path(), "all", false);
    let mut connection = Connection::open_or_make(&repo, None).unwrap();
    connection.refresh(&NoProgress).unwrap();
    put_together(&repo, &mut connection, &NoProgress);
    let union: u64 = connection.state.fold().meta.values().sum();
    push_one(&repo, 2 * MANY);
    let (little, much) = (fetch_received(&all), fetch_received(&some));
    assert!(little < union / 2 && much > union, "{little} {much} {union}");
    let (name, tip) = repo.history().refs("refs/runs/").unwrap().remove(0);
    let tracking = name.tracking(&"lab".parse().unwrap());
    for other in [&all, &some] {
        assert_eq!(other.history().try_find_ref(&tracking).unwrap(), Some(tip));
    }
}

/// Puts together over a store that lets `fault` happen at the request `at`: of the first few that
/// read and all that do not. Gives whether it did.
fn put_together_with(repo: &Repository, fault: Fault, at: u64) -> bool {
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
        StoreOptions { attempts: 1, first_wait: Duration::ZERO, ..StoreOptions::default() };
    let store = FaultStore::new(Arc::new(objects), script);
    connection.log = Log::open(Store::on(Arc::new(store), "the store", options)).unwrap();
    put_together(repo, &mut connection, &NoProgress);
    happened.load(Ordering::SeqCst)
}

/// So many of the requests that read fail in turn.
const READS: u64 = 2;

#[test]
fn no_failure_of_putting_together_does_harm() {
    for guarantee in [Guarantee::Exclusive, Guarantee::None] {
        for fault in [Fault::Refused, Fault::AnswerLost, Fault::Cut] {
            let root = directory();
            let repo = repository(root.path(), "a", guarantee);
            (0..MANY).for_each(|number| drop(push_one(&repo, number)));
            let mut steps = 0;
            while put_together_with(&repo, fault, steps) {
                is_sound(root.path(), &repo, steps);
                steps += 1;
                // So that there is always something to do.
                for number in files(&repo).0..MANY {
                    push_one(&repo, 1000 * steps as usize + number);
                }
            }
            is_sound(root.path(), &repo, steps);
            assert_eq!(files(&repo), (1, 1), "what failed is done by the next one");
            assert!(steps >= READS + 5, "{steps}");
        }
    }
}

/// A clone has all that was pushed, and the repository can push and fetch.
fn is_sound(root: &Path, repo: &Repository, at: u64) {
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
fn of_two_who_put_the_same_together_at_once_one_does_where_the_store_can() {
    for (guarantee, unions) in [(Guarantee::Exclusive, 1), (Guarantee::None, 1)] {
        let root = directory();
        let repo = repository(root.path(), "a", guarantee);
        for number in 0..MANY {
            push_one(&repo, number);
        }
        let (other, _) = clone_of(root.path(), "b", false);
        let mut first = Connection::open_or_make(&repo, None).unwrap();
        let mut second = Connection::open(&other, None).unwrap();
        first.refresh(&NoProgress).unwrap();
        let news = second.refresh(&NoProgress).unwrap();
        take_in(&other, &mut second, &news, &NoProgress).unwrap();
        put_together(&repo, &mut first, &NoProgress);
        put_together(&other, &mut second, &NoProgress);
        // The same parts make the same union, whoever does it.
        assert_eq!(files(&repo), (unions, unions), "{guarantee:?}");
        is_sound(root.path(), &repo, 0);
    }
}
