//! `art reflog`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("file", "one"),
        Step::ArtAt("2026-11-21T08:00:00Z", "upload -m one"),
        Step::File("file", "two"),
        Step::ArtAt("2026-11-21T09:00:00Z", "upload -m two"),
        Step::ArtAt("2026-11-21T10:00:00Z", "tag best"),
    ])
}

#[test]
fn reflog_shows_every_command_and_its_moves() {
    let sandbox = sandbox();
    sandbox.art("tag best --delete --yes").ok();
    assert_snapshot!(sandbox.art("reflog"), @"
    exit 0
    -- stdout
    2026-11-21T12:00:00Z  tag best --delete --yes
        tag/best  deleted, was [ID 1]
    2026-11-21T10:00:00Z  tag best
        tag/best  created at [ID 1]
    2026-11-21T09:00:00Z  upload -m two
        run/jolly-mallard-1  [ID 2] -> [ID 1]
    2026-11-21T08:00:00Z  upload -m one
        run/jolly-mallard-1  created at [ID 2]
        current run  none -> run/jolly-mallard-1
    ");
    assert_snapshot!(sandbox.art("reflog -n 1"), @"
    exit 0
    -- stdout
    2026-11-21T12:00:00Z  tag best --delete --yes
        tag/best  deleted, was [ID 1]
    ");
}

#[test]
fn reflog_marks_undone_operations() {
    let sandbox = sandbox();
    sandbox.art("undo --yes").ok();
    assert_snapshot!(sandbox.art("reflog -n 2"), @"
    exit 0
    -- stdout
    2026-11-21T12:00:00Z  undo
        tag/best  deleted, was [ID 1]
    2026-11-21T10:00:00Z  tag best  (undone)
        tag/best  created at [ID 1]
    ");
}

#[test]
fn reflog_of_a_ref_shows_its_values_as_git_does() {
    let sandbox = sandbox();
    let log = sandbox.art("reflog HEAD").ok();
    assert_snapshot!(log, @"
    exit 0
    -- stdout
    [ID 1]  HEAD@{0}  2026-11-21T09:00:00Z  two
    [ID 2]  HEAD@{1}  2026-11-21T08:00:00Z  one
    ");
    let git = sandbox.git("--git-dir .artifacts reflog --abbrev=12 HEAD");
    let ids = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&log.stdout), ids(&git));
    assert_snapshot!(sandbox.art("reflog tag/best"), @"
    exit 0
    -- stdout
    [ID 1]  tag/best@{0}  2026-11-21T10:00:00Z  tag: made
    ");
}

#[test]
fn reflog_of_a_deleted_ref_is_kept() {
    let sandbox = sandbox();
    sandbox.art("tag best --delete --yes").ok();
    assert_snapshot!(sandbox.art("reflog best"), @"
    exit 0
    -- stdout
    (deleted)     tag/best@{0}  2026-11-21T12:00:00Z  tag: deleted
    [ID 1]  tag/best@{1}  2026-11-21T10:00:00Z  tag: made
    ");
    assert_eq!(sandbox.art("reflog tag/best").stdout, sandbox.art("reflog best").ok().stdout);
}

#[test]
fn reflog_json_is_one_object_a_line() {
    let sandbox = sandbox();
    let operations = sandbox.art("reflog --json").ok().json_lines();
    let commands: Vec<&str> =
        operations.iter().map(|operation| operation["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["tag best", "upload -m two", "upload -m one"]);
    assert_eq!(operations[0]["changes"][0]["ref"], "refs/tags/o/p/best");
    assert_eq!(operations[0]["undone"], false);
    let moves = sandbox.art("reflog --json HEAD").ok().json_lines();
    assert_eq!(moves.len(), 2);
    assert_eq!((&moves[0]["ref"], &moves[0]["index"]), (&"HEAD".into(), &0.into()));
    assert_eq!(moves[0]["old"], moves[1]["new"]);
}

#[test]
fn reflog_of_an_unknown_ref_is_refused() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("reflog run/nonesuch"), @"
    exit 1
    -- stderr
    error: there is no run 'nonesuch' in 'o/p'
    ");
    assert_snapshot!(sandbox.art("reflog tag/bets"), @"
    exit 1
    -- stderr
    error: there is no tag 'bets' in 'o/p'

    hint: did you mean 'best'?
    ");
    assert_snapshot!(sandbox.art("reflog HEAD~1"), @"
    exit 2
    -- stderr
    error: 'HEAD~1' is more than the name of a ref

    hint: name a run, a version, a tag or HEAD
    ");
    let fresh = Sandbox::new();
    fresh.art("init").ok();
    assert_eq!(fresh.art("reflog").ok().stdout, "");
}
