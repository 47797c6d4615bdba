//! `art undo`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("file", "one"),
        Step::Art("upload -m one"),
        Step::File("file", "two"),
        Step::Art("upload -m two"),
        Step::File("file", "three"),
        Step::Art("upload -m three"),
    ])
}

#[test]
fn undo_takes_the_last_command_back() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: upload -m three (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  [ID 1] -> [ID 2]
    ");
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "two");
    // The previous content is not lost.
    assert_eq!(sandbox.art("cat 'HEAD@{1}:file'").ok().stdout, "three");
    sandbox.art("tag kept 'run/jolly-mallard-1@{1}'").ok();
    assert_eq!(sandbox.art("cat kept:file").ok().stdout, "three");
}

#[test]
fn undo_again_and_again_goes_back_to_the_beginning() {
    let sandbox = sandbox();
    sandbox.art("undo --yes").ok();
    sandbox.art("undo --yes").ok();
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "one");
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: upload -m one (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  deleted, was [ID 1]
        current run  run/jolly-mallard-1 -> none
    ");
    assert_eq!(sandbox.art("ls").fails_with(1).stdout, "");
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 1
    -- stderr
    error: there is nothing to undo

    hint: list the operations: art operations
    ");
}

#[test]
fn undo_continues_with_later_operations() {
    let sandbox = sandbox();
    sandbox.art("undo --yes").ok();
    sandbox.write("file", "four");
    sandbox.art("upload -m four").ok();
    let undone = sandbox.art("undo --yes --json").ok().json();
    assert_eq!(undone["undone"]["command"], "upload -m four");
    assert_eq!(undone["operation"]["undoes"], undone["undone"]["id"]);
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "two");
    let next = sandbox.art("undo --yes --json").ok().json();
    assert_eq!(next["undone"]["command"], "upload -m two");
}

#[test]
fn undo_dry_run_tells_and_does_nothing() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("undo --dry-run"), @"
    exit 0
    -- stdout
    would undo [OPERATION]: upload -m three (2026-11-21T12:00:00Z)
        run/jolly-mallard-1  [ID 1] -> [ID 2]
    ");
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "three");
}

#[test]
fn undo_is_refused_if_something_else_moved_the_ref() {
    let sandbox = sandbox();
    let run = sandbox.git("--git-dir .artifacts symbolic-ref HEAD");
    sandbox.git(&format!("--git-dir .artifacts update-ref {} HEAD~2", run.trim()));
    for line in ["undo --yes", "undo --dry-run"] {
        let refused = sandbox.art(line).fails_with(13);
        assert!(refused.stderr.contains("cannot undo 'upload -m three'"), "{refused}");
    }
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "one");
}

/// Versions `v1` and `v2` of a project whose stage production holds one.
fn versions() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("policy.toml", "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n"),
        Step::File("model", "x"),
        Step::Art("upload model"),
        Step::Art("policy set @policy.toml"),
        Step::Art("register v1"),
        Step::Art("register v2"),
        Step::Art("stage v1 production"),
    ])
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
    would undo [OPERATION]: stage v2 production --reason Release (2026-11-21T12:00:00Z)
        v1: staging -> production
        v2: production -> testing
    ");
    assert_eq!(record(&sandbox, "v2")["stage"], "production", "nothing was done");
    sandbox.art("undo --yes").ok();
    let v1 = record(&sandbox, "v1");
    let conditions = v1["stage_conditions"].as_array().unwrap();
    let stages: Vec<_> = conditions.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(stages, ["testing", "production", "staging", "production"]);
    assert_eq!(conditions[3]["reason"], "Undo");
    assert_eq!(conditions[3]["verdict"], "undo");
    assert_eq!(conditions[3]["message"], "reverted: stage v2 production --reason Release");
    assert_eq!(record(&sandbox, "v2")["stage"], "testing");
    // Further back, over the commit that the undo made.
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: stage v1 production (2026-11-21T12:00:00Z)
        v1: production -> testing
    ");
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: register v2 (2026-11-21T12:00:00Z)
        v2: removed
    ");
    sandbox.art("undo --yes").ok();
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: policy set @policy.toml (2026-11-21T12:00:00Z)
        project ada/digits: record removed
    ");
    sandbox.art("fsck --full").ok();
}

