//! A remote that loses each of its objects in turn: every verb works or names the missing object, no
//! local data is lost, a check of the remote names the object, and a machine that has it repairs the
//! remote.

use std::path::{Path, PathBuf};

use artifacts::repo::TransferSettings;

use super::oracle;
use super::world::{Log, World};
use crate::common::{Output, thorough};

/// The commands that run on a damaged remote. `b` has the first push only.
const VERBS: [&str; 6] = [
    "-C b fetch",
    "-C b pull --full",
    "-C a push",
    "clone store c",
    "clone store c --full",
    "-C a evict --full --yes",
];

/// The names that messages use for the files below each directory of a remote.
const KINDS: [(&str, &[&str]); 6] = [
    ("art.toml", &["art.toml"]),
    ("checkpoint", &["checkpoint"]),
    ("index", &["index segment", "index/"]),
    ("log", &["log/", "entry", "entries", "lacks: "]),
    ("meta", &["Git pack", "lacks: "]),
    ("packs", &["pack"]),
];

/// A remote with a checkpoint. `b` has the first push, and `a` has all pushes.
fn world(log: Log) -> World {
    let world = World::diverged(log);
    world.write_checkpoint();
    world.sandbox.write("a/data/third.txt", "third");
    world.sandbox.art("-C a upload data -m third").ok();
    world
}

/// All objects of the remote, by key.
fn objects(store: &Path) -> Vec<String> {
    fn add(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { add(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    add(store, &mut found);
    let key = |path: &PathBuf| path.strip_prefix(store).unwrap().to_str().unwrap().to_owned();
    let mut keys: Vec<String> = found.iter().map(key).collect();
    keys.sort();
    keys
}

fn refs(world: &World, machine: &str) -> Vec<String> {
    let repo = world.open(machine, TransferSettings::default());
    let refs = repo.history().refs("refs/").unwrap();
    refs.into_iter().map(|(name, _)| name.to_string()).collect()
}

/// Runs each verb on a remote without `key`, then the check and the repair.
fn lose(world: &World, key: &str, verbs: &[&str]) {
    let (kind, names) = *KINDS.iter().find(|(kind, _)| key.starts_with(kind)).unwrap();
    for verb in verbs {
        let context = format!("{verb} without {key}");
        world.restore();
        std::fs::remove_file(world.store().join(key)).unwrap();
        let before = ["a", "b"].map(|machine| refs(world, machine));
        let output = world.sandbox.art(verb);
        if output.code != 0 {
            is_named(&output, names, &context);
        }
        for (machine, before) in ["a", "b"].into_iter().zip(before) {
            let now = refs(world, machine);
            let lost: Vec<&String> = before.iter().filter(|name| !now.contains(name)).collect();
            // `b` may have read the deletion by `a` in the log.
            let is_fair = |name: &&&String| machine == "b" && name.ends_with("/v0");
            assert!(lost.iter().all(|name| is_fair(&name)), "{context}: {lost:?} of {machine}");
        }
        world.machines_are_sound(&context);
        repair(world, key, kind, &context);
        world.sandbox.shell("rm -rf c").ok();
        if !verb.contains("push") {
            world.sandbox.art(verb).ok();
        }
        world.is_sound(&context);
    }
}

fn is_named(output: &Output, names: &[&str], context: &str) {
    let text = &output.stderr;
    assert!([1, 3, 13, 20].contains(&output.code), "{context}: {output}");
    assert!(names.iter().any(|name| text.contains(name)), "{context}: {output}");
    assert!(text.contains("hint: "), "{context}: {output}");
}

/// Checks that a check names the missing object, and that `a`, which has everything, repairs it.
fn repair(world: &World, key: &str, kind: &str, context: &str) {
    let checked = world.sandbox.art("-C a fsck --remote origin");
    let is_there = world.store().join(key).exists();
    if checked.code != 0 {
        assert_eq!(checked.code, 20, "{context}: {checked}");
        let says = format!("{}{}", checked.stdout, checked.stderr);
        assert!(says.contains(key) || kind == "log", "{context}: {checked}");
        world.sandbox.art("-C a push --repair").ok();
        world.sandbox.art("-C a fsck --remote origin --full").ok();
    } else {
        // A verb has stored the object again, or other objects replace it.
        let spare = kind == "checkpoint" || key.ends_with("2.toml");
        assert!(is_there || spare, "{context}: not found: {checked}");
    }
    let pushed = world.sandbox.art("-C a push");
    if pushed.code == 13 {
        world.sandbox.art("-C a pull").ok();
        world.sandbox.art("-C a push").ok();
    } else {
        pushed.ok();
    }
    world.agrees("a", context);
    oracle::check(&world.store(), &world.sandbox.root(), context);
}

fn lose_each(log: Log) {
    let world = world(log);
    world.keep();
    let mut before = String::new();
    for (number, key) in objects(&world.store()).into_iter().enumerate() {
        let kind = key.split('/').next().unwrap().to_owned();
        if thorough() {
            lose(&world, &key, &VERBS);
        } else if kind != before {
            // One object of each kind, with other verbs for the next one.
            let verbs = VERBS.iter().cycle().skip(number).step_by(3).take(2);
            lose(&world, &key, &verbs.copied().collect::<Vec<_>>());
        }
        before = kind;
    }
}

#[test]
fn a_remote_that_loses_an_object() {
    lose_each(Log::Linear);
}

#[test]
fn a_remote_with_sibling_entries_that_loses_an_object() {
    lose_each(Log::Siblings);
}

/// Data that the remote lost without a deletion stays present locally.
#[test]
fn a_remote_restored_from_an_older_copy_deletes_nothing_locally() {
    for log in [Log::Linear, Log::Siblings] {
        let world = World::shared(log);
        world.sandbox.shell("cp -a store older").ok();
        world.sandbox.art("-C a push").ok();
        world.sandbox.art("-C b pull --full").ok();
        world.sandbox.shell("rm -rf store && mv older store").ok();
        // A push of another ref caches the current log.
        world.sandbox.art("-C b push run/base").ok();
        let pulled = world.sandbox.art("-C b pull").ok();
        assert!(!pulled.stdout.contains("deleted"), "{pulled}");
        world.sandbox.art("-C b show v2").ok();
        world.sandbox.art("-C b push").ok();
        world.sandbox.art("-C a fetch").ok();
        world.agrees("b", "brought back");
        assert!(refs(&world, "b").contains(&"refs/versions/ada/digits/v2".to_owned()));
        world.is_sound("brought back");
    }
}
