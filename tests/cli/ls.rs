//! `art ls`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A run with two commits: some directories, a link, an executable, an empty directory.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("data/train.csv", "a,b\n1,2\n"),
        Step::File("model/config.json", "{}\n"),
        Step::File("run.sh", "#!/bin/sh\n"),
        Step::Shell("mkdir empty && chmod +x run.sh && ln -s data/train.csv latest"),
        Step::Art("upload"),
        Step::Shell("head -c 3000000 /dev/zero | tr '\\0' '\\7' > model/weights.bin"),
        Step::Art("upload"),
    ])
}

#[test]
fn ls_lists_one_level_and_marks_directories() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("ls"), @"
    exit 0
    -- stdout
    data/
    empty/
    latest
    model/
    run.sh
    ");
    assert_eq!(sandbox.art("ls HEAD:model").ok().stdout, "config.json\nweights.bin\n");
    assert_eq!(sandbox.art("ls HEAD~1:model").ok().stdout, "config.json\n");
}

#[test]
fn ls_recursive_names_files_and_empty_directories() {
    assert_snapshot!(sandbox().art("ls -r"), @"
    exit 0
    -- stdout
    data/train.csv
    empty/
    latest
    model/config.json
    model/weights.bin
    run.sh
    ");
}

#[test]
fn ls_long_has_git_s_modes_and_ids_and_the_sizes() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("ls -r -l"), @"
    exit 0
    -- stdout
    100644 8 [ID 1]	data/train.csv
    040000 - [ID 2]	empty/
    120000 14 [ID 3]	latest
    100644 3 [ID 4]	model/config.json
    100644 3000000 [ID 5]	model/weights.bin
    100755 10 [ID 6]	run.sh
    ");
    let ids = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect()
    };
    let ours = ids(&sandbox.art("ls -l").ok().stdout);
    let head = sandbox.git("--git-dir .artifacts ls-tree HEAD:artifacts");
    assert_eq!(ours, ids(&head));
}

#[test]
fn ls_of_a_file_names_it_by_its_path() {
    assert_eq!(sandbox().art("ls HEAD:model/config.json").ok().stdout, "model/config.json\n");
}

#[test]
fn ls_json_is_one_object_a_line() {
    let lines = sandbox().art("ls --json -r -l").ok().json_lines();
    let lines: Vec<String> = lines
        .into_iter()
        .map(|mut line| {
            assert_eq!(line["id"].as_str().unwrap().len(), 64);
            line.as_object_mut().unwrap().remove("id");
            line.to_string()
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    {"path":"data/train.csv","kind":"file","mode":"100644","size":8}
    {"path":"empty","kind":"directory","mode":"040000"}
    {"path":"latest","kind":"symlink","mode":"120000","size":14}
    {"path":"model/config.json","kind":"file","mode":"100644","size":3}
    {"path":"model/weights.bin","kind":"file","mode":"100644","size":3000000}
    {"path":"run.sh","kind":"executable","mode":"100755","size":10}
    "#);
}

#[test]
fn ls_of_odd_names_keeps_their_bytes_in_a_pipe_and_ends_them_with_nul_on_demand() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    for name in [&b"new\nline"[..], b"esc\x1b[31m", b"latin\xe9"] {
        sandbox.write(OsStr::from_bytes(name), "x");
    }
    sandbox.art("upload").ok();
    assert_eq!(sandbox.art("ls").ok().stdout_bytes, b"esc\x1b[31m\nlatin\xe9\nnew\nline\n");
    assert_eq!(sandbox.art("ls -z").ok().stdout_bytes, b"esc\x1b[31m\0latin\xe9\0new\nline\0");
    let git =
        sandbox.program("git").words("--git-dir .artifacts ls-tree -z --name-only HEAD:artifacts");
    assert_eq!(sandbox.art("ls -z").stdout_bytes, git.run().ok().stdout_bytes);
    let json = sandbox.art("ls --json").ok();
    assert!(!json.stdout.contains('\x1b'), "{json}");
    let lines = json.json_lines();
    assert_eq!(lines[0]["path"], "esc\x1b[31m");
    assert_eq!(lines[0].get("path_bytes"), None);
    assert_eq!(lines[1]["path"], "latin\\xe9");
    assert_eq!(lines[1]["path_bytes"], "6c6174696ee9");
    assert_eq!(lines[2]["path"], "new\nline");
}

#[test]
fn ls_on_a_terminal_escapes_names_and_shortens() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write(OsStr::from_bytes(b"esc\x1b[31m"), vec![0; 4096]);
    sandbox.art("upload").ok();
    let shown = sandbox.terminal("art ls -l --color never");
    assert_snapshot!(shown, @r"
    exit 0
    -- stdout
    100644   4.0 KiB  [ID 1]  esc\u{1b}[31m
    ");
}

#[test]
fn ls_of_a_new_run_is_empty() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("a", "a");
    sandbox.art("upload").ok();
    std::fs::remove_file(sandbox.path("a")).unwrap();
    sandbox.art("upload").ok();
    let output = sandbox.art("ls").ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    assert_eq!(sandbox.art("ls --json").ok().stdout, "");
}

#[test]
fn ls_without_a_current_run_prints_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    assert_snapshot!(sandbox.art("ls"), @"
    exit 1
    -- stderr
    error: there is no current run

    hint: make one: art run, or choose one: art runs switch RUN
    ");
}

#[test]
fn ls_of_an_absent_path_suggests_the_nearest() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("ls HEAD:modle"), @"
    exit 1
    -- stderr
    error: there is nothing at 'modle' in run 'jolly-mallard-1'

    hint: did you mean 'model'?
    ");
    assert_snapshot!(sandbox.art("ls HEAD:data/xyz123"), @"
    exit 1
    -- stderr
    error: there is nothing at 'data/xyz123' in run 'jolly-mallard-1'

    hint: list the files: art ls run/jolly-mallard-1:data
    ");
    assert_snapshot!(sandbox.art("ls HEAD:run.sh/x"), @"
    exit 1
    -- stderr
    error: there is nothing at 'run.sh/x' in run 'jolly-mallard-1'

    hint: 'run.sh' is a file
    ");
    assert_snapshot!(sandbox.art("ls model"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'model' in 'o/p'

    hint: write a path after a revision: HEAD:model
    ");
    assert_snapshot!(sandbox.art("ls data/train.csv"), @"
    exit 2
    -- stderr
    error: invalid value 'data/train.csv' for '[REV[:PATH]]': 'data/train.csv' is not a revision: expected run/NAME, tag/NAME or OWNER/PROJECT:REVISION at column 1

    hint: write a path after a revision: HEAD:data/train.csv
    ");
    assert_snapshot!(sandbox.art("ls run/nonesuch"), @"
    exit 1
    -- stderr
    error: there is no run 'nonesuch' in 'o/p'
    ");
    let error = sandbox.art("ls --json HEAD:modle").fails_with(1).json_error();
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn ls_long_lists_all_files_and_reports_lost_content() {
    let sandbox = sandbox();
    sandbox.shell("rm .artifacts/packs/*.tar.zst .artifacts/index/*").ok();
    let output = sandbox.art("ls -r -l").fails_with(20);
    assert_eq!(output.stdout.lines().count(), 6, "{output}");
    assert!(output.stdout.lines().filter(|line| line.contains(" ? ")).count() >= 5, "{output}");
    assert!(output.stderr.contains("the content of 5 files is missing"), "{output}");
    assert_eq!(sandbox.art("ls -r").ok().stdout.lines().count(), 6);
}
