//! Renames and transfers between two machines: chains, swaps, reused names, undo, and pushes that
//! name only one side of a rename.

use crate::common::Sandbox;
use crate::push::{json, push_apart_after, shared, stage};
use crate::renames::{apart, converge, versions};

/// Two repositories that share the versions `v1` and `v2`.
fn with_two_versions() -> Sandbox {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt --run base").ok();
    sandbox.art("-C a register v2 --description second").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox
}

fn description(sandbox: &Sandbox, place: &str, version: &str) -> String {
    let shown = json(sandbox, &format!("-C {place} get {version}"));
    shown["description"].as_str().unwrap_or_default().to_owned()
}

fn tags(sandbox: &Sandbox, place: &str, version: &str) -> serde_json::Value {
    json(sandbox, &format!("-C {place} get {version}"))["tags"].clone()
}

/// The newest entry in the log of the remote.
fn newest_entry(sandbox: &Sandbox) -> String {
    let mut entries: Vec<_> = std::fs::read_dir(sandbox.path("store/log"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    std::fs::read_to_string(entries.last().unwrap()).unwrap()
}

#[test]
fn a_rename_is_written_into_the_operation_and_into_the_entry() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --name v2").ok();
    sandbox.art("-C a push").ok();
    let (old, new) = ("refs/versions/ada/digits/v1", "refs/versions/ada/digits/v2");
    let operations = sandbox.read("a/.artifacts/operations.jsonl");
    let line = operations.lines().last().unwrap();
    let renamed = format!(r#""renamed":[{{"from":"{old}","to":"{new}"}}]"#);
    assert!(line.contains(&renamed), "{line}");
    let uuid = json(&sandbox, "-C a get v2")["uuid"].as_str().unwrap().to_owned();
    let entry = newest_entry(&sandbox);
    assert!(entry.contains(&format!("renamed = [\"{uuid} {old} {new}\"]\n")), "{entry}");
    sandbox.art("-C b pull").ok();
    let operations = sandbox.read("b/.artifacts/operations.jsonl");
    assert!(operations.lines().last().unwrap().contains(&renamed), "{operations}");
    converge(&sandbox);
}

#[test]
fn several_local_renames_are_pushed_as_one() {
    let sandbox = shared();
    let theirs = ["update v1 --name v2", "update v2 --name v3", "update v3 --tags x"];
    apart(&sandbox, &["stage v1 production"], &theirs);
    let entry = newest_entry(&sandbox);
    assert!(entry.contains("digits/v1 refs/versions/ada/digits/v3\"]"), "{entry}");
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v3"]);
    assert_eq!(stage(&sandbox, "b", "v3"), "production");
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "b", "v3"), serde_json::json!(["x"]));
}

#[test]
fn a_version_that_was_renamed_in_several_pushes_is_followed_to_its_last_name() {
    let sandbox = shared();
    for (from, to) in [("v1", "v2"), ("v2", "v3")] {
        sandbox.art(&format!("-C a update {from} --name {to}")).ok();
        sandbox.art("-C a push").ok();
    }
    sandbox.art("-C b update v1 --tags x").ok();
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v3"]);
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v3"), serde_json::json!(["x"]));
    // A clone that followed the first rename only changes the version under its second name.
    sandbox.art("-C a update v3 --name v4").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b update v3 --name v5").ok();
    let pulled = sandbox.art("-C b pull").fails_with(13);
    assert!(pulled.stderr.contains("v5 (was v3)"), "{}", pulled.stderr);
    sandbox.art("-C b resolve v5 --ours").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v5"]);
}

#[test]
fn a_rename_is_followed_without_the_cache_of_the_remote() {
    let sandbox = shared();
    apart(&sandbox, &["update v1 --tags x"], &["update v1 --name v2"]);
    sandbox.art("-C b fetch").ok();
    sandbox.tool("rm", "-r b/.artifacts/cache/remotes");
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v2"]);
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["x"]));
}

