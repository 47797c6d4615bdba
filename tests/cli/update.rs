//! `art update`.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A version `v1` with a value in every field.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("model", "x"),
        Step::Art("upload model"),
        Step::Art("register v1 --description d --tags a,b --content '{\"k\": 1}' --readme r"),
    ])
}

/// The record of a version, without the values that differ between test runs.
fn record(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    sandbox.art(&format!("show {name} --json")).ok().json()["record"].clone()
}

fn tree(sandbox: &Sandbox, name: &str) -> String {
    let line = format!("--git-dir .artifacts ls-tree --name-only refs/versions/ada/digits/{name}");
    sandbox.git(&line)
}

#[test]
fn update_changes_the_given_fields_and_keeps_the_others() {
    let sandbox = sandbox();
    let line = "update v1 --description new --add-tag c,d --remove-tag a --kind model --readme s";
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v1: changed description, tags, kind, readme
    ");
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v1 is unchanged
    ");
    let record = record(&sandbox, "v1");
    assert_eq!(record["description"], "new");
    assert_eq!(record["tags"], serde_json::json!(["b", "c", "d"]));
    assert_eq!(record["kind"], "model");
    let json = sandbox.art("update v1 --content 'a: 2' --json").ok().json();
    assert_eq!(json["changed"], serde_json::json!(["content"]));
    let trees = tree(&sandbox, "v1");
    assert_eq!(trees, "README.md\nartifacts\ncontent.yaml\nversion.toml\n");
    sandbox.art("fsck --full").ok();
}

#[test]
fn an_empty_value_clears() {
    let sandbox = sandbox();
    sandbox.art("update v1 --description '' --tags '' --content '' --readme ''").ok();
    let record = record(&sandbox, "v1");
    assert!(record.get("description").is_none() && record.get("tags").is_none(), "{record}");
    assert_eq!(tree(&sandbox, "v1"), "artifacts\nversion.toml\n");
}

#[test]
fn nothing_to_change_is_a_mistake_in_the_command_line() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("update v1"), @"
    exit 2
    -- stderr
    error: no change was given

    hint: use --name, --description, --tags, --add-tag, --remove-tag, --content, --readme or --kind
    ");
}

#[test]
fn a_new_name_takes_all_history_along() {
    let sandbox = sandbox();
    sandbox.art("stage v1 staging --reason CI").ok();
    let before = record(&sandbox, "v1");
    let line = "update v1 --name 1.0.0 --add-tag final";
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    renamed ada/digits:v1 to ada/digits:1.0.0
    ada/digits:1.0.0: changed tags
    ");
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:1.0.0 is unchanged
    ");
    let after = record(&sandbox, "1.0.0");
    assert_eq!(after["name"], "1.0.0");
    for key in ["uuid", "stage", "stage_conditions", "created_at", "run"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_snapshot!(sandbox.art("stage v1 production"), @"
    exit 1
    -- stderr
    error: there is no version 'v1' in ada/digits

    hint: its new name is '1.0.0'
    ");
    sandbox.art("register v2").ok();
    assert_snapshot!(sandbox.art("update v2 --name 1.0.0"), @"
    exit 1
    -- stderr
    error: the version '1.0.0' already exists in ada/digits

    hint: choose another name, or show the version: art get ada/digits:1.0.0
    ");
    sandbox.art("fsck --full").ok();
}

#[test]
fn hostile_names_and_values_are_refused_and_change_nothing() {
    let sandbox = sandbox();
    let before = sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1");
    let long = "x".repeat(129);
    for name in ["../x", "-x", "a.lock", &long, "é", "'a\nb'", "''", ".x", "a..b", "a/b", "HEAD"] {
        for line in [
            format!("update v1 --name={name}"),
            format!("copy v1 --name={name}"),
            format!("copy v1 --to-project={name}/p"),
            format!("transfer v1 --to-project=o/{name}"),
            format!("update -- {name}"),
        ] {
            let output = sandbox.art(&line);
            assert_eq!(output.code, 2, "{line}: {output}");
            assert!(!output.stderr.contains("panicked"), "{output}");
        }
    }
    sandbox.write("large", vec![b' '; (1 << 20) + 1]);
    for line in
        ["--content @large", "--readme @large", "--content 1", "--kind modle", "--tags 'a\tb'"]
    {
        assert_eq!(sandbox.art(&format!("update v1 {line}")).code, 2, "{line}");
    }
    for line in
        ["update ada/digit:v1 --kind model", "copy ada/digit:v1", "delete ada/digit:v1 --yes"]
    {
        let refused = sandbox.art(line).fails_with(1);
        assert!(refused.stderr.contains("there is no project ada/digit\n"), "{refused}");
        assert!(refused.stderr.contains("did you mean ada/digits?"), "{refused}");
    }
    let after = sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1");
    assert_eq!(after, before);
}

#[test]
fn a_version_of_a_run_that_was_deleted_can_be_changed() {
    let sandbox = sandbox();
    let run = sandbox.art("runs --json").ok().json()[0]["name"].as_str().unwrap().to_owned();
    sandbox.art(&format!("runs delete {run} --force --yes")).ok();
    sandbox.art("update v1 --description later").ok();
    sandbox.art("copy v1").ok();
    sandbox.art("update v1 --name v2").ok();
    assert_eq!(sandbox.art("cat v1-copy:model").ok().stdout, "x");
    for _ in 0..3 {
        sandbox.art("undo --yes").ok();
    }
    assert_eq!(sandbox.art("cat v1:model").ok().stdout, "x");
    sandbox.art("fsck --full").ok();
}

#[test]
fn a_rename_and_stages_that_race_lose_nothing() {
    let sandbox = sandbox();
    let spawn = |line: &str| {
        let mut command = sandbox.command(line).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut children: Vec<_> = (0..12)
        .map(|n| spawn(&format!("stage v1 staging --reason R{n} --lock-timeout 300")))
        .collect();
    children.insert(6, spawn("update v1 --name v2 --lock-timeout 300"));
    let codes: Vec<_> =
        children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    assert_eq!(codes[6], 0, "{codes:?}");
    let staged = codes.iter().filter(|code| **code == 0).count() - 1;
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 12 - staged, "{codes:?}");
    let conditions = record(&sandbox, "v2")["stage_conditions"].as_array().unwrap().len();
    assert_eq!(conditions, 1 + staged, "{codes:?}");
    assert_eq!(sandbox.art("show v1").code, 1);
}

#[test]
fn a_rename_crashed_at_any_step_leaves_one_name() {
    for step in 1.. {
        let sandbox = sandbox();
        let fault = format!("abort:{step}");
        let output = sandbox.command("update v1 --name v2").env("ART_FAULT", &fault).run();
        let there = ["v1", "v2"].map(|name| sandbox.art(&format!("cat {name}:model")).code == 0);
        assert_ne!(there[0], there[1], "{fault}: {output}");
        sandbox.art("fsck").ok();
        sandbox.art("update v1 --name v2").ok();
        if output.code == 0 {
            assert!(step > 4, "only {step} steps");
            break;
        }
    }
}
