//! Two users settle one conflict independently, in different ways, and merge again.

use crate::common::Sandbox;
use crate::push::{json, shared, stage};

/// Runs the lines of `a` and `b`. Each then settles the conflict of `reference` by its own choice of
/// `choices`, without fetching the choice of the other.
fn settle_apart(sandbox: &Sandbox, reference: &str, lines: [&[&str]; 2], choices: [&str; 2]) {
    for (place, lines) in ["a", "b"].into_iter().zip(lines) {
        for line in lines {
            let line = format!("-C {place} {line}");
            let time = if place == "a" { "2026-11-21T12:30:00Z" } else { "2026-11-21T13:00:00Z" };
            sandbox.command(&line).at(time).run().ok();
        }
        sandbox.art(&format!("-C {place} remote add at-{place} ../of-{place}")).ok();
        sandbox.art(&format!("-C {place} push at-{place}")).ok();
    }
    for (place, other, choice) in [("a", "b", choices[0]), ("b", "a", choices[1])] {
        sandbox.art(&format!("-C {place} remote add at-{other} ../of-{other}")).ok();
        if choice.is_empty() {
            sandbox.art(&format!("-C {place} pull at-{other}")).ok();
        } else {
            sandbox.art(&format!("-C {place} pull at-{other}")).fails_with(13);
            let line = format!("-C {place} resolve {reference} {choice} --remote at-{other}");
            sandbox.art(&line).ok();
        }
    }
    sandbox.art("-C a push at-a").ok();
}

/// Checks that `b` gets a conflict about `what`, settles it with `choice`, and equals `a` then.
fn meet(sandbox: &Sandbox, reference: &str, what: &str, choice: &str) {
    let before = sandbox.git("--git-dir b/.artifacts for-each-ref refs/versions refs/runs");
    let pulled = sandbox.art("-C b pull at-a --json").fails_with(13).json();
    let fields = pulled["conflicts"][0]["fields"].as_array().unwrap();
    let named: Vec<&str> = fields.iter().map(|field| field["what"].as_str().unwrap()).collect();
    assert_eq!(named, [what], "{pulled}");
    let after = sandbox.git("--git-dir b/.artifacts for-each-ref refs/versions refs/runs");
    assert_eq!(before, after, "it stays as it is");
    sandbox.art("-C b push at-a").fails_with(13);
    sandbox.art(&format!("-C b resolve {reference} {choice} --remote at-a")).ok();
    converge(sandbox);
}

