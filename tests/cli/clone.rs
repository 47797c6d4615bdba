//! `art clone`: a new repository with all that a remote has.

use insta::assert_snapshot;

use crate::push::{json, sandbox, shared};

#[test]
fn a_clone_has_all_history_and_fetches_content_when_it_is_needed() {
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
fn a_clone_reports_the_fetched_refs_and_works_like_any_repository() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.shell("mkdir in").ok();
    assert_snapshot!(sandbox.command("clone ../store").current_dir("in").run(), @"
    exit 0
    -- stdout
    cloned 1 run and 1 version into [ROOT]/desk/in/store/.artifacts
    the project is ada/digits
    ");
    sandbox.art("-C in/store status").ok();
    assert_snapshot!(sandbox.art("clone store b --origin lab"), @"
    exit 0
    -- stdout
    cloned 1 run and 1 version into [ROOT]/desk/b/.artifacts
    the project is ada/digits
    ");
    assert_snapshot!(sandbox.art("-C b remote --columns default,name,guarantee"), @"
    exit 0
    -- stdout
       NAME  GUARANTEE
    *  lab
    ");
    assert_snapshot!(sandbox.art("-C b versions --columns name,stage,run"), @"
    exit 0
    -- stdout
    NAME  STAGE    RUN
    v1    testing  base
    ");
    assert_snapshot!(sandbox.art("-C b log v1"), @"
    exit 0
    -- stdout
    [ID 1] (v1) register: from run base at [ID 2]
        tester, 2026-11-21T12:00:00Z: only the record changed
    [ID 2] (run/base) first
        tester, 2026-11-21T12:00:00Z: 2 files added, 5 B without 1 file of unknown size
    [ID 3] new run
        tester, 2026-11-21T12:00:00Z: only the record changed
    ");
}

#[test]
fn a_full_clone_needs_the_remote_no_more() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.art("clone store here").ok();
    assert_snapshot!(sandbox.art("clone store b --full"), @"
    exit 0
    -- stdout
    cloned 1 run and 1 version into [ROOT]/desk/b/.artifacts
    downloaded 945 B of content
    the project is ada/digits
    ");
    sandbox.shell("mv store elsewhere").ok();
    sandbox.art("-C b download v1 --to out").ok();
    assert_eq!(sandbox.read("b/out/model/weights.bin"), sandbox.read("a/model/weights.bin"));
    sandbox.art("-C b fsck --full").ok();
    // A clone without all content reports the missing content and the reason.
    assert_snapshot!(sandbox.art("-C here cat v1:notes.txt"), @"
    exit 14
    -- stderr
    error: a content is missing locally and cannot be fetched
    caused by: the remote 'origin' is not available
    caused by: there is no directory '[ROOT]/desk/store'

    hint: mount its disk; to create the remote again from this repository: art push --recreate origin
    ");
    sandbox.art("-C here log v1").ok();
    sandbox.art("-C here get v1").ok();
}

#[test]
fn a_failed_clone_leaves_nothing() {
    let sandbox = sandbox();
    sandbox.write("empty/x", "");
    assert_snapshot!(sandbox.art("clone empty b"), @"
    exit 1
    -- stderr
    error: nothing was pushed to '[ROOT]/desk/empty' yet

    hint: check the URI; to share another repository, run in that repository: art remote add origin URI, then art push
    ");
    assert!(!sandbox.path("b").exists());
    sandbox.art("clone empty b --json").fails_with(1).json_error();
    sandbox.art("-C a push").ok();
    assert_snapshot!(sandbox.art("clone store a"), @"
    exit 1
    -- stderr
    error: a repository already exists in '[ROOT]/desk/a'

    hint: update it: art pull; or name another directory
    ");
    assert_snapshot!(sandbox.art("clone /nowhere/mounted/share b"), @"
    exit 14
    -- stderr
    error: there is no directory '/nowhere/mounted/share'

    hint: check the path and mount its disk
    ");
    let output = sandbox.art("clone s3://key:hunter2@bucket/team b").fails_with(2);
    assert!(!output.stderr.contains("hunter2"), "{output}");
    assert_snapshot!(output, @"
    exit 2
    -- stderr
    error: the URI of a remote contains a password: others could read it

    hint: remove it from the URI and set it in the environment: art help remote
    ");
    assert_snapshot!(sandbox.art("clone store b --origin ../x"), @"
    exit 2
    -- stderr
    error: invalid value '../x' for '--origin <NAME>': '../x' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed

    hint: use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)
    ");
    assert!(!sandbox.path("b").exists());
    // An existing directory and its files are kept.
    sandbox.write("c/mine", "mine");
    sandbox.art("clone empty c").fails_with(1);
    assert_eq!(sandbox.read("c/mine"), "mine");
    assert!(!sandbox.path("c/.artifacts").exists());
}

#[test]
fn the_project_is_the_only_one_of_the_remote_unless_one_is_named() {
    let sandbox = shared();
    assert_eq!(json(&sandbox, "clone store c -p ada/mine")["project"], "ada/mine");
    sandbox.art("-C a run --name other -p ada/other").ok();
    sandbox.art("-C a push --all").ok();
    let clone = json(&sandbox, "clone store d");
    assert_eq!(clone["runs"], 2);
    sandbox.art("-C d runs show other -p ada/other").ok();
}

#[test]
fn a_repository_is_not_mistaken_for_a_remote() {
    let sandbox = shared();
    for named in ["a", "a/.artifacts"] {
        let error = sandbox.art(&format!("clone {named} new --json")).fails_with(2).json_error();
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with("is a repository, not a remote"), "{error}");
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.starts_with("clone the store it shares: art clone /"), "{error}");
        sandbox.shell("test ! -e new").ok();
    }
    sandbox.art("-C a remote remove origin --yes").ok();
    let error = sandbox.art("clone a new --json").fails_with(2).json_error();
    let hint = "share it first, in that repository: art remote add origin STORE, then art push; then \
                clone the store: art clone STORE";
    assert_eq!(error["hint"], hint);
}
