//! Whatever stands in the files of refs and logs, nothing panics, and reading writes nothing.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use artifacts::ErrorKind;
use artifacts::history::{Expected, History};
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
    "logs/operations.jsonl",
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
    note(history.last_undoable().err());
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
    #![proptest_config(ProptestConfig::with_cases(150))]

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
fn a_repository_that_nobody_may_write_can_be_read() {
    let place = filled();
    let chmod = |mode: &str| {
        let status = Command::new("chmod").args(["-R", mode]).arg(place.path()).status().unwrap();
        assert!(status.success());
    };
    chmod("a+rX,a-w");
    let mut reader = child("refs_damage::only_reads", place.path());
    if rustix::process::geteuid().is_root() {
        // No permission stops root, so the reader is nobody.
        reader.uid(65534).gid(65534);
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
