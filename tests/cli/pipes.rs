//! Each command names a named pipe, a socket or a device in place of a file, and does not wait for it.

use std::path::{Path, PathBuf};

use crate::common::{Sandbox, noise};

fn make_pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

fn prepare(sandbox: &Sandbox) {
    sandbox.write("data/a.txt", "one");
    sandbox.write("data/b.bin", noise(3, 200_000));
    sandbox.art("init").ok();
    sandbox.art("upload data --tag best").ok();
    sandbox.art("register v1").ok();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("push").ok();
    sandbox.art("versions").ok();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Runs verbs with a pipe in place of each file in turn. The sandbox checks that each verb ends. None
/// may fail as a defect of the program.
fn nothing_waits(directory: &str, verbs: &[&str]) {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    let kept = sandbox.root().join("kept");
    for path in files(&sandbox.root().join(directory)) {
        std::fs::rename(&path, &kept).unwrap();
        make_pipe(&path);
        for verb in verbs {
            let output = sandbox.art(verb);
            assert!(![70, 101].contains(&output.code), "{}: art {verb}: {output}", path.display());
        }
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::rename(&kept, &path).unwrap();
    }
    sandbox.art("fsck").ok();
}

#[test]
fn a_pipe_in_the_place_of_any_file_of_a_repository_holds_no_command() {
    let verbs = ["versions", "log", "fsck --full", "status data", "cat best:data/a.txt", "push"];
    nothing_waits("desk/.artifacts", &verbs);
}

#[test]
fn a_pipe_in_the_place_of_any_file_of_a_remote_holds_no_command() {
    nothing_waits("store", &["fetch", "fsck --remote origin", "push", "clone ../store ../copy"]);
}

#[test]
fn a_pipe_is_named_with_its_path_and_its_kind() {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    let version = files(&sandbox.path(".artifacts/refs/versions")).remove(0).with_file_name("v2");
    make_pipe(&version);
    let output = sandbox.art("versions");
    assert_eq!(output.code, 3, "{output}");
    assert!(output.stderr.contains("v2'"), "{output}");
    assert!(output.stderr.contains("expected a file, found a named pipe"), "{output}");
    std::fs::remove_file(version).unwrap();

    let config = sandbox.path(".artifacts/config.toml");
    std::fs::remove_file(&config).unwrap();
    make_pipe(&config);
    let output = sandbox.art("status data");
    assert!(output.code == 20 || output.code == 2, "{output}");
    assert!(output.stderr.contains("found a named pipe"), "{output}");
}

#[test]
fn a_pipe_in_a_work_tree_is_left_out_of_an_upload_and_named() {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    make_pipe(&sandbox.path("data/pipe"));
    make_pipe(&sandbox.path("data/.artifactsignore"));
    let output = sandbox.art("upload data").fails_with(1);
    assert!(output.stderr.contains(".artifactsignore"), "{output}");
    std::fs::remove_file(sandbox.path("data/.artifactsignore")).unwrap();
    let output = sandbox.art("upload data");
    assert!(output.stderr.contains("a named pipe"), "{output}");
}
