//! Garbage collection on a remote: unneeded files go, needed content stays, whoever pushes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifacts::Repository;
use artifacts::ops::fsck::remote::{Depth, RemoteFsckOptions, fsck_remote};
use artifacts::ops::gc::{GcRemoteOptions, GcRemoteOutcome, gc_remote};
use artifacts::remote::fault::{Fault, FaultStore, Request};
use artifacts::remote::log::Proposal;
use artifacts::remote::{self, RemoteUri, Store, StoreOptions};
use artifacts::repo::TransferSettings;
use artifacts::{ErrorKind, NoProgress, PushOptions, Result, push};

use crate::campaign::{Log, World, transfer};
use crate::common::{noise, thorough};

const ALONE: bool = true;

/// A world whose remote has a deleted run with content of its own, and a replaced version.
pub(crate) fn with_garbage(log: Log) -> World {
    let world = World::shared(log);
    world.sandbox.write("a/waste.bin", noise(77, 400_000));
    world.sandbox.art("-C a run --name waste").ok();
    world.sandbox.art("-C a upload waste.bin -m waste").ok();
    world.sandbox.art("-C a push").ok();
    world.sandbox.art("-C a runs delete waste --yes --force").ok();
    world.sandbox.art("-C a push").ok();
    world
}

/// Collects garbage as the machine `machine`.
pub(crate) fn collect(
    world: &World,
    machine: &str,
    transfer: TransferSettings,
    alone: bool,
) -> Result<GcRemoteOutcome> {
    collect_in(&world.open(machine, transfer), alone)
}

fn collect_in(repo: &Repository, alone: bool) -> Result<GcRemoteOutcome> {
    let mut options = GcRemoteOptions::default();
    if alone {
        options = options.grace(Duration::ZERO).prune(Duration::ZERO).alone(true);
    }
    gc_remote(repo, &options, &NoProgress)
}

/// The bytes of the content packs in the store.
fn pack_bytes(world: &World) -> u64 {
    let files = walkdir(&world.store().join("packs"));
    files.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum()
}

fn walkdir(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walkdir(&path)) } else { files.push(path) }
    }
    files
}

/// The log of the remote, and its state now.
fn log_of(world: &World) -> (remote::Log, remote::log::LogState) {
    let uri = RemoteUri::parse(&world.uri(), std::path::Path::new("/")).unwrap();
    let log = remote::Log::open(Store::open(&uri, StoreOptions::default()).unwrap()).unwrap();
    let mut state = log.load().unwrap();
    log.refresh(&mut state).unwrap();
    (log, state)
}

fn is_sound_there(world: &World, context: &str) {
    let options = RemoteFsckOptions::new("origin".parse().unwrap()).depth(Depth::Full);
    let found = fsck_remote(&world.open("a", transfer()), &options, &NoProgress).unwrap();
    assert!(found.sound, "{context}: {:?}", found.defects);
    assert_eq!(found.overtaken.lost_count, 0, "{context}: {:?}", found.overtaken);
}

/// A fresh clone has every byte of every version.
fn a_clone_has_everything(world: &World) {
    world.sandbox.art(&format!("clone '{}' c --full", world.uri())).ok();
    world.sandbox.art("-C c fsck --full").ok();
    world.reads("c", "a clone");
    world.agrees("c", "a clone");
    std::fs::remove_dir_all(world.sandbox.path("c")).unwrap();
}

#[test]
fn a_deleted_run_frees_its_content_and_everything_else_stays() {
    for log in [Log::Linear, Log::Siblings] {
        let world = with_garbage(log);
        let before = pack_bytes(&world);
        let found = collect(&world, "a", transfer(), ALONE).unwrap();
        assert!(found.retired_files > 0 && found.deleted_bytes >= 400_000, "{log:?}: {found:?}");
        assert!(found.failed.is_none() && found.waiting_files == 0, "{log:?}: {found:?}");
        assert_eq!(found.forgotten, 1, "{log:?}: {found:?}");
        assert!(pack_bytes(&world) <= before - 400_000, "{log:?}");
        is_sound_there(&world, "after the collection");
        world.is_sound("after the collection");
        a_clone_has_everything(&world);
        // The other machine pulls, pushes and loses nothing.
        world.sandbox.art("-C b pull").ok();
        world.sandbox.write("b/more.bin", noise(78, 100_000));
        world.sandbox.art("-C b run --name more").ok();
        world.sandbox.art("-C b upload more.bin -m more").ok();
        world.sandbox.art("-C b push").ok();
        // The same bytes again, whose pack has a dead name.
        world.sandbox.art("-C a pull").ok();
        world.sandbox.art("-C a run --name again").ok();
        world.sandbox.art("-C a upload waste.bin -m again").ok();
        world.sandbox.art("-C a push").ok();
        is_sound_there(&world, "after more pushes");
        a_clone_has_everything(&world);
    }
}

