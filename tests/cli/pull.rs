//! `art pull` fetches from a remote and merges.

use insta::assert_snapshot;

use crate::common::Sandbox;
use crate::push::{json, shared, stage};

/// Pushes from `a` and pulls in `b`.
fn pull(sandbox: &Sandbox) {
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
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
fn a_pull_reports_the_changes() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    nothing new on origin
    ");
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt").ok();
    sandbox.art("-C a update v1 --description 'from a'").ok();
    sandbox.art("-C a tag best v1").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b update v1 --tags fast").ok();
    sandbox.art("-C b run --name mine").ok();
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    pulled 3 refs from origin
      run ada/digits:base  [ID 1]..[ID 2]
      version ada/digits:v1  [ID 3]..[ID 4] (merged)
      tag ada/digits:best  new [ID 5]
    1 ref is ahead of origin; to share: art push origin
    ");
    sandbox.art("-C b undo --yes").ok();
    assert_eq!(sandbox.art("-C b ls tag/best").code, 1, "a pull is one operation");
    let push = json(&sandbox, "-C b push --dry-run");
    assert!(!push.to_string().contains("refs/tags/ada/digits/best"), "it deletes nothing: {push}");
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b ls tag/best").ok();
    sandbox.art("-C b fsck").ok();
}

#[test]
fn a_named_version_is_pulled_with_its_content_and_readable_offline() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b pull v1"), @"
    exit 0
    -- stdout
    downloaded 945 B of content
    ");
    assert_snapshot!(sandbox.art("-C b pull v1"), @"
    exit 0
    -- stdout
    nothing new on origin
    ");
    sandbox.shell("mv store elsewhere").ok();
    sandbox.art("-C b download v1 --to out").ok();
    assert_eq!(sandbox.read("b/out/model/weights.bin"), sandbox.read("a/model/weights.bin"));
}

#[test]
fn a_full_pull_makes_all_content_readable_offline() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt").ok();
    sandbox.art("-C a push").ok();
    let pull = json(&sandbox, "-C b pull --full");
    assert!(pull["content"]["contents"].as_u64().unwrap() > 2, "{pull}");
    sandbox.shell("mv store elsewhere").ok();
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "second");
    assert_eq!(sandbox.art("-C b cat run/base~1:notes.txt").ok().stdout, "first");
    sandbox.art("-C b fsck --full").ok();
}

