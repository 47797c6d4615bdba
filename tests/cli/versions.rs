//! `art versions`.

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Output, Sandbox, Step};

/// Three versions of one run, made and moved at different times.
fn three() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::File("data/a.txt", "a"),
        Step::ArtAt("2026-11-01", "run --name train"),
        Step::ArtAt("2026-11-01", "upload data"),
        Step::ArtAt("2026-11-02", "register v1 --run train --description 'the first' --tags x,y"),
        Step::ArtAt("2026-11-03", "register v2 --run train --kind model"),
        Step::ArtAt("2026-11-04", "stage v1 staging --reason Passed"),
        Step::ArtAt("2026-11-05", "register v3 --run train"),
        Step::ArtAt("2026-11-06", "stage v1 production"),
        Step::ArtAt("2026-11-07", "stage v2 staging"),
    ])
}

fn names(output: &Output) -> Vec<String> {
    let rows = output.json();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn versions_are_listed_newest_first() {
    let sandbox = three();
    assert_snapshot!(sandbox.art("versions"), @"
    exit 0
    -- stdout
    NAME  STAGE       STAGED AT             CREATED AT            KIND      RUN    TAGS  DESCRIPTION
    v3    testing     2026-11-05T00:00:00Z  2026-11-05T00:00:00Z  artifact  train
    v2    staging     2026-11-07T00:00:00Z  2026-11-03T00:00:00Z  model     train
    v1    production  2026-11-06T00:00:00Z  2026-11-02T00:00:00Z  artifact  train  x,y   the first
    ");
    assert_snapshot!(sandbox.art("versions --csv --columns name,stage,run,updated_at"), @"
    exit 0
    -- stdout
    name,stage,run,updated_at
    v3,testing,train,2026-11-05T00:00:00Z
    v2,staging,train,2026-11-07T00:00:00Z
    v1,production,train,2026-11-06T00:00:00Z
    ");
    let rows = sandbox.art("versions --json").ok().json();
    assert_eq!(rows[2]["run"], "train");
    assert_eq!(rows[2]["tags"], json!(["x", "y"]));
    assert_eq!(rows[2]["author"], "tester <tester@sandbox>");
    assert_eq!(rows[1]["kind"], "model");
}

#[test]
fn lists_are_asked_sorted_and_cut() {
    let sandbox = three();
    let list = |options: &str| names(&sandbox.art(&format!("versions --json {options}")).ok());
    assert_eq!(list("--stage production"), ["v1"]);
    assert_eq!(list("--stage disabled"), Vec::<String>::new());
    assert_eq!(list("-q 'tags: y'"), ["v1"]);
    assert_eq!(list("-q 'kind: model, run: train'"), ["v2"]);
    assert_eq!(list("-q 'staged_at: >=2026-11-06' --sort staged_at"), ["v1", "v2"]);
    assert_eq!(list("--sort name"), ["v1", "v2", "v3"]);
    assert_eq!(list("--limit 1 --offset 1"), ["v2"]);
    let output = sandbox.art("versions -q 'stgae: testing'").fails_with(2);
    assert!(output.stderr.contains("did you mean 'stage'?"), "{output}");
    let output = sandbox.art("versions --stage productoin").fails_with(2);
    assert!(output.stderr.contains("production"), "{output}");
    let output = sandbox.art("versions -p ada/lba").fails_with(1);
    assert!(output.stderr.contains("did you mean ada/lab?"), "{output}");
    sandbox.art("versions --at yesterday").fails_with(2);
}

#[test]
fn a_time_shows_the_versions_of_that_time() {
    let sandbox = three();
    let at = |time: &str| {
        let rows = sandbox.art(&format!("versions --json --at '{time}' --sort name")).ok().json();
        let rows = rows.as_array().unwrap().clone();
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
        rows.iter().map(|row| text(row, "name") + ":" + &text(row, "stage")).collect::<Vec<_>>()
    };
    assert_eq!(at("2026-11-01"), Vec::<String>::new());
    assert_eq!(at("2026-11-02"), ["v1:testing"], "the end of the day");
    assert_eq!(at("2026-11-01T23:59:59Z"), Vec::<String>::new());
    assert_eq!(at("2026-11-05 12:00"), ["v1:staging", "v2:testing", "v3:testing"]);
    assert_eq!(at("2026-11-06"), ["v1:production", "v2:testing", "v3:testing"]);
    let now = names(&sandbox.art("versions --json").ok());
    assert_eq!(names(&sandbox.art("versions --json --at 2027-01-01").ok()), now);
    assert_snapshot!(sandbox.art("versions --stage production --at 2026-11-06"), @"
    exit 0
    -- stdout
    NAME  STAGE       STAGED AT             CREATED AT            KIND      RUN    TAGS  DESCRIPTION
    v1    production  2026-11-06T00:00:00Z  2026-11-02T00:00:00Z  artifact  train  x,y   the first
    ");
    assert_snapshot!(sandbox.art("versions --stage production --at 2026-11-05"), @"
    exit 0
    -- stderr
    no matching versions at that time
    ");
}

#[test]
fn no_versions_and_other_projects_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.art("versions").fails_with(10);
    sandbox.art("init --project ada/lab").ok();
    assert_snapshot!(sandbox.art("versions"), @"
    exit 0
    -- stderr
    no versions yet; create one: art register VERSION
    ");
    sandbox.write("a", "a");
    sandbox.art("register v1 --path a").ok();
    sandbox.art("-p bob/lab register v2 --path a").ok();
    assert_eq!(names(&sandbox.art("versions --json").ok()), ["v1"]);
    assert_snapshot!(sandbox.art("versions --all-projects"), @"
    exit 0
    -- stdout
    PROJECT  NAME  STAGE    STAGED AT             CREATED AT            KIND      RUN              TAGS
    bob/lab  v2    testing  2026-11-21T12:00:00Z  2026-11-21T12:00:00Z  artifact  jolly-mallard-1
    ada/lab  v1    testing  2026-11-21T12:00:00Z  2026-11-21T12:00:00Z  artifact  jolly-mallard-1
    ");
}

#[test]
fn a_version_that_can_t_be_read_is_named_beside_the_others() {
    let sandbox = three();
    let id = sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/lab/v2:version.toml");
    let object = sandbox.path(format!(".artifacts/objects/{}/{}", &id[..2], id[2..].trim()));
    std::fs::write(object, b"rotten").unwrap();
    let output = sandbox.art("versions").fails_with(3);
    assert!(output.stderr.contains("the version 'v2' can't be read"), "{output}");
    assert_eq!(output.stdout.lines().count(), 4, "{output}");
    let output = sandbox.art("show @production").fails_with(20);
    assert!(output.stderr.contains("cannot read the version 'v2'"), "{output}");
}

#[test]
fn a_clock_that_was_set_back_is_reported_and_keeps_the_order_of_stages() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    sandbox.write("f", "x");
    sandbox.command("register v1 --path f").at("2026-11-01T00:00:00Z").run().ok();
    sandbox.command("stage v1 production").at("2026-11-02T00:00:00Z").run().ok();
    let output = sandbox.art("versions --at 2026-11-03").ok();
    assert!(!output.stderr.contains("clock"), "{output}");
    sandbox.command("stage v1 testing").at("2026-10-01T00:00:00Z").run().ok();
    let output = sandbox.art("versions --at 2026-11-03").ok();
    assert!(output.stderr.contains("a clock was set back"), "{output}");
    let stages = sandbox.art("history v1 --csv --columns to").ok().stdout;
    assert_eq!(stages, "to\ntesting\nproduction\ntesting\n");
    let stages = sandbox.art("history --all --csv --columns to").ok().stdout;
    assert_eq!(stages, "to\ntesting\nproduction\ntesting\n");
    let output = sandbox.art("versions --limit 0").ok();
    assert!(output.stderr.contains("no matching versions"), "{output}");
}

#[test]
fn conditions_joined_by_a_bar_are_refused_at_their_column() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    let output = sandbox.art("versions -q 'name: v1 | name: v2'");
    assert_eq!(output.code, 2, "{output}");
    assert!(output.stderr.contains("at column 12") && output.stderr.contains("OR"), "{output}");
}

#[test]
fn a_query_for_an_unknown_stage_is_refused_with_the_known_ones() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.write("w", "x");
    sandbox.art("register v1 --path w").ok();
    assert_snapshot!(sandbox.art("versions -q 'stage: prod'"), @"
    exit 2
    -- stderr
    error: 'stage' is never 'prod', at column 8
      stage: prod
             ^^^^

    hint: did you mean 'production'? 'stage' is one of testing, staging, production, disabled
    ");
    for query in ["stage: ~prod", "name: v1, (stage: testing|prod OR kind: model)"] {
        assert_eq!(sandbox.command("versions -q").arg(query).run().code, 2, "{query}");
    }
    for query in ["stage: %prod%", "stage: disabled", "stage: nil", "stage: testing|staging"] {
        sandbox.command("versions -q").arg(query).run().ok();
    }
    // A stage with versions remains valid after the project removed it.
    sandbox.art("policy set stages=testing,live").ok();
    sandbox.art("versions -q 'stage: live'").ok();
    assert_eq!(sandbox.art("versions -q 'stage: staging'").code, 2);
    for query in ["runs -q 'status: faild'", "versions -q 'kind: modl'", "runs -q 'current: yes'"] {
        assert_eq!(sandbox.art(query).code, 2, "{query}");
    }
}

#[test]
fn a_list_answers_from_its_cache_and_fsck_names_a_record_that_was_damaged_since() {
    let sandbox = Sandbox::new();
    sandbox.write("x", "1");
    sandbox.art("init --project o/p").ok();
    sandbox.art("upload x").ok();
    sandbox.art("register v1").ok();
    let before = sandbox.art("versions").ok().stdout;
    let record = sandbox.git("--git-dir .artifacts rev-parse refs/versions/o/p/v1:version.toml");
    let (start, rest) = record.trim().split_at(2);
    let object = sandbox.path(format!(".artifacts/objects/{start}/{rest}"));
    sandbox.tool("chmod", &format!("u+w {}", object.display()));
    std::fs::write(&object, "damaged").unwrap();
    assert_eq!(sandbox.art("versions").ok().stdout, before);
    sandbox.art("get v1").fails_with(20);
    let found = sandbox.art("fsck").fails_with(20);
    assert!(found.stdout.contains("version.toml in commit"), "{found}");
    assert!(found.stdout.contains("of refs/versions/o/p/v1"), "{found}");
    // Without the cache, the list reads the record.
    std::fs::remove_file(sandbox.path(".artifacts/cache/versions")).unwrap();
    let marked = sandbox.art("versions").fails_with(3);
    assert!(marked.stderr.contains("the version 'v1' can't be read"), "{marked}");
}
