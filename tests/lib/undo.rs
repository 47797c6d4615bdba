//! Undo reverts operations one by one, and only if their refs did not move later.

use artifacts::ErrorKind;
use artifacts::history::{Expected, Operation};

use super::refs::{Place, TIMEOUT, ada, git, run};

fn undo(place: &Place) -> artifacts::Result<Operation> {
    place.history.undo(&ada(9), TIMEOUT)
}

fn at(place: &Place, name: &str) -> Option<usize> {
    let id = place.history.try_find_ref(&run(name)).unwrap()?;
    place.commits.iter().position(|commit| *commit == id)
}

#[test]
fn operations_are_undone_from_the_newest_to_the_oldest() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    place.set(&[("a", Some(1)), ("b", Some(1))]);
    place.set(&[("a", None)]);
    let undone = undo(&place).unwrap();
    assert_eq!(at(&place, "a"), Some(1));
    assert_eq!(undone.command, "undo");
    let first = place.history.operations().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(undone.undoes, Some(first.id));
    undo(&place).unwrap();
    assert_eq!((at(&place, "a"), at(&place, "b")), (Some(0), None));
    undo(&place).unwrap();
    assert_eq!(place.refs(), []);
    let error = undo(&place).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Each of the four moves of `a`, and back, is in its log, and git reads it.
    assert_eq!(place.history.reflog(&run("a")).unwrap().len(), 6);
    let newest = &place.history.reflog(&run("a")).unwrap()[0];
    assert_eq!(newest.message, "undo: set");
    assert_eq!(place.history.operations().unwrap().count(), 6);
}

#[test]
fn operations_after_an_undo_are_undone_first() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    place.set(&[("a", Some(1))]);
    undo(&place).unwrap();
    place.set(&[("a", Some(2))]);
    undo(&place).unwrap();
    assert_eq!(at(&place, "a"), Some(0));
    undo(&place).unwrap();
    assert_eq!(at(&place, "a"), None);
}

#[test]
fn an_operation_whose_ref_moved_later_is_not_undone() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(0))]);
    place.set(&[("a", Some(1)), ("b", Some(1))]);
    git(place.path(), &["update-ref", &run("b").to_string(), &place.commits[2].to_hex()]);
    let error = undo(&place).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved);
    assert!(error.message().contains("cannot undo 'set'"), "{error:?}");
    assert!(error.causes()[0].contains("refs/runs/o/p/b"), "{error:?}");
    assert_eq!((at(&place, "a"), at(&place, "b")), (Some(1), Some(2)));
    git(place.path(), &["update-ref", &run("b").to_string(), &place.commits[1].to_hex()]);
    undo(&place).unwrap();
    assert_eq!((at(&place, "a"), at(&place, "b")), (Some(0), Some(0)));
}

#[test]
fn the_current_run_is_restored_with_its_run() {
    let place = Place::new();
    let history = &place.history;
    place.set(&[("a", Some(0))]);
    history.transaction(&ada(1), "switch").set_head(Some(run("a"))).commit(TIMEOUT).unwrap();
    let mut transaction = history.transaction(&ada(2), "run");
    transaction.update(run("b"), Expected::Absent, Some(place.commits[1]), "run");
    transaction.set_head(Some(run("b"))).commit(TIMEOUT).unwrap();
    undo(&place).unwrap();
    assert_eq!(history.head().unwrap(), Some(run("a")));
    assert_eq!(at(&place, "b"), None);
    assert_eq!(git(place.path(), &["symbolic-ref", "HEAD"]).trim(), run("a").to_string());
    undo(&place).unwrap();
    assert_eq!(history.head().unwrap(), None);
    assert_eq!(git(place.path(), &["symbolic-ref", "HEAD"]).trim(), "refs/heads/main");
}

#[test]
fn a_switch_by_git_keeps_an_undo_from_switching() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(1))]);
    let history = &place.history;
    history.transaction(&ada(1), "switch").set_head(Some(run("a"))).commit(TIMEOUT).unwrap();
    git(place.path(), &["symbolic-ref", "HEAD", &run("b").to_string()]);
    assert_eq!(undo(&place).unwrap_err().kind(), ErrorKind::Moved);
    assert_eq!(history.head().unwrap(), Some(run("b")));
}

#[test]
fn an_operation_without_a_command_is_recorded_with_the_message_of_its_first_ref() {
    let place = Place::new();
    let mut transaction = place.history.transaction(&ada(0), "");
    transaction.update(run("a"), Expected::Absent, Some(place.commits[0]), "upload: first");
    transaction.update(run("b"), Expected::Absent, Some(place.commits[0]), "upload: second");
    assert_eq!(transaction.commit(TIMEOUT).unwrap().command, "upload: first");
}

#[test]
fn an_operation_without_changes_is_not_recorded() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    place.set(&[("a", Some(0)), ("never", None)]);
    place.history.transaction(&ada(1), "switch").set_head(None).commit(TIMEOUT).unwrap();
    assert_eq!(place.history.operations().unwrap().count(), 1);
    assert_eq!(place.history.reflog(&run("a")).unwrap().len(), 1);
}

#[test]
fn a_log_with_damaged_lines_is_read_around_them() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    place.set(&[("a", Some(1))]);
    let path = place.path().join("operations.jsonl");
    let lines = std::fs::read_to_string(&path).unwrap();
    let (first, second) = lines.split_once('\n').unwrap();
    let damaged = [first.as_bytes(), b"\n\xff{\"format\":1\n\0\n", second.as_bytes(), b"{\"torn"];
    std::fs::write(&path, damaged.concat()).unwrap();
    assert_eq!(place.history.operations().unwrap().count(), 2);
    undo(&place).unwrap();
    assert_eq!(at(&place, "a"), Some(0));
    assert_eq!(place.history.operations().unwrap().count(), 3);
}
