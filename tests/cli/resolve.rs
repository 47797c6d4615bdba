//! `art resolve` settles a conflict and keeps both histories.

use insta::assert_snapshot;

use crate::common::Sandbox;
use crate::push::{json, push_apart, shared, stage};

/// Runs `line` on both sides with their letter for `X`. `a` pushes, and the pull of `b` fails.
fn apart(sandbox: &Sandbox, lines: [&str; 2]) {
    sandbox.art(&format!("-C a {}", lines[0])).ok();
    sandbox.command(&format!("-C b {}", lines[1])).at("2026-11-21T13:00:00Z").run().ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").fails_with(13);
}

/// Pushes the settled conflict from `b`, and pulls in `a`.
fn share(sandbox: &Sandbox) {
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    for place in ["a", "b"] {
        sandbox.art(&format!("-C {place} fsck --full")).ok();
        let again = sandbox.art(&format!("-C {place} pull")).ok().stdout;
        assert_eq!(again, "nothing new on origin\n", "{place}");
    }
}

#[test]
fn stages_that_were_set_on_both_sides_are_a_conflict_that_resolve_settles() {
    let sandbox = shared();
    sandbox.art("-C a stage v1 production").ok();
    sandbox.command("-C b stage v1 disabled").at("2026-11-21T13:00:00Z").run().ok();
    sandbox.art("-C a push").ok();
    let refused = sandbox.art("-C b push");
    assert_snapshot!(refused, @"
    exit 13
    -- stderr
    error: 'v1' is not a fast-forward on 'origin'; nothing was pushed
    caused by: refs/versions/ada/digits/v1: the remote has commits that are missing locally

    hint: merge the remote's changes, then push again: art pull origin
    ");
    let pulled = sandbox.art("-C b pull");
    assert_snapshot!(pulled, @"
    exit 13
    -- stderr
    warning: version ada/digits:v1 was changed on both sides: stage: 'disabled' locally, 'production' on the remote
    hint: keep the local side: art resolve v1 --ours; take the remote side: --theirs
    ");
    assert_eq!(stage(&sandbox, "b", "v1"), "disabled", "it stays as it is");
    sandbox.art("-C b resolve v1 --theirs").ok();
    assert_eq!(stage(&sandbox, "b", "v1"), "production");
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    let history = sandbox.art("-C a history v1").ok().stdout;
    assert!(history.contains("disabled"), "nobody's decision is lost: {history}");
    sandbox.art("-C a fsck").ok();
}

#[test]
fn a_stage_can_be_chosen_that_one_side_has() {
    let sandbox = shared();
    apart(&sandbox, ["stage v1 production", "stage v1 disabled"]);
    assert_snapshot!(sandbox.art("-C b resolve v1 --stage staging"), @"
    exit 1
    -- stderr
    error: the stage is 'disabled' locally and 'production' on the remote

    hint: choose one of them, then: art stage v1 staging
    ");
    assert_snapshot!(sandbox.art("-C b resolve v1 --stage production -m 'agreed by phone'"), @"
    exit 0
    -- stdout
    resolved version ada/digits:v1  [ID 1]..[ID 2]
    to share the resolution: art push origin
    ");
    assert_eq!(stage(&sandbox, "b", "v1"), "production");
    assert!(sandbox.art("-C b log v1").ok().stdout.contains("agreed by phone"));
    share(&sandbox);
    assert_eq!(stage(&sandbox, "a", "v1"), "production");
}

#[test]
fn a_tag_that_moved_on_both_sides_takes_the_chosen_side() {
    for (choice, message) in [("--ours", "b"), ("--theirs", "a")] {
        let sandbox = shared();
        for place in ["a", "b"] {
            sandbox.write(format!("{place}/{place}.txt"), place);
            sandbox.art(&format!("-C {place} run --name {place}")).ok();
            sandbox.art(&format!("-C {place} upload {place}.txt -m {place}")).ok();
        }
        apart(&sandbox, ["tag best run/a", "tag best run/b"]);
        sandbox.art(&format!("-C b resolve tag/best {choice}")).ok();
        share(&sandbox);
        for place in ["a", "b"] {
            let log = sandbox.art(&format!("-C {place} log tag/best -n 1")).ok().stdout;
            assert!(log.contains(&format!(" {message}\n")), "{choice} {place}: {log}");
        }
    }
}

#[test]
fn a_version_deleted_locally_and_changed_remotely_is_resolved() {
    for (choice, code) in [("--ours", 1), ("--theirs", 0)] {
        let sandbox = shared();
        apart(&sandbox, ["update v1 --description changed", "delete v1 --yes"]);
        let resolved = sandbox.art(&format!("-C b resolve v1 {choice}"));
        if code == 1 {
            assert_snapshot!(resolved, @"
            exit 0
            -- stdout
            resolved version ada/digits:v1  deleted
            to share the resolution: art push origin
            ");
        } else {
            assert_snapshot!(resolved, @"
            exit 0
            -- stdout
            resolved version ada/digits:v1  new [ID 1]
            to share the resolution: art push origin
            ");
        }
        share(&sandbox);
        for place in ["a", "b"] {
            assert_eq!(sandbox.art(&format!("-C {place} get v1")).code, code, "{choice} {place}");
        }
    }
}

#[test]
fn a_version_changed_locally_and_deleted_remotely_is_resolved() {
    for (choice, code) in [("--ours", 0), ("--theirs", 1)] {
        let sandbox = shared();
        apart(&sandbox, ["delete v1 --yes", "update v1 --description changed"]);
        sandbox.art(&format!("-C b resolve v1 {choice}")).ok();
        share(&sandbox);
        for place in ["a", "b"] {
            assert_eq!(sandbox.art(&format!("-C {place} get v1")).code, code, "{choice} {place}");
        }
    }
}

#[test]
fn resolve_reports_its_failures() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b resolve v1 --ours"), @"
    exit 1
    -- stderr
    error: there is no conflict about version 'v1'

    hint: list the conflicts: art resolve
    ");
    assert_snapshot!(sandbox.art("-C b resolve v2 --ours"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'v2' in ada/digits on 'origin'

    hint: did you mean 'v1'?
    ");
    let output = sandbox.art("-C b resolve v1").fails_with(2);
    assert!(output.stderr.contains("--ours|--theirs|--stage <STAGE>"), "{output}");
    let output = sandbox.art("-C b resolve v1 --ours --theirs").fails_with(2);
    assert!(output.stderr.contains("'--ours' cannot be used with '--theirs'"), "{output}");
    sandbox.art("-C b run --name mine").ok();
    apart(&sandbox, ["tag best v1", "tag best run/mine"]);
    assert_snapshot!(sandbox.art("-C b resolve tag/best --stage production"), @"
    exit 2
    -- stderr
    error: only versions have a stage

    hint: choose a side: --ours or --theirs
    ");
    let json = json(&sandbox, "-C b resolve tag/best --theirs");
    assert_eq!(json["ref"], "refs/tags/ada/digits/best");
}

#[test]
fn the_loser_of_a_race_on_a_store_without_guarantee_settles_the_conflict() {
    let sandbox = shared();
    push_apart(&sandbox, ["a", "b"], "store");
    // One of the two commits is a conflict side, because the ref moved away from it.
    let moved = sandbox.art("-C a fetch --json").fails_with(13).json()["moved"].clone();
    let lost = if moved.as_array().unwrap().is_empty() { "b" } else { "a" };
    let won = if lost == "a" { "b" } else { "a" };
    sandbox.art(&format!("-C {lost} pull")).fails_with(13);
    sandbox.art(&format!("-C {lost} resolve v1 --ours")).ok();
    sandbox.art(&format!("-C {lost} push")).ok();
    sandbox.art(&format!("-C {won} pull")).ok();
    for place in ["a", "b"] {
        let json = json(&sandbox, &format!("-C {place} get v1"));
        assert_eq!(json["description"], format!("from {lost}"), "{place}");
        sandbox.art(&format!("-C {place} fetch")).ok();
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}
