//! `art project`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A project with a run and two versions.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("w.bin", "weights"),
        Step::Art("upload w.bin"),
        Step::Art("register v1"),
        Step::Art("register v2 --stage staging"),
    ])
}

#[test]
fn project_without_a_record_shows_its_runs_and_versions() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    assert_snapshot!(sandbox.art("project"), @"
    exit 0
    -- stdout
    project o/p (current)
      runs         0
      versions     0
    stages:
      testing     0 versions
      staging     0 versions
      production  0 versions
      disabled    0 versions
    ");
    assert_snapshot!(sandbox.art("project list"), @"
    exit 0
    -- stdout
       NAME  RUNS  VERSIONS  POLICY  TAGS  DESCRIPTION
    *  o/p      0         0  no
    ");
}

#[test]
fn project_shows_its_record_its_stages_and_its_rules() {
    let sandbox = sandbox();
    sandbox.art("project update --description 'Reads digits' --tags vision,paper").ok();
    sandbox.art("policy set production.capacity=1 production.displaced=staging").ok();
    assert_snapshot!(sandbox.art("project show"), @r#"
    exit 0
    -- stdout
    project o/p (current)
      description  Reads digits
      tags         paper, vision
      created      2026-11-21T12:00:00Z
      commit       [ID 1] by tester <tester@sandbox>, 2026-11-21T12:00:00Z
      uuid         [UUID]
      runs         1
      versions     2
    stages:
      testing     1 version
      staging     1 version
      production  0 versions of 1
      disabled    0 versions
    policy:
      stages = ["testing", "staging", "production"]

      [stage.production]
      capacity = 1
      displaced = "staging"
    "#);
    let json = sandbox.art("project show o/p --json").ok().json();
    assert_eq!(json["tags"], serde_json::json!(["paper", "vision"]));
    assert_eq!(json["policy"]["stage"]["production"]["capacity"], 1);
    assert_eq!(
        json["stages"][1],
        serde_json::json!({ "stage": "staging", "versions": 1, "capacity": null })
    );
}

#[test]
fn project_update_changes_the_given_fields() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("project update --description 'Reads digits' --tags a,b"), @"
    exit 0
    -- stdout
    created the project o/p, [ID 1]
    ");
    assert_snapshot!(sandbox.art("project update --add-tag c --remove-tag a,z"), @"
    exit 0
    -- stdout
    changed the project o/p, [ID 1]
    ");
    assert_snapshot!(sandbox.art("project update --add-tag c --json"), @r#"
    exit 0
    -- stdout
    {
      "project": "o/p",
      "created": false,
      "changed": false,
      "description": "Reads digits",
      "tags": [
        "b",
        "c"
      ],
      "commit": "[ID 1]",
      "operation": null
    }
    "#);
    assert_snapshot!(sandbox.art("project update"), @"
    exit 0
    -- stdout
    project o/p is unchanged
    ");
    assert_snapshot!(sandbox.art("project update --description '' --tags ''"), @"
    exit 0
    -- stdout
    changed the project o/p, [ID 1]
    ");
    assert_snapshot!(sandbox.git("--git-dir .artifacts log --format=%s refs/projects/o/p"), @"
    project: description, tags
    project: tags
    project: description, tags
    ");
    let record = sandbox.git("--git-dir .artifacts show refs/projects/o/p:project.toml");
    let lines: Vec<&str> = record.lines().filter(|line| !line.starts_with("uuid")).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    format = 1
    name = "o/p"
    created_at = "2026-11-21T12:00:00Z"
    "#);
    assert_snapshot!(sandbox.art("project update --tags 'a\u{1b}b'"), @r"
    exit 2
    -- stderr
    error: invalid value 'a' for '--tags <TAG,…>': 'a\u{1b}b' is not a tag: it contains a control character

    hint: art project update --help
    ");
}

#[test]
fn project_update_creates_an_absent_project() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("project show o/q"), @"
    exit 1
    -- stderr
    error: there is no project o/q

    hint: did you mean o/p? To list all projects: art project list
    ");
    assert_snapshot!(sandbox.art("-p o/q project update"), @"
    exit 0
    -- stdout
    created the project o/q, [ID 1]
    ");
    assert_snapshot!(sandbox.art("project update a/b --description other"), @"
    exit 0
    -- stdout
    created the project a/b, [ID 1]
    ");
    assert_snapshot!(sandbox.art("project list"), @"
    exit 0
    -- stdout
       NAME  RUNS  VERSIONS  POLICY  TAGS  DESCRIPTION
       a/b      0         0  no            other
    *  o/p      1         2  no
       o/q      0         0  no
    ");
    sandbox.art("undo --yes").ok();
    assert_snapshot!(sandbox.art("project list --csv -q 'name: o/%' --columns name,runs,versions"), @"
    exit 0
    -- stdout
    name,runs,versions
    o/p,1,2
    o/q,0,0
    ");
    for hostile in ["../x", "a", "a/b/c", "a/.lock", "a/-x", "/", "a/b.lock", "a/é"] {
        let output = sandbox.command("project update").arg("--").arg(hostile).run();
        assert_eq!(output.code, 2, "{hostile}: {}", output.stderr);
    }
}

#[test]
fn project_list_continues_past_a_damaged_record() {
    let sandbox = sandbox();
    sandbox.art("project update --description mine").ok();
    sandbox.git("--git-dir .artifacts update-ref refs/projects/o/p HEAD");
    assert_snapshot!(sandbox.art("project list"), @"
    exit 3
    -- stdout
      NAME  RUNS     VERSIONS  POLICY  TAGS  DESCRIPTION
      o/p   damaged
    -- stderr
    warning: the record of o/p can't be read: the record of the project o/p is missing: its commit [ID 1] has no project.toml
    ");
    assert_snapshot!(sandbox.art("project show"), @"
    exit 20
    -- stderr
    error: the record of the project o/p is missing: its commit [ID 1] has no project.toml

    hint: art fsck
    ");
}
