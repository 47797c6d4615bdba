//! `art get`.

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::File("data/a.txt", "alpha"),
        Step::File("data/b.txt", "beta"),
        Step::Art("run --name train"),
        Step::Art("upload data"),
        Step::Art("lineage add weights --path data/a.txt --kind model"),
        Step::Art("lineage add notes --path data/b.txt --kind file"),
        Step::Art(
            "register v1 --artifacts weights --description 'the first' --tags x,y --kind model \
             --content '{\"accuracy\": 0.91}' --readme '# Digits'",
        ),
        Step::Art("stage v1 staging --reason Passed --message 'all is well'"),
        Step::Art("tag best v1"),
    ])
}

#[test]
fn everything_about_a_version_is_shown() {
    let sandbox = sandbox();
    let output = sandbox.art("get").ok();
    for (from, to) in ids(&sandbox) {
        assert!(output.stdout.contains(&from), "{output}");
        assert!(!to.is_empty());
    }
    let mut text = output.stdout.clone();
    for (id, name) in ids(&sandbox) {
        text = text.replace(&id, &name);
    }
    assert_snapshot!(text, @r#"
    version v1
      description the first
      kind        model
      tags        x, y
      stage       staging since 2026-11-21T12:00:00Z
                  Passed: all is well
                  by tester <tester@sandbox>, no policy
                  2 stages in total: art history v1
      run         train at RUN-COMMIT
      includes    weights
      files       1 file, 5 B
      tagged as   best
      created     2026-11-21T12:00:00Z, tester <tester@sandbox>
      updated     2026-11-21T12:00:00Z
      project     ada/lab
      uuid        UUID
      commit      COMMIT

    lineage
      made weights  model  data/a.txt

    content
      {"accuracy": 0.91}

    readme
      # Digits
    "#);
    assert_eq!(sandbox.art("get v1").ok().stdout, output.stdout);
    assert_eq!(sandbox.art("get ada/lab:v1").ok().stdout, output.stdout);
    assert_eq!(sandbox.art("get @staging").ok().stdout, output.stdout);
}

/// The ids that differ between test runs, each with its replacement.
fn ids(sandbox: &Sandbox) -> Vec<(String, String)> {
    let version = sandbox.art("get v1 --json").ok().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let run_commit = text(&version["run"]["commit"]);
    vec![
        (text(&version["uuid"]), "UUID".to_owned()),
        (text(&version["commit"]), "COMMIT".to_owned()),
        (run_commit[..12].to_owned(), "RUN-COMMIT".to_owned()),
    ]
}

#[test]
fn the_json_has_all_fields() {
    let sandbox = sandbox();
    let version = sandbox.art("get v1 --json").ok().json();
    let keys: Vec<&String> = version.as_object().unwrap().keys().collect();
    assert_snapshot!(format!("{keys:?}"), @r#"["format", "uuid", "name", "kind", "description", "tags", "stage", "artifacts", "created_at", "author", "run", "stage_conditions", "project", "commit", "updated_at", "staged_at", "run_ref", "lineage", "content", "readme", "tree", "total", "tag_refs"]"#);
    assert_eq!(version["content"], json!({"accuracy": 0.91}));
    assert_eq!(version["readme"], "# Digits");
    assert_eq!(version["total"]["files"], 1);
    assert_eq!(version["total"]["bytes"], 5);
    assert_eq!(version["tag_refs"], json!(["best"]));
    assert_eq!(version["run_ref"], "refs/runs/ada/lab/train");
    assert_eq!(version["lineage"].as_array().unwrap().len(), 1);
    assert_eq!(version["lineage"][0]["name"], "weights");
    let types: Vec<&str> = version["stage_conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| condition["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["testing", "staging"]);
}

#[test]
fn a_renamed_or_deleted_run_is_reported() {
    let sandbox = sandbox();
    sandbox.art("runs update train --name fit").ok();
    let version = sandbox.art("get v1 --json").ok().json();
    assert_eq!(version["run_ref"], "refs/runs/ada/lab/fit");
    assert!(sandbox.art("get v1").ok().stdout.contains(", now ada/lab:run/fit"));
    sandbox.art("runs delete fit --force --yes").ok();
    let output = sandbox.art("get v1").ok();
    assert!(output.stdout.contains("which was deleted"), "{output}");
    assert!(output.stdout.contains("weights"), "what it took is known all the same: {output}");
    assert_eq!(sandbox.art("cat v1:data/a.txt").ok().stdout, "alpha");
}

#[test]
fn an_unknown_version_is_refused_with_the_nearest_name() {
    let sandbox = sandbox();
    let output = sandbox.art("get v11").fails_with(1);
    assert!(output.stderr.contains("did you mean 'v1'?"), "{output}");
    sandbox.art("get run/train").fails_with(2);
    let output = sandbox.art("get @production").fails_with(1);
    assert!(output.stderr.contains("no version of 'ada/lab' is in the stage"), "{output}");
}
