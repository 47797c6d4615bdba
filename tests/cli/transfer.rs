//! `art transfer`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("model", "x"),
        Step::Art("upload model"),
        Step::Art("register v1"),
        Step::Art("stage v1 staging --reason CI"),
        Step::Art("-p bob/release project update --description r"),
    ])
}

fn record(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    sandbox.art(&format!("show {name} --json")).ok().json()["record"].clone()
}

#[test]
fn a_transfer_keeps_the_history() {
    let sandbox = sandbox();
    let before = record(&sandbox, "v1");
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/release"), @"
    exit 0
    -- stdout
    transferred ada/digits:v1 to bob/release:v1, in staging
    ");
    assert_snapshot!(sandbox.art("transfer bob/release:v1 --to-project bob/release"), @"
    exit 0
    -- stdout
    bob/release:v1 is already in bob/release, in staging
    ");
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/release"), @"
    exit 1
    -- stderr
    error: there is no version 'v1' in ada/digits

    hint: its new name is bob/release:v1
    ");
    let after = record(&sandbox, "bob/release:v1");
    for key in ["uuid", "name", "stage", "created_at", "run"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    let (old, new) = (&before["stage_conditions"], after["stage_conditions"].as_array().unwrap());
    assert_eq!(new[..2], old.as_array().unwrap()[..]);
    assert_eq!(new.len(), 3);
    assert_eq!((&new[2]["type"], &new[2]["reason"]), (&"staging".into(), &"Transferred".into()));
    assert_eq!(new[2]["message"], "from ada/digits");
    assert_eq!(new[2]["last_transition_time"], new[1]["last_transition_time"]);
    sandbox.art("fsck --full").ok();
    // The last command changed nothing, so the test names the operation by its id.
    let transfer = sandbox.art("operations --json --limit 1").ok().json_lines()[0]["id"].clone();
    sandbox.art(&format!("undo {}", transfer.as_str().unwrap())).ok();
    assert_eq!(record(&sandbox, "v1")["stage"], "staging");
    assert_eq!(sandbox.art("show bob/release:v1").code, 1);
}

#[test]
fn transfer_names_the_existing_version() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/relaese"), @"
    exit 1
    -- stderr
    error: there is no project bob/relaese

    hint: did you mean bob/release? To list all projects: art project list
    ");
    assert_eq!(sandbox.art("transfer v1").code, 2);
    sandbox.art("copy v1 --to-project bob/release --name v1").ok();
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/release"), @"
    exit 1
    -- stderr
    error: the version 'v1' already exists in bob/release

    hint: choose another name, or show the version: art get bob/release:v1
    ");
}

#[test]
fn the_policy_of_the_other_project_is_asked() {
    let sandbox = sandbox();
    sandbox.write(
        "policy.toml",
        "stages = ['testing', 'staging']\n[stage.staging]\ncapacity = 1\ntags = ['checked']\n",
    );
    sandbox.art("-p bob/release policy set @policy.toml").ok();
    sandbox.art("copy v1 --to-project bob/release --name v0 --tags checked").ok();
    sandbox.art("stage bob/release:v0 staging").ok();
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/release"), @"
    exit 15
    -- stderr
    error: the policy of bob/release refuses 'v1' in staging
    caused by: stage.staging.tags: the version lacks the tags checked
    caused by: stage.staging.capacity: staging holds 1 and is full (v0)

    hint: art update v1 --add-tag 'checked'; make room: art stage bob/release:v0 STAGE
    ");
    sandbox.art("stage v1 production").ok();
    assert_snapshot!(sandbox.art("transfer v1 --to-project bob/release"), @"
    exit 15
    -- stderr
    error: the policy of bob/release refuses 'v1' in production
    caused by: stages: there is no stage 'production'; the stages are testing, staging, disabled

    hint: move the version to one of these stages first: art stage v1 STAGE
    ");
    assert_eq!(record(&sandbox, "v1")["stage"], "production", "it is where it was");
    sandbox.art("stage bob/release:v0 testing").ok();
    sandbox.art("stage v1 staging").ok();
    sandbox.art("update v1 --add-tag checked").ok();
    sandbox.art("transfer v1 --to-project bob/release").ok();
    let conditions = record(&sandbox, "bob/release:v1")["stage_conditions"].clone();
    let verdict = conditions.as_array().unwrap().last().unwrap()["verdict"].clone();
    assert!(verdict.as_str().unwrap().starts_with("allowed by policy "), "{verdict}");
}
