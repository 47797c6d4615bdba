//! Odd ways to share: refs that others went on with, deletions, several remotes.

use serde_json::Value;

use crate::common::{Output, Sandbox};

/// `a` with a run and a version on a store, and `b`, a clone of it.
fn shared() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init a --project ada/digits").ok();
    sandbox.write("a/weights.bin", "0123456789".repeat(30_000));
    sandbox.write("a/notes.txt", "first");
    sandbox.art("-C a run --name base").ok();
    sandbox.art("-C a upload weights.bin notes.txt -m first").ok();
    sandbox.art("-C a register v1").ok();
    sandbox.art("-C a remote add origin ../store").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("clone store b").ok();
    sandbox
}

fn refs(output: &Output) -> Vec<String> {
    let moved = output.json();
    let name = |one: &Value| one["ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    moved["refs"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_run_that_another_machine_went_on_with_is_in_nobodys_way() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt -m second").ok();
    sandbox.art("-C a push").ok();
    // b has not heard of it, and pushes something else: with and without force base is left alone.
    sandbox.art("-C b tag mine v1").ok();
    assert_eq!(refs(&sandbox.art("-C b push --json").ok()), ["mine"]);
    sandbox.art("-C b tag other v1").ok();
    let forced = sandbox.art("-C b push --force --json").ok();
    assert_eq!(refs(&forced), ["other"]);
    assert_eq!(forced.json()["behind"].as_array().unwrap().len(), 1);
    sandbox.art("-C b pull").ok();
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "second");
}

#[test]
fn a_clone_without_content_is_pushed_to_another_remote() {
    let sandbox = shared();
    sandbox.art("-C b remote add second ../store2").ok();
    sandbox.tool("mv", "store away");
    assert_ne!(sandbox.art("-C b push second").code, 0);
    sandbox.art("-C b fsck --full").ok();
    sandbox.tool("mv", "away store");
    sandbox.art("-C b push second").ok();
    sandbox.tool("rm", "-r store");
    sandbox.art("clone store2 c --full").ok();
    assert_eq!(sandbox.art("-C c cat v1:notes.txt").ok().stdout, "first");
    for place in ["b", "c"] {
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}

#[test]
fn what_a_remote_deleted_or_overtook_is_no_damage_of_a_clone_without_content() {
    let sandbox = shared();
    for file in ["deleted", "overtaken"] {
        sandbox.art(&format!("-C a run --name {file}")).ok();
        sandbox.write(format!("a/{file}"), file);
        sandbox.art(&format!("-C a upload {file} --run {file} -m {file}")).ok();
    }
    sandbox.art("-C a register v2 --run deleted").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b fsck --full").ok();
    sandbox.art("-C a undo").ok();
    sandbox.art("-C a undo").ok();
    sandbox.art("-C a push overtaken --force").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b fsck --full").ok();
    sandbox.art("-C b undo").ok();
    sandbox.art("-C b fsck --full").ok();
}

#[test]
fn what_a_push_sent_before_it_ended_early_is_not_sent_again() {
    let sandbox = shared();
    sandbox.write("a/more.bin", crate::common::noise(7, 400_000));
    sandbox.art("-C a upload more.bin").ok();
    // The log can't be written, as if the connection had ended just before.
    sandbox.shell("mv store/log away && touch store/log").ok();
    assert_ne!(sandbox.art("-C a push").code, 0);
    sandbox.shell("rm store/log && mv away store/log").ok();
    let sent = sandbox.art("-C a push --json").ok().json();
    assert!(sent["bytes"].as_u64().unwrap() < 100_000, "{sent}");
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn a_git_pack_that_the_remote_lost_is_damage_and_the_other_refs_are_taken_in() {
    let sandbox = shared();
    sandbox.art("-C a tag good v1").ok();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt -m second").ok();
    sandbox.art("-C a push").ok();
    sandbox.shell("mv $(ls -t store/meta/*/*.pack | head -n 1) lost").ok();
    let error = sandbox.art("-C b pull --json").fails_with(20).json_error();
    assert!(error["message"].as_str().unwrap().contains("refs/runs/ada/digits/base"), "{error}");
    sandbox.art("clone store c").fails_with(20);
    sandbox.art("-C b fsck --full").ok();
    // What does not need it has come.
    let tracked = sandbox.git("--git-dir b/.artifacts for-each-ref refs/remotes");
    assert!(tracked.contains("refs/remotes/origin/tags/ada/digits/good"), "{tracked}");
}
