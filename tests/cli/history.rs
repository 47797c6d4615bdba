//! `art history`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::File("a.txt", "a"),
        Step::ArtAt("2026-11-01", "register v1 --path a.txt"),
        Step::ArtAt("2026-11-02", "stage v1 staging --reason Passed --message 'all is well'"),
        Step::ArtAt("2026-11-02", "register v1 --description changed --force"),
        Step::ArtAt("2026-11-03", "register v2 --path a.txt --stage staging"),
        Step::ArtAt("2026-11-04", "stage v1 production"),
        Step::ArtAt("2026-11-05", "stage v1 disabled --reason Recall"),
    ])
}

#[test]
fn every_stage_is_shown_with_who_when_and_why() {
    let sandbox = sandbox();
    let columns = "--columns time,version,from,to,author,reason,message";
    assert_snapshot!(sandbox.art(&format!("history v1 {columns}")), @"
    exit 0
    -- stdout
    TIME                  VERSION  FROM        TO          AUTHOR                   REASON                  MESSAGE
    2026-11-05T00:00:00Z  v1       production  disabled    tester <tester@sandbox>  Recall
    2026-11-04T00:00:00Z  v1       staging     production  tester <tester@sandbox>  CliStageUpdate
    2026-11-02T00:00:00Z  v1       testing     staging     tester <tester@sandbox>  Passed                  all is well
    2026-11-01T00:00:00Z  v1                   testing     tester <tester@sandbox>  ArtifactVersionCreated  A new artifact version is created
    ");
    let latest = sandbox.art(&format!("stages {columns}")).ok();
    assert_eq!(latest.stdout, sandbox.art(&format!("history v2 {columns}")).ok().stdout);
    assert_snapshot!(sandbox.art("history v1 --csv --columns to,verdict,deleted --limit 1"), @"
    exit 0
    -- stdout
    to,verdict,deleted
    disabled,no policy,false
    ");
}

#[test]
fn each_stage_names_the_commit_that_recorded_it() {
    let sandbox = sandbox();
    for version in ["v1", "v2"] {
        let rows = sandbox.art(&format!("history {version} --json")).ok().json();
        let rows = rows.as_array().unwrap().clone();
        assert!(rows.len() >= 2);
        for (number, row) in rows.iter().rev().enumerate() {
            let commit = row["commit"].as_str().unwrap();
            let line = format!("--git-dir .artifacts cat-file -p {commit}:version.toml");
            let record = sandbox.git(&line);
            let count = record.matches("[[stage_conditions]]").count();
            assert!(count > number, "{version} {row}");
            let parents = sandbox.git(&format!("--git-dir .artifacts rev-parse {commit}^1"));
            let line = format!("--git-dir .artifacts ls-tree --name-only {}", parents.trim());
            if sandbox.git(&line).contains("version.toml") {
                let line =
                    format!("--git-dir .artifacts cat-file -p {}:version.toml", parents.trim());
                let before = sandbox.git(&line).matches("[[stage_conditions]]").count();
                assert!(before <= number, "{version} {row}: an earlier commit has it too");
            }
        }
    }
}

#[test]
fn all_versions_are_asked_together() {
    let sandbox = sandbox();
    let columns = "--columns time,version,deleted,from,to,reason";
    assert_snapshot!(sandbox.art(&format!("history --all {columns}")), @"
    exit 0
    -- stdout
    TIME                  VERSION  DELETED  FROM        TO          REASON
    2026-11-05T00:00:00Z  v1       no       production  disabled    Recall
    2026-11-04T00:00:00Z  v1       no       staging     production  CliStageUpdate
    2026-11-03T00:00:00Z  v2       no       testing     staging     CliStageUpdate
    2026-11-03T00:00:00Z  v2       no                   testing     ArtifactVersionCreated
    2026-11-02T00:00:00Z  v1       no       testing     staging     Passed
    2026-11-01T00:00:00Z  v1       no                   testing     ArtifactVersionCreated
    ");
    let rows = sandbox.art("history --all --json -q 'to: production'").ok().json();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    let output = sandbox.art("history --all -p ada/lba").fails_with(1);
    assert!(output.stderr.contains("did you mean ada/lab?"), "{output}");
    sandbox.art("history v1 --all").fails_with(2);
    let output = sandbox.art("history v3").fails_with(1);
    assert!(output.stderr.contains("there is no version 'v3'"), "{output}");
}
