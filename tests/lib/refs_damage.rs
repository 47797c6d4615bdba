//! No contents of ref and log files cause a panic, and reading writes nothing.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use artifacts::ErrorKind;
use artifacts::history::{Expected, History, Undoing};
use proptest::prelude::*;

use super::refs::{Place, TIMEOUT, ada, commits_of, run};
use super::refs_crash::child;

/// The files whose bytes are taken as they come.
const FILES: [&str; 7] = [
    "HEAD",
    "HEAD.next",
    "packed-refs",
    "refs/runs/o/p/a",
    "logs/HEAD",
    "logs/refs/runs/o/p/a",
    "operations.jsonl",
];

/// Everything that reads, and then a write.
fn use_all(place: &Place) -> Vec<ErrorKind> {
    let history = &place.history;
    let mut kinds = Vec::new();
    let mut note = |error: Option<artifacts::Error>| kinds.extend(error.map(|error| error.kind()));
    note(history.head().err());
    note(history.find_ref(&run("a")).err());
    note(history.refs("").err());
    note(history.reflog(&run("a")).err());
    note(history.head_reflog().err());
    note(history.operations().unwrap().find_map(Result::err));
    note(history.find_undoable(Undoing::Newest).err());
    for text in ["HEAD", "@{1}", "HEAD@{1}", "a", "run/a@{1}", "abcd", "v1"] {
        note(history.resolve(&text.parse().unwrap(), &"o/p".parse().unwrap()).err());
    }
    note(history.undo(&ada(0), TIMEOUT).err());
    for name in ["a", "b"] {
        let mut transaction = history.transaction(&ada(0), "x");
        transaction.update(run(name), Expected::Any, Some(place.commits[3]), "x");
        transaction.update(run("c"), Expected::Any, Some(place.commits[4]), "x");
        note(transaction.commit(TIMEOUT).err());
    }
    kinds
}

fn filled() -> Place {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(1))]);
    place.set(&[("a", Some(1))]);
    let history = &place.history;
    history.transaction(&ada(1), "switch").set_head(Some(run("a"))).commit(TIMEOUT).unwrap();
    place
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_in_any_file_make_anything_panic(
        file in 0..FILES.len(),
        kept in 0..400usize,
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(ref: |refs/runs/o/p/|[0-9a-f]{64}|[\\^# \n\t{}\":]|format|abandons|1|null){0,12}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let place = filled();
        let path = place.path().join(FILES[file]);
        let mut content = std::fs::read(&path).unwrap_or_default();
        content.truncate(kept);
        content.extend(bytes);
        std::fs::write(&path, content).unwrap();
        for kind in use_all(&place) {
            let is_expected = matches!(
                kind,
                ErrorKind::Corrupt
                    | ErrorKind::NotFound
                    | ErrorKind::Moved
                    | ErrorKind::Invalid
                    | ErrorKind::Unsupported
            );
            prop_assert!(is_expected, "{}: {kind:?}", FILES[file]);
        }
    }
}

#[test]
fn a_read_only_repository_can_be_read() {
    let place = filled();
    let chmod = |mode: &str| {
        let status = Command::new("chmod").args(["-R", mode]).arg(place.path()).status().unwrap();
        assert!(status.success());
    };
    chmod("a+rX,a-w");
    let mut reader = child("refs_damage::only_reads", place.path());
    let aside = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        // No permission stops root, so the reader is nobody, who may not reach where this was built.
        let program = aside.path().join("reader");
        let linked = std::fs::hard_link(reader.get_program(), &program);
        linked.or_else(|_| std::fs::copy(reader.get_program(), &program).map(drop)).unwrap();
        let status = Command::new("chmod").arg("a+rx").arg(aside.path()).status().unwrap();
        assert!(status.success());
        let mut nobody = Command::new(program);
        nobody.args(reader.get_args()).current_dir(place.path()).uid(65534).gid(65534);
        reader = nobody;
    }
    assert!(reader.status().unwrap().success());
    chmod("u+w");
}

#[test]
#[ignore = "needs a directory that it can't write; run by another test as a process of its own"]
fn only_reads() {
    if !Path::new("HEAD").exists() {
        return;
    }
    let history = History::open(Path::new(".")).unwrap();
    let commits = commits_of(Path::new("."));
    assert!(std::fs::write("HEAD", "").is_err());
    assert_eq!(history.head().unwrap(), Some(run("a")));
    assert_eq!(history.find_ref(&run("a")).unwrap(), commits[1]);
    assert_eq!(history.refs("").unwrap().len(), 2);
    assert_eq!(history.reflog(&run("a")).unwrap().len(), 2);
    assert_eq!(history.operations().unwrap().count(), 3);
    let resolved = history.resolve(&"a~1".parse().unwrap(), &"o/p".parse().unwrap()).unwrap();
    assert_eq!(resolved.commit, commits[0]);
    let mut transaction = history.transaction(&ada(0), "x");
    transaction.update(run("a"), Expected::Any, Some(commits[3]), "x");
    assert_eq!(transaction.commit(TIMEOUT).unwrap_err().kind(), ErrorKind::Unauthorized);
}

/// The messages of what is damaged, and what is brought back.
fn restore(place: &Place) -> (Vec<String>, Vec<String>) {
    let found = place.history.check_refs().unwrap();
    let restored = place.history.restore_refs(TIMEOUT).unwrap();
    assert!(place.history.restore_refs(TIMEOUT).unwrap().is_empty());
    let messages = found.iter().map(|error| error.message().to_owned()).collect();
    (messages, restored.into_iter().map(|restored| restored.name).collect())
}

