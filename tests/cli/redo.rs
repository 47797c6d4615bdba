//! `art redo`.

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("file", "one"),
        Step::Art("upload -m one"),
        Step::File("file", "two"),
        Step::Art("upload -m two"),
        Step::File("file", "three"),
        Step::Art("upload -m three"),
    ])
}

fn file(sandbox: &Sandbox) -> String {
    sandbox.art("cat HEAD:file").ok().stdout
}

#[test]
fn redo_reverts_undos_one_by_one() {
    let sandbox = sandbox();
    let none = sandbox.art("redo --yes").fails_with(1);
    assert!(none.stderr.contains("there is nothing to redo"), "{none}");
    sandbox.art("undo --yes").ok();
    sandbox.art("undo --yes").ok();
    assert_eq!(file(&sandbox), "one");
    let refused = sandbox.art("redo").fails_with(1);
    assert!(refused.stderr.contains("'upload -m two'"), "{refused}");
    let plan = sandbox.art("redo --dry-run").ok();
    assert!(
        plan.stdout.starts_with("would redo ") && plan.stdout.contains(": upload -m two"),
        "{plan}"
    );
    assert_eq!(file(&sandbox), "one");
    let outcome = sandbox.art("redo --yes --json").ok().json();
    assert_eq!(outcome["redone"]["command"], "upload -m two");
    assert_eq!(outcome["operation"]["undoes"], outcome["undone"]["id"]);
    assert_eq!(file(&sandbox), "two");
    sandbox.art("redo --yes").ok();
    assert_eq!(file(&sandbox), "three");
    sandbox.art("redo --yes").fails_with(1);
    // A redone operation is in force, so it can be undone and redone again.
    sandbox.art("undo --yes").ok();
    assert_eq!(file(&sandbox), "two");
    sandbox.art("redo --yes").ok();
    assert_eq!(file(&sandbox), "three");
    sandbox.art("undo --yes").ok();
    sandbox.art("undo --yes").ok();
    sandbox.art("undo --yes").ok();
    assert!(sandbox.art("ls").fails_with(1).stdout.is_empty());
    for _ in 0..3 {
        sandbox.art("redo --yes").ok();
    }
    assert_eq!(file(&sandbox), "three");
    sandbox.art("fsck").ok();
}

#[test]
fn an_undone_release_is_redone_and_stays_recorded() {
    let sandbox = sandbox();
    sandbox.art("register v1").ok();
    sandbox.art("stage v1 production").ok();
    sandbox.art("undo --yes").ok();
    sandbox.art("redo --yes").ok();
    let shown = sandbox.art("get v1 --json").ok().json();
    assert_eq!(shown["stage"], "production", "{shown}");
    let history = sandbox.art("history v1 --json").ok();
    assert!(history.stdout.contains("\"Redo\""), "{history}");
    sandbox.art("delete v1 --yes --force").ok();
    sandbox.art("undo --yes").ok();
    sandbox.art("redo --yes").ok();
    sandbox.art("get v1").fails_with(1);
    sandbox.art("undo --yes").ok();
    sandbox.art("get v1").ok();
}

#[test]
fn only_an_undo_is_redone() {
    let sandbox = sandbox();
    let listed = sandbox.art("operations --json --limit 1").ok().json_lines();
    let id = listed[0]["id"].as_str().unwrap();
    let refused = sandbox.art(&format!("redo {id}")).fails_with(2);
    assert!(refused.stderr.contains("is not an undo"), "{refused}");
    sandbox.art("undo --yes").ok();
    sandbox.write("file", "four");
    sandbox.art("upload -m four").ok();
    let refused = sandbox.art("redo --yes").fails_with(13);
    assert!(refused.stderr.contains("has moved since"), "{refused}");
    assert_eq!(file(&sandbox), "four");
}
