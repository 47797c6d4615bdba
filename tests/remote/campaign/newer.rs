//! A remote of a newer `art` is refused with a hint. Nothing changes on the remote or locally.

use std::path::Path;

use super::world::{Log, World};
use crate::common::Output;

/// The commands that connect to a remote that the machine knows.
const VERBS: [&str; 8] = [
    "-C a push",
    "-C a push --repair",
    "-C b fetch",
    "-C b pull",
    "-C b pull v1 --full",
    "-C b evict --yes",
    "-C b fsck --remote origin",
    "clone store c",
];

/// The commands that connect to a remote for the first time.
const FIRST: [&str; 3] = ["clone store c", "clone store c --full", "-C new push"];

fn is_refused(world: &World, verbs: &[&str], context: &str) {
    world.keep();
    for verb in verbs {
        let context = format!("{context}: {verb}");
        world.restore();
        let before = state(world);
        let output: Output = world.sandbox.art(verb);
        assert_eq!(output.code, 1, "{context}: {output}");
        assert!(output.stderr.contains("newer art") || output.stderr.contains("does not support"));
        assert!(output.stderr.contains("hint: install the newest art"), "{context}: {output}");
        assert_eq!(state(world), before, "{context}: the remote, or refs, changed");
        assert!(!world.sandbox.path("c").exists(), "{context}: a clone was left");
    }
}

/// The files of the remote, and the refs of the machines.
fn state(world: &World) -> String {
    let script = "find store -type f | sort | xargs sha256sum;
                  for m in a b; do git --git-dir $m/.artifacts for-each-ref; done";
    world.sandbox.shell(script).ok().stdout
}

/// Adds an entry behind the last one, changed by `change`.
fn add_entry(world: &World, change: impl Fn(&str) -> String) {
    let log = world.store().join("log");
    let mut names: Vec<_> =
        std::fs::read_dir(&log).unwrap().map(|one| one.unwrap().path()).collect();
    names.sort();
    let last = names.pop().unwrap();
    let name = last.file_name().unwrap().to_str().unwrap();
    let number: u64 = name[..20].parse().unwrap();
    let text = std::fs::read_to_string(&last).unwrap();
    let text = text.replace(&format!("number = {number}"), &format!("number = {}", number + 1));
    std::fs::write(log.join(format!("{:020}{}", number + 1, &name[20..])), change(&text)).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn with_a_new_machine(log: Log) -> World {
    let world = World::shared(log);
    world.sandbox.art("init new --project ada/digits").ok();
    world.sandbox.art("-C new run --name other").ok();
    world.sandbox.art("-C new remote add origin ../store").ok();
    world
}

#[test]
fn an_entry_of_a_newer_art_is_where_a_remote_is_refused() {
    for log in [Log::Linear, Log::Siblings] {
        let world = with_a_new_machine(log);
        // The entry may name the needed version in any way, and end in any way.
        add_entry(&world, |text| {
            text.replace("format = 1", "format = 2\nneeds = [\"quorum\"]")
                .replace("# sha256", "# x")
        });
        is_refused(&world, &VERBS, &format!("{log:?}: an entry"));
        let world = with_a_new_machine(log);
        add_entry(&world, |text| {
            text.replace("format = 1", "format = 2").replace("refs = [", "refs = 7\nmoves = [")
        });
        is_refused(&world, &FIRST, &format!("{log:?}: an entry"));
    }
}

#[test]
fn a_remote_marker_of_a_newer_art_is_refused() {
    for (from, to) in [("format = 1", "format = 2"), ("\"sha256\"", "\"blake3\"")] {
        let world = with_a_new_machine(Log::Linear);
        replace(&world.store().join("art.toml"), from, to);
        is_refused(&world, &FIRST, to);
    }
    let world = with_a_new_machine(Log::Linear);
    world.write_checkpoint();
    replace(&world.store().join("checkpoint/latest.toml"), "format = 1", "format = 2");
    is_refused(&world, &FIRST, "a checkpoint");
}

/// Unknown keys are ignored. A change that must not be ignored raises the version of the format.
#[test]
fn unknown_keys_are_ignored() {
    for log in [Log::Linear, Log::Siblings] {
        let world = with_a_new_machine(log);
        replace(&world.store().join("art.toml"), "format = 1", "format = 1\ncolour = \"blue\"");
        for verb in ["-C a push", "-C b pull", "clone store c", "-C new push", "-C b pull"] {
            world.sandbox.art(verb).ok();
        }
        world.is_sound("unknown keys");
        assert!(world.sandbox.read("store/art.toml").contains("colour"));
    }
}
