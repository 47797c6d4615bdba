//! Remote-tracking refs, which a fetch moves. They are separate from the refs of the repository and
//! appear in no log.

use std::path::Path;

use artifacts::fs::fault::{self, Action};
use artifacts::history::{Commit, Expected, Revision};
use artifacts::name::RefName;
use artifacts::{ErrorKind, Id, Name, Result};

use super::refs::{Place, TIMEOUT, ada, git, run};
use super::refs_crash::child;

fn origin() -> Name {
    "origin".parse().unwrap()
}

fn tracking(name: &str) -> RefName {
    run(name).tracking(&origin())
}

/// Moves tracking refs, whatever they were.
fn track(place: &Place, refs: &[(&str, Option<usize>)]) -> Result<usize> {
    let mut transaction = place.history.transaction(&ada(5), "fetch");
    transaction.unrecorded();
    for (name, commit) in refs {
        let new = commit.map(|n| place.commits[n]);
        transaction.update(tracking(name), Expected::Any, new, "fetch");
    }
    Ok(transaction.commit(TIMEOUT)?.changes.len())
}

fn tracked(place: &Place) -> Vec<(String, Id)> {
    let refs = place.history.refs("refs/remotes/").unwrap();
    refs.into_iter().map(|(name, id)| (name.to_string(), id)).collect()
}

fn operations(place: &Place) -> usize {
    place.history.operations().unwrap().count()
}

#[test]
fn tracking_refs_are_moved_without_a_record_and_seen_by_git() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(1))]);
    let before = (place.refs(), operations(&place));
    assert_eq!(track(&place, &[("a", Some(2)), ("c", Some(3))]).unwrap(), 2);
    assert_eq!(track(&place, &[("a", Some(2)), ("c", Some(4)), ("gone", None)]).unwrap(), 1);
    assert_eq!((place.refs(), operations(&place)), before);
    let expected = [("a", 2), ("c", 4)].map(|(name, n)| (tracking(name), place.commits[n]));
    assert_eq!(place.history.refs("refs/remotes/").unwrap(), expected);
    assert_eq!(place.history.refs("refs/remotes/origin/runs/o/p/c").unwrap(), expected[1..]);
    assert_eq!(place.history.refs(&RefName::tracking_prefix(&"o".parse().unwrap())).unwrap(), []);
    assert_eq!(place.git_refs(), [tracked(&place), place.refs()].concat());
    assert_eq!(place.history.find_ref(&tracking("a")).unwrap(), place.commits[2]);
    assert!(!place.path().join("logs/refs/remotes").exists());
    assert_eq!(place.history.reflog(&tracking("a")).unwrap(), []);
    assert_eq!(place.history.ref_names("refs/").unwrap().len(), 2);
    assert_eq!(place.history.ref_names("refs/remotes/").unwrap().len(), 2);
    assert_eq!(place.history.check_refs().unwrap().len(), 0);
    assert_eq!(place.history.restore_refs(TIMEOUT).unwrap(), []);
    // Undo reverts the last local operation.
    place.history.undo(&ada(6), TIMEOUT).unwrap();
    assert_eq!(place.refs(), []);
    assert_eq!(tracked(&place).len(), 2);
    track(&place, &[("a", None), ("c", None)]).unwrap();
    assert_eq!(tracked(&place), []);
}

