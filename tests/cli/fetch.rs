//! `art fetch` downloads history and refs without changing local refs.

use insta::assert_snapshot;
use serde_json::Value;

use crate::push::{json, requests, shared};

#[test]
fn a_fetch_of_nothing_new_takes_few_requests() {
    let sandbox = shared();
    let push = json(&sandbox, "-C a push");
    assert_eq!(push["entry"], Value::Null);
    assert!(requests(&push) <= 3, "{push}");
    let fetch = json(&sandbox, "-C b fetch");
    assert!(requests(&fetch) <= 2, "{fetch}");
}

#[test]
fn a_fetch_moves_only_the_refs_of_the_remote() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --description other").ok();
    sandbox.art("-C a tag best v1").ok();
    sandbox.art("-C a push").ok();
    let before =
        sandbox.git("--git-dir b/.artifacts for-each-ref refs/versions refs/runs refs/tags");
    assert_snapshot!(sandbox.art("-C b fetch"), @"
    exit 0
    -- stdout
    2 refs moved on origin
      version ada/digits:v1  [ID 1]..[ID 2]
      tag ada/digits:best  new [ID 2]
    to merge them: art pull origin
    ");
    assert_snapshot!(sandbox.art("-C b fetch"), @"
    exit 0
    -- stdout
    nothing new on origin
    ");
    let after =
        sandbox.git("--git-dir b/.artifacts for-each-ref refs/versions refs/runs refs/tags");
    assert_eq!(before, after);
    assert_snapshot!(sandbox.git("--git-dir b/.artifacts for-each-ref --format=%(refname) refs/remotes"), @"
    refs/remotes/origin/runs/ada/digits/base
    refs/remotes/origin/tags/ada/digits/best
    refs/remotes/origin/versions/ada/digits/v1
    ");
    // The version of the remote is selected by its full name.
    let there = "refs/remotes/origin/versions/ada/digits/v1";
    assert_snapshot!(sandbox.art(&format!("-C b diff v1 {there}")), @"
    exit 0
    -- stdout
    description: (none) -> other
    ");
    assert_eq!(json(&sandbox, "-C b get v1")["description"], Value::Null);
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.art("-C a push").ok();
    let fetch = json(&sandbox, "-C b fetch");
    assert_eq!(fetch["moved"][0]["new"], Value::Null, "{fetch}");
    sandbox.art("-C b get v1").ok();
}

#[test]
fn a_fetch_reports_its_failures() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C b fetch orign"), @"
    exit 1
    -- stderr
    error: there is no remote 'orign'

    hint: did you mean 'origin'? see: art remote list
    ");
    assert_snapshot!(sandbox.art("-C b fetch ../store"), @"
    exit 2
    -- stderr
    error: invalid value '../store' for '[REMOTE]': '../store' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed

    hint: use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)
    ");
    sandbox.art("-C a remote add empty ../empty").ok();
    assert_snapshot!(sandbox.art("-C a fetch empty"), @"
    exit 1
    -- stderr
    error: nothing was pushed to the remote 'empty' yet

    hint: art push empty
    ");
    sandbox.shell("mv store elsewhere").ok();
    assert_snapshot!(sandbox.art("-C b fetch"), @"
    exit 14
    -- stderr
    error: the remote 'origin' is not available
    caused by: there is no directory '[ROOT]/desk/store'

    hint: mount its disk; to create the remote again from this repository: art push --recreate origin
    ");
    sandbox.art("-C b fetch --json").fails_with(14).json_error();
    sandbox.art("-C b get v1").ok();
}
