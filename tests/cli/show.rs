//! `art show`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A run of two commits.
fn sandbox() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        for n in 0..30 {
            sandbox.write(format!("data/{n:02}"), format!("{n}"));
        }
        let first = sandbox.command("upload data -m 'the first' --tag begun");
        first.at("2026-11-21T08:00:00Z").run().ok();
        sandbox.write("data/00", "more than before");
        sandbox.write("data/new\u{1b}[31m", "new");
        std::fs::rename(sandbox.path("data/01"), sandbox.path("data/one")).unwrap();
        std::fs::remove_file(sandbox.path("data/02")).unwrap();
        sandbox.art("upload data -m second").ok();
    })])
}

#[test]
fn a_run_is_shown_with_its_record_and_its_changes() {
    assert_snapshot!(sandbox().art("show run/jolly-mallard-1"), @r"
    exit 0
    -- stdout
    run jolly-mallard-1
      commit      [ID 1]
      refs        HEAD -> run/jolly-mallard-1
      parent      [ID 2]
      by          tester <tester@sandbox>, 2026-11-21T12:00:00Z
      message     second

      status      created
      created     2026-11-21T08:00:00Z
      ran as      tester on sandbox
      uuid        [UUID]
      artifacts   30 files, 67 B

    changes: 4 files changed (1 added, 1 modified, 1 deleted, 1 renamed), 19 B
      M       16 B  data/00
      D       -1 B  data/02
      A        3 B  data/new\u{1b}[31m
      R        1 B  data/01 -> data/one
    ");
}

#[test]
fn many_changes_are_counted_and_the_first_are_named() {
    let output = sandbox().art("show begun -n 2").ok();
    let changes = &output.stdout[output.stdout.find("changes").unwrap()..];
    let id = changes.split("art show ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_snapshot!(changes.replace(&id, "[ID]"), @"
    changes: 30 files added, 50 B
      A        1 B  data/00
      A        1 B  data/01
      … and 28 more: art show [ID] -n 30
    ");
    let all = sandbox().art("show begun --json").ok().json();
    assert_eq!(all["files"].as_array().unwrap().len(), 30);
    assert_eq!(all["more"], 0);
}

#[test]
fn show_as_json_has_the_record_and_the_changes() {
    let value = sandbox().art("show run/jolly-mallard-1 --json").ok().json();
    assert_eq!(value["kind"], "run");
    assert_eq!(value["reference"], "refs/runs/o/p/jolly-mallard-1");
    assert_eq!(value["record"]["name"], "jolly-mallard-1");
    assert_eq!(value["record"]["status"], "created");
    assert_eq!(value["total"]["files"], 30);
    assert_eq!(value["changes"]["added"], 1);
    let files = value["files"].as_array().unwrap();
    let change = |kind: &str| files.iter().find(|file| file["change"] == kind).unwrap();
    assert_eq!(change("modified")["old_size"], 1);
    assert_eq!(change("modified")["new_size"], 16);
    assert_eq!(change("renamed")["from"], "data/01");
    assert_eq!(change("deleted")["path"], "data/02");
    assert_eq!(change("added")["path"], "data/new\u{1b}[31m");
}

#[test]
fn a_record_of_a_command_and_of_its_source_is_shown_and_what_changed_in_it() {
    let sandbox = sandbox();
    let git = |line: &str| sandbox.git(&format!("--git-dir .artifacts {line}")).trim().to_owned();
    let record = git("show refs/runs/o/p/jolly-mallard-1:run.toml");
    let record = record.replace("status = \"created\"", "status = \"failed\"").replace(
        "created_at",
        "started_at = \"2026-11-21T08:00:00Z\"\nfinished_at = \"2026-11-21T08:03:05Z\"\n\
         command = [\"python\", \"train it.py\", \"--lr=0.1\"]\nexit_code = 3\nfuture = 7\ncreated_at",
    ) + "\n[source]\ncommit = \"0123456789abcdef\"\nbranch = \"main\"\ndirty = true\n\
         remote = \"https://example.com/x.git\"\n\
         [[lineage]]\nname = \"weights\"\nkind = \"model\"\npath = \"data/00\"\n\
         summary = { accuracy = 0.91 }\n\
         [[lineage]]\nname = \"digits\"\nkind = \"dataset\"\npath = \"in\"\nis_input = true\n\
         origin = \"me/digits:v1\"\n";
    sandbox.write("run.toml", record);
    let blob = git("hash-object -w run.toml");
    let artifacts = git("rev-parse refs/runs/o/p/jolly-mallard-1:artifacts");
    let entries = format!("040000 tree {artifacts}\tartifacts\n100644 blob {blob}\trun.toml\n");
    let tree = sandbox.program("git").words("--git-dir .artifacts mktree --missing").stdin(entries);
    let tree = tree.run().ok().stdout;
    let commit =
        git(&format!("commit-tree {} -p refs/runs/o/p/jolly-mallard-1 -m end", tree.trim()));
    git(&format!("update-ref refs/runs/o/p/jolly-mallard-1 {commit}"));
    assert_snapshot!(sandbox.art("show run/jolly-mallard-1"), @"
    exit 0
    -- stdout
    run jolly-mallard-1
      commit      [ID 1]
      refs        HEAD -> run/jolly-mallard-1
      parent      [ID 2]
      by          Tester <tester@example.com>, 2026-11-21T12:00:00Z
      message     end

      status      failed
      created     2026-11-21T08:00:00Z
      started     2026-11-21T08:00:00Z
      finished    2026-11-21T08:03:05Z, after 3 min 05 s
      command     python 'train it.py' --lr=0.1
      exit code   3
      ran as      tester on sandbox
      uuid        [UUID]
      source      [ID 3] on main with uncommitted changes
                  https://example.com/x.git
      future      7
      artifacts   30 files, 67 B

    lineage
      weights  model output  data/00  accuracy=0.91
      digits  dataset input  in  from me/digits:v1

    changes: only the record changed
      in the record: command, exit_code, finished_at, future, lineage, source, started_at, status
    ");
    assert!(
        sandbox.art("log run/jolly-mallard-1 -n 1").ok().stdout.contains("only the record changed")
    );
}

#[test]
fn a_path_shows_the_file_or_the_directory() {
    let sandbox = sandbox();
    assert_eq!(sandbox.art("show run/jolly-mallard-1:data/00").ok().stdout, "more than before");
    let listing = sandbox.art("ls run/jolly-mallard-1:data").ok().stdout;
    assert_eq!(sandbox.art("show run/jolly-mallard-1:data").ok().stdout, listing);
    assert_eq!(sandbox.art("show run/jolly-mallard-1:").ok().stdout, "data/\n");
    assert_snapshot!(sandbox.art("show run/jolly-mallard-1:data/0"), @"
    exit 1
    -- stderr
    error: there is nothing at 'data/0' in run 'jolly-mallard-1'

    hint: list the files: art ls run/jolly-mallard-1:data
    ");
}

#[test]
fn an_absent_name_is_refused_with_the_nearest_name() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("show jolly-malard-1"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'jolly-malard-1' in 'o/p'

    hint: did you mean 'run/jolly-mallard-1'?
    ");
    sandbox.art("show @latest").fails_with(1);
}
