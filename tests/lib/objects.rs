//! Objects are whole or absent: with parallel writers, after a crash, and after damage on disk.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use artifacts::fs::fault::{self, Action};
use artifacts::history::History;
use artifacts::{ErrorKind, Id};

use super::git;
use super::refs_crash::child;

/// More than become loose files.
const MANY: usize = 40;

fn open(directory: &Path) -> History {
    History::open(directory).unwrap()
}

fn empty() -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().unwrap();
    History::init(directory.path()).unwrap();
    let history = open(directory.path());
    (directory, history)
}

fn contents(seed: usize, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("content {n} of {seed} ").repeat(n + 1).into_bytes()).collect()
}

/// Writes `count` blobs in one go: a pack if there are many, else loose files.
fn write(history: &History, seed: usize, count: usize) -> artifacts::Result<Vec<Id>> {
    let mut writer = history.writer()?;
    let ids = contents(seed, count).iter().map(|bytes| writer.blob(bytes)).collect();
    writer.flush()?;
    ids
}

fn assert_readable(history: &History, seed: usize, count: usize) {
    for bytes in contents(seed, count) {
        let id = Id::of_blob(&bytes);
        assert!(history.contains(&id));
        assert_eq!(history.read_blob(&id).unwrap(), bytes);
    }
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn objects_of_another_process_are_found_after_an_earlier_look_up() {
    let (directory, reader) = empty();
    let writer = open(directory.path());
    assert!(!reader.contains(&Id::of_blob(&contents(1, 1)[0])));
    write(&writer, 1, 3).unwrap();
    assert_readable(&reader, 1, 3);
    // More packs than anyone made room for when the reader looked first.
    for seed in 100..180 {
        write(&writer, seed, MANY).unwrap();
    }
    for seed in 100..180 {
        assert_readable(&reader, seed, MANY);
    }
}

#[test]
fn existing_objects_are_not_written_again() {
    let (directory, history) = empty();
    write(&history, 1, MANY).unwrap();
    write(&history, 2, 5).unwrap();
    let before = files_in(directory.path());
    let mut writer = history.writer().unwrap();
    for bytes in contents(1, MANY).iter().chain(&contents(2, 5)) {
        writer.blob(bytes).unwrap();
        writer.blob(bytes).unwrap();
    }
    assert_eq!(writer.flush().unwrap().count, 0);
    assert_eq!(files_in(directory.path()), before);
}

#[test]
fn objects_that_were_removed_meanwhile_are_written_again() {
    let (directory, history) = empty();
    write(&history, 1, MANY).unwrap();
    assert_readable(&history, 1, MANY);
    let pack_directory = directory.path().join("objects/pack");
    for path in files_in(&pack_directory) {
        std::fs::remove_file(path).unwrap();
    }
    write(&history, 1, MANY).unwrap();
    assert_eq!(files_in(&pack_directory).len(), 2);
    assert_readable(&history, 1, MANY);
    assert_readable(&open(directory.path()), 1, MANY);
}

#[test]
fn objects_beyond_the_memory_limit_spill_into_packs_that_are_readable() {
    let (directory, history) = empty();
    let mut writer = history.writer().unwrap();
    let blob = |n: u32| n.to_le_bytes().repeat(1 << 18);
    let tree = writer.tree(Vec::new()).unwrap();
    let ids: Vec<_> = (0..40).map(|n| writer.blob(&blob(n)).unwrap()).collect();
    assert_eq!(files_in(&directory.path().join("objects/pack")).len(), 4, "it spilled twice");
    assert_eq!(writer.read_tree(&tree).unwrap(), []);
    assert_eq!(writer.blob(&blob(3)).unwrap(), ids[3]);
    let written = writer.flush().unwrap();
    assert_eq!((written.count, written.packed), (41, true));
    for (n, id) in (0..).zip(ids) {
        assert_eq!(history.read_blob(&id).unwrap(), blob(n));
    }
}

#[test]
fn an_object_too_large_to_be_read_back_is_refused() {
    let (_directory, history) = empty();
    let mut writer = history.writer().unwrap();
    let error = writer.blob(&vec![0; (64 << 20) + 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn parallel_writers_and_readers_lose_nothing() {
    let (directory, shared) = empty();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (shared, directory) = (&shared, directory.path());
            scope.spawn(move || {
                let own = open(directory);
                let history = if thread % 2 == 0 { shared } else { &own };
                for round in 0..8 {
                    let count = if round % 2 == 0 { 3 } else { MANY };
                    // Every second round all threads write the same.
                    let seed = if round < 4 { round } else { 100 * thread + round };
                    write(history, seed, count).unwrap();
                    assert_readable(shared, seed, count);
                }
            });
        }
    });
    assert!(files_in(&directory.path().join("tmp")).is_empty());
    let found = git::run(directory.path(), &["fsck", "--full", "--strict", "--no-dangling"]);
    assert!(!found.contains("error"), "{found}");
}

/// After a stop at any step nothing is half there, and the same again completes it.
fn check_after_stop(directory: &Path, count: usize) {
    let history = open(directory);
    for bytes in contents(1, count) {
        match history.read_blob(&Id::of_blob(&bytes)) {
            Ok(found) => assert_eq!(found, bytes),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
    }
    let names: HashSet<_> = files_in(&directory.join("objects/pack")).into_iter().collect();
    for index in names.iter().filter(|path| path.extension().is_some_and(|e| e == "idx")) {
        assert!(names.contains(&index.with_extension("pack")), "an index without its pack");
    }
    write(&history, 1, count).unwrap();
    assert_readable(&history, 1, count);
    git::run(directory, &["fsck", "--full", "--strict", "--no-dangling"]);
}

#[test]
fn a_writer_that_dies_at_any_step_leaves_whole_objects_or_none() {
    for count in [3, MANY] {
        let mut step = 0;
        loop {
            step += 1;
            let (directory, _) = empty();
            std::fs::write(directory.path().join("stop"), format!("{step} {count}")).unwrap();
            let status = child("objects::dies_at_a_step", directory.path()).status().unwrap();
            check_after_stop(directory.path(), count);
            if status.success() {
                break;
            }
        }
        assert!(step > 5, "{count} objects have {step} steps");
    }
}

#[test]
#[ignore = "dies; run by another test as a process of its own"]
fn dies_at_a_step() {
    let Ok(order) = std::fs::read_to_string("stop") else { return };
    let (step, count) = order.split_once(' ').unwrap();
    let history = open(Path::new("."));
    fault::arm(step.parse().unwrap(), Action::Abort);
    write(&history, 1, count.parse().unwrap()).unwrap();
    assert!(fault::disarm(), "the step was reached and the process continues");
}

#[test]
fn a_disk_that_is_full_at_any_step_leaves_whole_objects_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let status = child("objects::fails_at_every_step", directory.path()).status().unwrap();
    assert!(status.success(), "run: cargo test --test lib fails_at_every_step -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn fails_at_every_step() {
    for count in [3, MANY] {
        for step in 1.. {
            let (directory, history) = empty();
            fault::arm(step, Action::DiskFull);
            let result = write(&history, 1, count);
            let is_over = fault::disarm();
            assert_eq!(result.is_ok(), is_over);
            assert!(files_in(&directory.path().join("tmp")).is_empty(), "step {step}");
            check_after_stop(directory.path(), count);
            if is_over {
                break;
            }
        }
    }
}

/// Every object is read as it was written, or not at all.
fn assert_never_wrong(directory: &Path, count: usize, what: &str) -> bool {
    let Ok(history) = History::open(directory) else { return false };
    contents(1, count).iter().all(|bytes| {
        let id = Id::of_blob(bytes);
        let _ = history.try_kind(&id);
        match history.read_blob(&id) {
            Ok(found) => {
                assert_eq!(found, *bytes, "{what}");
                true
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound), "{what}");
                false
            }
        }
    })
}

#[test]
fn no_changed_byte_on_disk_is_ever_read_as_content() {
    for (count, step) in [(3, 1), (MANY, 23)] {
        let (directory, history) = empty();
        write(&history, 1, count).unwrap();
        for file in files_in(&directory.path().join("objects")) {
            let whole = std::fs::read(&file).unwrap();
            // Written objects are read-only.
            std::fs::remove_file(&file).unwrap();
            let mut harmless = 0;
            for at in (0..whole.len()).step_by(step) {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x41;
                std::fs::write(&file, &damaged).unwrap();
                let what = format!("byte {at} of {}", file.display());
                harmless += usize::from(assert_never_wrong(directory.path(), count, &what));
            }
            assert!(harmless * step * 2 < whole.len(), "most damage is noticed: {harmless}");
            for length in (0..whole.len()).step_by(step * 7) {
                std::fs::write(&file, &whole[..length]).unwrap();
                assert_never_wrong(directory.path(), count, &format!("cut at {length}"));
            }
            std::fs::write(&file, &whole).unwrap();
        }
        assert!(assert_never_wrong(directory.path(), count, "put right again"));
    }
}
