//! `art push`, and the set-up of all tests with repositories that share a remote.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{Sandbox, Step};

/// A repository in `a` with a run and a version, and a store beside it; then `more`.
fn after_setup(more: &[Step<'_>]) -> Sandbox {
    let weights = "0123456789".repeat(100_000);
    let setup = [
        Step::Art("init a --project ada/digits"),
        Step::File("a/model/weights.bin", &weights),
        Step::File("a/notes.txt", "first"),
        Step::Art("-C a run --name base"),
        Step::Art("-C a upload model notes.txt -m first"),
        Step::Art("-C a register v1"),
        Step::Art("-C a remote add origin ../store"),
    ];
    Sandbox::with(&[&setup, more].concat())
}

/// A repository in `a` with a run and a version, and a store beside it.
pub(crate) fn sandbox() -> Sandbox {
    after_setup(&[])
}

/// The sandbox after a push, with a clone in `b`.
pub(crate) fn shared() -> Sandbox {
    after_setup(&[Step::Art("-C a push"), Step::Art("clone store b")])
}

/// The JSON output of `line`.
pub(crate) fn json(sandbox: &Sandbox, line: &str) -> Value {
    sandbox.art(&format!("{line} --json")).ok().json()
}

/// The number of requests of the command.
pub(crate) fn requests(outcome: &Value) -> u64 {
    outcome["traffic"]["requests"].as_u64().unwrap()
}

/// The stage of a version in the repository at `place`.
pub(crate) fn stage(sandbox: &Sandbox, place: &str, version: &str) -> String {
    json(sandbox, &format!("-C {place} get {version}"))["stage"].as_str().unwrap().to_owned()
}

/// Two repositories change the version `v1` and push it to `store`, which cannot order writers,
/// without fetching each other's push.
pub(crate) fn push_apart(sandbox: &Sandbox, places: [&str; 2], store: &str) {
    let lines = places.map(|place| format!("update v1 --description 'from {place}'"));
    push_apart_after(sandbox, places, store, [&lines[0], &lines[1]]);
}

/// The same, with another change in each repository.
pub(crate) fn push_apart_after(
    sandbox: &Sandbox,
    places: [&str; 2],
    store: &str,
    lines: [&str; 2],
) {
    for (place, line) in places.into_iter().zip(lines) {
        let config = format!("{place}/.artifacts/config.toml");
        let text = sandbox.read(&config);
        let lines = text.lines().filter(|line| !line.starts_with("guarantee ="));
        let text: Vec<&str> = lines.collect();
        let table = "[remotes.origin]\n";
        let told = text.join("\n").replace(table, &format!("{table}guarantee = \"none\"\n"));
        sandbox.write(&config, told);
        sandbox.art(&format!("-C {place} {line}")).ok();
    }
    sandbox.shell(&format!("cp -a {store}/log ../before && mkdir ../late")).ok();
    sandbox.art(&format!("-C {} push", places[0])).ok();
    // The other repository pushes before the first push is visible.
    let hide =
        format!("for e in {store}/log/*; do test -e ../before/${{e##*/}} || mv $e ../late/; done");
    sandbox.shell(&hide).ok();
    sandbox.art(&format!("-C {} push", places[1])).ok();
    sandbox.shell(&format!("mv ../late/* {store}/log/")).ok();
}

#[test]
fn a_second_push_sends_only_new_data_and_a_pull_fetches_it() {
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
    // An undo restores a version that both sides deleted.
    sandbox.art("-C a undo --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b get v1").ok();
}

#[test]
fn force_overtakes_and_the_log_keeps_the_old_commits() {
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
fn a_push_reports_its_changes_and_a_dry_run_its_plan() {
    let sandbox = sandbox();
    sandbox.art("-C a tag best v1").ok();
    let plan = json(&sandbox, "-C a push --dry-run");
    assert_eq!(plan["refs"].as_array().unwrap().len(), 3, "{plan}");
    assert!(!sandbox.path("store/art.toml").exists(), "a dry run writes nothing");
    let push = json(&sandbox, "-C a push v1 run/base");
    assert_eq!((&push["entry"], &push["packs"]), (&1.into(), &2.into()), "{push}");
    let sizes = [plan["bytes"].as_u64().unwrap(), push["bytes"].as_u64().unwrap()];
    assert!(sizes[0].abs_diff(sizes[1]) < 200, "{plan} {push}");
    assert_snapshot!(sandbox.art("-C a push --dry-run"), @"
    exit 0
    -- stdout
    would push 1 ref to origin, 0 B
      tag ada/digits:best  new [ID 1]
    ");
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 0
    -- stdout
    pushed 1 ref to origin, 0 B
      tag ada/digits:best  new [ID 1]
    ");
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 0
    -- stdout
    nothing to push to origin
    ");
    sandbox.art("-C a tag --delete best --yes").ok();
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 0
    -- stdout
    pushed 1 ref to origin, 0 B
      tag ada/digits:best  deleted
    ");
    sandbox.art("clone store b").ok();
    sandbox.art("-C b update v1 --description d").ok();
    sandbox.art("-C b push").ok();
    // Only the other side has changes.
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 0
    -- stdout
    nothing to push to origin
    1 ref is behind origin; to catch up: art pull origin
    ");
    sandbox.art("-C a update v1 --tags fast").ok();
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 13
    -- stderr
    error: 'v1' is not a fast-forward on 'origin'; nothing was pushed
    caused by: refs/versions/ada/digits/v1: the remote has commits that are missing locally

    hint: merge the remote's changes, then push again: art pull origin
    ");
}

#[test]
fn a_push_reports_its_failures() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.art("push"), @"
    exit 10
    -- stderr
    error: no repository in '[ROOT]/desk' or above

    hint: create one: art init
    ");
    sandbox.art("init").ok();
    assert_snapshot!(sandbox.art("push"), @"
    exit 1
    -- stderr
    error: no remote is set up

    hint: art remote add origin URI
    ");
    sandbox.art("remote add origin ../share").ok();
    assert_snapshot!(sandbox.art("push orign"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'orign' in tester/desk, locally or on the remote

    hint: did you mean the remote 'origin'?
    ");
    sandbox.write("x", "x");
    sandbox.art("run --name base").ok();
    sandbox.art("upload x").ok();
    assert_snapshot!(sandbox.art("push origin run/bas"), @"
    exit 1
    -- stderr
    error: there is no version, run or tag 'run/bas' in tester/desk, locally or on the remote

    hint: did you mean 'base'?
    ");
    let error = sandbox.art("push run/bas --json").fails_with(1).json_error();
    assert_eq!(error["hint"], "did you mean 'base'?");
    assert_snapshot!(sandbox.art("push base --all"), @"
    exit 2
    -- stderr
    error: the argument '[REMOTE|REF]...' cannot be used with '--all'

    hint: art push <REMOTE|REF>...
    ");
}

#[test]
fn the_hooks_of_a_push_receive_its_refs_and_the_first_can_refuse() {
    let sandbox = sandbox();
    let hook = |name: &str, script: &str| {
        let path = format!("a/.artifacts/hooks/{name}");
        sandbox.write(&path, script);
        sandbox.tool("chmod", &format!("755 {path}"));
    };
    hook("pre-push", "#!/bin/sh\ncat > before.json\necho no pushes on Fridays\nexit 1\n");
    hook("post-push", "#!/bin/sh\ncat > after.json\necho $ART_REMOTE $ART_BYTES > facts\n");
    assert_snapshot!(sandbox.art("-C a push"), @"
    exit 15
    -- stderr
    pre-push: no pushes on Fridays
    error: refused by the hook 'pre-push' (exit code 1); nothing was changed
    caused by: no pushes on Fridays

    hint: read the hook: '[ROOT]/desk/a/.artifacts/hooks/pre-push'
    ");
    assert!(!sandbox.path("store/log/00000000000000000001.toml").exists());
    let before: Value = serde_json::from_str(&sandbox.read("a/before.json")).unwrap();
    assert_eq!(before["hook"], "pre-push");
    assert_eq!(before["remote"], "origin");
    assert_eq!(before["refs"].as_array().unwrap().len(), 2);
    assert_eq!((&before["force"], &before["entry"]), (&false.into(), &Value::Null));
    hook("pre-push", "#!/bin/sh\n");
    let push = json(&sandbox, "-C a push");
    let after: Value = serde_json::from_str(&sandbox.read("a/after.json")).unwrap();
    assert_eq!((&after["entry"], &after["bytes"]), (&push["entry"], &push["bytes"]));
    assert_eq!(sandbox.read("a/facts"), format!("origin {}\n", push["bytes"]));
    // Nothing to push, so no hook runs.
    hook("pre-push", "#!/bin/sh\nexit 1\n");
    sandbox.art("-C a push").ok();
}

#[test]
fn a_push_sends_all_projects_only_with_all() {
    let sandbox = sandbox();
    sandbox.art("-C a run --name other -p ada/other").ok();
    assert_eq!(json(&sandbox, "-C a push")["refs"].as_array().unwrap().len(), 2);
    let push = json(&sandbox, "-C a push --all");
    assert_eq!(push["refs"][0]["ref"], "refs/runs/ada/other/other");
}

#[test]
fn a_partial_repository_can_push_all_content_to_another_remote() {
    let sandbox = shared();
    sandbox.art("-C b remote add backup ../backup").ok();
    sandbox.art("-C b push backup --dry-run").ok();
    sandbox.art("-C b push backup").ok();
    sandbox.shell("mv store elsewhere").ok();
    sandbox.art("clone backup c --full").ok();
    sandbox.art("-C c download v1 --to out").ok();
    assert_eq!(sandbox.read("c/out/model/weights.bin"), sandbox.read("a/model/weights.bin"));
    // An unreachable remote is not damaged.
    sandbox.art("clone backup d").ok();
    sandbox.shell("mv backup gone").ok();
    sandbox.art("-C d remote add third ../third").ok();
    sandbox.art("-C d push third").fails_with(14);
}
