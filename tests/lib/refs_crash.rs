//! A transaction that stops at any step leaves all refs in the old state or all in the new one, for
//! the library and for git. The next transaction cleans up.

use std::path::Path;
use std::process::Command;

use artifacts::fs::fault::{self, Action};
use artifacts::history::{Expected, History, Operation};
use artifacts::name::RefName;
use artifacts::{Id, Result};

use super::refs::{Place, TIMEOUT, ada, commits_of, git, run};

/// The operations, by name. Each starts from the state that [`prepared`] makes.
const SCENARIOS: [&str; 9] = [
    "create and switch",
    "update the current run",
    "switch",
    "leave all runs",
    "update several",
    "update several and switch",
    "delete",
    "delete and create",
    "undo",
];

/// Refs that are loose, packed and both, with a current run.
fn prepared() -> Place {
    let place = Place::new();
    place.set(&[("packed", Some(0)), ("both", Some(1)), ("gone", Some(1))]);
    place.set(&[("both", Some(2))]);
    place.set(&[("loose", Some(3))]);
    let history = &place.history;
    history.transaction(&ada(1), "switch").set_head(Some(run("both"))).commit(TIMEOUT).unwrap();
    place.set(&[("gone", None)]);
    place
}

fn perform(place: &Place, scenario: &str) -> Result<Operation> {
    let mut transaction = place.history.transaction(&ada(2), scenario);
    let mut set = |name: &str, commit: Option<usize>| {
        let new = commit.map(|n| place.commits[n]);
        transaction.update(run(name), Expected::Any, new, scenario);
    };
    match scenario {
        "create and switch" => set("new", Some(5)),
        "update the current run" => set("both", Some(5)),
        "switch" | "leave all runs" => {}
        "update several" | "update several and switch" => {
            set("packed", Some(5));
            set("both", Some(6));
            set("loose", Some(7));
            set("new", Some(8));
        }
        "delete" => set("both", None),
        "delete and create" => {
            set("both", None);
            set("loose", None);
            set("new", Some(5));
        }
        "undo" => return place.history.undo(&ada(2), TIMEOUT),
        other => panic!("no scenario '{other}'"),
    }
    match scenario {
        "create and switch" | "update several and switch" => transaction.set_head(Some(run("new"))),
        "switch" => transaction.set_head(Some(run("loose"))),
        "leave all runs" => transaction.set_head(None),
        _ => &mut transaction,
    };
    transaction.commit(TIMEOUT)
}

/// Everything that moves: refs, the current run, how many operations there were.
#[derive(Debug, PartialEq, Eq)]
struct State {
    refs: Vec<(String, Id)>,
    head: Option<RefName>,
    operations: usize,
}

fn state(place: &Place) -> State {
    State {
        refs: place.refs(),
        head: place.history.head().unwrap(),
        operations: place.history.operations().unwrap().count(),
    }
}

/// The reflogs lead to where the refs are, without a gap.
fn check_logs(place: &Place, names: &[&str]) {
    for name in names {
        let entries = place.history.reflog(&run(name)).unwrap();
        let now = place.history.try_find_ref(&run(name)).unwrap();
        assert_eq!(entries.first().and_then(|newest| newest.new), now, "{name}");
        for pair in entries.windows(2) {
            assert_eq!(pair[0].old, pair[1].new, "{name}");
        }
    }
}

fn copy(place: &Place) -> Place {
    let directory = tempfile::tempdir().unwrap();
    let from = place.path().join(".");
    let status = Command::new("cp").arg("-a").args([&from, directory.path()]).status().unwrap();
    assert!(status.success());
    Place::open(directory)
}

/// Checks the repository `place` after `scenario` stopped at `step`.
fn check(place: &Place, scenario: &str, step: u64, before: &State, after: &State) {
    const NAMES: [&str; 5] = ["packed", "both", "gone", "loose", "new"];
    let now = state(place);
    assert!(now == *before || now == *after, "'{scenario}' at step {step}: {now:?}");
    assert_eq!(place.git_refs(), now.refs, "'{scenario}' at step {step}");
    check_logs(place, &NAMES);

    // The next one settles what is left, and then nothing is.
    place.set(&NAMES.map(|name| (name, Some(9))));
    check_logs(place, &NAMES);
    let found = state(place);
    assert_eq!(found.operations, now.operations + 1);
    // HEAD still names the deleted run, which exists again now.
    assert!(now.head.is_none() || found.head == now.head, "'{scenario}' at step {step}");
    assert_eq!(place.git_refs(), found.refs);
    let head = git(place.path(), &["symbolic-ref", "HEAD"]);
    let expected = found.head.map_or("refs/heads/main".to_owned(), |run| run.to_string());
    assert_eq!(head.trim(), expected);
    // Git warns of a gap, and of a log that continues after a deletion, as ours do.
    for name in now.refs.iter().map(|(name, _)| name) {
        git(place.path(), &["rev-parse", &format!("{name}@{{1}}")]);
    }
    git(place.path(), &["pack-refs", "--all"]);
    // Named, because git's default also asks that HEAD be a branch, and runs are none.
    let names: Vec<&str> = found.refs.iter().map(|(name, _)| name.as_str()).collect();
    git(place.path(), &[&["fsck", "--strict"], names.as_slice()].concat());
    assert!(!place.path().join("HEAD.next").exists());
    let left =
        Command::new("find").arg(place.path()).args(["-name", "*.lock", "-type", "l"]).output();
    assert_eq!(left.unwrap().stdout, b"");
}

