//! Versions of runs that failed, did not end or hold nothing: warnings, and the rules that refuse them.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A project with the versions `good`, `bad` of a failed run, and `none` of an empty run.
fn doubtful() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        sandbox.write("out", "0.5");
        sandbox.art("run --name fine -o out -- true").ok();
        sandbox.art("register good").ok();
        sandbox.art("run --name broken -o out -- false");
        sandbox.art("register bad").ok();
        sandbox.art("run --name idle").ok();
        sandbox.art("register none").ok();
    })])
}

#[test]
fn a_failed_or_empty_run_is_registered_and_promoted_with_a_warning() {
    let sandbox = doubtful();
    assert_eq!(sandbox.art("promote good").ok().stderr, "");
    assert_snapshot!(sandbox.art("promote bad"), @"
    exit 0
    -- stdout
    o/p:bad: testing -> staging
    -- stderr
    warning: bad holds 1 file, 3 B; the status of its run broken is failed
    ");
    assert_snapshot!(sandbox.art("stage none staging"), @"
    exit 0
    -- stdout
    o/p:none: testing -> staging
    -- stderr
    warning: none holds 0 files, 0 B; the status of its run idle is created
    ");
    assert_eq!(sandbox.art("stage bad disabled").ok().stderr, "");
    let registered = sandbox.art("register bad2 --run broken --json").ok();
    assert!(registered.stderr.contains("failed"), "{registered}");
    let json = registered.json();
    assert_eq!((&json["run_status"], &json["total"]["files"]), (&"failed".into(), &1.into()));
    // If a run continues after its version was made, its final state counts.
    sandbox.art("run --name late").ok();
    sandbox.art("upload out").ok();
    assert_eq!(sandbox.art("register early").ok().stderr, "");
    sandbox.art("runs finish late --status failed").ok();
    assert!(sandbox.art("promote early").ok().stderr.contains("run late is failed"));
}

#[test]
fn run_status_and_min_files_are_rules_of_a_stage() {
    let sandbox = doubtful();
    let rules = "production.run_status=succeeded,created production.min_files=1";
    sandbox.art(&format!("policy set {rules}")).ok();
    assert_snapshot!(sandbox.art("policy check bad production"), @"
    exit 15
    -- stdout
    o/p:bad may not move from testing to production
      stage.production.run_status: the run's status is failed; it must be created or succeeded
        register a version of a run with that status: art runs
    ");
    for version in ["bad", "none"] {
        assert_eq!(sandbox.art(&format!("stage {version} production")).code, 15, "{version}");
    }
    assert_eq!(sandbox.art("register late --run broken --stage production").code, 15);
    let none = sandbox.art("policy check none production");
    assert!(
        none.stdout.contains("min_files: the version has 0 files; the stage needs 1"),
        "{none}"
    );
    sandbox.art("stage good production").ok();
    // A version of a path pins a run that the same change creates.
    sandbox.art("register path --path out --stage production").ok();
    sandbox.write("empty/.artifactsignore", "");
    assert_eq!(sandbox.art("policy set production.run_status=finished").code, 2);
}

#[test]
fn the_rules_of_the_first_stage_hold_for_new_files_of_a_version_too() {
    let sandbox = doubtful();
    sandbox.art("policy set testing.min_files=1 testing.run_status=succeeded,created").ok();
    assert_eq!(sandbox.art("register new --run broken").code, 15);
    let refused = sandbox.art("register good --run broken --force").fails_with(15);
    assert!(refused.stderr.contains("run_status"), "{refused}");
    // A change of another field keeps the files.
    sandbox.art("register bad --force --description known").ok();
}
