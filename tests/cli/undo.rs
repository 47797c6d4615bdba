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

/// Versions `v1` and `v2` of a project whose stage production holds one.
fn versions() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    let policy = "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n";
    sandbox.write("policy.toml", policy);
    sandbox.write("model", "x");
    sandbox.art("upload model").ok();
    sandbox.art("policy set @policy.toml").ok();
    sandbox.art("register v1").ok();
    sandbox.art("register v2").ok();
    sandbox.art("stage v1 production").ok();
    sandbox
}

fn record(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    sandbox.art(&format!("show {name} --json")).ok().json()["record"].clone()
}

#[test]
fn a_release_is_taken_back_in_words_of_versions_and_stays_recorded() {
    let sandbox = versions();
    sandbox.art("stage v2 production --reason Release").ok();
    assert_snapshot!(sandbox.art("undo --dry-run"), @"
    exit 0
    -- stdout
    would take back: stage v2 production --reason Release (2026-11-21T12:00:00Z)
        v1: staging -> production
        v2: production -> testing
    ");
    assert_eq!(record(&sandbox, "v2")["stage"], "production", "nothing was done");
    sandbox.art("undo").ok();
    let v1 = record(&sandbox, "v1");
    let conditions = v1["stage_conditions"].as_array().unwrap();
    let stages: Vec<_> = conditions.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(stages, ["testing", "production", "staging", "production"]);
    assert_eq!(conditions[3]["reason"], "Undo");
    assert_eq!(conditions[3]["verdict"], "undo");
    assert_eq!(conditions[3]["message"], "took back: stage v2 production --reason Release");
    assert_eq!(record(&sandbox, "v2")["stage"], "testing");
    // Further back, over the commit that the undo made.
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: stage v1 production (2026-11-21T12:00:00Z)
        v1: production -> testing
    ");
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: register v2 (2026-11-21T12:00:00Z)
        v2 is removed
    ");
    sandbox.art("undo").ok();
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: policy set @policy.toml (2026-11-21T12:00:00Z)
        project ada/digits: no record any more
    ");
    sandbox.art("fsck --full").ok();
}

#[test]
fn a_rename_and_what_was_changed_with_it_are_taken_back() {
    let sandbox = versions();
    sandbox.art("update v1 --name one --description d --add-tag t").ok();
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: update v1 --name one --description d --add-tag t (2026-11-21T12:00:00Z)
        one is back as v1; description, tags as before
    ");
    let record = record(&sandbox, "v1");
    assert_eq!((&record["name"], record.get("tags")), (&"v1".into(), None));
    assert_eq!(record["stage_conditions"].as_array().unwrap().len(), 2);
    let json = sandbox.art("undo --json --dry-run").ok().json();
    assert_eq!(json["records"][0]["ref"], "refs/versions/ada/digits/v1");
    assert_eq!(json["records"][0]["to_stage"], "testing");
}

#[test]
fn an_undo_that_others_have_passed_is_refused_by_name() {
    let sandbox = versions();
    sandbox.art("stage v2 production").ok();
    let v1 = "refs/versions/ada/digits/v1";
    sandbox.git(&format!("--git-dir .artifacts update-ref {v1} {v1}~1"));
    assert_snapshot!(sandbox.art("undo"), @"
    exit 13
    -- stderr
    error: cannot undo 'stage v2 production'
    caused by: refs/versions/ada/digits/v1 has moved since

    hint: see how: art reflog refs/versions/ada/digits/v1
    ");
    assert_eq!(record(&sandbox, "v2")["stage"], "production", "nothing was done");
}

#[test]
fn a_run_and_a_version_that_were_made_together_go_together() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    sandbox.write("model", "x");
    sandbox.art("register v1 --path model").ok();
    assert_snapshot!(sandbox.art("undo"), @"
    exit 0
    -- stdout
    took back: register v1 --path model (2026-11-21T12:00:00Z)
        v1 is removed
        run/jolly-mallard-1  deleted, was [ID 1]
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), "");
}

#[test]
fn an_undo_crashed_at_any_step_is_done_or_not() {
    for step in 1.. {
        let sandbox = versions();
        sandbox.art("stage v2 production").ok();
        let fault = format!("abort:{step}");
        let output = sandbox.command("undo").env("ART_FAULT", &fault).run();
        let stages = ["v1", "v2"].map(|name| record(&sandbox, name)["stage"].clone());
        let is_done = stages == ["production", "testing"];
        assert!(is_done || stages == ["staging", "production"], "{fault}: {stages:?}");
        sandbox.art("fsck").ok();
        if output.code == 0 {
            assert!(is_done && step > 4, "only {step} steps");
            break;
        }
        sandbox.art("undo").ok();
        let now = record(&sandbox, "v1")["stage"].clone();
        assert_eq!(now, if is_done { "testing" } else { "production" }, "{fault}");
    }
}

#[test]
fn the_hook_of_stages_hears_of_an_undo() {
    let sandbox = versions();
    sandbox.write(".artifacts/hooks/pre-stage", "#!/bin/sh\nexit 1\n");
    sandbox.tool("chmod", "+x .artifacts/hooks/pre-stage");
    assert_eq!(sandbox.art("undo").code, 15);
    assert_eq!(record(&sandbox, "v1")["stage"], "production");
    sandbox.tool("rm", ".artifacts/hooks/pre-stage");
    sandbox.art("undo").ok();
}
