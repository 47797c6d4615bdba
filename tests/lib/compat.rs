//! Each release reads repositories that earlier releases wrote.

use artifacts::NoProgress;
use artifacts::ops::fsck::{FsckOptions, fsck};

use crate::damaged::base::open;
use crate::damaged::listing;
use crate::fixtures::{root, small};
use crate::git;

#[test]
fn a_repository_of_format_1_is_read_to_the_last_byte() {
    let top = tempfile::tempdir().unwrap();
    let repo = open(&small(top.path()));
    let outcome = fsck(&repo, &FsckOptions::default().full(true), &NoProgress).unwrap();
    assert!(outcome.sound, "{:?}", outcome.defects);
    let expected = std::fs::read_to_string(root().join("repos/v1/small.expected")).unwrap();
    assert_eq!(listing(&repo), expected);
    assert!(expected.contains("caf\\xe9") && expected.contains("120000"), "{expected}");
}

#[test]
fn git_reads_a_repository_of_format_1() {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    let shown = git::run(&directory, &["log", "--format=%s", "refs/runs/alice/digits/alpha"]);
    assert_eq!(shown, "state 2\nstate 1");
    let expected = std::fs::read_to_string(root().join("repos/v1/small.expected")).unwrap();
    let tip = git::run(&directory, &["rev-parse", "refs/runs/alice/digits/gamma"]);
    let tree = git::run(&directory, &["ls-tree", "-r", &tip]);
    for line in tree.lines() {
        let (mode, rest) = line.split_once(' ').unwrap();
        let (id, path) = rest.split_once(' ').unwrap().1.split_once('\t').unwrap();
        let is_listed = |listed: &str| {
            listed.starts_with(&format!("{mode} {id} ")) && listed.ends_with(&format!(" {path}"))
        };
        assert!(expected.lines().any(is_listed), "{line}");
    }
    assert_eq!(tree.lines().count(), 35);
}
