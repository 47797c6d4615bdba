//! `art runs` and the verbs below it.

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Sandbox, Step};

/// A repository with three runs; `c` is the current one.
fn three() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project ada/lab").ok();
        let made = [
            ("a", "2026-11-01", "--description 'the first' --tags x,y"),
            ("b", "2026-11-03", "-- sh -c 'exit 3'"),
            ("c", "2026-11-02", "--tags y"),
        ];
        for (name, time, options) in made {
            sandbox.command(&format!("run --name {name} {options}")).at(time).run();
        }
    })])
}

fn names(output: &crate::common::Output) -> Vec<String> {
    let rows = output.json();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn runs_are_listed_newest_first_and_the_current_one_is_marked() {
    let sandbox = three();
    assert_snapshot!(sandbox.art("runs"), @"
    exit 0
    -- stdout
       NAME  STATUS   CREATED AT            TAGS  DESCRIPTION
       b     failed   2026-11-03T00:00:00Z
    *  c     created  2026-11-02T00:00:00Z  y
       a     created  2026-11-01T00:00:00Z  x,y   the first
    ");
    assert_snapshot!(sandbox.art("runs --csv --columns name,command,exit_code,current"), @"
    exit 0
    -- stdout
    name,command,exit_code,current
    b,sh -c exit 3,3,false
    c,,,true
    a,,,false
    ");
    let rows = sandbox.art("runs --json").ok().json();
    assert_eq!(rows[0]["command"], json!(["sh", "-c", "exit 3"]));
    assert_eq!((&rows[0]["current"], &rows[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(rows[0]["author"], "tester <tester@sandbox>");
}

#[test]
fn lists_are_asked_sorted_and_cut() {
    let sandbox = three();
    let list = |options: &str| names(&sandbox.art(&format!("runs --json {options}")).ok());
    assert_eq!(list("-q 'tags: y'"), ["c", "a"]);
    assert_eq!(list("-q 'status: failed, exit_code: >2'"), ["b"]);
    assert_eq!(list("-q 'created_at: >=2026-11-02' --sort name"), ["b", "c"]);
    assert_eq!(list("--sort -name"), ["c", "b", "a"]);
    assert_eq!(list("--limit 1"), ["b"]);
    assert_eq!(list("--limit 1 --offset 1"), ["c"]);
    assert_eq!(list("--limit 0"), Vec::<String>::new());
    assert_eq!(list("--offset 9"), Vec::<String>::new());
    assert_eq!(list("-p ada/other"), Vec::<String>::new());
    let output = sandbox.art("runs -q 'stauts: failed'").fails_with(2);
    assert!(output.stderr.contains("did you mean 'status'?"), "{output}");
    sandbox.art("runs --sort nonsense").fails_with(2);
    assert_snapshot!(sandbox.art("runs -q 'name: z'"), @"
    exit 0
    -- stderr
    no matching runs
    ");
}

#[test]
fn the_newest_are_found_without_reading_all() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    let day = |day: usize| format!("2026-10-{day:02}");
    for at in 1..=20 {
        sandbox.command(&format!("run --name r{at}")).at(&day(at)).run().ok();
    }
    // The order of creation differs from the order of changes: an update, an undo, a slow clock.
    sandbox.command("runs update r3 --description late").at(&day(21)).run().ok();
    sandbox.command("run --name slow").at(&day(5)).run().ok();
    sandbox.command("runs delete r20 --yes").at(&day(22)).run().ok();
    let all = names(&sandbox.art("runs --json").ok());
    assert_eq!(all[..3], ["r19", "r18", "r17"]);
    for limit in [1, 2, 5, 15, 16, 17, 30] {
        let some = names(&sandbox.art(&format!("runs --json --limit {limit}")).ok());
        assert_eq!(some[..], all[..limit.min(all.len())], "{limit}");
    }
    // The command reads only the needed records, so the record of an old run may be damaged.
    let id = sandbox.git("--git-dir .artifacts rev-parse refs/runs/ada/lab/r1:run.toml");
    let object = sandbox.path(format!(".artifacts/objects/{}/{}", &id[..2], id[2..].trim()));
    std::fs::remove_file(object).unwrap();
    sandbox.art("runs --limit 1").ok();
    let output = sandbox.art("runs").fails_with(3);
    assert!(output.stderr.contains("the run 'r1' can't be read"), "{output}");
    assert_eq!(output.stdout.lines().count(), all.len() + 1, "the others are listed: {output}");
}

#[test]
fn no_runs_and_no_repository_are_distinguished() {
    let sandbox = Sandbox::new();
    sandbox.art("runs").fails_with(10);
    sandbox.art("init --project ada/lab").ok();
    assert_snapshot!(sandbox.art("runs"), @"
    exit 0
    -- stderr
    no runs yet; create one: art run
    ");
    assert_eq!(sandbox.art("runs --json").ok().json(), json!([]));
    assert_snapshot!(sandbox.art("runs show"), @"
    exit 1
    -- stderr
    error: there is no current run in ada/lab

    hint: create a run: art run, or select one: art runs switch RUN
    ");
}

#[test]
fn show_tells_all_of_a_run() {
    let sandbox = three();
    sandbox.write("d/x", "12345");
    sandbox.write("d/y", "1");
    sandbox.write("z\u{1b}", "1");
    sandbox.command("upload d z\u{1b} --run b --tag best").at("2026-11-05").run().ok();
    assert_snapshot!(sandbox.art("runs show b"), @r"
    exit 0
    -- stdout
    run b
      status       failed with exit code 3
      created      2026-11-03T00:00:00Z
      started      2026-11-03T00:00:00Z
      finished     2026-11-03T00:00:00Z
      command      sh -c exit 3
      by           tester on sandbox
      project      ada/lab
      uuid         [UUID]
      commit       [ID 1] by tester <tester@sandbox>, 2026-11-05T00:00:00Z
      tagged as    best
    artifacts: 3 files, 7 B
      d/  2 files, 6 B
      z\u{1b}  1 B
    ");
    let run = sandbox.art("runs show b --json").ok().json();
    assert_eq!(run["artifacts"]["bytes"], 7);
    assert_eq!(run["artifacts"]["entries"][0]["files"], 2);
    assert_eq!(run["tag_refs"][0]["name"], "best");
    assert_eq!(run["name"], "b");
    assert_snapshot!(sandbox.art("runs show bb"), @"
    exit 1
    -- stderr
    error: there is no run 'bb' in ada/lab

    hint: did you mean 'b'? To list all runs: art runs
    ");
    sandbox.art("runs show -p ada/other").fails_with(1);
}

#[test]
fn switch_makes_a_run_the_current_one() {
    let sandbox = three();
    assert_snapshot!(sandbox.art("runs switch a"), @"
    exit 0
    -- stdout
    a of ada/lab is the current run
    ");
    sandbox.write("f", "1");
    assert_eq!(sandbox.art("upload f --json").ok().json()["run"], "a");
    let json = sandbox.art("runs switch b --json").ok().json();
    assert_eq!(json["previous"], "refs/runs/ada/lab/a");
    sandbox.art("undo --yes").ok();
    assert_eq!(sandbox.art("runs show --json").ok().json()["name"], "a");
    sandbox.art("runs switch nonesuch").fails_with(1);
    let output = sandbox.command("runs switch b").env("ART_RUN", "c").run().ok();
    assert!(output.stderr.contains("'c' stays the current run"), "{output}");
}

#[test]
fn finish_says_how_a_run_went() {
    let sandbox = three();
    let output = sandbox.art("runs finish --json").ok().json();
    assert_eq!((&output["run"], &output["status"]), (&json!("c"), &json!("succeeded")));
    let again = sandbox.art("runs finish c --json").ok().json();
    assert_eq!(again["commit"], json!(null), "all was so already");
    sandbox.art("runs finish a --status stopped").ok();
    let run = sandbox.art("runs show a --json").ok().json();
    assert_eq!(
        (&run["status"], &run["finished_at"]),
        (&json!("stopped"), &json!(crate::common::NOW))
    );
    sandbox.art("runs finish a --status running").fails_with(2);
}

#[test]
fn update_changes_the_given_fields_and_an_empty_value_clears() {
    let sandbox = three();
    sandbox.art("runs update a --add-tag z,w --add-tag v --remove-tag x").ok();
    let run = sandbox.art("runs show a --json").ok().json();
    assert_eq!(run["tags"], json!(["v", "w", "y", "z"]));
    assert_eq!(run["description"], "the first");
    let subject = sandbox.git("--git-dir .artifacts log -1 --format=%s refs/runs/ada/lab/a");
    assert_eq!(subject, "update tags\n");
    sandbox.art("runs update a --description '' --tags ''").ok();
    let run = sandbox.art("runs show a --json").ok().json();
    assert!(run.get("tags").is_none() && run.get("description").is_none(), "{run}");
    assert_snapshot!(sandbox.art("runs update a --description ''"), @"
    exit 0
    -- stdout
    a: created; nothing changed
    ");
    sandbox.art("runs update a").fails_with(2);
    sandbox.art("runs update a --name ''").fails_with(2);
}

#[test]
fn a_run_keeps_its_history_and_its_place_under_a_new_name() {
    let sandbox = three();
    let log = |run: &str| {
        sandbox.git(&format!("--git-dir .artifacts log --format=%s refs/runs/ada/lab/{run}"))
    };
    let uuid =
        |run: &str| sandbox.art(&format!("runs show {run} --json")).ok().json()["uuid"].clone();
    let (before, its) = (log("c"), uuid("c"));
    sandbox.art("runs update --name best --description new").ok();
    assert_eq!(log("best"), format!("update name (was c), description\n{before}"));
    assert_eq!(uuid("best"), its);
    assert_eq!(sandbox.art("runs show --json").ok().json()["name"], "best");
    sandbox.art("runs show c").fails_with(1);
    sandbox.art("runs update a --name best").fails_with(1);
    sandbox.art("undo --yes").ok();
    assert_eq!(sandbox.art("runs show --json").ok().json()["name"], "c");
}

#[test]
fn delete_asks_shows_and_can_be_undone() {
    let sandbox = three();
    assert_snapshot!(sandbox.art("runs delete c"), @"
    exit 1
    -- stderr
    error: pass --yes to delete the run c of ada/lab

    hint: use --dry-run to see what would be done
    ");
    sandbox.art("tag best run/c").ok();
    assert_snapshot!(sandbox.art("runs delete c --dry-run"), @"
    exit 0
    -- stdout
    would delete the run c of ada/lab
    this is the current run; to choose another: art runs switch RUN
    tags that keep its commits: best
    ");
    assert_eq!(names(&sandbox.art("runs --json").ok()).len(), 3);
    let outcome = sandbox.art("runs delete c --yes --json").ok().json();
    assert_eq!((&outcome["run"], &outcome["current"]), (&json!("c"), &json!(true)));
    assert_eq!(names(&sandbox.art("runs --json").ok()), ["b", "a"]);
    assert_eq!(sandbox.git("--git-dir .artifacts symbolic-ref HEAD").trim(), "refs/heads/main");
    sandbox.art("undo --yes").ok();
    assert_eq!(sandbox.art("runs show --json").ok().json()["name"], "c");
    sandbox.art("runs delete nonesuch --yes").fails_with(1);
}

/// Pins the commit `run_commit` of a run as a version.
fn register(sandbox: &Sandbox, name: &str, run_commit: &str) {
    sandbox.art(&format!("register {name} --rev {run_commit}")).ok();
    sandbox.art(&format!("stage {name} staging")).ok();
}

#[test]
fn a_run_that_versions_were_made_from_is_not_deleted_without_force() {
    let sandbox = three();
    sandbox.write("f", "1");
    sandbox.art("upload f --run a").ok();
    let pinned =
        sandbox.git("--git-dir .artifacts rev-parse refs/runs/ada/lab/a").trim().to_owned();
    sandbox.write("f", "2");
    sandbox.art("upload f --run a").ok();
    register(&sandbox, "v1", &pinned);
    let run = sandbox.art("runs show a --json").ok().json();
    assert_eq!(run["versions"], json!([{"name": "v1", "project": "ada/lab", "commit": pinned}]));
    assert_eq!(sandbox.art("runs show b --json").ok().json()["versions"], json!([]));
    assert_eq!(names(&sandbox.art("runs --json -q 'versions: v1'").ok()), ["a"]);
    assert_eq!(names(&sandbox.art("runs --json -q 'versions: nil'").ok()), ["b", "c"]);
    assert_snapshot!(sandbox.art("runs"), @"
    exit 0
    -- stdout
       NAME  STATUS   CREATED AT            VERSIONS  TAGS  DESCRIPTION
       b     failed   2026-11-03T00:00:00Z
    *  c     created  2026-11-02T00:00:00Z            y
       a     created  2026-11-01T00:00:00Z  v1        x,y   the first
    ");
    for options in ["--yes", "--dry-run"] {
        let output = sandbox.art(&format!("runs delete a {options}"));
        assert_eq!(output.code, 1, "{output}");
        assert!(output.stderr.contains("the run 'a' has versions: v1"), "{output}");
    }
    sandbox.art("runs delete b --yes").ok();
    sandbox.art("runs delete a --yes --force").ok();
    assert_eq!(sandbox.git(&format!("--git-dir .artifacts cat-file -t {pinned}")), "commit\n");
}

#[test]
fn runs_that_are_made_and_changed_in_parallel_are_all_kept() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    let at_once = |lines: Vec<String>| {
        let calls = lines.iter().map(|line| sandbox.command(line).into_command().spawn().unwrap());
        for mut child in calls.collect::<Vec<_>>() {
            assert!(child.wait().unwrap().success());
        }
    };
    // The same seed wants the same name for each.
    at_once(vec!["run --quiet".to_owned(); 8]);
    let runs = names(&sandbox.art("runs --json").ok());
    let wanted: Vec<String> = (1..=8).map(|number| format!("jolly-mallard-{number}")).collect();
    assert_eq!(runs, wanted);
    let tag = |number| format!("runs update {} --add-tag t{number} --quiet", wanted[0]);
    at_once((0..8).map(tag).collect());
    let run = sandbox.art(&format!("runs show {} --json", wanted[0])).ok().json();
    assert_eq!(run["tags"].as_array().unwrap().len(), 8);
}