#[test]
fn a_rename_and_a_later_deletion_on_the_remote_are_a_deletion() {
    for is_changed in [false, true] {
        let sandbox = shared();
        sandbox.art("-C a update v1 --name v2").ok();
        sandbox.art("-C a push").ok();
        sandbox.art("-C a delete v2 --yes").ok();
        sandbox.art("-C a push").ok();
        if is_changed {
            sandbox.art("-C b update v1 --tags x").ok();
            sandbox.art("-C b pull").fails_with(13);
            sandbox.art("-C b resolve v1 --theirs").ok();
        } else {
            sandbox.art("-C b pull").ok();
        }
        assert!(versions(&sandbox, "b").is_empty(), "{is_changed}");
        converge(&sandbox);
    }
}

#[test]
fn two_versions_that_swap_their_names_keep_the_changes_of_the_other_side() {
    let swap = ["update v1 --name x", "update v2 --name v1", "update x --name v2"];
    let tag = ["update v1 --tags first", "update v2 --tags second"];
    for is_swapped_here in [false, true] {
        let sandbox = with_two_versions();
        if is_swapped_here {
            apart(&sandbox, &swap, &tag);
        } else {
            apart(&sandbox, &tag, &swap);
        }
        sandbox.art("-C b pull").ok();
        converge(&sandbox);
        assert_eq!(versions(&sandbox, "a"), ["v1", "v2"]);
        assert_eq!(description(&sandbox, "a", "v1"), "second", "here: {is_swapped_here}");
        assert_eq!(tags(&sandbox, "a", "v1"), serde_json::json!(["second"]));
        assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["first"]));
    }
}

#[test]
fn a_pulled_swap_of_names_can_be_undone() {
    let sandbox = with_two_versions();
    let swap = ["update v1 --name x", "update v2 --name v1", "update x --name v2"];
    apart(&sandbox, &[], &swap);
    sandbox.art("-C b pull").ok();
    assert_eq!(description(&sandbox, "b", "v1"), "second");
    sandbox.art("-C b undo --yes").ok();
    assert_eq!(description(&sandbox, "b", "v2"), "second");
    sandbox.art("-C b redo --yes").ok();
    assert_eq!(description(&sandbox, "b", "v1"), "second");
    converge(&sandbox);
}

#[test]
fn a_name_that_is_used_again_after_a_rename_belongs_to_the_new_version() {
    let again = ["update v1 --name v2", "register v1 --run base --description late"];
    for is_renamed_here in [false, true] {
        let sandbox = shared();
        if is_renamed_here {
            apart(&sandbox, &again, &["update v1 --tags x"]);
        } else {
            apart(&sandbox, &["update v1 --tags x"], &again);
        }
        sandbox.art("-C b pull").ok();
        let shown = || (versions(&sandbox, "b"), description(&sandbox, "b", "v1"));
        assert_eq!(shown(), (vec!["v1".into(), "v2".into()], "late".into()));
        converge(&sandbox);
        assert_eq!(description(&sandbox, "a", "v1"), "late", "here: {is_renamed_here}");
        assert_eq!(tags(&sandbox, "a", "v1"), serde_json::Value::Null);
        assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["x"]));
    }
}

#[test]
fn a_pushed_rename_that_is_undone_and_redone_is_shared() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --name v2").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b update v2 --tags x").ok();
    sandbox.art("-C a undo --yes").ok();
    assert_eq!(versions(&sandbox, "a"), ["v1"]);
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v1"]);
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v1"), serde_json::json!(["x"]));
    // The undone operation was a rename to `v2`, and so is a rename today.
    sandbox.art("-C b update v1 --name v2").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v2"]);
}

#[test]
fn an_unpushed_rename_that_is_undone_and_redone_is_one_rename() {
    let sandbox = shared();
    sandbox.art("-C b update v1 --name v2").ok();
    sandbox.art("-C b undo --yes").ok();
    sandbox.art("-C b redo --yes").ok();
    assert_eq!(versions(&sandbox, "b"), ["v2"]);
    apart(&sandbox, &[], &["update v1 --tags x"]);
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v2"]);
    assert_eq!(tags(&sandbox, "b", "v2"), serde_json::json!(["x"]));
}