#[test]
fn files_wait_for_their_grace_and_replaced_commits_for_their_time() {
    for log in [Log::Linear, Log::Siblings] {
        let world = with_garbage(log);
        let before = pack_bytes(&world);
        let found = collect(&world, "a", transfer(), !ALONE).unwrap();
        assert!(found.forgotten == 0 && found.deleted_files == 0, "{log:?}: {found:?}");
        // The deleted run may still be wanted.
        assert_eq!(found.retired_files, 0, "{log:?}: {found:?}");
        assert_eq!(pack_bytes(&world), before);
        is_sound_there(&world, "within the grace");
        a_clone_has_everything(&world);
    }
}

#[test]
fn a_collection_with_nothing_to_do_needs_few_requests() {
    let world = with_garbage(Log::Linear);
    collect(&world, "a", transfer(), ALONE).unwrap();
    let idle = collect(&world, "a", transfer(), !ALONE).unwrap();
    assert_eq!(idle.entries, 0);
    assert!(idle.traffic.requests <= 6, "{:?}", idle.traffic);
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = with_garbage(Log::Linear);
    let before = walkdir(&world.store());
    let mut options = GcRemoteOptions::default();
    options = options.grace(Duration::ZERO).prune(Duration::ZERO).alone(true).dry_run(true);
    let found = gc_remote(&world.open("a", transfer()), &options, &NoProgress).unwrap();
    assert!(found.retired_bytes >= 400_000 && found.entries == 0, "{found:?}");
    assert_eq!(walkdir(&world.store()), before);
}

#[test]
fn times_that_are_not_safe_beside_other_writers_are_refused() {
    let world = World::shared(Log::Linear);
    let options = GcRemoteOptions::default();
    let day = Duration::from_hours(24);
    for options in [
        options.clone().grace(Duration::from_hours(23)),
        options.clone().grace(day * 14).prune(day * 13),
    ] {
        let error = gc_remote(&world.open("a", transfer()), &options, &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
    let options = options.grace(day * 2).prune(day * 3);
    gc_remote(&world.open("a", transfer()), &options, &NoProgress).unwrap();
    let (_, state) = log_of(&world);
    assert_eq!(state.remote_state().gc_times().to_string(), "grace=2d prune=3d");
}

#[test]
fn a_store_that_refuses_deletions_is_reported_and_asked_again() {
    let world = with_garbage(Log::Linear);
    let refusing = TransferSettings {
        wrap: Some(Arc::new(|inner| {
            Arc::new(FaultStore::new(inner, |_, request, key| {
                let is_file = !key.starts_with("probe/");
                (request == Request::Delete && is_file).then_some(Fault::Refused)
            }))
        })),
        ..transfer()
    };
    let found = collect(&world, "a", refusing, ALONE).unwrap();
    assert!(found.failed.is_some() && found.deleted_files == 0, "{found:?}");
    is_sound_there(&world, "with files that could not be deleted");
    let found = collect(&world, "a", transfer(), ALONE).unwrap();
    assert!(found.failed.is_none() && found.deleted_bytes >= 400_000, "{found:?}");
}

#[test]
fn a_file_that_no_entry_names_is_named_as_deleted_before_it_is_deleted() {
    let world = World::shared(Log::Linear);
    world.sandbox.art("-C a push").ok();
    let id = artifacts::Id::of_blob(b"left over");
    let key = format!("packs/{}/{id}.tar.zst", &id.to_hex()[..2]);
    let path = world.store().join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "left over").unwrap();
    assert_eq!(collect(&world, "a", transfer(), !ALONE).unwrap().deleted_files, 0);
    assert!(path.exists());
    collect(&world, "a", transfer(), ALONE).unwrap();
    assert!(!path.exists());
    assert!(log_of(&world).1.remote_state().is_dead(&id));
}

/// Machines that push beside collections lose nothing.
fn beside_pushers(log: Log, pushes: usize, alone: bool) {
    let world = with_garbage(log);
    world.sandbox.art("-C b pull").ok();
    if !alone {
        let (log, mut state) = log_of(&world);
        let when = artifacts::clock::Timestamp::from_seconds(1_800_000_000);
        let mut proposal = Proposal::new("A <a@example.org>", when, "times");
        proposal.gc = Some("grace=4s prune=4s".parse().unwrap());
        let _ = log.commit(&mut state, &proposal).unwrap();
    }
    let is_done = AtomicBool::new(false);
    let collecting = world.open("a", transfer());
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut entries = 0;
            while !is_done.load(Ordering::SeqCst) {
                match collect_in(&collecting, alone) {
                    Ok(done) => entries += usize::from(done.entries > 0),
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Locked),
                        "{error:?}"
                    ),
                }
            }
            entries
        });
        for number in 0..pushes {
            // Each run needs content that an earlier, deleted run had.
            world.sandbox.write("b/own.bin", noise(100 + number as u64 % 3, 150_000));
            world.sandbox.art(&format!("-C b run --name own-{number}")).ok();
            world.sandbox.art("-C b upload own.bin -m own").ok();
            let repo = world.open("b", transfer());
            push(&repo, &PushOptions::default(), &NoProgress).unwrap();
            if number % 2 == 0 {
                world.sandbox.art(&format!("-C b runs delete own-{number} --yes --force")).ok();
                push(&repo, &PushOptions::default(), &NoProgress).unwrap();
            }
        }
        is_done.store(true, Ordering::SeqCst);
        assert!(collector.join().unwrap() > 0, "{log:?}: nothing was collected");
    });
    is_sound_there(&world, "beside pushers");
    a_clone_has_everything(&world);
}