#[test]
fn loose_refs_of_git_are_moved_and_packed_with_the_others() {
    let place = Place::new();
    let loose = tracking("a").to_string();
    track(&place, &[("a", Some(0)), ("b", Some(0))]).unwrap();
    git(place.path(), &["update-ref", &loose, &place.commits[1].to_hex()]);
    git(place.path(), &["update-ref", "refs/remotes/origin/main", &place.commits[1].to_hex()]);
    git(place.path(), &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    assert_eq!(place.history.find_ref(&tracking("a")).unwrap(), place.commits[1]);
    assert_eq!(tracked(&place)[0], (loose.clone(), place.commits[1]));
    assert_eq!(tracked(&place).len(), 2);
    track(&place, &[("a", Some(2))]).unwrap();
    assert!(!place.path().join(&loose).exists());
    assert_eq!(git(place.path(), &["rev-parse", &loose]).trim(), place.commits[2].to_hex());
    // Git wrote a log of its own, which is no promise that the ref stays.
    track(&place, &[("a", None)]).unwrap();
    assert_eq!(place.history.check_refs().unwrap().len(), 0);
    assert_eq!(place.history.restore_refs(TIMEOUT).unwrap(), []);
    assert_eq!(tracked(&place).len(), 1);
}

#[test]
fn a_damaged_tracking_ref_is_put_aside_for_the_next_fetch() {
    let place = Place::new();
    track(&place, &[("a", Some(0)), ("b", Some(1))]).unwrap();
    let loose = place.path().join(tracking("a").to_string());
    std::fs::create_dir_all(loose.parent().unwrap()).unwrap();
    std::fs::write(&loose, "torn").unwrap();
    assert_eq!(track(&place, &[("a", Some(2))]).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(place.history.check_refs().unwrap().len(), 1);
    place.history.restore_refs(TIMEOUT).unwrap();
    assert_eq!(place.history.check_refs().unwrap().len(), 0);
    assert_eq!(track(&place, &[("a", Some(2))]).unwrap(), 1);
    assert_eq!(place.history.find_ref(&tracking("a")).unwrap(), place.commits[2]);
}

#[test]
fn tracking_refs_are_checked_like_all_others() {
    let place = Place::new();
    track(&place, &[("a", Some(0))]).unwrap();
    let update = |expected, new| {
        let mut transaction = place.history.transaction(&ada(5), "fetch");
        transaction.unrecorded().update(
            tracking("b"),
            Expected::Absent,
            Some(place.commits[1]),
            "",
        );
        transaction.update(tracking("a"), expected, new, "");
        transaction.commit(TIMEOUT).unwrap_err().kind()
    };
    let [there, other] = [place.commits[0], place.commits[2]];
    assert_eq!(update(Expected::Absent, Some(other)), ErrorKind::Moved);
    assert_eq!(update(Expected::Id(other), None), ErrorKind::Moved);
    let nowhere = Id::of_blob(b"nowhere");
    assert_eq!(update(Expected::Id(there), Some(nowhere)), ErrorKind::NotFound);
    assert_eq!(update(Expected::Id(there), Some(Id::EMPTY_TREE)), ErrorKind::Corrupt);
    assert_eq!(tracked(&place), [(tracking("a").to_string(), there)]);
}

#[test]
fn a_transaction_moves_tracking_refs_or_refs_of_the_repository() {
    let place = Place::new();
    let commit = Some(place.commits[0]);
    let internal = |build: &dyn Fn(&mut artifacts::history::Transaction<'_>)| {
        let mut transaction = place.history.transaction(&ada(5), "mixed");
        build(&mut transaction);
        assert_eq!(transaction.commit(TIMEOUT).unwrap_err().kind(), ErrorKind::Internal);
    };
    internal(&|transaction| {
        transaction.update(tracking("a"), Expected::Any, commit, "");
    });
    internal(&|transaction| {
        transaction.unrecorded().update(tracking("a"), Expected::Any, commit, "");
        transaction.update(run("a"), Expected::Any, commit, "");
    });
    internal(&|transaction| {
        transaction.unrecorded().set_head(Some(run("a")));
    });
    internal(&|transaction| {
        transaction.set_head(Some(tracking("a")));
    });
    assert_eq!(place.git_refs(), []);
    assert_eq!(operations(&place), 0);
}

#[test]
fn a_revision_names_a_tracking_ref_by_its_full_name() {
    let place = Place::new();
    track(&place, &[("a", Some(3))]).unwrap();
    let project = "o/p".parse().unwrap();
    let resolve = |text: &str| {
        let revision: Revision = text.parse().unwrap();
        place.history.resolve(&revision, &project).map(|found| found.commit)
    };
    assert_eq!(resolve("refs/remotes/origin/runs/o/p/a").unwrap(), place.commits[3]);
    assert_eq!(resolve("refs/remotes/origin/runs/o/p/a~2").unwrap(), place.commits[1]);
    let error = resolve("refs/remotes/origin/runs/o/p/b").unwrap_err();
    assert_eq!(
        (error.kind(), error.hint()),
        (ErrorKind::NotFound, Some("fetch again: art fetch origin"))
    );
    // Its name alone is that of a run here, and there is none.
    assert_eq!(resolve("run/a").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(resolve("a").unwrap_err().kind(), ErrorKind::NotFound);
    let version: Revision = "refs/remotes/origin/versions/o/p/v1".parse().unwrap();
    assert_eq!(version.as_version(&project), None);
    let revision: Revision = "refs/remotes/origin/runs/o/p/a".parse().unwrap();
    let found = place.history.find_logged(&revision, &project).unwrap();
    assert_eq!(found, Some(tracking("a")));
    // HEAD can't be made to stand on one by hand.
    std::fs::write(place.path().join("HEAD"), "ref: refs/remotes/origin/runs/o/p/a\n").unwrap();
    assert_eq!(place.history.head().unwrap(), None);
}

/// The number of files below a directory.
fn count_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

#[test]
fn ten_thousand_tracking_refs_move_together_without_a_file_each() {
    let place = Place::new();
    let mut writer = place.history.writer().unwrap();
    let commit = |n: i64| Commit {
        tree: Id::EMPTY_TREE,
        parents: Vec::new(),
        author: ada(n),
        committer: ada(n),
        message: String::new(),
    };
    let commits: Vec<Id> = (0..10_000).map(|n| writer.commit(&commit(n)).unwrap()).collect();
    writer.flush().unwrap();
    for shift in [0, 1] {
        let mut transaction = place.history.transaction(&ada(0), "fetch");
        transaction.unrecorded();
        for n in 0..commits.len() {
            let new = commits[(n + shift) % commits.len()];
            let expected = if shift == 0 { Expected::Absent } else { Expected::Id(commits[n]) };
            transaction.update(tracking(&format!("r{n}")), expected, Some(new), "");
        }
        let files = count_files(place.path());
        assert_eq!(transaction.commit(TIMEOUT).unwrap().changes.len(), commits.len());
        let added = count_files(place.path()).saturating_sub(files);
        assert!(added < 20, "{added} files");
    }
    assert_eq!(place.history.refs("refs/remotes/").unwrap().len(), commits.len());
    assert_eq!(place.refs(), []);
}

#[test]
fn a_disk_that_is_full_at_any_step_leaves_the_old_tracking_refs_or_the_new() {
    let directory = tempfile::tempdir().unwrap();
    let output = child("tracking::fails_at_every_step", directory.path()).status().unwrap();
    assert!(output.success(), "run: cargo test --test lib tracking:: -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn fails_at_every_step() {
    let moves: [(&str, Option<usize>); 4] =
        [("loose", Some(4)), ("packed", Some(5)), ("gone", None), ("new", Some(6))];
    let mut step = 0;
    loop {
        step += 1;
        let place = Place::new();
        place.set(&[("a", Some(0))]);
        track(&place, &[("loose", Some(0)), ("packed", Some(1)), ("gone", Some(2))]).unwrap();
        let loose = tracking("loose").to_string();
        git(place.path(), &["update-ref", &loose, &place.commits[3].to_hex()]);
        let before = tracked(&place);
        fault::arm(step, Action::DiskFull);
        let result = track(&place, &moves);
        let is_over = fault::disarm();
        let after = [("loose", 4), ("new", 6), ("packed", 5)]
            .map(|(name, n)| (tracking(name).to_string(), place.commits[n]));
        let now = tracked(&place);
        assert!(now == before || now == after, "step {step}: {now:?}");
        assert!(result.is_err() || now == after, "step {step}");
        assert_eq!(place.git_refs(), [now, place.refs()].concat());
        track(&place, &moves).unwrap();
        assert_eq!(tracked(&place), after);
        assert_eq!(operations(&place), 1);
        if is_over {
            break;
        }
    }
    assert!(step > 4, "{step} steps");
}

#[test]
fn an_operation_that_was_stopped_is_settled_before_tracking_refs_move() {
    let directory = tempfile::tempdir().unwrap();
    let output = child("tracking::follows_a_failure", directory.path()).status().unwrap();
    assert!(output.success(), "run: cargo test --test lib tracking:: -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn follows_a_failure() {
    let mut step = 0;
    loop {
        step += 1;
        let place = Place::new();
        place.set(&[("a", Some(0)), ("b", Some(0))]);
        let mut transaction = place.history.transaction(&ada(1), "switch");
        for name in ["a", "b", "c"] {
            transaction.update(run(name), Expected::Any, Some(place.commits[1]), "move");
        }
        transaction.set_head(Some(run("c")));
        fault::arm(step, Action::DiskFull);
        let _ = transaction.commit(TIMEOUT);
        let is_over = fault::disarm();
        let (refs, head) = (place.refs(), place.history.head().unwrap());
        let count = operations(&place);
        assert_eq!(count, if head.is_some() { 2 } else { 1 }, "step {step}");
        track(&place, &[("a", Some(2)), ("b", Some(3))]).unwrap();
        assert_eq!((place.refs(), place.history.head().unwrap()), (refs.clone(), head));
        assert_eq!(operations(&place), count, "step {step}");
        assert!(!place.path().join("HEAD.next").exists());
        place.set(&[("a", Some(5))]);
        assert_eq!(operations(&place), count + 1, "step {step}");
        for (name, _) in refs {
            let name: RefName = name.parse().unwrap();
            let log = place.history.reflog(&name).unwrap();
            assert_eq!(log[0].new, place.history.try_find_ref(&name).unwrap(), "step {step}");
        }
        if is_over {
            break;
        }
    }
}
