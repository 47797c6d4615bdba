//! `art undo`.

use insta::assert_snapshot;

use crate::common::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    for text in ["one", "two", "three"] {
        sandbox.write("file", text);
        sandbox.art(&format!("upload -m {text}")).ok();
    }
    sandbox
}

#[test]
fn undo_takes_the_last_command_back() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: upload -m three (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  [ID 1] -> [ID 2]
    ");
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "two");
    // What it was before is not lost.
    assert_eq!(sandbox.art("cat 'HEAD@{1}:file'").ok().stdout, "three");
    sandbox.art("tag kept 'run/jolly-mallard-1@{1}'").ok();
    assert_eq!(sandbox.art("cat kept:file").ok().stdout, "three");
}

#[test]
fn undo_again_and_again_goes_back_to_the_beginning() {
    let sandbox = sandbox();
    sandbox.art("undo").ok();
    sandbox.art("undo").ok();
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "one");
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: upload -m one (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  deleted, was [ID 1]
        current run  run/jolly-mallard-1 -> none
    ");
    assert_eq!(sandbox.art("ls").fails_with(1).stdout, "");
    assert_snapshot!(sandbox.art("undo"), @"
    exit 1
    -- stderr
    error: there is nothing to undo

    hint: see what was done: art reflog
    ");
}

#[test]
fn undo_goes_on_from_what_was_done_after_it() {
    let sandbox = sandbox();
    sandbox.art("undo").ok();
    sandbox.write("file", "four");
    sandbox.art("upload -m four").ok();
    let undone = sandbox.art("undo --json").ok().json();
    assert_eq!(undone["undone"]["command"], "upload -m four");
    assert_eq!(undone["operation"]["undoes"], undone["undone"]["id"]);
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "two");
    let next = sandbox.art("undo --json").ok().json();
    assert_eq!(next["undone"]["command"], "upload -m two");
}

#[test]
fn undo_dry_run_tells_and_does_nothing() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("undo --dry-run"), @"
    exit 0
    -- stdout
    would take back: upload -m three (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  [ID 1] -> [ID 2]
    ");
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "three");
}

#[test]
fn undo_is_refused_if_something_else_moved_the_ref() {
    let sandbox = sandbox();
    let run = sandbox.git("--git-dir .artifacts symbolic-ref HEAD");
    sandbox.git(&format!("--git-dir .artifacts update-ref {} HEAD~2", run.trim()));
    for line in ["undo", "undo --dry-run"] {
        let refused = sandbox.art(line).fails_with(13);
        assert!(refused.stderr.contains("cannot undo 'upload -m three'"), "{refused}");
    }
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "one");
}