#[test]
fn pushes_beside_collections_without_a_grace_lose_nothing_in_a_linear_log() {
    beside_pushers(Log::Linear, if thorough() { 50 } else { 6 }, ALONE);
}

#[test]
fn two_collections_at_once_lose_nothing() {
    for log in [Log::Linear, Log::Siblings] {
        let world = with_garbage(log);
        world.sandbox.art("-C b pull").ok();
        let repos = ["a", "b"].map(|machine| world.open(machine, transfer()));
        std::thread::scope(|scope| {
            for repo in &repos {
                scope.spawn(move || {
                    for _ in 0..3 {
                        match collect_in(repo, log == Log::Linear) {
                            Ok(_) => {}
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                            }
                        }
                    }
                });
            }
        });
        is_sound_there(&world, "after two collections");
        a_clone_has_everything(&world);
    }
}

#[test]
fn an_older_clone_with_all_content_pushes_after_a_collection() {
    let world = with_garbage(Log::Linear);
    // `b` does not know of the collection, and its new run needs what was collected.
    world.sandbox.art("-C b fetch").ok();
    collect(&world, "a", transfer(), ALONE).unwrap();
    world.sandbox.write("b/waste.bin", noise(77, 400_000));
    world.sandbox.art("-C b run --name mine").ok();
    world.sandbox.art("-C b upload waste.bin -m mine").ok();
    world.sandbox.art("-C b push").ok();
    is_sound_there(&world, "after the push of the older clone");
    a_clone_has_everything(&world);
}

#[test]
fn an_evicted_clone_is_told_of_commits_that_the_remote_let_go_of() {
    let world = with_garbage(Log::Linear);
    world.sandbox.art("-C a evict --yes").ok();
    collect(&world, "a", transfer(), ALONE).unwrap();
    world.sandbox.art("-C a fetch").ok();
    world.sandbox.art("-C a fsck").ok();
    world.sandbox.art("-C a download v1 --to out").ok();
}

#[test]
fn a_collection_that_lacks_needed_content_removes_nothing() {
    let world = with_garbage(Log::Linear);
    let (_, state) = log_of(&world);
    // The index of the remote is lost, so no content has a location.
    for id in state.remote_state().segments.keys() {
        let hex = id.to_hex();
        let path = world.store().join(format!("index/{}/{hex}.idx", &hex[..2]));
        std::fs::write(path, "damaged").unwrap();
    }
    world.sandbox.shell("rm -rf a/.artifacts/cache/remotes/origin").ok();
    let before = walkdir(&world.store()).len();
    let error = collect(&world, "a", transfer(), ALONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_eq!(walkdir(&world.store()).len(), before);
}
