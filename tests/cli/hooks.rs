//! Local hooks as they are met on the command line.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::Sandbox;

/// A repository with a file to upload and this hook.
fn desk(hook: &str, script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    sandbox.write("data", "1 2 3");
    put(&sandbox, hook, script);
    sandbox
}

fn put(sandbox: &Sandbox, hook: &str, script: &str) {
    let path = sandbox.write(format!(".artifacts/hooks/{hook}"), format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_hook_refuses_with_15_and_nothing_has_changed() {
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

    hint: it is '[ROOT]/desk/.artifacts/hooks/pre-upload'
    ");
    assert_snapshot!(sandbox.art("upload data --quiet"), @r"
    exit 15
    -- stderr
    error: refused by the hook 'pre-upload' (exit code 1); nothing was changed
    caused by: no upload on Fridays
    red \u{1b}[31m

    hint: it is '[ROOT]/desk/.artifacts/hooks/pre-upload'
    ");
    assert_snapshot!(sandbox.art("upload data --json"), @r#"
    exit 15
    -- stderr
    {"output":{"source":"pre-upload","line":"no upload on Fridays"}}
    {"output":{"source":"pre-upload","line":"red \u001b[31m"}}
    {"error":{"kind":"policy","message":"refused by the hook 'pre-upload' (exit code 1); nothing was changed","causes":["no upload on Fridays\nred \u001b[31m"],"hint":"it is '[ROOT]/desk/.artifacts/hooks/pre-upload'","exit_code":15}}
    "#);
    let after = sandbox.shell("find .artifacts | sort; cat .artifacts/HEAD").ok().stdout;
    assert_eq!(after.replace(".artifacts/lock\n", ""), before.replace(".artifacts/lock\n", ""));
    // What only looks is not asked about, and hooks can be turned off.
    sandbox.art("upload data --dry-run").ok();
    sandbox.command("upload data").env("ART_HOOKS_ENABLED", "false").run().ok();
}

#[test]
fn a_hook_is_heard_and_one_that_fails_afterwards_is_a_warning() {
    let sandbox = desk("post-upload", "echo \"told of $ART_RUN\"\nexit 4");
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
    let line = format!("told of {run}");
    assert_eq!(said[0]["output"], serde_json::json!({"source": "post-upload", "line": line}));
    assert!(said[1]["warning"]["message"].is_string(), "{json}");
}

#[test]
fn a_hook_may_call_art_on_the_same_repository() {
    let sandbox = desk(
        "pre-upload",
        "test -z \"$ART_RUN\" || exit 0\nart run --name by-hook && art tag before",
    );
    // Without a run there is one to make, whatever the hook has made the current one.
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
fn a_hook_that_uploads_comes_to_an_end() {
    let sandbox = desk("post-upload", "date +%N > \"made-$ART_HOOK_DEPTH\"\nart upload made-*");
    let output = sandbox.art("upload data").ok();
    assert!(output.stderr.contains("hooks call each other, 5 deep"), "{output}");
    assert!(sandbox.path("made-5").exists() && !sandbox.path("made-6").exists());
}

#[test]
fn a_run_is_not_begun_without_its_upload_and_lives_without_its_outputs() {
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
    sandbox.art("config set hooks.timeout 300ms").ok();
    let begun = Instant::now();
    assert_snapshot!(sandbox.art("upload data"), @"
    exit 15
    -- stderr
    error: the hook 'pre-upload' did not end within 300ms; nothing was changed

    hint: give it more time: art config set hooks.timeout 10m
    ");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_interrupt_ends_the_hook_and_art() {
    let sandbox = desk("pre-upload", "echo $$ > id\nsleep 300");
    let mut art = sandbox.command("upload data").into_command();
    let art = art.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = art.spawn().unwrap();
    while !std::fs::read_to_string(sandbox.path("id")).is_ok_and(|id| id.ends_with('\n')) {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let id: i32 = sandbox.read("id").trim().parse().unwrap();
    assert!(rustix::process::test_kill_process(Pid::from_raw(id).unwrap()).is_err());
    assert_eq!(sandbox.art("runs --json").ok().stdout.trim(), "[]");
}

#[test]
fn a_repository_can_not_say_that_its_hooks_are_to_be_trusted() {
    let sandbox = desk("pre-upload", "exit 1");
    sandbox.art("config set hooks.trust any").ok();
    assert_eq!(sandbox.art("config get hooks.trust").ok().stdout, "owner\n");
    sandbox.art("config set --user hooks.trust any").ok();
    assert_eq!(sandbox.art("config get hooks.trust").ok().stdout, "any\n");
}
