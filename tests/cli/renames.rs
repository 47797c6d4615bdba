//! Versions and runs that were renamed, deleted or recreated, on one machine or on two.

use insta::assert_snapshot;

use crate::common::Sandbox;
use crate::push::{json, shared, stage};

/// Runs `theirs` in `a` and pushes, and runs `ours` in `b`, which has not fetched.
pub(crate) fn apart(sandbox: &Sandbox, ours: &[&str], theirs: &[&str]) {
    for line in theirs {
        sandbox.art(&format!("-C a {line}")).ok();
    }
    sandbox.art("-C a push --all").ok();
    for line in ours {
        sandbox.command(&format!("-C b {line}")).at("2026-11-21T13:00:00Z").run().ok();
    }
}

/// The names of the versions in a repository.
pub(crate) fn versions(sandbox: &Sandbox, place: &str) -> Vec<String> {
    let list = format!("-C {place} versions --csv --columns name --sort name");
    sandbox.art(&list).ok().stdout.lines().skip(1).map(str::to_owned).collect()
}

/// Pushes from `b` and pulls in `a`. Checks that both are equal then, and that nothing remains.
pub(crate) fn converge(sandbox: &Sandbox) {
    sandbox.art("-C b push --all").ok();
    sandbox.art("-C a pull").ok();
    let list = "for-each-ref refs/versions refs/runs refs/tags refs/projects";
    let refs = |place: &str| sandbox.git(&format!("--git-dir {place}/.artifacts {list}"));
    assert_eq!(refs("a"), refs("b"));
    for place in ["a", "b"] {
        let pulled = sandbox.art(&format!("-C {place} pull")).ok().stdout;
        assert_eq!(pulled, "nothing new on origin\n", "{place}");
        let pushed = sandbox.art(&format!("-C {place} push --all")).ok().stdout;
        assert_eq!(pushed, "nothing to push to origin\n", "{place}");
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
    sandbox.tool("rm", "-rf c");
    sandbox.art("clone store c").ok();
    let there = sandbox.git("--git-dir c/.artifacts for-each-ref refs/versions refs/runs");
    let here = sandbox.git("--git-dir b/.artifacts for-each-ref refs/versions refs/runs");
    assert_eq!(there, here);
}

#[test]
fn a_version_that_was_deleted_and_registered_again_is_pushed_and_pulled() {
    let sandbox = shared();
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.write("a/notes.txt", "late");
    sandbox.art("-C a upload notes.txt --run base").ok();
    sandbox.art("-C a register v1 --description late").ok();
    sandbox.art("-C a update v1 --tags fast").ok();
    let pushed = json(&sandbox, "-C a push");
    assert_eq!(pushed["refs"][1]["forced"], false, "{pushed}");
    // A push of another ref works before and after a fetch.
    sandbox.art("-C b tag mine run/base").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C b fetch").ok();
    let again = json(&sandbox, "-C b push");
    assert_eq!(again["behind"].as_array().unwrap().len(), 2, "{again}");
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    pulled 2 refs from origin
      run ada/digits:base  [ID 1]..[ID 2]
      version ada/digits:v1  [ID 3]..[ID 4] (recreated on the remote)
    ");
    assert_eq!(sandbox.art("-C b cat v1:notes.txt").ok().stdout, "late");
    assert_eq!(json(&sandbox, "-C b get v1")["description"], "late");
    sandbox.art("-C a pull").ok();
    converge(&sandbox);
}

#[test]
fn a_run_that_was_deleted_and_made_again_is_pushed_and_pulled() {
    let sandbox = shared();
    sandbox.art("-C a run --name other").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C a runs delete other --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b fetch").ok();
    sandbox.art("-C a run --name other --description late").ok();
    sandbox.art("-C a push").ok();
    // b fetches the deletion first, and the new run later.
    sandbox.art("-C b pull").ok();
    assert_eq!(json(&sandbox, "-C b runs show other")["description"], "late");
    sandbox.art("-C b runs delete other --yes").ok();
    sandbox.art("-C b run --name other --description 'by b'").ok();
    converge(&sandbox);
    assert_eq!(json(&sandbox, "-C a runs show other")["description"], "by b");
}

#[test]
fn a_version_recreated_remotely_and_changed_locally_is_a_conflict() {
    for (choice, description) in [("--ours", "by b"), ("--theirs", "late")] {
        let sandbox = shared();
        let theirs = ["delete v1 --yes", "register v1 --run base --description late"];
        apart(&sandbox, &["update v1 --description 'by b'"], &theirs);
        sandbox.art("-C b push").fails_with(13);
        let pulled = sandbox.art("-C b pull").fails_with(13);
        assert!(pulled.stderr.contains("another version of the same name"), "{}", pulled.stderr);
        assert_eq!(json(&sandbox, "-C b get v1")["description"], "by b");
        sandbox.art(&format!("-C b resolve v1 {choice}")).ok();
        converge(&sandbox);
        assert_eq!(json(&sandbox, "-C a get v1")["description"], description);
    }
}

#[test]
fn a_version_recreated_locally_and_changed_remotely_is_a_conflict() {
    for (choice, description) in [("--ours", "late"), ("--theirs", "by a")] {
        let sandbox = shared();
        let ours = ["delete v1 --yes", "register v1 --run base --description late"];
        apart(&sandbox, &ours, &["update v1 --description 'by a'"]);
        sandbox.art("-C b push").fails_with(13);
        sandbox.art("-C b pull").fails_with(13);
        sandbox.art("-C b push").fails_with(13);
        sandbox.art(&format!("-C b resolve v1 {choice}")).ok();
        converge(&sandbox);
        assert_eq!(json(&sandbox, "-C a get v1")["description"], description);
    }
}

#[test]
fn a_version_recreated_on_both_sides_is_reported() {
    let sandbox = shared();
    let anew = |by: &str| format!("register v1 --run base --description 'by {by}'");
    apart(&sandbox, &["delete v1 --yes", &anew("b")], &["delete v1 --yes", &anew("a")]);
    sandbox.art("-C b push").fails_with(13);
    sandbox.art("-C b pull").fails_with(13);
    sandbox.art("-C b resolve v1 --ours").ok();
    converge(&sandbox);
    assert_eq!(json(&sandbox, "-C a get v1")["description"], "by b");
}

#[test]
fn a_tag_that_was_deleted_and_made_again_is_pushed_and_pulled() {
    let sandbox = shared();
    sandbox.art("-C a tag best v1").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C a tag --delete best --yes").ok();
    sandbox.art("-C a tag best run/base").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
}

#[test]
fn a_deletion_counts_after_another_version_was_made_and_undone() {
    let sandbox = shared();
    sandbox.art("-C b delete v1 --yes").ok();
    sandbox.art("-C b register v1 --run base").ok();
    sandbox.art("-C b undo --yes").ok();
    assert_eq!(sandbox.art("-C b get v1").code, 1);
    sandbox.art("-C b pull").ok();
    assert_eq!(sandbox.art("-C b get v1").code, 1, "it stays deleted");
    converge(&sandbox);
    assert_eq!(sandbox.art("-C a get v1").code, 1);
}

#[test]
fn a_local_rename_and_a_remote_stage_are_merged() {
    let sandbox = shared();
    apart(&sandbox, &["update v1 --name v2"], &["stage v1 production"]);
    sandbox.art("-C b push").fails_with(13);
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    pulled 1 ref from origin
      version ada/digits:v2  [ID 1]..[ID 2] (merged)
    1 ref is ahead of origin; to share: art push origin
    ");
    assert_eq!(
        (versions(&sandbox, "b"), stage(&sandbox, "b", "v2")),
        (vec!["v2".into()], "production".into())
    );
    converge(&sandbox);
    assert_eq!(versions(&sandbox, "a"), ["v2"]);
    assert_snapshot!(sandbox.art("-C a download v1 --to out"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'v1' in 'ada/digits'

    hint: its new name is 'v2'
    ");
    assert_snapshot!(sandbox.art("-C c cat v1:notes.txt"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'v1' in 'ada/digits'

    hint: did you mean 'v2'?
    ");
}

#[test]
fn a_remote_rename_and_a_local_stage_are_merged() {
    let sandbox = shared();
    apart(&sandbox, &["stage v1 production"], &["update v1 --name v2"]);
    sandbox.art("-C b push").fails_with(13);
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    pulled 2 refs from origin
      version ada/digits:v1  deleted
      version ada/digits:v2  new [ID 1] (merged)
    1 ref is ahead of origin; to share: art push origin
    ");
    assert_eq!(
        (versions(&sandbox, "b"), stage(&sandbox, "b", "v2")),
        (vec!["v2".into()], "production".into())
    );
    assert_snapshot!(sandbox.art("-C b cat v1:notes.txt"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'v1' in 'ada/digits'

    hint: its new name is 'v2'
    ");
    converge(&sandbox);
    assert_eq!(stage(&sandbox, "a", "v2"), "production");
}

#[test]
fn a_conflict_of_a_renamed_version_is_settled_under_the_new_name() {
    let sandbox = shared();
    let ours = ["update v1 --name v2", "update v2 --description 'by b'"];
    apart(&sandbox, &ours, &["update v1 --description 'by a'"]);
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 13
    -- stderr
    warning: version ada/digits:v2 (was v1) was changed on both sides: description: 'by b' locally, 'by a' on the remote
    hint: keep the local side: art resolve v2 --ours; take the remote side: --theirs
    ");
    assert_eq!(versions(&sandbox, "b"), ["v2"]);
    sandbox.art("-C b push").fails_with(13);
    sandbox.art("-C b resolve v2 --theirs").ok();
    converge(&sandbox);
    let version = json(&sandbox, "-C a get v2");
    assert_eq!(version["description"], "by a");
}

#[test]
fn two_new_names_are_a_conflict_that_is_named() {
    for (choice, name) in [("--ours", "of-b"), ("--theirs", "of-a")] {
        let sandbox = shared();
        apart(&sandbox, &["update v1 --name of-b"], &["update v1 --name of-a --tags x"]);
        sandbox.art("-C b push").fails_with(13);
        let pulled = sandbox.art("-C b pull");
        if choice == "--ours" {
            assert_snapshot!(pulled, @"
            exit 13
            -- stderr
            warning: version ada/digits:of-b (was v1) was changed on both sides: name: 'of-b' locally, 'of-a' on the remote
            hint: keep the local side: art resolve of-b --ours; take the remote side: --theirs
            ");
        }
        assert_eq!(versions(&sandbox, "b"), ["of-b"], "nothing has moved");
        sandbox.art("-C b push").fails_with(13);
        sandbox.art("-C b pull").fails_with(13);
        sandbox.art(&format!("-C b resolve of-b {choice}")).ok();
        assert_eq!(versions(&sandbox, "b"), [name]);
        converge(&sandbox);
        assert_eq!(versions(&sandbox, "a"), [name]);
        assert_eq!(json(&sandbox, &format!("-C a get {name}"))["tags"], serde_json::json!(["x"]));
    }
}

#[test]
fn a_local_rename_and_a_remote_deletion_are_a_conflict() {
    for (choice, left) in [("--ours", vec!["v2"]), ("--theirs", vec![])] {
        let sandbox = shared();
        apart(&sandbox, &["update v1 --name v2"], &["delete v1 --yes"]);
        sandbox.art("-C b push").fails_with(13);
        let pulled = sandbox.art("-C b pull");
        if choice == "--ours" {
            assert_snapshot!(pulled, @"
            exit 13
            -- stderr
            warning: version ada/digits:v2 (was v1) was renamed locally and deleted on the remote
            hint: keep the local side: art resolve v2 --ours; take the remote side: --theirs
            ");
        }
        sandbox.art(&format!("-C b resolve v2 {choice}")).ok();
        converge(&sandbox);
        assert_eq!(versions(&sandbox, "a"), left);
    }
}

#[test]
fn a_local_deletion_and_a_remote_rename_are_a_conflict() {
    for (choice, left) in [("--ours", vec![]), ("--theirs", vec!["v2"])] {
        let sandbox = shared();
        apart(&sandbox, &["delete v1 --yes"], &["update v1 --name v2"]);
        let pulled = sandbox.art("-C b pull");
        if choice == "--ours" {
            assert_snapshot!(pulled, @"
            exit 13
            -- stderr
            warning: version ada/digits:v2 (was v1) was deleted locally and renamed on the remote
            hint: keep the local side: art resolve v2 --ours; take the remote side: --theirs
            ");
        }
        assert!(versions(&sandbox, "b").is_empty());
        sandbox.art(&format!("-C b resolve v2 {choice}")).ok();
        converge(&sandbox);
        assert_eq!(versions(&sandbox, "a"), left);
    }
}

#[test]
fn a_transferred_version_keeps_the_changes_of_the_other_side() {
    for here in [true, false] {
        let sandbox = shared();
        sandbox.art("-C a -p ada/other project update --description x").ok();
        sandbox.art("-C a push --all").ok();
        sandbox.art("-C b pull").ok();
        let (moves, tags) = (["transfer v1 --to-project ada/other"], ["update v1 --tags x"]);
        if here {
            apart(&sandbox, &moves, &tags);
        } else {
            apart(&sandbox, &tags, &moves);
        }
        sandbox.art("-C b pull").ok();
        assert!(versions(&sandbox, "b").is_empty());
        converge(&sandbox);
        let version = json(&sandbox, "-C a get ada/other:v1");
        assert_eq!(version["tags"], serde_json::json!(["x"]), "here: {here}");
    }
}

#[test]
fn a_transfer_is_pushed_with_both_of_its_refs() {
    let sandbox = shared();
    sandbox.art("-C a -p ada/other project update --description x").ok();
    sandbox.art("-C a push --all").ok();
    sandbox.art("-C a transfer v1 --to-project ada/other").ok();
    let pushed = json(&sandbox, "-C a push");
    assert_eq!(pushed["refs"].as_array().unwrap().len(), 2, "{pushed}");
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b get ada/other:v1").ok();
}

#[test]
fn a_run_renamed_on_the_remote_stays_the_current_run() {
    let sandbox = shared();
    sandbox.art("-C b runs switch base").ok();
    sandbox.write("b/more.txt", "more");
    apart(&sandbox, &["upload more.txt"], &["runs update base --name first"]);
    sandbox.art("-C b pull").ok();
    assert_eq!(sandbox.art("-C b cat HEAD:more.txt").ok().stdout, "more");
    assert_eq!(sandbox.read("b/.artifacts/HEAD").trim(), "ref: refs/runs/ada/digits/first");
    converge(&sandbox);
    // The same without local changes.
    apart(&sandbox, &[], &["runs update first --name second"]);
    sandbox.art("-C b pull").ok();
    assert_eq!(sandbox.read("b/.artifacts/HEAD").trim(), "ref: refs/runs/ada/digits/second");
}

#[test]
fn project_records_are_merged_and_their_conflicts_named() {
    let sandbox = shared();
    apart(
        &sandbox,
        &["project update --description both", "policy set production.capacity=2"],
        &["project update --description both", "policy set staging.reason=true"],
    );
    sandbox.art("-C b pull").ok();
    converge(&sandbox);
    let shown = sandbox.art("-C a policy show").ok().stdout;
    assert!(shown.contains("capacity = 2") && shown.contains("reason = true"), "{shown}");
    let set = |text: &str| format!("project update --description '{text}'");
    apart(&sandbox, &[&set("by b")], &[&set("by a")]);
    let pulled = sandbox.art("-C b pull").fails_with(13);
    assert!(
        pulled.stderr.contains("description: 'by b' locally, 'by a' on the remote"),
        "{}",
        pulled.stderr
    );
    sandbox.art("-C b resolve refs/projects/ada/digits --theirs").ok();
    converge(&sandbox);
}

#[test]
fn a_push_does_not_revert_an_unfetched_deletion() {
    let sandbox = shared();
    sandbox.art("-C a tag best v1").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    let theirs = ["delete v1 --yes", "tag --delete best --yes"];
    apart(&sandbox, &["update v1 --description 'by b'"], &theirs);
    let pushed = sandbox.art("-C b push").fails_with(13);
    let why = "refs/versions/ada/digits/v1: deleted or renamed on the remote, changed locally";
    assert!(pushed.stderr.contains(why), "{}", pushed.stderr);
    sandbox.art("-C b tag mine run/base").ok();
    let pushed = json(&sandbox, "-C b push tag/mine tag/best");
    assert_eq!(pushed["refs"].as_array().unwrap().len(), 1, "{pushed}");
    assert_eq!(pushed["behind"].as_array().unwrap().len(), 1, "{pushed}");
    sandbox.art("-C b pull").fails_with(13);
    sandbox.art("-C b resolve v1 --ours").ok();
    converge(&sandbox);
}

#[test]
fn a_transfer_and_another_stage_are_a_conflict_that_is_named() {
    let sandbox = shared();
    sandbox.art("-C a -p ada/other project update --description x").ok();
    sandbox.art("-C a push --all").ok();
    sandbox.art("-C b pull").ok();
    apart(&sandbox, &["transfer v1 --to-project ada/other"], &["stage v1 production"]);
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 13
    -- stderr
    warning: version ada/other:v1 (was v1) was changed on both sides: stage: 'testing' locally, 'production' on the remote
    hint: keep the local side: art resolve ada/other:v1 --ours; take the remote side: --theirs
    ");
    sandbox.art("-C b resolve ada/other:v1 --stage production").ok();
    converge(&sandbox);
    assert_eq!(stage(&sandbox, "a", "ada/other:v1"), "production");
}
