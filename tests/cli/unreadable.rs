//! An unreadable entry is an error and never counts as absent, because its contents may matter.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::Sandbox;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives every user all permissions below the sandbox's directory.
fn open_to_all(sandbox: &Sandbox) {
    sandbox.tool("chmod", &format!("-R a+rwX {}", sandbox.root().display()));
}

#[test]
fn an_inner_repository_that_cannot_be_read_hides_the_outer_one() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.art("init inner").ok();
    sandbox.write("inner/x", "1");
    open_to_all(&sandbox);
    set_mode(&sandbox.path("inner/.artifacts"), 0o000);
    for verb in ["upload", "status", "log", "versions", "fsck", "run --name r", "config list"] {
        let output = sandbox.command(verb).current_dir("inner").unprivileged().run();
        assert_eq!(output.code, 12, "{verb}: {output}");
        assert!(output.stderr.contains("inner"), "{verb}: {output}");
    }
    let output = sandbox.command("init").current_dir("inner").unprivileged().run();
    assert_eq!(output.code, 12, "{output}");
    let inner = sandbox.path("inner/.artifacts");
    let output = sandbox.command("status").env("ART_DIR", inner).unprivileged().run();
    assert_eq!(output.code, 12, "{output}");
    set_mode(&sandbox.path("inner/.artifacts"), 0o755);
    let runs = sandbox.path(".artifacts/refs/runs");
    assert!(!runs.exists(), "nothing was uploaded to the outer one");
}

#[test]
fn settings_are_listed_although_the_head_cannot_be_read() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.art("config set log.date relative").ok();
    open_to_all(&sandbox);
    set_mode(&sandbox.path(".artifacts/HEAD"), 0o000);
    let output = sandbox.command("status").unprivileged().run();
    assert_eq!(output.code, 12, "{output}");
    // No setting depends on the head: the list is complete.
    let listed = sandbox.command("config list --repository").unprivileged().run().ok().stdout;
    assert!(listed.contains("log.date") && listed.contains("relative"), "{listed}");
    set_mode(&sandbox.path(".artifacts/config.toml"), 0o000);
    let output = sandbox.command("config list").unprivileged().run();
    assert_eq!(output.code, 12, "{output}");
    set_mode(&sandbox.path(".artifacts/config.toml"), 0o644);
    set_mode(&sandbox.path(".artifacts/HEAD"), 0o644);
}

#[test]
fn a_directory_that_is_a_remote_and_cannot_be_read_is_not_empty() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "1");
    sandbox.art("init").ok();
    sandbox.art("upload a").ok();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("push").ok();
    open_to_all(&sandbox);
    set_mode(&sandbox.root().join("store"), 0o000);
    for verb in ["push", "fetch", "clone ../store ../copy", "remote add second ../store"] {
        let output = sandbox.command(verb).unprivileged().run();
        assert_eq!(output.code, 12, "{verb}: {output}");
    }
    set_mode(&sandbox.root().join("store"), 0o755);
}

#[test]
fn rules_that_cannot_be_read_stop_an_upload() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("data/secret", "1");
    sandbox.write("data/.artifactsignore", "secret\n");
    open_to_all(&sandbox);
    set_mode(&sandbox.path("data/.artifactsignore"), 0o000);
    for verb in ["upload data", "upload data/secret"] {
        let output = sandbox.command(verb).unprivileged().run();
        assert_eq!(output.code, 12, "{verb}: {output}");
        assert!(output.stderr.contains(".artifactsignore"), "{verb}: {output}");
    }
    set_mode(&sandbox.path("data/.artifactsignore"), 0o644);
}

#[test]
fn an_entry_that_is_not_a_repository_hides_the_outer_one() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("inner/x", "1");
    for (make, code) in [
        ("ln -s /nonexistent inner/.artifacts", 14),
        ("ln -s .artifacts inner/.artifacts", 14),
        ("echo text >inner/.artifacts", 10),
        ("mkfifo inner/.artifacts", 10),
        ("mkdir inner/.artifacts", 10),
    ] {
        sandbox.shell(make).ok();
        for verb in ["upload", "status", "log", "run --name r", "fsck"] {
            let output = sandbox.command(verb).current_dir("inner").run();
            assert_eq!(output.code, code, "{make}: {verb}: {output}");
            assert!(output.stderr.contains("inner/.artifacts"), "{make}: {verb}: {output}");
            assert!(output.stderr.contains("hint: "), "{make}: {verb}: {output}");
        }
        sandbox.shell("rm -r inner/.artifacts").ok();
    }
    assert!(
        !sandbox.path(".artifacts/refs/runs").exists(),
        "nothing was uploaded to the outer one"
    );
}

#[test]
fn a_part_of_the_repository_that_cannot_be_read_is_not_called_damage() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.art("init").ok();
    sandbox.art("upload data").ok();
    open_to_all(&sandbox);
    for name in ["HEAD", "config", "objects", "config.toml"] {
        let path = sandbox.path(".artifacts").join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        set_mode(&path, 0o000);
        for verb in ["upload data", "status", "runs", "log", "fsck", "fsck --repair", "init"] {
            let output = sandbox.command(verb).unprivileged().run();
            let is_unread = verb == "init" && name == "config.toml" && output.code == 0;
            assert!(output.code == 12 || is_unread, "{name} {verb}: {output}");
            let has_hint = output.stderr.contains("hint: ") || name == "config.toml";
            assert!(has_hint, "{name} {verb}: {output}");
        }
        set_mode(&path, mode);
        sandbox.command("status").unprivileged().run().ok();
    }
    assert!(!sandbox.path(".artifacts/damaged").exists(), "nothing was set aside");
}