#[test]
fn a_pushed_rename_of_a_run_that_is_undone_is_behind_the_remote() {
    let sandbox = shared();
    sandbox.art("-C a runs update base --name first").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a undo --yes").ok();
    let pushed = json(&sandbox, "-C a push");
    assert_eq!(pushed["refs"].as_array().unwrap().len(), 0, "{pushed}");
    sandbox.art("-C a pull").ok();
    sandbox.art("-C b pull").ok();
    json(&sandbox, "-C a runs show first");
    converge(&sandbox);
}

#[test]
fn a_push_of_one_name_of_a_renamed_version_moves_both() {
    for word in ["v1", "v2"] {
        let sandbox = shared();
        sandbox.art("-C a update v1 --name v2").ok();
        let pushed = json(&sandbox, &format!("-C a push {word}"));
        assert_eq!(pushed["refs"].as_array().unwrap().len(), 2, "{pushed}");
        sandbox.art("-C b pull").ok();
        assert_eq!(versions(&sandbox, "b"), ["v2"]);
        converge(&sandbox);
    }
}

#[test]
fn a_push_of_the_destination_project_takes_a_transferred_version_from_its_old_project() {
    let sandbox = shared();
    sandbox.art("-C a -p ada/other project update --description x").ok();
    sandbox.art("-C a push --all").ok();
    sandbox.art("-C a transfer v1 --to-project ada/other").ok();
    let pushed = json(&sandbox, "-C a -p ada/other push");
    assert_eq!(pushed["refs"].as_array().unwrap().len(), 2, "{pushed}");
    sandbox.art("-C b pull").ok();
    assert!(versions(&sandbox, "b").is_empty());
    converge(&sandbox);
}

#[test]
fn a_remote_rename_to_a_name_that_another_local_version_has_is_a_conflict() {
    let sandbox = shared();
    let ours = ["update v1 --tags x", "register v2 --run base --description mine"];
    apart(&sandbox, &ours, &["update v1 --name v2"]);
    let pulled = sandbox.art("-C b pull").fails_with(13);
    assert!(pulled.stderr.contains("name: 'v1' locally, 'v2' on the remote"), "{}", pulled.stderr);
    let resolved = sandbox.art("-C b resolve v1 --theirs");
    assert!(resolved.stderr.contains("another local version is called 'v2'"), "{resolved}");
    sandbox.art("-C b update v2 --name v3").ok();
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v2", "v3"]);
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["x"]));
    assert_eq!(description(&sandbox, "a", "v3"), "mine");
}

#[test]
fn a_local_deletion_and_several_remote_renames_are_a_conflict() {
    let sandbox = shared();
    let theirs = ["update v1 --name v2", "push", "update v2 --name v3"];
    apart(&sandbox, &["delete v1 --yes"], &theirs);
    let pulled = sandbox.art("-C b pull").fails_with(13);
    assert!(pulled.stderr.contains("v3 (was v1)"), "{}", pulled.stderr);
    sandbox.art("-C b resolve v3 --theirs").ok();
    assert_eq!(versions(&sandbox, "b"), ["v3"]);
    converge(&sandbox);
}

#[test]
fn a_version_that_is_deleted_after_a_pulled_rename_is_deleted_on_the_remote() {
    let sandbox = shared();
    apart(&sandbox, &[], &["update v1 --name v2"]);
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b delete v2 --yes").ok();
    converge(&sandbox);
    assert!(versions(&sandbox, "a").is_empty());
}

#[test]
fn a_version_that_was_transferred_there_and_back_keeps_its_name() {
    let sandbox = shared();
    sandbox.art("-C a -p ada/other project update --description x").ok();
    sandbox.art("-C a push --all").ok();
    sandbox.art("-C b pull").ok();
    let theirs = [
        "transfer v1 --to-project ada/other",
        "push --all",
        "transfer ada/other:v1 --to-project ada/digits",
    ];
    apart(&sandbox, &["update v1 --tags x"], &theirs);
    sandbox.art("-C b pull").ok();
    assert_eq!(versions(&sandbox, "b"), ["v1"]);
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v1"), serde_json::json!(["x"]));
}