/// This test binary again, with the one test `name` and `directory` as its working directory.
pub(crate) fn child(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored"]).current_dir(directory);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command
}

#[test]
fn a_process_that_dies_at_any_step_leaves_the_old_refs_or_the_new() {
    let template = prepared();
    for scenario in SCENARIOS {
        let before = state(&template);
        let done = copy(&template);
        perform(&done, scenario).unwrap();
        let after = state(&done);
        assert_ne!(before, after);
        let mut step = 0;
        loop {
            step += 1;
            let place = copy(&template);
            std::fs::write(place.path().join("stop"), format!("{step} {scenario}")).unwrap();
            let status = child("refs_crash::dies_at_a_step", place.path()).status().unwrap();
            if status.success() {
                assert_eq!(state(&place), after);
                break;
            }
            check(&place, scenario, step, &before, &after);
        }
        assert!(step > 3, "'{scenario}' has {step} steps");
    }
}

#[test]
#[ignore = "dies; run by another test as a process of its own"]
fn dies_at_a_step() {
    let Ok(order) = std::fs::read_to_string("stop") else { return };
    let (step, scenario) = order.split_once(' ').unwrap();
    let history = History::open(Path::new(".")).unwrap();
    let commits = commits_of(Path::new("."));
    let place = Place { history, commits, directory: tempfile::tempdir().unwrap() };
    fault::arm(step.parse().unwrap(), Action::Abort);
    perform(&place, scenario).unwrap();
    assert!(fault::disarm(), "the step was reached and the process continues");
}

#[test]
fn a_disk_that_is_full_at_any_step_leaves_the_old_refs_or_the_new() {
    let directory = tempfile::tempdir().unwrap();
    let output = child("refs_crash::fails_at_every_step", directory.path()).status().unwrap();
    assert!(output.success(), "run: cargo test --test lib fails_at_every_step -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn fails_at_every_step() {
    let template = prepared();
    for scenario in SCENARIOS {
        let before = state(&template);
        let done = copy(&template);
        perform(&done, scenario).unwrap();
        let after = state(&done);
        let mut step = 0;
        loop {
            step += 1;
            let place = copy(&template);
            fault::arm(step, Action::DiskFull);
            let result = perform(&place, scenario);
            if fault::disarm() {
                result.unwrap();
                break;
            }
            // A failure after the refs have moved may be told or made up for.
            if result.is_ok() {
                assert_eq!(state(&place), after, "'{scenario}' at step {step}");
            }
            check(&place, scenario, step, &before, &after);
        }
    }
}

#[test]
fn a_second_failure_during_recovery_changes_no_result() {
    let directory = tempfile::tempdir().unwrap();
    let output = child("refs_crash::fails_twice", directory.path()).status().unwrap();
    assert!(output.success(), "run: cargo test --test lib fails_twice -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn fails_twice() {
    const NAMES: [&str; 5] = ["packed", "both", "gone", "loose", "new"];
    let template = prepared();
    for scenario in ["switch", "update several and switch"] {
        let mut first = 0;
        let mut is_reached = true;
        while is_reached {
            first += 1;
            let failed = copy(&template);
            fault::arm(first, Action::DiskFull);
            let _ = perform(&failed, scenario);
            is_reached = !fault::disarm();
            let before = state(&failed);
            // A third of all pairs, another third for each first step.
            let mut second = first % 3;
            let mut is_reached = true;
            while is_reached {
                second += 3;
                let place = copy(&failed);
                let mut transaction = place.history.transaction(&ada(3), "second");
                for name in NAMES {
                    transaction.update(run(name), Expected::Any, Some(place.commits[9]), "second");
                }
                fault::arm(second, Action::DiskFull);
                let _ = transaction.commit(TIMEOUT);
                is_reached = !fault::disarm();
                let now = state(&place);
                let count = place.history.operations().unwrap().count();
                let is_done = place.refs().iter().all(|(_, id)| *id == place.commits[9]);
                assert!(is_done || now == before, "'{scenario}' at {first} and {second}: {now:?}");
                assert_eq!(count, before.operations + usize::from(is_done));
                assert_eq!(now.head, before.head, "'{scenario}' at {first} and {second}");
                check_logs(&place, &NAMES);
            }
        }
    }
}
