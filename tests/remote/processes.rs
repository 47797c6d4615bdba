//! Eight processes push their uploads to one remote in parallel. No upload is lost, and their
//! repositories and a clone are sound.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::server::{KEY, Manners, Server};
use super::stores::directory;

const WRITERS: usize = 8;
const UPLOADS: usize = 10;

/// Runs `art` in `directory` below `root` and returns its output.
fn art(root: &Path, directory: &str, words: &str) -> String {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_art"))
        .args(words.split(' '))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", root.join("home"))
        .env("USER", "tester")
        .env("AWS_ACCESS_KEY_ID", KEY.0)
        .env("AWS_SECRET_ACCESS_KEY", KEY.1)
        .current_dir(root.join(directory))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "in {directory}: art {words}: {status}\n{stdout}\n{stderr}");
    stdout
}

/// The work of one writer: uploads to its own run, registers a version of each upload, and pushes.
fn write(root: &Path, writer: usize) {
    let own = format!("w{writer}");
    for number in 0..UPLOADS {
        let file = root.join(&own).join(format!("file-{number}"));
        std::fs::write(file, format!("{writer} {number} ").repeat(2000)).unwrap();
        art(root, &own, &format!("upload file-{number} -m upload"));
        art(root, &own, &format!("register v{writer}-{number}"));
        art(root, &own, "push");
    }
}

fn names(root: &Path, directory: &str) -> BTreeSet<String> {
    let listed: Vec<Value> =
        serde_json::from_str(&art(root, directory, "versions --json")).unwrap();
    listed.iter().map(|version| version["name"].as_str().unwrap().to_owned()).collect()
}

/// The URI of a server for a program with the secrets in its environment.
fn uri(server: &Server) -> String {
    server.uri("a/prefix").replace("disable_config_load=true&", "")
}

fn race(uri: &str) {
    let temporary = directory();
    let root: PathBuf = temporary.path().canonicalize().unwrap();
    let own = |writer: usize| format!("w{writer}");
    for name in (0..WRITERS).map(own).chain(["home".to_owned()]) {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    for writer in 0..WRITERS {
        art(&root, &own(writer), "init --project o/p");
        art(&root, &own(writer), &format!("run --name run-{writer}"));
        art(&root, &own(writer), &format!("remote add origin {uri}"));
    }
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let root = &root;
            scope.spawn(move || write(root, writer));
        }
    });
    let all: BTreeSet<String> = (0..WRITERS)
        .flat_map(|writer| (0..UPLOADS).map(move |number| format!("v{writer}-{number}")))
        .collect();
    art(&root, "home", &format!("clone --full {uri} there"));
    assert_eq!(names(&root, "home/there"), all);
    art(&root, "home/there", "fsck --full");
    art(&root, "home/there", "download v3-9 --to out");
    for number in 0..UPLOADS {
        let name = format!("file-{number}");
        let there = std::fs::read(root.join("home/there/out").join(&name)).unwrap();
        assert_eq!(there, std::fs::read(root.join("w3").join(&name)).unwrap(), "{name}");
    }
    for writer in 0..WRITERS {
        art(&root, &own(writer), "pull");
        assert_eq!(names(&root, &own(writer)), all, "{writer}");
        art(&root, &own(writer), "fsck");
    }
}

#[test]
fn eight_processes_push_to_a_directory_at_once() {
    let store = directory();
    race(store.path().join("store").to_str().unwrap());
}

#[test]
fn eight_processes_push_to_s3_at_once() {
    let server = Server::start(Manners::Honest);
    race(&uri(&server));
}

#[test]
fn eight_processes_push_in_parallel_to_s3_that_breaks_its_guarantees() {
    let server = Server::start(Manners::HalfHonest);
    race(&uri(&server));
}