#[test]
fn a_lost_entry_with_a_rename_is_written_again() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --name v2").ok();
    sandbox.art("-C a push").ok();
    let entry = newest_entry(&sandbox);
    let renamed = entry.lines().find(|line| line.starts_with("renamed = ")).unwrap();
    let number = std::fs::read_dir(sandbox.path("store/log")).unwrap().count();
    sandbox.art("-C a tag best v2").ok();
    sandbox.art("-C a push").ok();
    let lost = format!("store/log/{number:020}.toml");
    std::fs::remove_file(sandbox.path(&lost)).unwrap();
    sandbox.art("-C a push --repair").ok();
    assert!(sandbox.read(&lost).contains(renamed), "{}", sandbox.read(&lost));
    sandbox.art("-C b update v1 --tags x").ok();
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
    assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["x"]));
}

#[test]
fn a_name_that_reaches_a_third_clone_through_two_others_is_followed() {
    let sandbox = shared();
    sandbox.art("clone store d").ok();
    sandbox.art("-C d update v1 --tags x").ok();
    sandbox.art("-C a update v1 --name v2").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b update v2 --name v3").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C d pull").ok();
    assert_eq!(versions(&sandbox, "d"), ["v3"]);
    sandbox.art("-C d update v3 --name v4").ok();
    sandbox.art("-C d push").ok();
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v4"]);
    assert_eq!(tags(&sandbox, "a", "v4"), serde_json::json!(["x"]));
}

#[test]
fn a_transferred_version_is_followed_by_the_changes_of_the_other_side() {
    for is_transferred_here in [false, true] {
        let sandbox = shared();
        sandbox.art("-C a -p ada/other project update --description x").ok();
        sandbox.art("-C a push --all").ok();
        sandbox.art("-C b pull").ok();
        let (transfer, tag) = (["transfer v1 --to-project ada/other"], ["update v1 --tags x"]);
        if is_transferred_here {
            apart(&sandbox, &transfer, &tag);
        } else {
            apart(&sandbox, &tag, &transfer);
        }
        sandbox.art("-C b pull").ok();
        assert!(versions(&sandbox, "b").is_empty(), "here: {is_transferred_here}");
        converge(&sandbox);
        assert_eq!(tags(&sandbox, "a", "ada/other:v1"), serde_json::json!(["x"]));
    }
}

#[test]
fn two_new_names_in_sibling_entries_are_a_conflict_that_a_choice_settles() {
    let sandbox = shared();
    sandbox.art("clone store d").ok();
    let lines = ["update v1 --name v2", "update v1 --name v3"];
    push_apart_after(&sandbox, ["a", "b"], "store", lines);
    let pulled = sandbox.art("-C b pull").fails_with(13);
    assert!(pulled.stderr.contains("name: 'v3' locally, 'v2' on the remote"), "{}", pulled.stderr);
    // A clone without a rename of its own gets both names until the conflict is resolved.
    sandbox.art("-C d pull").ok();
    assert_eq!(versions(&sandbox, "d"), ["v2", "v3"]);
    sandbox.art("-C b resolve v3 --ours").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v3"]);
    sandbox.art("-C d pull").ok();
    assert_eq!(versions(&sandbox, "d"), ["v3"]);
}

#[test]
fn the_same_new_name_in_sibling_entries_is_one_rename() {
    let sandbox = shared();
    let lines = ["update v1 --name v2 --tags x", "update v1 --name v2 --description y"];
    push_apart_after(&sandbox, ["a", "b"], "store", lines);
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v2"]);
    assert_eq!(tags(&sandbox, "a", "v2"), serde_json::json!(["x"]));
    assert_eq!(description(&sandbox, "a", "v2"), "y");
}
