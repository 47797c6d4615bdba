//! A remote that was emptied, recreated, restored from a copy or replaced by another one; and a
//! repository whose cache was deleted.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::Sandbox;
use crate::push::{json, push_apart, sandbox, shared};

/// Two repositories and a store. `b` has everything, and all data of `a` and `b` is pushed to `store`.
fn both() -> Sandbox {
    let sandbox = shared();
    sandbox.art("-C b pull --full").ok();
    sandbox
}

fn names(sandbox: &Sandbox, place: &str) -> Vec<Value> {
    let mut names = Vec::new();
    for list in ["runs", "versions"] {
        let rows = sandbox.art(&format!("-C {place} {list} --json")).ok().json();
        names.extend(rows.as_array().unwrap().iter().map(|row| row["name"].clone()));
    }
    names
}

fn is_whole(sandbox: &Sandbox, place: &str) {
    let check = json(sandbox, &format!("-C {place} fsck --remote origin --full"));
    assert_eq!(check["sound"], true, "{check}");
    sandbox.art("clone store whole --full").ok();
    sandbox.art("-C whole fsck --full").ok();
    assert_eq!(names(sandbox, "whole"), names(sandbox, place));
}

#[test]
fn an_emptied_remote_is_distinguished_from_a_damaged_one() {
    let sandbox = both();
    sandbox.shell("rm -r store/*").ok();
    assert_snapshot!(sandbox.art("-C b fsck --remote origin"), @"
    exit 14
    -- stderr
    error: nothing is left of the remote 'origin' at '[ROOT]/desk/store', although its log had 1 entry when it was last read

    hint: check the location and mount its disk; if the remote was emptied on purpose, fill it again: art push --recreate origin
    ");
    assert_snapshot!(sandbox.art("-C b fetch"), @"
    exit 14
    -- stderr
    error: nothing is left of the remote 'origin' at '[ROOT]/desk/store', although its log had 1 entry when it was last read

    hint: check the location and mount its disk; if the remote was emptied on purpose, fill it again: art push --recreate origin
    ");
    let error = sandbox.art("-C b push --repair --json").fails_with(14).json_error();
    assert!(error["message"].as_str().unwrap().contains("1 entry"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("art push --recreate origin"), "{error}");
    for line in ["remote show", "log --remote origin", "push", "push --all", "push --dry-run"] {
        let output = sandbox.art(&format!("-C b {line}")).fails_with(14);
        assert!(output.stderr.contains("nothing is left of the remote 'origin'"), "{output}");
    }
    assert!(!sandbox.path("store/art.toml").exists(), "nothing was made there");
    // A dry run writes nothing.
    let planned = json(&sandbox, "-C b push --recreate --dry-run");
    assert_eq!(planned["refs"].as_array().unwrap().len(), 2, "{planned}");
    assert!(!sandbox.path("store/art.toml").exists(), "nothing was made there");
    // With one file left it is damage.
    sandbox.write("store/packs/ab/stranger", "x");
    sandbox.art("-C b fsck --remote origin").fails_with(20);
}

#[test]
fn a_push_with_recreate_fills_an_emptied_remote_again_and_reports_it() {
    let sandbox = both();
    sandbox.shell("rm -r store/*").ok();
    assert_snapshot!(sandbox.art("-C b push --all --recreate"), @"
    exit 0
    -- stdout
    pushed 2 refs to origin, 3.9 KiB
      run ada/digits:base  new [ID 1]
      version ada/digits:v1  new [ID 2]
    -- stderr
    warning: the remote 'origin' was emptied or restored from a backup: its log had 1 entry when it was last read, and has 0 now; this push sends again what the remote lacks
    ");
    is_whole(&sandbox, "b");
    sandbox.art("-C a pull").ok();
    sandbox.art("-C a fsck").ok();
}

#[test]
fn a_recreated_remote_deletes_nothing_locally() {
    let sandbox = both();
    sandbox.write("b/notes.txt", "second");
    sandbox.art("-C b upload notes.txt").ok();
    sandbox.art("-C b push").ok();
    let before = names(&sandbox, "b");
    sandbox.shell("rm -r store/*").ok();
    sandbox.art("init c --project ada/digits").ok();
    sandbox.write("c/other.txt", "other");
    sandbox.art("-C c run --name other").ok();
    sandbox.art("-C c upload other.txt").ok();
    sandbox.art("-C c remote add origin ../store").ok();
    sandbox.art("-C c push").ok();
    let check = json(&sandbox, "-C b fsck --remote origin");
    assert_eq!((&check["sound"], &check["made_anew"]), (&true.into(), &2.into()), "{check}");
    let pulled = sandbox.art("-C b pull").ok();
    assert!(pulled.stderr.contains("emptied or restored"), "{pulled}");
    assert!(pulled.stderr.contains("art push --all origin"), "{pulled}");
    let mut after = names(&sandbox, "b");
    after.retain(|name| name != "other");
    assert_eq!(after, before);
    let again = sandbox.art("-C b pull").ok();
    assert!(!again.stderr.contains("emptied"), "it is said once: {again}");
    sandbox.art("-C b push").ok();
    is_whole(&sandbox, "b");
    sandbox.art("-C b fsck --full").ok();
}

#[test]
fn a_remote_restored_from_a_copy_deletes_nothing_locally() {
    let sandbox = both();
    sandbox.shell("cp -a store copy").ok();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt").ok();
    sandbox.art("-C a register v2").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull --full").ok();
    sandbox.shell("rm -r store && mv copy store").ok();
    // The cached log shows that the end of the log is missing.
    sandbox.art("-C b fsck --remote origin").fails_with(20);
    let before = names(&sandbox, "b");
    sandbox.art("-C b pull").ok();
    assert_eq!(names(&sandbox, "b"), before);
    sandbox.art("-C b push").ok();
    is_whole(&sandbox, "b");
}

#[test]
fn a_replaced_remote_deletes_nothing_locally() {
    let sandbox = both();
    sandbox.art("init c --project ada/digits").ok();
    sandbox.art("-C c run --name other").ok();
    sandbox.art("-C c remote add origin ../elsewhere").ok();
    sandbox.art("-C c push").ok();
    let before = names(&sandbox, "b");
    sandbox.art("-C b remote set-uri origin ../elsewhere").ok();
    sandbox.art("-C b pull").ok();
    let mut after = names(&sandbox, "b");
    after.retain(|name| name != "other");
    assert_eq!(after, before);
}

#[test]
fn a_deletion_on_the_remote_is_fetched_without_the_cache_too() {
    let sandbox = both();
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.shell("rm -r b/.artifacts/cache").ok();
    sandbox.art("-C b pull").ok();
    assert_eq!(names(&sandbox, "b"), ["base"]);
}

/// Overtakes on the remote the commits that `b`, which has no content, has cloned.
fn overtake(sandbox: &Sandbox) {
    sandbox.write("a/model/weights.bin", "another");
    sandbox.art("-C a undo --yes").ok();
    sandbox.art("-C a undo --yes").ok();
    sandbox.art("-C a upload model -m right").ok();
    sandbox.art("-C a register v1").ok();
    sandbox.art("-C a push --force").ok();
}

#[test]
fn a_repository_is_as_sound_without_its_cache() {
    let sandbox = shared();
    overtake(&sandbox);
    sandbox.art("-C b fetch").ok();
    for _ in 0..2 {
        let elsewhere = json(&sandbox, "-C b fsck");
        assert_eq!(elsewhere["sound"], true, "{elsewhere}");
        sandbox.shell("rm -r b/.artifacts/cache").ok();
        let checked = json(&sandbox, "-C b fsck");
        assert_eq!(checked["sound"], true, "{checked}");
        sandbox.art("-C b fetch").ok();
    }
    // The repository that overtook the commits lacks their content too.
    sandbox.art("-C a evict --yes").ok();
    sandbox.shell("rm -r a/.artifacts/cache").ok();
    assert_eq!(json(&sandbox, "-C a fsck")["sound"], true);
    // Removing a remote also removes its cached data.
    sandbox.art("-C b remote remove origin --yes").ok();
    assert!(!sandbox.path("b/.artifacts/remotes/origin").exists());
}

#[test]
fn overtaken_commits_are_fetched_after_the_cache_was_deleted() {
    let sandbox = shared();
    overtake(&sandbox);
    sandbox.shell("rm -r b/.artifacts/cache").ok();
    sandbox.art("-C b fetch").ok();
    assert_eq!(json(&sandbox, "-C b fsck")["sound"], true);
}

#[test]
fn a_recreated_remote_lacks_the_overtaken_commits_of_the_old_one() {
    let sandbox = shared();
    overtake(&sandbox);
    sandbox.art("-C b fetch").ok();
    sandbox.shell("rm -r store/*").ok();
    sandbox.art("-C a push --recreate").ok();
    sandbox.art("-C b fetch").ok();
    sandbox.art("-C b fsck").fails_with(20);
}

#[test]
fn the_sides_of_a_conflict_are_on_the_remote_also_when_it_is_settled() {
    let sandbox = shared();
    for place in ["a", "b"] {
        sandbox.write(format!("{place}/{place}.txt"), place);
        sandbox.art(&format!("-C {place} upload {place}.txt")).ok();
    }
    push_apart(&sandbox, ["a", "b"], "store");
    sandbox.art("clone store c").fails_with(13);
    sandbox.art("-C c pull");
    sandbox.art("-C c resolve v1 --ours");
    sandbox.shell("rm -r c/.artifacts/cache").ok();
    let checked = sandbox.art("-C c fsck --json");
    assert_eq!(checked.json()["sound"], true, "{checked}");
}

#[test]
fn a_lost_history_pack_is_reported_once_and_the_others_are_not_fetched_again() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt").ok();
    sandbox.art("-C a push").ok();
    let lose = "for m in store/meta/*/*.pack; do
        grep -q $(basename $m .pack) store/log/*2.toml && rm $m; done; test -e store/meta";
    sandbox.shell(lose).ok();
    for most in [7, 5] {
        let fetched = sandbox.art("-C b fetch -v").fails_with(20);
        assert_eq!(fetched.stderr.matches("is unusable").count(), 1, "{fetched}");
        let (_, traffic) = fetched.stderr.split_once("remote: ").unwrap();
        let requests: u64 = traffic.split(' ').next().unwrap().parse().unwrap();
        // The new entries, the number after them, the missing pack, and that number again: a
        // garbage collection on the remote could have moved the objects to another pack.
        assert!(requests <= most, "{fetched}");
    }
    sandbox.art("-C a push --repair").ok();
    sandbox.art("-C b fetch").ok();
    sandbox.art("-C b fsck").ok();
}

/// `a` has a second run, and the store is the copy that was taken before it was pushed.
fn brought_back() -> Sandbox {
    let sandbox = shared();
    sandbox.shell("cp -a store ../old").ok();
    sandbox.art("-C a run --name two").ok();
    sandbox.write("a/two.txt", "two");
    sandbox.art("-C a upload two.txt").ok();
    sandbox.art("-C a push").ok();
    sandbox.shell("rm -r store && mv ../old store").ok();
    sandbox
}

#[test]
fn a_push_sends_missing_data_to_a_restored_remote_after_any_earlier_command() {
    let asks = [
        "remote show origin",
        "log --remote origin",
        "push run/base",
        "push --dry-run",
        "fsck --remote origin",
        "evict --dry-run",
        "cat run/two:two.txt",
        "fetch",
    ];
    for ask in asks {
        let sandbox = brought_back();
        sandbox.art(&format!("-C a {ask}"));
        let pushed = json(&sandbox, "-C a push");
        assert_eq!(pushed["refs"][0]["ref"], "refs/runs/ada/digits/two", "{ask}: {pushed}");
        sandbox.art("clone store c").ok();
        assert_eq!(sandbox.art("-C c cat run/two:two.txt").ok().stdout, "two", "{ask}");
    }
}

#[test]
fn a_push_sends_missing_data_to_a_restored_remote_after_a_refused_push() {
    let sandbox = brought_back();
    // Both sides change the version, so that the first push is refused.
    sandbox.art("-C b update v1 --description b").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C a update v1 --description a").ok();
    sandbox.art("-C a push").fails_with(13);
    let pushed = json(&sandbox, "-C a push run/two");
    assert_eq!(pushed["refs"][0]["ref"], "refs/runs/ada/digits/two", "{pushed}");
}

#[test]
fn a_push_sends_missing_data_to_a_restored_remote_with_new_pushes() {
    let sandbox = brought_back();
    // Another entry has the number of the lost one.
    sandbox.art("-C b run --name three").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C a push run/base").ok();
    let pushed = json(&sandbox, "-C a push");
    assert_eq!(pushed["refs"][0]["ref"], "refs/runs/ada/digits/two", "{pushed}");
}

#[test]
fn a_push_never_sends_deleted_refs_again_after_any_earlier_command() {
    for ask in ["remote show origin", "log --remote origin", "push run/base", "status"] {
        let sandbox = both();
        sandbox.art("-C a delete v1 --yes").ok();
        sandbox.art("-C a push").ok();
        sandbox.art(&format!("-C b {ask}")).ok();
        let pushed = json(&sandbox, "-C b push");
        assert_eq!(pushed["refs"].as_array().unwrap().len(), 0, "{ask}: {pushed}");
        assert_eq!(pushed["behind"][0], "refs/versions/ada/digits/v1", "{ask}: {pushed}");
    }
}

#[test]
fn a_restored_remote_replaces_nothing_locally_after_any_earlier_command() {
    let sandbox = shared();
    sandbox.shell("cp -a store ../old").ok();
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.art("-C a register v1 --description again").ok();
    sandbox.art("-C a push").ok();
    sandbox.shell("rm -r store && mv ../old store").ok();
    sandbox.art("-C a remote show origin").ok();
    sandbox.art("-C a pull");
    assert_eq!(json(&sandbox, "-C a get v1")["description"], "again");
}

#[test]
fn an_absent_directory_is_unavailable_to_every_command_and_is_not_created() {
    for mounted in [false, true] {
        for has_cache in [true, false] {
            let sandbox = shared();
            sandbox.shell("mv store off").ok();
            if mounted {
                // The mount point without its disk.
                sandbox.shell("mkdir store").ok();
            }
            if !has_cache {
                sandbox.shell("rm -r a/.artifacts/cache").ok();
            }
            let lines = [
                "push",
                "push --dry-run",
                "push --all",
                "push --force",
                "push run/base",
                "fetch",
                "pull",
                "evict --dry-run",
                "evict --yes",
                "remote show",
                "log --remote origin",
                "fsck --remote origin",
                "push --repair",
            ];
            for line in lines {
                let output = sandbox.art(&format!("-C a {line}")).fails_with(14);
                assert!(output.stderr.contains("art push --recreate origin"), "{line}: {output}");
                let error = sandbox.art(&format!("-C a {line} --json")).fails_with(14);
                assert_eq!(error.json_error()["kind"], "unavailable", "{line}");
            }
            let made = sandbox.shell("ls store 2>/dev/null").stdout;
            assert_eq!(made, "", "nothing was written there");
            assert_eq!(sandbox.path("store").exists(), mounted);
            // Only an explicit option fills the remote again.
            let planned = json(&sandbox, "-C a push --recreate --dry-run");
            assert_eq!(planned["refs"].as_array().unwrap().len(), 2, "{planned}");
            assert_eq!(sandbox.path("store").exists(), mounted);
            let pushed = json(&sandbox, "-C a push --recreate");
            assert_eq!(pushed["refs"].as_array().unwrap().len(), 2, "{pushed}");
            is_whole(&sandbox, "a");
        }
    }
}

#[test]
fn a_directory_to_which_nothing_was_pushed_yet_is_not_created_by_a_push() {
    let sandbox = sandbox();
    sandbox.shell("rm -r store").ok();
    for line in ["push", "push --dry-run", "fetch", "remote show", "fsck --remote origin"] {
        let output = sandbox.art(&format!("-C a {line}")).fails_with(14);
        assert!(output.stderr.contains("there is no directory"), "{line}: {output}");
    }
    assert!(!sandbox.path("store").exists());
    sandbox.art("-C a remote set-uri origin ../store").ok();
    sandbox.art("-C a push").ok();
    is_whole(&sandbox, "a");
}
