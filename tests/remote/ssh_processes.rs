//! No process of `ssh` and no control socket outlives a command, however the command ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::sftp::Sftp;
use crate::common::wait_for;

fn command(root: &Path, directory: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_art"));
    command
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", root.join("home"))
        .env("USER", "tester")
        .stdin(Stdio::null())
        .current_dir(root.join(directory));
    command
}

fn art(root: &Path, directory: &str, words: &[&str]) -> Output {
    command(root, directory, words).output().unwrap()
}

/// The processes of `ssh` whose command line names the key of `server`.
fn ssh_processes(server: &Sftp) -> Vec<String> {
    let key = server.key().clone();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is_ssh = words.first().is_some_and(|program| program.ends_with("ssh"));
        if is_ssh && words.iter().any(|word| *word == *key) {
            found.push(words.join(" "));
        }
    }
    found
}

fn control_directories(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".ssh-connection") {
                found.push(name);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(entry.path());
            }
        }
    }
    found
}

fn check_nothing_is_left(server: &Sftp, root: &Path, after: &str) {
    assert_eq!(ssh_processes(server), Vec::<String>::new(), "after {after}");
    assert_eq!(control_directories(root), Vec::<String>::new(), "after {after}");
}

/// A server, and a directory with an empty repository `w` beside it; `None` where there is no server.
fn start() -> Option<(Sftp, tempfile::TempDir)> {
    let server = match Sftp::start() {
        Ok(server) => server,
        Err(reason) => {
            println!("SFTP is not tested: {reason}");
            return None;
        }
    };
    let temporary = super::stores::directory();
    for name in ["home", "w"] {
        std::fs::create_dir(temporary.path().join(name)).unwrap();
    }
    let root = temporary.path();
    std::fs::write(root.join("w/file"), "content").unwrap();
    assert!(art(root, "w", &["init", "--project", "o/p"]).status.success());
    assert!(art(root, "w", &["upload"]).status.success());
    Some((server, temporary))
}

#[test]
fn no_process_of_ssh_outlives_a_command() {
    let Some((server, temporary)) = start() else { return };
    let root = temporary.path();
    let uri = server.uri("a/prefix");
    let add = ["remote", "add", "origin", &uri];
    let verbs: [(&str, &[&str]); 11] = [
        ("w", &add),
        ("w", &["push"]),
        ("w", &["push", "--dry-run"]),
        ("w", &["fetch"]),
        ("w", &["pull"]),
        ("w", &["log", "--remote", "origin"]),
        ("w", &["remote", "show", "origin"]),
        ("w", &["fsck", "--remote", "origin"]),
        ("w", &["evict", "--yes"]),
        ("w", &["cat", "HEAD:file"]),
        ("home", &["clone", "--full", &uri, "copy"]),
    ];
    for (directory, words) in verbs {
        let output = art(root, directory, words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        check_nothing_is_left(&server, root, &words.join(" "));
    }
    // An error ends it too: no such directory can be created.
    let bad = format!("{}/x", server.uri("").split_once("/files/").unwrap().0);
    let options = uri.split_once('?').unwrap().1;
    let bad = bad.replace("/x", "/authorized/x");
    let output = art(root, "w", &["remote", "add", "bad", &format!("{bad}?{options}")]);
    assert!(!output.status.success(), "{output:?}");
    check_nothing_is_left(&server, root, "an error");
}

#[test]
fn no_process_of_ssh_outlives_a_command_that_is_killed_and_the_next_push_removes_its_leftovers() {
    let Some((server, temporary)) = start() else { return };
    let root = temporary.path();
    let uri = server.uri("a/prefix");
    assert!(art(root, "w", &["remote", "add", "origin", &uri]).status.success());
    let leftovers = || {
        let directory = server.files().join("a/prefix/tmp");
        std::fs::read_dir(directory).map_or(0, Iterator::count)
    };
    let mut seed = 7_u64;
    for signal in ["KILL", "TERM", "INT"] {
        // Bytes that can't be compressed: the push takes a moment.
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .take(24 << 20)
        .collect();
        std::fs::write(root.join("w/large"), bytes).unwrap();
        assert!(art(root, "w", &["upload"]).status.success());
        let mut push = command(root, "w", &["push"]);
        let mut push = push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("the push to write", || leftovers() > 0 || push.try_wait().unwrap().is_some());
        let pid = push.id().to_string();
        Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        push.wait().unwrap();
        wait_for("the end of ssh", || ssh_processes(&server).is_empty());
        check_nothing_is_left(&server, root, signal);
        if signal != "KILL" {
            assert_eq!(leftovers(), 0, "after {signal}");
        }
        let again = art(root, "w", &["push"]);
        assert!(again.status.success(), "{again:?}");
        check_nothing_is_left(&server, root, "the push after it");
        assert_eq!(leftovers(), 0, "after the push that follows {signal}");
    }
}

#[test]
fn ssh_without_a_key_or_with_another_user_is_unauthorized() {
    let Some((server, temporary)) = start() else { return };
    let root = temporary.path();
    let uri = server.uri("a/prefix");
    let without_key = uri.replace("/user&", "/missing&");
    let other_user = uri.replacen("sftp://", "sftp://nobody-", 1);
    for uri in [without_key, other_user] {
        let output = art(root, "w", &["remote", "add", "origin", &uri]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(12), "{stderr}");
        assert!(stderr.contains("rejected this user or key"), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    }
}
