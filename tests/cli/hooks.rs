//! Local hooks on the command line.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Sandbox, lacks, wait_for};

/// A repository with a file to upload and this hook.
fn desk(hook: &str, script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    sandbox.write("data", "1 2 3");
    put(&sandbox, hook, script);
    sandbox
}

fn put(sandbox: &Sandbox, hook: &str, script: &str) {
    put_program(sandbox, hook, &format!("#!/bin/sh\n{script}\n"));
}

fn put_program(sandbox: &Sandbox, hook: &str, program: &str) {
    let path = sandbox.write(format!(".artifacts/hooks/{hook}"), program);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_hook_refuses_with_15_and_changes_nothing() {
    let sandbox = desk("pre-upload", "echo 'no upload on Fridays'\nprintf 'red \\033[31m'\nexit 1");
    let before = sandbox.shell("find .artifacts | sort; cat .artifacts/HEAD").ok().stdout;
    assert_snapshot!(sandbox.art("upload data"), @r"
    exit 15
    -- stderr
    pre-upload: no upload on Fridays
    pre-upload: red \u{1b}[31m
    error: refused by the hook 'pre-upload' (exit code 1); nothing was changed
    caused by: no upload on Fridays
    red \u{1b}[31m

    hint: read the hook: '[ROOT]/desk/.artifacts/hooks/pre-upload'
    ");
    assert_snapshot!(sandbox.art("upload data --quiet"), @r"
    exit 15
    -- stderr
    error: refused by the hook 'pre-upload' (exit code 1); nothing was changed
    caused by: no upload on Fridays
    red \u{1b}[31m

    hint: read the hook: '[ROOT]/desk/.artifacts/hooks/pre-upload'
    ");
    assert_snapshot!(sandbox.art("upload data --json"), @r#"
    exit 15
    -- stderr
    {"output":{"source":"pre-upload","line":"no upload on Fridays"}}
    {"output":{"source":"pre-upload","line":"red \u001b[31m"}}
    {"error":{"kind":"policy","message":"refused by the hook 'pre-upload' (exit code 1); nothing was changed","causes":["no upload on Fridays\nred \u001b[31m"],"hint":"read the hook: '[ROOT]/desk/.artifacts/hooks/pre-upload'","exit_code":15}}
    "#);
    let after = sandbox.shell("find .artifacts | sort; cat .artifacts/HEAD").ok().stdout;
    assert_eq!(after.replace(".artifacts/lock\n", ""), before.replace(".artifacts/lock\n", ""));
    // Commands that only read run no hooks, and hooks can be turned off.
    sandbox.art("upload data --dry-run").ok();
    sandbox.command("upload data").env("ART_HOOKS_ENABLED", "false").run().ok();
}

#[test]
fn the_output_of_a_hook_is_shown_and_a_failure_afterwards_is_a_warning() {
    let sandbox = desk("post-upload", "echo \"note on $ART_RUN\"\nexit 4");
    assert_snapshot!(sandbox.art("upload data --quiet"), @"
    exit 0
    -- stderr
    warning: the hook 'post-upload' failed with exit code 4 after the change was made
    ");
    sandbox.write("data", "4 5 6");
    let json = sandbox.art("upload data --json").ok();
    let run = json.json()["run"].as_str().unwrap().to_owned();
    let said: Vec<serde_json::Value> =
        json.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = format!("note on {run}");
    assert_eq!(said[0]["output"], serde_json::json!({"source": "post-upload", "line": line}));
    assert!(said[1]["warning"]["message"].is_string(), "{json}");
}

#[test]
fn a_hook_may_call_art_on_the_same_repository() {
    let sandbox = desk(
        "pre-upload",
        "test -z \"$ART_RUN\" || exit 0\nart run --name by-hook && art tag before",
    );
    // Without a run, the upload makes one, even if the hook changed the current run.
    let made = sandbox.art("upload data --json").ok().json();
    assert_ne!(made["run"], "by-hook");
    put(&sandbox, "pre-upload", "art log -n 1 --json >/dev/null && art tag \"seen-$ART_RUN\" HEAD");
    put(
        &sandbox,
        "post-upload",
        "art fsck --repair && art tag --force \"after-$ART_RUN\" \"$ART_COMMIT\"",
    );
    sandbox.write("data", "4 5 6");
    let done = sandbox.art("upload data --run by-hook --json").ok();
    let tags = sandbox.art("tag --json").ok().stdout;
    assert!(tags.contains("seen-by-hook") && tags.contains("after-by-hook"), "{tags}\n{done}");
}

#[test]
fn a_hook_that_uploads_does_not_recurse_forever() {
    let sandbox = desk("post-upload", "date +%N > \"made-$ART_HOOK_DEPTH\"\nart upload made-*");
    let output = sandbox.art("upload data").ok();
    assert!(output.stderr.contains("hooks run each other 5 levels deep"), "{output}");
    assert!(sandbox.path("made-5").exists() && !sandbox.path("made-6").exists());
}

#[test]
fn a_refused_upload_prevents_a_run_and_a_refused_output_does_not() {
    let sandbox = desk("pre-upload", "exit 1");
    let refused = sandbox.art("run --upload-from data -- touch begun").fails_with(15);
    assert!(!sandbox.path("begun").exists(), "{refused}");
    assert_eq!(sandbox.art("runs --json").ok().stdout.trim(), "[]");
    let without = sandbox.art("run --name r -o data -- touch begun").fails_with(15);
    assert!(without.stderr.contains("was not uploaded"), "{without}");
    sandbox.art("runs show r").ok();
    sandbox.art("run -o data -- sh -c 'exit 9'").fails_with(9);
}

#[test]
fn the_timeout_is_a_setting() {
    let sandbox = desk("pre-upload", "sleep 300");
    // A sandbox does not wait as long as the hook.
    sandbox.art("config set hooks.timeout 300ms").ok();
    assert_snapshot!(sandbox.art("upload data"), @"
    exit 15
    -- stderr
    error: the hook 'pre-upload' did not finish within 300ms; nothing was changed

    hint: increase the timeout: art config set hooks.timeout 10m
    ");
}

#[test]
fn an_interrupt_ends_the_hook_and_art() {
    let sandbox = desk("pre-upload", "echo $$ > id\nsleep 300");
    let mut art = sandbox.command("upload data").into_command();
    let art = art.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = art.spawn().unwrap();
    wait_for("the hook", || {
        std::fs::read_to_string(sandbox.path("id")).is_ok_and(|id| id.ends_with('\n'))
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let id: i32 = sandbox.read("id").trim().parse().unwrap();
    assert!(rustix::process::test_kill_process(Pid::from_raw(id).unwrap()).is_err());
    assert_eq!(sandbox.art("runs --json").ok().stdout.trim(), "[]");
}

#[test]
fn a_repository_cannot_mark_its_own_hooks_as_trusted() {
    let sandbox = desk("pre-upload", "exit 1");
    sandbox.art("config set hooks.trust any").ok();
    assert_eq!(sandbox.art("config get hooks.trust").ok().stdout, "owner\n");
    sandbox.art("config set --user hooks.trust any").ok();
    assert_eq!(sandbox.art("config get hooks.trust").ok().stdout, "any\n");
}

/// A version `v1` in testing, and this hook.
fn staged(hook: &str, script: &str) -> Sandbox {
    let sandbox = desk(hook, script);
    sandbox.command("upload data").env("ART_HOOKS_ENABLED", "false").run().ok();
    sandbox.art("register v1").ok();
    sandbox
}

#[test]
fn a_stage_is_refused_with_15_and_nothing_changes() {
    let sandbox = staged(
        "pre-stage",
        "test \"$ART_STAGE_TO\" != production || test -n \"$ART_MESSAGE\" || {\n\
         echo \"say why $ART_VERSION goes from $ART_STAGE_FROM to production\"; exit 1; }",
    );
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    assert_snapshot!(sandbox.art("stage v1 production"), @"
    exit 15
    -- stderr
    pre-stage: say why v1 goes from testing to production
    error: refused by the hook 'pre-stage' (exit code 1); nothing was changed
    caused by: say why v1 goes from testing to production

    hint: read the hook: '[ROOT]/desk/.artifacts/hooks/pre-stage'
    ");
    sandbox.art("register v2 --stage production").fails_with(15);
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
    sandbox.art("stage v1 production --message 'it is good'").ok();
    // Setting the same stage is no move, so no hook runs.
    sandbox.art("stage v1 production").ok();
    sandbox.art("promote v1").fails_with(1);
}

#[test]
fn hooks_receive_every_moved_version_and_its_commits() {
    let sandbox = staged("pre-stage", "cat >> pre.jsonl");
    put(&sandbox, "post-stage", "cat >> post.jsonl");
    sandbox.art("register v2 --stage staging --reason Fresh").ok();
    sandbox.art("stage v1 staging --reason DriftTests --message 'it drifts little'").ok();
    let events = |file: &str| -> Vec<serde_json::Value> {
        sandbox.read(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (pre, post) = (events("pre.jsonl"), events("post.jsonl"));
    assert_eq!((pre.len(), post.len()), (2, 2));
    let of = |event: &serde_json::Value, key: &str| event[key].as_str().unwrap_or("-").to_owned();
    for (key, expected) in [
        ("hook", ["pre-stage", "pre-stage"]),
        ("version", ["v2", "v1"]),
        ("from", ["testing", "testing"]),
        ("to", ["staging", "staging"]),
        ("reason", ["Fresh", "DriftTests"]),
        ("message", ["", "it drifts little"]),
        ("project", ["ada/lab", "ada/lab"]),
    ] {
        assert_eq!([of(&pre[0], key), of(&pre[1], key)], expected, "{key}");
    }
    // A version that the move creates has no previous commit.
    assert_eq!(of(&pre[0], "commit"), "-");
    assert_eq!(pre[0]["uuid"], post[0]["uuid"]);
    let now = |name: &str| {
        let name = format!("--git-dir .artifacts rev-parse refs/versions/ada/lab/{name}");
        sandbox.git(&name).trim().to_owned()
    };
    assert_eq!([of(&post[0], "commit"), of(&post[1], "commit")], [now("v2"), now("v1")]);
    assert_eq!(
        of(&pre[1], "commit"),
        sandbox.git(&format!("--git-dir .artifacts rev-parse {}^", now("v1"))).trim()
    );
}

#[test]
fn a_hook_runs_again_when_the_version_moved_meanwhile() {
    // The first run of the hook moves the version itself, so that its answer is stale.
    let sandbox = staged(
        "pre-stage",
        "export ART_HOOKS_ENABLED=false\n\
         echo \"$ART_STAGE_FROM\" >> asked\n\
         test \"$ART_STAGE_FROM\" = staging || art stage v1 staging",
    );
    sandbox.art("stage v1 production").ok();
    assert_eq!(sandbox.read("asked"), "testing\nstaging\n");
    put(
        &sandbox,
        "pre-stage",
        "export ART_HOOKS_ENABLED=false\necho x >> times\nart stage v1 staging --reason \"r$(wc -l < times)\"",
    );
    let moved = sandbox.art("stage v1 disabled").fails_with(13);
    assert_eq!(sandbox.read("times").lines().count(), 10, "{moved}");
    let record = sandbox.git("--git-dir .artifacts show refs/versions/ada/lab/v1:version.toml");
    assert!(record.contains("stage = \"staging\"") && !record.contains("disabled"), "{record}");
}

#[test]
fn a_version_of_a_path_is_an_upload_and_may_be_a_stage() {
    let sandbox = desk("pre-upload", "echo upload >> asked");
    put(&sandbox, "post-upload", "echo \"uploaded to $ART_RUN\" >> asked");
    put(&sandbox, "pre-stage", "echo \"stage $ART_STAGE_TO\" >> asked");
    put(&sandbox, "post-stage", "echo \"staged $ART_VERSION\" >> asked; art fsck --repair");
    let made = sandbox.art("register v1 --path data --stage staging --json").ok();
    let run = made.json()["run"].as_str().unwrap().to_owned();
    assert!(!made.stderr.contains("locked") && !made.stderr.contains("failed"), "{made}");
    assert_eq!(
        sandbox.read("asked"),
        format!("upload\nstage staging\nuploaded to {run}\nstaged v1\n"),
        "{made}"
    );
    put(&sandbox, "pre-upload", "exit 1");
    let refs = sandbox.git("--git-dir .artifacts for-each-ref");
    sandbox.art("register v2 --path data").fails_with(15);
    put(&sandbox, "pre-upload", "exit 0");
    put(&sandbox, "pre-stage", "exit 1");
    sandbox.write("data", "other");
    sandbox.art("register v2 --path data --stage staging").fails_with(15);
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), refs);
}

#[test]
fn the_hooks_of_the_guide_work() {
    if lacks("python3") {
        return;
    }
    let page = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/guide/hooks.md"),
    )
    .unwrap();
    let block = |begin: &str| {
        let from = page.find(begin).unwrap();
        page[from..].split("```").next().unwrap().to_owned()
    };
    let sandbox = staged("none", "");
    put_program(&sandbox, "pre-stage", &block("#!/bin/sh\ntest"));
    put_program(&sandbox, "post-stage", &block("#!/usr/bin/env python3"));
    let refused = sandbox.art("stage v1 production").fails_with(15);
    let said: String = refused.stderr.split_inclusive('\n').take(3).collect();
    assert_eq!(block("$ art stage v1 production").split_once('\n').unwrap().1, said);
    sandbox.art("stage v1 staging").ok();
    sandbox.art("stage v1 production --message 'LAB-7: ready'").ok();
    let list = "v1 testing -> staging\nv1 staging -> production\n";
    assert_eq!(sandbox.read("stages.txt"), list);
}

#[test]
fn hooks_run_for_a_displaced_version_too() {
    let sandbox =
        staged("pre-stage", "echo \"$ART_VERSION to $ART_STAGE_TO, $ART_REASON\" >> asked");
    put(&sandbox, "post-stage", "echo \"$ART_VERSION in $ART_STAGE_TO\" >> told");
    sandbox.art("policy set production.capacity=1 production.displaced=staging").ok();
    sandbox.art("register v2").ok();
    sandbox.art("stage v1 production").ok();
    sandbox.art("stage v2 production --reason Better").ok();
    assert_eq!(
        sandbox.read("asked"),
        "v1 to production, \nv2 to production, Better\nv1 to staging, Displaced\n"
    );
    assert_eq!(sandbox.read("told"), "v1 in production\nv2 in production\nv1 in staging\n");
    // If the hook refuses to displace a version, the new version is refused too, and neither moves.
    put(&sandbox, "pre-stage", "test \"$ART_REASON\" != Displaced");
    sandbox.art("register v3").ok();
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    sandbox.art("stage v3 production").fails_with(15);
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
}