#[test]
fn a_rename_and_the_changes_with_it_are_undone() {
    let sandbox = versions();
    sandbox.art("update v1 --name one --description d --add-tag t").ok();
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: update v1 --name one --description d --add-tag t (2026-11-21T12:00:00Z)
        one renamed back to v1; description, tags reverted
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
    assert_snapshot!(sandbox.art("undo --yes"), @"
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
    assert_snapshot!(sandbox.art("undo --yes"), @"
    exit 0
    -- stdout
    undid [OPERATION]: register v1 --path model (2026-11-21T12:00:00Z)
        v1: removed
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
        let output = sandbox.command("undo --yes").env("ART_FAULT", &fault).run();
        let stages = ["v1", "v2"].map(|name| record(&sandbox, name)["stage"].clone());
        let is_done = stages == ["production", "testing"];
        assert!(is_done || stages == ["staging", "production"], "{fault}: {stages:?}");
        sandbox.art("fsck").ok();
        if output.code == 0 {
            assert!(is_done && step > 4, "only {step} steps");
            break;
        }
        sandbox.art("undo --yes").ok();
        let now = record(&sandbox, "v1")["stage"].clone();
        assert_eq!(now, if is_done { "testing" } else { "production" }, "{fault}");
    }
}

#[test]
fn the_hook_of_stages_hears_of_an_undo() {
    let sandbox = versions();
    sandbox.write(".artifacts/hooks/pre-stage", "#!/bin/sh\nexit 1\n");
    sandbox.tool("chmod", "+x .artifacts/hooks/pre-stage");
    assert_eq!(sandbox.art("undo --yes").code, 15);
    assert_eq!(record(&sandbox, "v1")["stage"], "production");
    sandbox.tool("rm", ".artifacts/hooks/pre-stage");
    sandbox.art("undo --yes").ok();
}

/// The newest operation's id.
fn newest(sandbox: &Sandbox) -> String {
    let listed = sandbox.art("operations --json --limit 1").ok().json_lines();
    listed[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_script_names_the_operation_or_says_yes() {
    let sandbox = sandbox();
    let refused = sandbox.art("undo").fails_with(1);
    let id = newest(&sandbox);
    assert!(refused.stderr.contains(&format!("the last operation is {} ", &id[..8])), "{refused}");
    assert!(refused.stderr.contains("'upload -m three'"), "{refused}");
    assert!(refused.stderr.contains(&format!("art undo {}", &id[..8])), "{refused}");
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "three");
    sandbox.art(&format!("undo {}", &id[..8])).ok();
    assert_eq!(sandbox.art("cat HEAD:file").ok().stdout, "two");
    let again = sandbox.art(&format!("undo {id}")).fails_with(1);
    assert!(again.stderr.contains("was already undone"), "{again}");
    sandbox.art("undo 00000000").fails_with(1);
}

#[test]
fn an_undo_after_a_command_without_changes_reverts_nothing_older() {
    let sandbox = versions();
    for unchanged in
        ["upload model", "stage v1 production", "runs update jolly-mallard-1 --description ''"]
    {
        sandbox.art(unchanged).ok();
        for line in ["undo", "undo --yes", "undo --dry-run"] {
            let refused = sandbox.art(line).fails_with(1);
            let what =
                format!("the last command ('{unchanged}') changed nothing; the last operation");
            assert!(refused.stderr.contains(&what), "{refused}");
            assert!(refused.stderr.contains("'stage v1 production'\n"), "{refused}");
        }
        assert_eq!(record(&sandbox, "v1")["stage"], "production");
    }
    // The next operation is the last one again.
    sandbox.art("tag best v1").ok();
    sandbox.art("undo --yes").ok();
    assert_eq!(record(&sandbox, "v1")["stage"], "production");
    sandbox.art("upload model").ok();
    sandbox.art(&format!("undo {}", operation(&sandbox, "stage v1 production"))).ok();
    assert_eq!(record(&sandbox, "v1")["stage"], "testing");
}

/// The id of the operation of `command`.
fn operation(sandbox: &Sandbox, command: &str) -> String {
    let listed = sandbox.art("operations --json").ok().json_lines();
    let found = listed.iter().find(|operation| operation["command"] == command).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_older_operation_is_undone_if_its_refs_did_not_move_later() {
    let sandbox = versions();
    sandbox.art("tag best v1").ok();
    sandbox.art("tag other v2").ok();
    sandbox.art(&format!("undo {}", operation(&sandbox, "tag best v1"))).ok();
    let tags = sandbox.art("tag").ok();
    assert!(tags.stdout.contains("other") && !tags.stdout.contains("best"), "{tags}");
    let refused =
        sandbox.art(&format!("undo {}", operation(&sandbox, "register v1"))).fails_with(13);
    assert!(refused.stderr.contains("has moved since"), "{refused}");
}

#[test]
fn a_dry_run_of_undo_needs_no_lock_and_works_on_a_repository_that_is_read_only() {
    let sandbox = sandbox();
    sandbox.tool("chmod", "-R a+rX,a-w .artifacts");
    let plan = sandbox.command("undo --dry-run").unprivileged().run().ok();
    sandbox.tool("chmod", "-R u+w .artifacts");
    assert!(plan.stdout.contains("upload -m three"), "{plan}");
}

#[test]
fn on_a_terminal_undo_names_the_operation_and_asks() {
    let sandbox = versions();
    sandbox.art("upload model").ok();
    let asked = sandbox.terminal("echo n | art undo; art undo <<E\nn\nE");
    assert!(asked.stdout.contains("stage v1 production"), "{asked}");
    assert_eq!(record(&sandbox, "v1")["stage"], "production");
}

#[test]
fn undo_names_a_lost_operation_log() {
    for damage in ["truncate -s 0 F", "L=$(wc -c <F); truncate -s 0 F; truncate -s $L F", "rm F"] {
        let sandbox = Sandbox::new();
        sandbox.art("init").ok();
        sandbox.art("run --name one").ok();
        sandbox.shell(&damage.replace('F', ".artifacts/operations.jsonl")).ok();
        let output = sandbox.art("undo --yes").fails_with(20);
        assert!(output.stderr.contains("operation"), "{damage}: {output}");
    }
}
