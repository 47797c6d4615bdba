//! A repository or a remote of another user may have a symbolic link at any place: no command writes,
//! shortens or removes anything through it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::{Sandbox, Step, thorough};

/// Every command that writes. Later commands use the results of earlier ones.
const VERBS: [&str; 31] = [
    "init",
    "config set log.date relative",
    "upload data --tag more",
    "run --name second",
    "run -- true",
    "runs finish second",
    "register v2 --force",
    "stage v1 production --reason r",
    "promote v1",
    "tag other",
    "update v1 --description d",
    "copy v1 --name v9",
    "transfer v9 --to-project a/b",
    "delete v2 --yes",
    "policy set --reason production",
    "lineage add one --path data --kind dataset",
    "undo --yes",
    "push",
    "fetch",
    "pull",
    "remote add third ../third",
    "remote remove third --yes",
    "status",
    "versions",
    "fsck",
    "fsck --repair",
    "fsck --remote origin",
    "push --repair",
    "evict --yes",
    "download v1 --to out",
    "path v1",
];

/// A repository with a remote and every kind of object.
fn prepared() -> Sandbox {
    Sandbox::with(&[
        Step::File("data/a.txt", "one"),
        Step::Noise("data/b.bin", 3, 200_000),
        Step::Art("init"),
        Step::Art("upload data --tag best"),
        Step::Art("register v1"),
        Step::Art("remote add origin ../store"),
        Step::Art("push"),
        Step::Art("fetch"),
        Step::Art("versions"),
        Step::Art("path v1"),
        Step::File("data/a.txt", "two"),
        Step::Art("upload data"),
    ])
}

/// Every path below `directory`, relative to it.
fn paths(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                left.push(path.clone());
            }
            found.insert(path.strip_prefix(directory).unwrap().to_owned());
        }
    }
    found
}

/// One path of each kind: names that are ids count as one name.
fn one_of_each_kind(all: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let kind = |path: &Path| -> String {
        let is_id = |part: &str| {
            let stem = part.split('.').next().unwrap_or_default();
            !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let parts = path.iter().map(|part| part.to_str().unwrap());
        parts.map(|part| if is_id(part) { "ID" } else { part }.to_owned() + "/").collect()
    };
    let all: BTreeMap<String, PathBuf> = all.into_iter().map(|path| (kind(&path), path)).collect();
    all.into_values().collect()
}

/// The files below `directory` with their bytes.
fn content(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(directory.join(path)).ok());
    paths(directory).into_iter().map(read).collect()
}

/// Moves the entry at `path` outside and replaces it by a link to it. If there is no entry, the link
/// names an absent file.
fn put_link(path: &Path, outside: &Path) {
    std::fs::create_dir_all(outside).unwrap();
    let target = outside.join("precious");
    if path.symlink_metadata().is_ok() {
        std::fs::rename(path, &target).unwrap();
        if target.is_file() && std::fs::read(&target).unwrap().is_empty() {
            std::fs::write(&target, "precious").unwrap();
        }
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(&target, path).unwrap();
}

/// Puts a link at each path of `below` in turn, runs every verb, and checks that nothing outside
/// changes.
fn nothing_is_written_through_links(below: &str, more: &[&str]) {
    let mut paths = paths(&prepared().root().join(below));
    paths.extend(more.iter().map(PathBuf::from));
    let is_near = |path: &PathBuf| thorough() || path.iter().count() <= 2;
    for path in one_of_each_kind(paths).into_iter().filter(is_near) {
        let sandbox = prepared();
        let outside = sandbox.root().join("outside");
        put_link(&sandbox.root().join(below).join(&path), &outside);
        let before = content(&outside);
        for verb in VERBS {
            sandbox.write("data/new.txt", verb);
            let output = sandbox.art(verb);
            assert_ne!(output.code, 70, "{}: art {verb}: {output}", path.display());
            assert_eq!(content(&outside), before, "{}: art {verb}: {output}", path.display());
        }
    }
}

#[test]
fn no_verb_writes_through_a_link_in_a_repository() {
    nothing_is_written_through_links(
        "desk/.artifacts",
        &[
            "HEAD.lock",
            "HEAD.next",
            "packed-refs.lock",
            "cache/stat",
            "cache/versions",
            "damaged",
            "refs/remotes",
            "refs/projects",
            "logs/refs/projects",
            "tmp/writer-1-1",
            "cache/remotes/origin/sending",
        ],
    );
}

#[test]
fn no_verb_writes_through_a_link_in_a_directory_that_is_a_remote() {
    nothing_is_written_through_links("store", &["tmp", "meta/refs", "content"]);
}

#[test]
fn a_link_in_the_way_is_named_with_its_owner() {
    let sandbox = prepared();
    let precious = sandbox.root().join("precious");
    std::fs::write(&precious, "years of work").unwrap();
    for path in ["refs.lock", "lock", "gate", "tmp/guard", "operations.jsonl"] {
        let link = sandbox.path(".artifacts").join(path);
        std::fs::rename(&link, sandbox.root().join("kept")).unwrap();
        symlink(&precious, &link).unwrap();
        sandbox.write("data/new.txt", path);
        let output = sandbox.art("upload data");
        assert_eq!(output.code, 12, "{path}: {output}");
        let uid = rustix::process::geteuid().as_raw();
        let owner = format!("the link belongs to the user with uid {uid} and leads to");
        assert!(output.stderr.contains(&owner), "{path}: {output}");
        assert!(output.stderr.contains(path), "{path}: {output}");
        assert_eq!(std::fs::read(&precious).unwrap(), b"years of work", "{path}");
        std::fs::rename(sandbox.root().join("kept"), &link).unwrap();
    }
    sandbox.art("upload data").ok();
}

#[test]
fn a_repository_may_be_a_link_and_be_reached_through_links() {
    let sandbox = prepared();
    std::fs::rename(sandbox.path(".artifacts"), sandbox.root().join("disk")).unwrap();
    symlink(sandbox.root().join("disk"), sandbox.path(".artifacts")).unwrap();
    sandbox.write("data/new.txt", "1");
    sandbox.art("upload data").ok();
    symlink(sandbox.work(), sandbox.root().join("way")).unwrap();
    sandbox.write("data/new.txt", "2");
    let through = sandbox.root().join("way/.artifacts");
    sandbox.command("upload data").env("ART_DIR", through).run().ok();
    sandbox.art("fsck").ok();
}

#[test]
fn a_staging_directory_that_is_a_link_is_left_alone() {
    let sandbox = prepared();
    let outside = sandbox.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "kept").unwrap();
    std::fs::create_dir_all(sandbox.path("out")).unwrap();
    symlink(&outside, sandbox.path("out/.art-download-1")).unwrap();
    sandbox.art("download best --to out").ok();
    assert_eq!(paths(&outside), BTreeSet::from([PathBuf::from("file")]));
}
