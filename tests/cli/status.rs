//! `art status` and `art upload --dry-run` show pending changes and write nothing.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A repository with one run that holds some files.
fn uploaded() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::File("a.txt", "one\n"),
        Step::File("data/b.txt", "two\n"),
        Step::File("data/c.txt", "three\n"),
        Step::File("tool.sh", "#!/bin/sh\n"),
        Step::File(".artifactsignore", "*.log\n"),
        Step::Art("upload"),
    ])
}

/// Everything in the repository's directory with the time of its last change.
fn state(sandbox: &Sandbox) -> String {
    sandbox.shell("find .artifacts -printf '%p %s %T@ %C@\\n' | sort").ok().stdout
}

#[test]
fn a_clean_directory_is_reported_as_clean() {
    let sandbox = uploaded();
    sandbox.write("x.log", "left out");
    assert_snapshot!(sandbox.art("status").ok(), @"
    exit 0
    -- stdout
    jolly-mallard-1 [ID 1]: no changes
    5 files, 30 B; ignored 1 entry
    ");
}

#[test]
fn every_kind_of_change_has_its_word() {
    let sandbox = uploaded();
    sandbox.write("a.txt", "changed\n");
    sandbox.write("new\nline", "1234");
    sandbox.tool("mv", "data/b.txt data/moved.txt");
    sandbox.tool("rm", "data/c.txt");
    sandbox.tool("chmod", "755 tool.sh");
    sandbox.tool("rm", ".artifactsignore");
    symlink("nowhere", sandbox.path(".artifactsignore")).unwrap();
    sandbox.tool("mkdir", "empty");
    let _socket = UnixListener::bind(sandbox.path("socket")).unwrap();
    let before = state(&sandbox);
    assert_snapshot!(sandbox.art("status").ok(), @r"
    exit 0
    -- stdout
    jolly-mallard-1 [ID 1]: 2 added, 1 modified, 1 deleted, 1 renamed, 1 mode changed, 1 type changed
    type      .artifactsignore (now a link)
    modified  a.txt
    deleted   data/c.txt
    renamed   data/b.txt -> data/moved.txt
    added     empty/
    added     new\nline
    mode      tool.sh (now executable)
    5 files, 33 B
    an upload would store 19 B of new content from 3 files
    -- stderr
    warning: skipped socket: a socket
    ");
    assert_eq!(state(&sandbox), before);
}

#[test]
fn without_a_run_everything_is_added() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    sandbox.write("a", "a");
    sandbox.write("d/b", "b");
    assert_snapshot!(sandbox.art("status").ok(), @"
    exit 0
    -- stdout
    no current run: 2 added
    added     a
    added     d/b
    2 files, 2 B
    an upload would store 2 B of new content from 2 files
    ");
    let status = sandbox.art("status --json").ok().json();
    assert_eq!(status["changes"].as_array().unwrap().len(), 2);
    assert_eq!(status["changes"][0]["change"], "added");
    assert_eq!(status["new_contents"], 2);
}

#[test]
fn a_path_is_compared_where_an_upload_would_place_it() {
    let sandbox = uploaded();
    sandbox.write("data/b.txt", "other\n");
    sandbox.write("a.txt", "other too\n");
    let changed = |line: &str| -> Vec<String> {
        let json = sandbox.art(line).ok().json();
        let changes = json["changes"].as_array().unwrap();
        changes.iter().map(|change| change["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(changed("status --json"), ["a.txt", "data/b.txt"]);
    assert_eq!(changed("status data --json"), ["data/b.txt"]);
    assert_eq!(changed("status a.txt --json"), ["a.txt"]);
    sandbox.tool("cp", "-r data copy");
    assert_eq!(changed("status copy --rev HEAD:data --json"), ["data/b.txt"]);
    sandbox.art("upload data").ok();
    assert_eq!(changed("status data --json"), Vec::<String>::new());
    assert_eq!(changed("status data --rev HEAD~1 --json"), ["data/b.txt"]);
}

#[test]
fn the_compared_revision_must_exist() {
    let sandbox = uploaded();
    assert_eq!(sandbox.art("status --rev run/nosuch").code, 1);
    assert_eq!(sandbox.art("status nosuch").code, 1);
    assert_eq!(Sandbox::new().art("status").code, 10);
}

#[test]
fn a_dry_run_shows_the_changes_of_the_upload_and_writes_nothing() {
    let sandbox = uploaded();
    sandbox.write("a.txt", "changed\n");
    sandbox.write("data/new", vec![7; 100_000]);
    let before = state(&sandbox);
    assert_snapshot!(sandbox.art("upload --dry-run").ok(), @"
    exit 0
    -- stdout
    jolly-mallard-1: 1 added, 1 modified
    modified  a.txt
    added     data/new
    6 files, 98 KiB
    an upload would store 98 KiB of new content from 2 files
    ");
    let plan = sandbox.art("upload data --to deep/er --merge --dry-run --json").ok().json();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 3);
    let input = sandbox.command("upload - --to in.txt --dry-run --json").stdin("input").run();
    assert_eq!(input.ok().json()["changes"][0]["path"], "in.txt");
    assert_eq!(state(&sandbox), before);
    sandbox.art("upload").ok();
    let after = sandbox.art("upload --dry-run --json").ok().json();
    assert_eq!(after["changes"].as_array().unwrap().len(), 0);
    assert_eq!(after["new_contents"], 0);
    assert_eq!(after["run"], "jolly-mallard-1");
}

#[test]
fn a_repository_that_can_only_be_read_has_a_status() {
    let sandbox = uploaded();
    sandbox.write("a.txt", "changed\n");
    sandbox.tool("chmod", "-R a-w .artifacts");
    let status = sandbox.art("status").ok();
    let plan = sandbox.art("upload --dry-run").ok();
    sandbox.tool("chmod", "-R u+w .artifacts");
    assert!(status.stdout.contains("modified  a.txt"), "{status}");
    assert!(plan.stdout.contains("modified  a.txt"), "{plan}");
}
