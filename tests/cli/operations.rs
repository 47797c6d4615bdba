//! `art operations`.

use crate::common::Sandbox;

#[test]
fn operations_are_listed_with_their_ids_newest_first() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    let none = sandbox.art("operations").ok();
    assert!(none.stdout.is_empty() && none.stderr.contains("no operations yet"), "{none}");
    sandbox.write("file", "one");
    sandbox.art("upload -m one").ok();
    sandbox.art("tag best").ok();
    sandbox.art("upload").ok();
    sandbox.art("undo --yes").fails_with(1);
    let listed = sandbox.art("operations --json").ok().json_lines();
    let commands: Vec<_> = listed.iter().map(|it| it["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["tag best", "upload -m one"], "what changed nothing is not listed");
    let id = listed[0]["id"].as_str().unwrap();
    sandbox.art(&format!("undo {id}")).ok();
    let output = sandbox.art("operations").ok();
    let mut lines = output.stdout.lines().filter(|line| !line.starts_with(' '));
    assert!(lines.next().unwrap().ends_with(&format!("undo  (reverts {})", &id[..8])), "{output}");
    let undo = sandbox.art("operations --json --limit 1").ok().json_lines()[0]["id"].clone();
    let mark = format!("tag best  (reverted by {})", &undo.as_str().unwrap()[..8]);
    let line = lines.next().unwrap();
    assert!(line.starts_with(&id[..8]) && line.ends_with(&mark), "{output}");
    assert!(line.contains("2026-11-21T12:00:00Z  tester  "), "{output}");
    let one = sandbox.art(&format!("operations --json {}", &id[..8])).ok().json_lines();
    assert_eq!((one.len(), &one[0]["id"], &one[0]["undone_by"]), (1, &listed[0]["id"], &undo));
    let skipped = sandbox.art("operations --json --offset 2 -n 5").ok().json_lines();
    assert_eq!((skipped.len(), &skipped[0]["command"]), (1, &"upload -m one".into()));
    sandbox.art("operations 00000000").fails_with(1);
}
