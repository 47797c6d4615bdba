//! `art log`.

use std::io::Read;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// Two runs: one of three commits, with a tag on the second, and one of one commit.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("data/a", &"a".repeat(2048)),
        Step::File("data/b", "b"),
        Step::ArtAt("2026-11-21T01:00:00Z", "upload data -m 'the first'"),
        Step::File("data/b", "bb"),
        Step::File("data/c", "c"),
        Step::Shell("mv data/a data/d"),
        Step::ArtAt("2026-11-21T02:00:00Z", "upload data -m 'subject\n\nthe body' --tag best"),
        Step::Shell("rm data/c"),
        Step::ArtAt("2026-11-21T03:00:00Z", "upload data -m third"),
        Step::File("x", "x"),
        Step::ArtAt("2026-11-21T04:00:00Z", "-p o/q upload x -m elsewhere"),
    ])
}

#[test]
fn log_shows_author_time_message_and_sizes() {
    assert_snapshot!(sandbox().art("log run/jolly-mallard-1"), @"
    exit 0
    -- stdout
    [ID 1] (HEAD -> run/jolly-mallard-1) third
        tester, 2026-11-21T03:00:00Z: 1 file deleted
    [ID 2] (tag/best) subject
        tester, 2026-11-21T02:00:00Z: 3 files changed (1 added, 1 modified, 1 renamed), 3 B
    [ID 3] the first
        tester, 2026-11-21T01:00:00Z: 2 files added, 2.0 KiB
    ");
}

#[test]
fn log_starts_from_all_refs_and_stops_after_n() {
    let sandbox = sandbox();
    let subjects = |line: &str| -> Vec<String> {
        let entries = sandbox.art(line).ok().json_lines();
        let first = |entry: &serde_json::Value| entry["message"].as_str().unwrap().to_owned();
        entries.iter().map(first).map(|text| text.lines().next().unwrap().to_owned()).collect()
    };
    assert_eq!(subjects("log --json --all"), ["elsewhere", "third", "subject", "the first"]);
    assert_eq!(subjects("log --json --all -n 2"), ["elsewhere", "third"]);
    assert_eq!(subjects("log --json run/jolly-mallard-1~1"), ["subject", "the first"]);
    assert_eq!(subjects("log --json run/jolly-mallard-1 -n 0"), [""; 0]);
    assert_eq!(subjects("log --json run/jolly-mallard-1:data/c"), ["third", "subject"]);
    assert_eq!(subjects("log --json run/jolly-mallard-1:data/d"), ["subject", "the first"]);
}

#[test]
fn log_agrees_with_git_on_the_order_and_the_changes() {
    let sandbox = sandbox();
    let git = sandbox.git("--git-dir .artifacts log --all --format=%H");
    let entries = sandbox.art("log --json --all").ok().json_lines();
    let ids: Vec<&str> = entries.iter().map(|entry| entry["commit"].as_str().unwrap()).collect();
    assert_eq!(ids, git.lines().collect::<Vec<_>>());
    for entry in &entries {
        let id = entry["commit"].as_str().unwrap();
        let line = format!(
            "--git-dir .artifacts diff-tree --root -r -M100% --name-status --no-commit-id {id} -- artifacts"
        );
        // Git would read the directory of segments as its own index, so the test sets another index.
        let git = sandbox.program("git").words(&line).env("GIT_INDEX_FILE", "/nonexistent");
        let mut expected = [0; 4];
        for status in git.run().ok().stdout.lines() {
            expected["AMDR".find(&status[..1]).unwrap()] += 1;
        }
        let changes = &entry["changes"];
        let found = ["added", "modified", "deleted", "renamed"].map(|kind| changes[kind].as_u64());
        assert_eq!(found, expected.map(Some), "{entry}");
    }
}

#[test]
fn log_as_json_has_one_commit_a_line() {
    let sandbox = sandbox();
    let mut entry = sandbox.art("log tag/best -n 1 --json --stat").ok().json_lines().remove(0);
    for id in ["commit", "parents"] {
        entry.as_object_mut().unwrap().remove(id).unwrap();
    }
    for file in entry["files"].as_array_mut().unwrap() {
        for side in ["old", "new"] {
            file.as_object_mut().unwrap().remove(side);
        }
    }
    assert_snapshot!(serde_json::to_string_pretty(&entry).unwrap(), @r#"
    {
      "files": [
        {
          "change": "modified",
          "path": "data/b",
          "new_size": 2,
          "old_size": 1
        },
        {
          "change": "added",
          "path": "data/c",
          "new_size": 1
        },
        {
          "change": "renamed",
          "from": "data/a",
          "to": "data/d",
          "new_size": 2048,
          "old_size": 2048,
          "similarity": 100
        }
      ],
      "total": {
        "files": 3,
        "bytes": 2051,
        "unknown": 0,
        "complete": true
      },
      "refs": [
        "refs/tags/o/p/best"
      ],
      "more_refs": 0,
      "is_head": false,
      "author": {
        "name": "tester",
        "email": "tester@sandbox"
      },
      "time": "2026-11-21T02:00:00Z",
      "message": "subject\n\nthe body",
      "kind": "run",
      "changes": {
        "added": 1,
        "modified": 1,
        "deleted": 0,
        "renamed": 1,
        "directories": 0,
        "bytes": 3,
        "unknown": 0,
        "complete": true
      },
      "record_changed": false
    }
    "#);
}

#[test]
fn stat_names_the_files_and_shows_the_totals() {
    assert_snapshot!(sandbox().art("log run/jolly-mallard-1 --stat -n 2"), @"
    exit 0
    -- stdout
    [ID 1] (HEAD -> run/jolly-mallard-1) third
        tester, 2026-11-21T03:00:00Z: 1 file deleted
        total: 2 files, 2.0 KiB
        D       -1 B  data/c
    [ID 2] (tag/best) subject
        tester, 2026-11-21T02:00:00Z: 3 files changed (1 added, 1 modified, 1 renamed), 3 B
        total: 3 files, 2.0 KiB
        M        2 B  data/b
        A        1 B  data/c
        R    2.0 KiB  data/a -> data/d
    ");
}

#[test]
fn verbose_has_whole_ids_and_messages() {
    assert_snapshot!(sandbox().art("log tag/best -v -n 1"), @"
    exit 0
    -- stdout
    [ID 1] (tag/best) subject
        tester <tester@sandbox>, 2026-11-21T02:00:00Z: 3 files changed (1 added, 1 modified, 1 renamed), 3 B
        the body
    ");
}

#[test]
fn a_graph_shows_the_sources_of_a_version() {
    let sandbox = sandbox();
    let git = |line: &str| sandbox.git(&format!("--git-dir .artifacts {line}")).trim().to_owned();
    let tree = git("rev-parse refs/runs/o/p/jolly-mallard-1^{tree}");
    let merge = git(&format!(
        "commit-tree {tree} -p refs/runs/o/q/jolly-mallard-1 -p refs/runs/o/p/jolly-mallard-1~1 -m both"
    ));
    git(&format!("update-ref refs/versions/o/p/v1 {merge}"));
    assert_snapshot!(sandbox.art("log --all --graph"), @r"
    exit 0
    -- stdout
    * [ID 1] (v1) both
    |\     Tester, 2026-11-21T12:00:00Z: 3 files changed (2 added, 1 deleted), 2.0 KiB
    * | [ID 2] (o/q:run/jolly-mallard-1) elsewhere
      |     tester, 2026-11-21T04:00:00Z: 1 file added, 1 B
     /
    | * [ID 3] (HEAD -> run/jolly-mallard-1) third
    | |     tester, 2026-11-21T03:00:00Z: 1 file deleted
    |/
    * [ID 4] (tag/best) subject
    |     tester, 2026-11-21T02:00:00Z: 3 files changed (1 added, 1 modified, 1 renamed), 3 B
    * [ID 5] the first
          tester, 2026-11-21T01:00:00Z: 2 files added, 2.0 KiB
    ");
    sandbox.art("log --graph HEAD:data").fails_with(2);
}

#[test]
fn a_repository_without_commits_gets_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    assert_snapshot!(sandbox.art("log"), @"
    exit 0
    -- stderr
    no commits yet; create the first one: art upload PATH
    ");
    assert_eq!(sandbox.art("log --all --json").ok().stdout, "");
    assert_snapshot!(sandbox.art("log nowhere"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'nowhere' in 'tester/desk'

    hint: see what there is: art runs --project tester/desk
    ");
}

#[test]
fn log_continues_past_unreadable_commits_and_reports_them() {
    let sandbox = sandbox();
    let id =
        sandbox.art("log run/jolly-mallard-1~1 -n 1 --json").ok().json_lines()[0]["commit"].clone();
    let id = id.as_str().unwrap();
    std::fs::remove_file(sandbox.path(format!(".artifacts/objects/{}/{}", &id[..2], &id[2..])))
        .unwrap();
    let output = sandbox.art("log --all").fails_with(3);
    for subject in ["elsewhere", "third"] {
        assert!(output.stdout.contains(subject), "{output}");
    }
    assert!(output.stderr.contains(id), "{output}");
}

#[test]
fn log_ends_when_the_pipe_closes() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.write("x", "x");
    sandbox.art("upload x").ok();
    let tree = sandbox.git("--git-dir .artifacts rev-parse refs/runs/o/p/jolly-mallard-1^{tree}");
    let mut import = String::new();
    for n in 0..3000 {
        import.push_str(&format!(
            "commit refs/runs/o/p/jolly-mallard-1\ncommitter T <t@example.com> {} +0000\ndata 2\nm\n",
            1_800_000_000 + n
        ));
        if n == 0 {
            import.push_str(&format!(
                "from refs/runs/o/p/jolly-mallard-1^0\nM 040000 {} \n",
                tree.trim()
            ));
        }
    }
    let import =
        sandbox.program("git").words("--git-dir .artifacts fast-import --quiet").stdin(import);
    import.run().ok();
    let mut command = sandbox.command("log --json").into_command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