#[test]
fn refs_without_damage_are_not_touched() {
    let place = filled();
    let before = super::refs::git(place.path(), &["for-each-ref"]);
    assert_eq!(restore(&place), (vec![], vec![]));
    assert_eq!(super::refs::git(place.path(), &["for-each-ref"]), before);
}

#[test]
fn damaged_refs_are_restored_from_their_logs() {
    let place = filled();
    let (before, head) = (place.refs(), place.history.head().unwrap());
    for (file, bytes, names) in [
        ("refs/runs/o/p/a", "", &["refs/runs/o/p/a"][..]),
        ("HEAD", "\0\0\0", &["HEAD"]),
        ("packed-refs", "", &["refs/runs/o/p/b"]),
        ("packed-refs", "garbage\n", &["refs/runs/o/p/b"]),
    ] {
        std::fs::write(place.path().join(file), bytes).unwrap();
        let (found, restored) = restore(&place);
        assert!(found[0].contains(file), "{found:?}");
        // The refs that a damaged file had are named beside it.
        let is_lost = |line: &String| names.iter().any(|name| line.contains(name));
        assert!(found[1..].iter().all(is_lost), "{found:?}");
        assert_eq!(restored, names);
        assert_eq!((place.refs(), place.history.head().unwrap()), (before.clone(), head.clone()));
        assert_eq!(place.git_refs(), before);
    }
    assert!(place.history.check_refs().unwrap().is_empty());
}

#[test]
fn lost_refs_are_restored_and_deleted_refs_are_not() {
    let place = filled();
    place.set(&[("gone", Some(2))]);
    place.set(&[("gone", None)]);
    let before = place.refs();
    std::fs::remove_file(place.path().join("refs/runs/o/p/a")).unwrap();
    std::fs::remove_file(place.path().join("packed-refs")).unwrap();
    let (found, restored) = restore(&place);
    let expected = ["refs/runs/o/p/a", "refs/runs/o/p/b"];
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().zip(expected).all(|(found, name)| found.contains(name)), "{found:?}");
    assert_eq!(restored, expected);
    assert_eq!(place.refs(), before);
}

#[test]
fn lost_refs_of_the_newest_operation_are_restored() {
    let made = Place::new();
    let mut transaction = made.history.transaction(&ada(0), "run");
    transaction.update(run("a"), Expected::Absent, Some(made.commits[0]), "run");
    transaction.set_head(Some(run("a"))).commit(TIMEOUT).unwrap();
    let moved = Place::new();
    moved.set(&[("a", Some(0))]);
    moved.set(&[("a", Some(3))]);
    let several = Place::new();
    several.set(&[("a", Some(0)), ("b", Some(1))]);
    several.set(&[("a", Some(2)), ("b", Some(3))]);
    for (place, file) in
        [(made, "refs/runs/o/p/a"), (moved, "refs/runs/o/p/a"), (several, "packed-refs")]
    {
        let (before, head) = (place.refs(), place.history.head().unwrap());
        std::fs::remove_file(place.path().join(file)).unwrap();
        let (found, restored) = restore(&place);
        assert!(!found.is_empty() && found.len() == restored.len(), "{file}: {found:?}");
        assert_eq!((place.refs(), place.history.head().unwrap()), (before, head), "{file}");
    }
}

#[test]
fn a_line_that_a_killed_writer_left_is_no_damage() {
    let place = filled();
    for log in ["logs/refs/runs/o/p/b", "operations.jsonl"] {
        let path = place.path().join(log);
        let torn = std::fs::read_to_string(&path).unwrap() + "torn";
        std::fs::write(&path, torn).unwrap();
    }
    assert!(place.history.check_refs().unwrap().is_empty());
    assert_eq!(place.history.survey_refs().unwrap().torn.len(), 2);
}

#[test]
fn lines_of_packed_refs_that_can_be_read_are_kept() {
    let place = filled();
    super::refs::git(place.path(), &["tag", "-a", "-m", "t", "foreign", "refs/runs/o/p/b"]);
    super::refs::git(place.path(), &["pack-refs", "--all"]);
    let shown = super::refs::git(place.path(), &["show-ref", "--dereference"]);
    let path = place.path().join("packed-refs");
    let torn = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{torn}0123")).unwrap();
    assert_eq!(restore(&place).1, Vec::<String>::new());
    assert_eq!(super::refs::git(place.path(), &["show-ref", "--dereference"]), shown);
}

#[test]
fn a_ref_to_a_lost_commit_and_damaged_logs_are_named() {
    let place = filled();
    let lost = place.commits[1].to_hex();
    std::fs::remove_file(place.path().join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    for log in ["logs/refs/runs/o/p/b", "operations.jsonl"] {
        let path = place.path().join(log);
        let damaged = std::fs::read_to_string(&path).unwrap() + "damaged\n";
        std::fs::write(&path, damaged).unwrap();
    }
    let found = place.history.check_refs().unwrap();
    let messages: Vec<&str> = found.iter().map(artifacts::Error::message).collect();
    let expected = [
        "o/p/b' has a line",
        "jsonl'",
        "the log of 'refs/runs/o/p/b' lacks moves",
        "'refs/runs/o/p/a' leads nowhere",
        "'refs/runs/o/p/b' leads",
    ];
    assert_eq!(messages.len(), expected.len(), "{messages:?}");
    for (message, expected) in messages.iter().zip(expected) {
        assert!(message.contains(expected), "{message}");
    }
}