#[test]
fn the_files_of_one_version_are_written_with_path() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b pull origin v1 --path out"), @"
    exit 0
    -- stdout
    downloaded 945 B of content
    wrote 2 files
    ");
    assert_eq!(sandbox.read("b/out/notes.txt"), "first");
    assert_snapshot!(sandbox.art("-C b pull v1 run/base --path out"), @"
    exit 2
    -- stderr
    error: --path writes the files of one version, run or tag; 2 were given

    hint: name one version: art pull VERSION --path DIR
    ");
    assert_snapshot!(sandbox.art("-C b pull --path out"), @"
    exit 2
    -- stderr
    error: --path writes the files of one version, run or tag; no ref was given

    hint: name one version: art pull VERSION --path DIR
    ");
    sandbox.write("b/out/notes.txt", "mine");
    assert_snapshot!(sandbox.art("-C b pull v1 --path out"), @"
    exit 1
    -- stderr
    error: a path in '[ROOT]/desk/b/out' is in the way; nothing was written
    caused by: notes.txt differs

    hint: write elsewhere with --path DIR, or overwrite: art download v1 --to DIR --force
    ");
    assert_eq!(sandbox.read("b/out/notes.txt"), "mine");
    assert_eq!(json(&sandbox, "-C b pull v1 --path new")["written"], 2);
}

#[test]
fn a_disabled_version_comes_only_on_purpose() {
    let sandbox = shared();
    sandbox.art("-C a stage v1 disabled --reason Broken").ok();
    sandbox.art("-C a push").ok();
    assert_snapshot!(sandbox.art("-C b pull v1"), @"
    exit 15
    -- stderr
    error: the version 'v1' is disabled

    hint: run `art history v1` to see why, or pass --allow-disabled
    ");
    assert_eq!(stage(&sandbox, "b", "v1"), "disabled", "its history came");
    assert_snapshot!(sandbox.art("-C b pull v1 --allow-disabled --path out"), @"
    exit 0
    -- stdout
    downloaded 945 B of content
    wrote 2 files
    ");
}

#[test]
fn a_pull_reports_its_failures() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b pull v2"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'v2' in ada/digits on 'origin'

    hint: did you mean 'v1'?
    ");
    assert_snapshot!(sandbox.art("-C b pull run/bse"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'run/bse' in ada/digits on 'origin'

    hint: did you mean 'base'?
    ");
    assert_snapshot!(sandbox.art("-C b pull origin sharp-shrimp-1"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'sharp-shrimp-1' in ada/digits on 'origin'

    hint: list the names: art versions, art runs
    ");
    assert_snapshot!(sandbox.art("-C b pull 'v1^'"), @"
    exit 2
    -- stderr
    error: 'v1^' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed

    hint: use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)
    ");
    let error = sandbox.art("-C b pull v2 --json").fails_with(1).json_error();
    assert_eq!(error["kind"], "not_found");
    sandbox.art("-C a remote remove origin --yes").ok();
    assert_snapshot!(sandbox.art("-C a pull"), @"
    exit 1
    -- stderr
    error: no remote is set up

    hint: art remote add origin URI
    ");
}

#[test]
fn files_of_a_run_are_merged_path_by_path() {
    let sandbox = shared();
    sandbox.write("a/eval/a.txt", "a");
    sandbox.art("-C a upload eval -m 'from a'").ok();
    sandbox.art("-C a lineage add weights --path model --kind model").ok();
    sandbox.write("b/eval/b.txt", "b");
    sandbox.write("b/notes.txt", "newer");
    sandbox.art("-C b upload eval notes.txt --run base --merge -m 'from b'").ok();
    sandbox.art("-C b lineage add eval --run base --path eval --kind report").ok();
    sandbox.art("-C a push").ok();
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 0
    -- stdout
    pulled 1 ref from origin
      run ada/digits:base  [ID 1]..[ID 2] (merged)
    1 ref is ahead of origin; to share: art push origin
    ");
    assert_snapshot!(sandbox.art("-C b ls run/base -r"), @"
    exit 0
    -- stdout
    eval/a.txt
    eval/b.txt
    model/weights.bin
    notes.txt
    ");
    let run = json(&sandbox, "-C b runs show base");
    let names = run["lineage"].as_array().unwrap().iter().map(|one| one["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["eval", "weights"], "{run}");
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "newer");
    assert_eq!(sandbox.art("-C b cat run/base:eval/a.txt").ok().stdout, "a");
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    assert_eq!(sandbox.art("-C a cat run/base:eval/b.txt").ok().stdout, "b");
    for place in ["a", "b"] {
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}

#[test]
fn one_file_that_both_changed_is_a_conflict() {
    let sandbox = shared();
    for place in ["a", "b"] {
        sandbox.write(format!("{place}/notes.txt"), place);
        sandbox.art(&format!("-C {place} upload notes.txt --run base")).ok();
    }
    sandbox.art("-C a push").ok();
    assert_snapshot!(sandbox.art("-C b pull"), @"
    exit 13
    -- stderr
    warning: run ada/digits:base was changed on both sides: artifacts/notes.txt: 'file [ID 1]' locally, 'file [ID 2]' on the remote
    hint: keep the local side: art resolve run/base --ours; take the remote side: --theirs
    ");
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "b");
}

#[test]
fn a_remote_deletion_deletes_locally_unless_the_ref_changed() {
    let sandbox = shared();
    sandbox.art("-C a tag best v1").ok();
    pull(&sandbox);
    sandbox.art("-C a tag --delete best --yes").ok();
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b update v1 --description kept").ok();
    let pulled = sandbox.art("-C b pull");
    assert_snapshot!(pulled, @"
    exit 13
    -- stdout
    pulled 1 ref from origin
      tag ada/digits:best  deleted
    -- stderr
    warning: version ada/digits:v1 was changed locally and deleted on the remote
    hint: keep the local side: art resolve v1 --ours; take the remote side: --theirs
    ");
    sandbox.art("-C b get v1").ok();
}
