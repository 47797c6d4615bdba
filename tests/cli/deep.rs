//! A tree deeper than any path that one system call takes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::common::Sandbox;

const LEVELS: usize = 2500;

fn directory(at: &OwnedFd, name: &str) -> OwnedFd {
    openat(at, name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
}

/// Makes directories inside one another, with a file in each tenth.
fn make(top: &Path) {
    std::fs::create_dir(top).unwrap();
    let mut at = openat(CWD, top, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
    for level in 0..LEVELS {
        if level % 10 == 0 {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let file = openat(&at, "f", flags, Mode::from_raw_mode(0o644)).unwrap();
            write!(File::from(file), "level {level}").unwrap();
        }
        mkdirat(&at, "d", Mode::from_raw_mode(0o755)).unwrap();
        at = directory(&at, "d");
    }
}

fn check(top: &Path) {
    let mut at = openat(CWD, top, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
    for level in (0..LEVELS).step_by(10) {
        let mut text = String::new();
        let file = openat(&at, "f", OFlags::RDONLY, Mode::empty()).unwrap();
        File::from(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("level {level}"));
        if level + 10 < LEVELS {
            (0..10).for_each(|_| at = directory(&at, "d"));
        }
    }
}

#[test]
fn a_tree_deeper_than_any_path_is_uploaded_and_downloaded() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    make(&sandbox.path("deep"));
    sandbox.art("upload deep").ok();
    sandbox.art("status deep").ok();
    sandbox.art("download HEAD:deep --to out").ok();
    check(&sandbox.path("out"));
    // All is there already.
    let again = sandbox.art("download HEAD:deep --to out --json").ok().json();
    assert_eq!(again["unchanged"], LEVELS / 10, "{again}");
    let plan = "ulimit -n 64; art download HEAD:deep --to few && art upload few";
    sandbox.shell(plan).ok();
    check(&sandbox.path("few"));
    // The harness removes no tree this deep.
    sandbox.tool("rm", "-rf deep out few");
}

/// The memory for a command, in KiB. The paths of the tree below have 1 GB in total.
const MEMORY: u64 = 900 << 10;

#[test]
fn the_paths_of_a_deep_tree_with_long_names_are_not_all_in_memory() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.art("config set limits.depth 100000").ok();
    std::fs::create_dir(sandbox.path("deep")).unwrap();
    let name = "n".repeat(250);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let mut at = openat(CWD, sandbox.path("deep"), flags, Mode::empty()).unwrap();
    for level in 0..3000 {
        if level % 1000 == 0 {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&at, "f", flags, Mode::from_raw_mode(0o644)).unwrap();
        }
        mkdirat(&at, &name, Mode::from_raw_mode(0o755)).unwrap();
        at = directory(&at, &name);
    }
    for line in ["upload deep", "status deep"] {
        sandbox.shell(&format!("ulimit -v {MEMORY} && exec art {line}")).ok();
    }
    sandbox.tool("rm", "-rf deep");
}

#[test]
fn a_path_that_no_command_could_read_back_is_not_uploaded() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.art("config set limits.depth 20").ok();
    let path = vec!["n".repeat(220); 19].join("/");
    sandbox.shell(&format!("mkdir -p deep/{path} && touch deep/f")).ok();
    let stderr = sandbox.art("upload deep").fails_with(2).stderr;
    assert!(stderr.contains("a path has 4198 bytes; the limit is 4096"), "{stderr}");
    assert!(stderr.contains("art config set limits.depth 1050"), "{stderr}");
    sandbox.art("config set limits.depth 1050").ok();
    sandbox.art("upload deep").ok();
    sandbox.art("download HEAD:deep --to out").ok();
}
