//! `art delete`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("model", "x"),
        Step::Art("run --name train"),
        Step::Art("upload model"),
        Step::Art("register v1"),
        Step::Art("register v2"),
    ])
}

#[test]
fn delete_shows_its_plan_asks_and_can_be_undone() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("delete v1 v2 v1 --dry-run"), @"
    exit 0
    -- stdout
    would delete ada/digits:v1 in testing, of run train (was [ID 1])
    would delete ada/digits:v2 in testing, of run train (was [ID 2])
    ");
    assert_snapshot!(sandbox.art("delete v1 v2"), @"
    exit 1
    -- stderr
    error: pass --yes to delete ada/digits:v1 in testing, ada/digits:v2 in testing

    hint: use --dry-run to see what would be done
    ");
    let before = sandbox.git("--git-dir .artifacts for-each-ref refs/versions");
    assert_snapshot!(sandbox.art("delete v1 v2 --yes"), @"
    exit 0
    -- stdout
    deleted ada/digits:v1 in testing, of run train (was [ID 1])
    deleted ada/digits:v2 in testing, of run train (was [ID 2])
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref refs/versions"), "");
    assert_snapshot!(sandbox.art("delete v1 --yes"), @"
    exit 1
    -- stderr
    error: there is no version 'v1' in ada/digits

    hint: the version was deleted; show its history: art history --all; to undo the last operation: art undo
    ");
    sandbox.art("fsck --full").ok();
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: delete v1 v2 --yes (2026-11-21T12:00:00Z)
        v1: restored
        v2: restored
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref refs/versions"), before);
}

#[test]
fn all_are_deleted_or_none() {
    let sandbox = sandbox();
    assert_eq!(sandbox.art("delete v1 v7 --yes").code, 1);
    sandbox.art("cat v1:model").ok();
    assert_eq!(sandbox.art("delete --yes").code, 2);
    assert_eq!(sandbox.art("delete 'v1~1' --yes").code, 2, "an earlier state is no version");
    for step in 1.. {
        let sandbox = self::sandbox();
        let fault = format!("abort:{step}");
        let output = sandbox.command("delete v1 v2 --yes").env("ART_FAULT", &fault).run();
        let there = ["v1", "v2"].map(|name| sandbox.art(&format!("cat {name}:model")).code == 0);
        assert_eq!(there[0], there[1], "{fault}: {output}");
        sandbox.art("fsck").ok();
        if output.code == 0 {
            assert!(step > 4, "only {step} steps");
            break;
        }
    }
}

#[test]
fn a_version_in_the_last_stage_is_in_use() {
    let sandbox = sandbox();
    sandbox.art("stage v1 production").ok();
    assert_snapshot!(sandbox.art("delete v1 v2 --yes"), @"
    exit 1
    -- stderr
    error: still in use: ada/digits:v1 in production

    hint: move the versions to another stage first, or pass --force
    ");
    sandbox.art("delete @production --yes --force").ok();
    assert_eq!(sandbox.art("cat v1:model").code, 1);
    // Only v2 still prevents the deletion of its run.
    let refused = sandbox.art("runs delete train --yes").fails_with(1);
    assert!(refused.stderr.contains("'train' has versions: v2"), "{refused}");
}
