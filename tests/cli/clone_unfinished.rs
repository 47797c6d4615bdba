//! The same command finishes a killed clone. Until then, every other command refuses to run.

use crate::common::Sandbox;
use crate::push::{json, sandbox};

/// A remote with two runs and a version.
fn remote() -> Sandbox {
    let sandbox = sandbox();
    sandbox.art("-C a run --name two").ok();
    sandbox.art("-C a push").ok();
    sandbox
}

fn is_unfinished(sandbox: &Sandbox) -> bool {
    sandbox.path("c/.artifacts/unfinished-clone").exists()
}

/// Checks that the clone has all runs, versions and content.
fn is_whole(sandbox: &Sandbox, context: &str) {
    let runs = json(sandbox, "-C c runs");
    assert_eq!(runs.as_array().unwrap().len(), 2, "{context}: {runs}");
    assert_eq!(sandbox.art("-C c config get core.project").ok().stdout, "ada/digits\n");
    sandbox.art("-C c fsck --full").ok();
    let left = sandbox.shell("ls -A c c/.artifacts | grep -e '.artifacts-' -e unfinished").stdout;
    assert_eq!(left, "", "{context}");
}

#[test]
fn a_clone_that_was_killed_at_any_step_is_finished_by_the_same_clone() {
    const REFUSED: [&str; 8] =
        ["runs", "status", "pull", "fetch", "fsck", "init", "upload", "push"];
    let (sandbox, mut unfinished, mut step) = (remote(), 0, 1);
    loop {
        sandbox.shell("rm -rf c").ok();
        let context = format!("abort:{step}");
        let killed = sandbox.command("clone store c --full").env("ART_FAULT", &context).run();
        if killed.code == 0 {
            break;
        }
        if is_unfinished(&sandbox) {
            // Each step with some of the commands.
            for line in REFUSED.iter().skip(unfinished % 4).step_by(4) {
                let output = sandbox.art(&format!("-C c {line}")).fails_with(1);
                let told = "did not finish";
                assert!(output.stderr.contains(told), "{context}: {line}: {output}");
                assert!(output.stderr.contains("hint: art clone "), "{context}: {line}: {output}");
            }
            unfinished += 1;
            let cloned = json(&sandbox, "clone store c --full");
            assert_eq!(cloned["runs"], 2, "{context}: {cloned}");
        } else if !sandbox.path("c/.artifacts").exists() {
            sandbox.art("clone store c --full").ok();
        }
        is_whole(&sandbox, &context);
        step += 3;
    }
    assert!(unfinished > 3, "only {unfinished} of {step} steps left an unfinished clone");
}

/// Kills a clone at a step that leaves an unfinished one.
fn unfinished() -> Sandbox {
    let sandbox = remote();
    for step in (1..).step_by(2) {
        sandbox.shell("rm -rf c").ok();
        let fault = format!("abort:{step}");
        let killed = sandbox.command("clone store c").env("ART_FAULT", &fault).run();
        assert_ne!(killed.code, 0, "no step leaves an unfinished clone");
        if is_unfinished(&sandbox) {
            return sandbox;
        }
    }
    unreachable!()
}

#[test]
fn a_clone_of_another_remote_does_not_resume_an_unfinished_clone() {
    let sandbox = unfinished();
    sandbox.shell("cp -a store other").ok();
    let refused = sandbox.art("clone other c").fails_with(1);
    assert!(refused.stderr.contains("did not finish"), "{refused}");
    assert!(refused.stderr.contains("resume that clone: art clone "), "{refused}");
    assert!(is_unfinished(&sandbox));
    // The remote may have another name.
    sandbox.art("clone store c --origin lab").ok();
    assert_eq!(json(&sandbox, "-C c remote list")[0]["name"], "lab");
    is_whole(&sandbox, "another name");
}

#[test]
fn a_clone_that_can_not_reach_its_remote_stays_unfinished() {
    let sandbox = unfinished();
    sandbox.shell("mv store off").ok();
    sandbox.art("clone store c").fails_with(14);
    assert!(is_unfinished(&sandbox));
    sandbox.shell("mv off store").ok();
    sandbox.art("clone store c").ok();
    is_whole(&sandbox, "out of reach for a while");
}

#[test]
fn a_clone_that_received_nothing_leaves_nothing_behind() {
    let sandbox = remote();
    sandbox.art("config set --user transfer.retries 0").ok();
    let output = sandbox.art("clone webdav+http://127.0.0.1:1/x c").fails_with(14);
    assert!(!output.stderr.contains("resume the clone"), "{output}");
    assert!(!sandbox.path("c").exists());
    // The clone with the right URI is not refused.
    sandbox.art("clone store c").ok();
    is_whole(&sandbox, "another URI");
}

#[test]
fn a_clone_ignores_the_settings_of_an_enclosing_repository() {
    let sandbox = remote();
    for (key, value) in [("content.chunk-avg", "2 MiB"), ("core.project", "ada/around")] {
        sandbox.art(&format!("-C a config set {key} '{value}'"));
    }
    let around = sandbox.command("clone ../store in").current_dir("a").run();
    let plain = sandbox.art("clone store plain");
    assert_eq!((around.code, plain.code), (0, 0), "{around} {plain}");
    assert_eq!(
        sandbox.read("a/in/.artifacts/config.toml"),
        sandbox.read("plain/.artifacts/config.toml")
    );
    // Unreadable settings of the outer repository stop no other command.
    sandbox.shell("echo '[' >> a/.artifacts/config.toml").ok();
    sandbox.command("clone ../store again").current_dir("a").run().ok();
}
