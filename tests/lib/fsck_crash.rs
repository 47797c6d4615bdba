//! A check during writes finds nothing wrong, and a repair that stops at any step can be repeated.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use artifacts::fs::fault::{self, Action};
use artifacts::ops::fsck::{FsckOptions, FsckOutcome, fsck};
use artifacts::repo::Repository;
use artifacts::{NoProgress, Result};

use crate::damaged::base::{open, upload_state};
use crate::damaged::read_all;
use crate::fixtures::{small, small_with};
use crate::refs_crash::child;

fn repair(repo: &Repository) -> Result<FsckOutcome> {
    fsck(repo, &FsckOptions::default().full(true).repair(true), &NoProgress)
}

/// Damage to every part that a repair writes to.
const STOPPED: [&str; 8] = [
    "pack-truncated",
    "pack-frame-flipped-byte",
    "pack-wrong-name",
    "manifest-wrong-chunk",
    "segment-truncated",
    "packed-refs-torn",
    "object-truncated",
    "operations-log-garbage",
];

#[test]
fn a_repair_that_is_stopped_anywhere_can_be_done_again() {
    let place = tempfile::tempdir().unwrap();
    let status = child("fsck_crash::stops_everywhere", place.path()).status().unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "arms faults for its whole process; run by another test as a process of its own"]
fn stops_everywhere() {
    for name in STOPPED {
        let top = tempfile::tempdir().unwrap();
        let repo = open(&small_with(name, top.path()));
        let expected = repair(&repo).unwrap();
        let readable = read_all(&repo, name);
        assert!(!expected.repairs.is_empty());
        let mut step = 0;
        loop {
            step += 1;
            let top = tempfile::tempdir().unwrap();
            let directory = small_with(name, top.path());
            let before = read_all(&open(&directory), name);
            fault::arm(step, Action::DiskFull);
            let stopped = repair(&open(&directory));
            if fault::disarm() {
                assert!(stopped.is_ok());
                break;
            }
            let between = read_all(&open(&directory), name);
            assert!(between >= before, "{name}, step {step}: {between} of {before}");
            let repo = open(&directory);
            let outcome = repair(&repo).unwrap();
            assert_eq!(outcome.sound, expected.sound, "{name}, step {step}: {:?}", outcome.defects);
            assert_eq!(read_all(&repo, name), readable, "{name}, step {step}");
        }
        assert!(step > 3, "{name} is repaired in {step} steps");
    }
}

/// Uploads one state after the other to a run of its own.
fn write_states(directory: &Path, run: &str) {
    let work = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let repo = open(directory);
        std::fs::create_dir_all(work.path().join("state-4/more")).unwrap();
        let more = work.path().join(format!("state-4/more/{round}"));
        std::fs::write(more, format!("{run} {round}").repeat(900)).unwrap();
        upload_state(&repo, work.path(), run, 4, None);
    }
}

#[test]
fn a_check_beside_writers_finds_nothing_wrong() {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    let mut checks = 0;
    std::thread::scope(|scope| {
        let writers = ["one", "two"].map(|run| {
            scope.spawn({
                let directory = &directory;
                move || write_states(directory, run)
            })
        });
        while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let options = FsckOptions::default().full(checks % 2 == 1);
            let outcome = fsck(&open(&directory), &options, &NoProgress).unwrap();
            assert!(outcome.sound, "{:?}", outcome.defects);
            checks += 1;
        }
    });
    assert!(checks > 1);
    let outcome = fsck(&open(&directory), &FsckOptions::default(), &NoProgress).unwrap();
    assert_eq!(outcome.checked.commits, 4 + 24);
}

#[test]
fn uploads_beside_sweeps_of_temporary_files_never_fail() {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    let is_over = AtomicBool::new(false);
    let mut sweeps = 0;
    std::thread::scope(|scope| {
        let writers = ["one", "two", "three"].map(|run| {
            let directory = &directory;
            scope.spawn(move || write_states(directory, run))
        });
        let sweepers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut count = 0;
                while !is_over.load(Ordering::SeqCst) {
                    // A writer begins with a sweep.
                    drop(open(&directory).content().begin().unwrap());
                    count += 1;
                }
                count
            })
        });
        let written = writers.map(std::thread::ScopedJoinHandle::join);
        is_over.store(true, Ordering::SeqCst);
        sweeps += sweepers.map(|sweeper| sweeper.join().unwrap()).iter().sum::<u32>();
        assert!(written.iter().all(std::result::Result::is_ok));
    });
    assert!(sweeps > 0);
    let outcome = fsck(&open(&directory), &FsckOptions::default(), &NoProgress).unwrap();
    assert!(outcome.sound, "{:?}", outcome.defects);
    assert_eq!(outcome.checked.commits, 4 + 36);
}
