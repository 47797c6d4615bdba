//! `art copy`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("model", "x"),
        Step::Art("upload model"),
        Step::Art("register v1 --description d --tags a --content '{\"k\": 1}' --kind model"),
        Step::Art("stage v1 production --reason Release"),
    ])
}

fn record(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    sandbox.art(&format!("show {name} --json")).ok().json()["record"].clone()
}

#[test]
fn a_copy_starts_in_the_first_stage_and_records_its_source() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("copy v1"), @"
    exit 0
    -- stdout
    copied v1 to ada/digits:v1-copy, in testing
    ");
    let (source, copy) = (record(&sandbox, "v1"), record(&sandbox, "v1-copy"));
    for key in ["kind", "description", "tags", "run"] {
        assert_eq!(copy[key], source[key], "{key}");
    }
    assert_ne!(copy["uuid"], source["uuid"]);
    let conditions = copy["stage_conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 1);
    let message = conditions[0]["message"].as_str().unwrap();
    assert!(message.starts_with("copied from ada/digits:v1 at "), "{message}");
    assert_eq!(sandbox.art("cat v1-copy:model").ok().stdout, "x");
    let copied = "--git-dir .artifacts rev-parse refs/versions/ada/digits/v1-copy^1";
    let source = "--git-dir .artifacts rev-parse refs/versions/ada/digits/v1";
    assert_eq!(sandbox.git(copied), sandbox.git(source));
    sandbox.art("fsck --full").ok();
}

#[test]
fn the_same_copy_again_is_fine_and_another_is_refused() {
    let sandbox = sandbox();
    let line = "copy v1 --name v2 --description other --content ''";
    sandbox.art(line).ok();
    sandbox.art("stage v2 staging").ok();
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v2 is already a copy of v1, in staging
    ");
    assert_snapshot!(sandbox.art("copy v1 --name v2"), @"
    exit 1
    -- stderr
    error: the version 'v2' already exists in ada/digits

    hint: it is a changed copy of the same version; show it: art get ada/digits:v2
    ");
    sandbox.art("register v3").ok();
    assert_snapshot!(sandbox.art("copy v1 --name v3"), @"
    exit 1
    -- stderr
    error: the version 'v3' already exists in ada/digits

    hint: give the copy another name: --name NAME
    ");
    assert_eq!(sandbox.art("copy v1 --name v1").code, 1);
    let long = "x".repeat(125);
    sandbox.art(&format!("update v3 --name {long}")).ok();
    let refused = sandbox.art(&format!("copy {long}")).fails_with(2);
    assert!(refused.stderr.contains("--name NAME"), "{refused}");
}

#[test]
fn a_copy_needs_an_existing_project() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("copy v1 --to-project ada/digit"), @"
    exit 1
    -- stderr
    error: there is no project ada/digit

    hint: did you mean ada/digits? To list all projects: art project list
    ");
    sandbox.art("-p bob/release project update --description r").ok();
    sandbox.art("-p bob/release policy set stages=candidate,released").ok();
    assert_snapshot!(sandbox.art("copy @production --to-project bob/release --name v1"), @"
    exit 0
    -- stdout
    copied v1 to bob/release:v1, in candidate
    ");
    assert_eq!(sandbox.art("cat bob/release:v1:model").ok().stdout, "x");
}

#[test]
fn a_disabled_version_is_copied_with_consent_only() {
    let sandbox = sandbox();
    sandbox.art("stage v1 disabled --reason Recall").ok();
    let refused = sandbox.art("copy v1").fails_with(15);
    assert!(refused.stderr.contains("--allow-disabled"), "{refused}");
    sandbox.art("copy v1 --allow-disabled").ok();
}