/// Pushes from `b`, pulls in `a`, and checks that nothing remains to push or pull.
fn converge(sandbox: &Sandbox) {
    sandbox.art("-C b push at-a").ok();
    sandbox.art("-C a pull at-a").ok();
    let refs = "for-each-ref refs/versions refs/runs";
    let of = |place: &str| sandbox.git(&format!("--git-dir {place}/.artifacts {refs}"));
    assert_eq!(of("a"), of("b"));
    for place in ["a", "b"] {
        sandbox.art(&format!("-C {place} pull at-a")).ok();
        assert_eq!(
            sandbox.art(&format!("-C {place} push at-a")).ok().stdout,
            "nothing to push to at-a\n"
        );
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}

fn description(sandbox: &Sandbox, place: &str) -> String {
    json(sandbox, &format!("-C {place} get v1"))["description"].as_str().unwrap().to_owned()
}

const TEXTS: [&[&str]; 2] =
    [&["update v1 --description 'by a'"], &["update v1 --description 'by b'"]];

#[test]
fn a_field_that_both_settled_differently_is_a_conflict_again() {
    // Each keeps its own side, or each the other's; and both ways to settle that.
    for (choices, choice, text) in [
        (["--ours", "--ours"], "--ours", "by b"),
        (["--ours", "--ours"], "--theirs", "by a"),
        (["--theirs", "--theirs"], "--ours", "by a"),
        (["--theirs", "--theirs"], "--theirs", "by b"),
    ] {
        let sandbox = shared();
        settle_apart(&sandbox, "v1", TEXTS, choices);
        meet(&sandbox, "v1", "description", choice);
        for place in ["a", "b"] {
            assert_eq!(description(&sandbox, place), text, "{choices:?} {choice} {place}");
        }
    }
}

#[test]
fn a_field_that_both_settled_alike_is_no_conflict() {
    for (choices, text) in [(["--ours", "--theirs"], "by a"), (["--theirs", "--ours"], "by b")] {
        let sandbox = shared();
        settle_apart(&sandbox, "v1", TEXTS, choices);
        sandbox.art("-C b pull at-a").ok();
        converge(&sandbox);
        assert_eq!(description(&sandbox, "a"), text);
    }
}

#[test]
fn a_stage_that_both_settled_differently_is_a_conflict_again() {
    for (choice, wins) in [("--ours", "disabled"), ("--stage production", "production")] {
        let sandbox = shared();
        let lines: [&[&str]; 2] = [&["stage v1 production"], &["stage v1 disabled"]];
        settle_apart(&sandbox, "v1", lines, ["--ours", "--ours"]);
        meet(&sandbox, "v1", "stage", choice);
        assert_eq!(stage(&sandbox, "a", "v1"), wins);
        let history = sandbox.art("-C a history v1").ok().stdout;
        assert!(history.contains("production") && history.contains("disabled"), "{history}");
    }
}

#[test]
fn a_file_that_both_settled_differently_is_a_conflict_again() {
    for (choice, text) in [("--ours", "by b"), ("--theirs", "by a")] {
        let sandbox = shared();
        for place in ["a", "b"] {
            sandbox.write(format!("{place}/notes.txt"), format!("by {place}"));
            sandbox.write(format!("{place}/of-{place}.txt"), place);
        }
        let lines: [&[&str]; 2] =
            [&["upload notes.txt of-a.txt --run base"], &["upload notes.txt of-b.txt --run base"]];
        settle_apart(&sandbox, "run/base", lines, ["--ours", "--ours"]);
        meet(&sandbox, "run/base", "artifacts/notes.txt", choice);
        for place in ["a", "b"] {
            let cat =
                |path: &str| sandbox.art(&format!("-C {place} cat run/base:{path}")).ok().stdout;
            assert_eq!(cat("notes.txt"), text, "{choice} {place}");
            assert_eq!((cat("of-a.txt").as_str(), cat("of-b.txt").as_str()), ("a", "b"));
        }
    }
}

#[test]
fn a_file_that_one_kept_and_the_other_dropped_is_a_conflict_again() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "by a");
    sandbox.tool("mkdir", "b/empty");
    let lines: [&[&str]; 2] =
        [&["upload notes.txt --run base"], &["upload empty --to / --run base"]];
    settle_apart(&sandbox, "run/base", lines, ["--ours", "--ours"]);
    meet(&sandbox, "run/base", "artifacts/notes.txt", "--theirs");
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "by a");
}

#[test]
fn a_later_change_on_one_side_of_equal_merges_is_no_conflict() {
    let sandbox = shared();
    // No conflict: each machine merges the changes of the other.
    let lines: [&[&str]; 2] = [&["update v1 --description 'by a'"], &["update v1 --tags fast"]];
    settle_apart(&sandbox, "v1", lines, ["", ""]);
    sandbox.art("-C b update v1 --description 'better'").ok();
    sandbox.art("-C b pull at-a").ok();
    converge(&sandbox);
    assert_eq!(description(&sandbox, "a"), "better");
}

#[test]
fn two_readings_of_one_policy_are_a_conflict_again() {
    let sandbox = shared();
    let lines: [&[&str]; 2] =
        [&["policy set production.capacity=1"], &["policy set production.capacity=2"]];
    settle_apart(&sandbox, "refs/projects/ada/digits", lines, ["--ours", "--ours"]);
    meet(&sandbox, "refs/projects/ada/digits", "policy.stage.production.capacity", "--ours");
}
