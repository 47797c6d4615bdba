//! `art push`, `fetch`, `pull` and `clone` between repositories that share a remote.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::Sandbox;

/// A repository in `a` with a run and a version, and a store beside it.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init a --project ada/digits").ok();
    sandbox.write("a/model/weights.bin", "0123456789".repeat(100_000));
    sandbox.write("a/notes.txt", "first");
    sandbox.art("-C a run --name base").ok();
    sandbox.art("-C a upload model notes.txt -m first").ok();
    sandbox.art("-C a register v1").ok();
    sandbox.art("-C a remote add origin ../store").ok();
    sandbox
}

/// The sandbox after a push, with a clone in `b`.
fn shared() -> Sandbox {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.art("clone store b").ok();
    sandbox
}

fn json(sandbox: &Sandbox, line: &str) -> Value {
    sandbox.art(&format!("{line} --json")).ok().json()
}

fn requests(outcome: &Value) -> u64 {
    outcome["traffic"]["requests"].as_u64().unwrap()
}

fn stage(sandbox: &Sandbox, place: &str, version: &str) -> String {
    json(sandbox, &format!("-C {place} get {version}"))["stage"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_pushed_is_cloned_with_its_history_and_read_back_when_it_is_needed() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    let clone = json(&sandbox, "clone store b");
    assert_eq!((clone["runs"].as_u64(), clone["versions"].as_u64()), (Some(1), Some(1)));
    assert_eq!(clone["project"], "ada/digits");
    assert_eq!(clone["content"]["contents"], 0, "content comes when it is needed");
    sandbox.art("-C b cat v1:notes.txt").ok();
    assert_snapshot!(sandbox.art("-C b cat v1:notes.txt"), @"
    exit 0
    -- stdout
    first
    ");
    sandbox.art("-C b download v1 --to out").ok();
    assert_eq!(sandbox.read("b/out/model/weights.bin"), sandbox.read("a/model/weights.bin"));
    for place in ["a", "b"] {
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}

#[test]
fn nothing_new_is_a_few_requests() {
    let sandbox = shared();
    let push = json(&sandbox, "-C a push");
    assert_eq!(push["entry"], Value::Null);
    assert!(requests(&push) <= 3, "{push}");
    let fetch = json(&sandbox, "-C b fetch");
    assert!(requests(&fetch) <= 2, "{fetch}");
}

#[test]
fn a_second_push_sends_only_what_is_new_and_a_pull_brings_it() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt").ok();
    let push = json(&sandbox, "-C a push");
    assert!(push["bytes"].as_u64().unwrap() < 20_000, "{push}");
    let pull = json(&sandbox, "-C b pull");
    assert_eq!(pull["refs"][0]["how"], "fast_forward");
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "second");
}

#[test]
fn stages_that_were_set_on_both_sides_are_a_conflict_that_resolve_settles() {
    let sandbox = shared();
    sandbox.art("-C a stage v1 production").ok();
    sandbox.command("-C b stage v1 disabled").at("2026-11-21T13:00:00Z").run().ok();
    sandbox.art("-C a push").ok();
    let refused = sandbox.art("-C b push");
    assert_snapshot!(refused, @"
    exit 13
    -- stderr
    error: 'v1' is not a fast-forward on 'origin'; nothing was pushed
    caused by: refs/versions/ada/digits/v1: the remote has commits that are not here

    hint: take in what is there, then push again: art pull origin
    ");
    let pulled = sandbox.art("-C b pull");
    assert_snapshot!(pulled, @"
    exit 13
    -- stderr
    warning: version ada/digits:v1 was changed on both sides: stage: 'disabled' here, 'production' there
    hint: art resolve version/v1 --ours, or --theirs
    ");
    assert_eq!(stage(&sandbox, "b", "v1"), "disabled", "it stays as it is");
    sandbox.art("-C b resolve v1 --theirs").ok();
    assert_eq!(stage(&sandbox, "b", "v1"), "production");
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    let history = sandbox.art("-C a history v1").ok().stdout;
    assert!(history.contains("disabled"), "nobody's decision is lost: {history}");
    sandbox.art("-C a fsck").ok();
}

#[test]
fn fields_that_do_not_touch_are_merged() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --description 'from a'").ok();
    sandbox.art("-C b update v1 --tags fast").ok();
    sandbox.art("-C a push").ok();
    let pull = json(&sandbox, "-C b pull");
    assert_eq!(pull["refs"][0]["how"], "merged");
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    for place in ["a", "b"] {
        let version = json(&sandbox, &format!("-C {place} get v1"));
        assert_eq!(version["description"], "from a", "{place}");
        assert_eq!(version["tags"], serde_json::json!(["fast"]), "{place}");
    }
}

#[test]
fn deletions_and_tags_travel() {
    let sandbox = shared();
    sandbox.art("-C a tag best v1").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b ls tag/best").ok();
    sandbox.art("-C b tag --delete best --yes").ok();
    sandbox.art("-C b delete v1 --yes").ok();
    let push = json(&sandbox, "-C b push");
    assert_eq!(push["refs"].as_array().unwrap().len(), 2, "{push}");
    let pull = json(&sandbox, "-C a pull");
    assert_eq!(pull["refs"].as_array().unwrap().len(), 2, "{pull}");
    assert_eq!(sandbox.art("-C a get v1").code, 1);
    // What was deleted on both sides can come back.
    sandbox.art("-C a undo").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b get v1").ok();
}

#[test]
fn force_overtakes_and_the_log_keeps_what_was_there() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --description theirs").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b update v1 --description mine").ok();
    assert_eq!(sandbox.art("-C b push").code, 13);
    let push = json(&sandbox, "-C b push v1 --force");
    assert_eq!(push["refs"][0]["forced"], true);
    let overtaken = push["refs"][0]["old"].as_str().unwrap();
    let log = sandbox.art("-C b log --remote origin --json").ok().stdout;
    assert!(log.contains(overtaken), "{log}");
}

#[test]
fn a_clone_of_what_is_not_a_remote_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("empty/x", "");
    let error = sandbox.art("clone empty b --json").fails_with(1).json_error();
    assert_eq!(error["message"], "nothing was pushed to the remote 'origin' yet");
    assert!(!sandbox.path("b").exists());
}

#[test]
fn what_the_remote_holds_can_leave_and_comes_back() {
    let sandbox = shared();
    sandbox.write("a/unsent.bin", [7; 5000]);
    sandbox.art("-C a upload unsent.bin").ok();
    let plan = json(&sandbox, "-C a evict --dry-run");
    assert!(plan["bytes"].as_u64().unwrap() > 0, "{plan}");
    let freed = json(&sandbox, "-C a evict --keep v1:notes.txt --yes");
    assert!(freed["unsent"].as_u64().unwrap() >= 1, "{freed}");
    assert_eq!(freed["proof"]["failed"], 0);
    sandbox.art("-C a fsck --full").ok();
    sandbox.art("-C a cat HEAD:unsent.bin").ok();
    sandbox.art("-C a download v1 --to back").ok();
    assert_eq!(sandbox.read("a/back/model/weights.bin"), sandbox.read("a/model/weights.bin"));
    sandbox.art("-C a fsck --full").ok();
    // A remote that has lost a pack is not relied on.
    sandbox.shell("rm -r store/packs").ok();
    let kept = json(&sandbox, "-C a evict --yes");
    assert_eq!(kept["contents"], 0, "{kept}");
    sandbox.art("-C a fsck --full").ok();
}
