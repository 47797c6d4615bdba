//! `art run`, alone and around a command. For signals, see `run_signals.rs`.

use std::os::unix::ffi::OsStrExt;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A repository of the project `ada/lab`.
fn lab() -> Sandbox {
    Sandbox::with(&[Step::Art("init --project ada/lab")])
}

/// The record of a run, as `runs show` prints it.
fn record(sandbox: &Sandbox, run: &str) -> serde_json::Value {
    sandbox.art(&format!("runs show {run} --json")).ok().json()
}

#[test]
fn run_alone_makes_a_run_and_prints_its_name() {
    let sandbox = lab();
    let name = sandbox.art("run --description 'the plain one' --tags b,a").ok().stdout;
    assert_eq!(name, "jolly-mallard-1\n");
    let run = record(&sandbox, name.trim());
    assert_eq!(run["status"], "created");
    assert_eq!(run["description"], "the plain one");
    assert_eq!(run["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(run["current"], true);
    assert_eq!(run["user"], "tester");
    assert_eq!(run["host"], "sandbox");
    assert!(run.get("command").is_none() && run.get("started_at").is_none(), "{run}");
    let json = sandbox.art("run --name given --json").ok().json();
    assert_eq!(json["run"], "given");
    assert_eq!(json["project"], "ada/lab");
    assert_eq!(
        sandbox.git("--git-dir .artifacts symbolic-ref HEAD").trim(),
        "refs/runs/ada/lab/given"
    );
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let sandbox = lab();
    sandbox.art("run --name a").ok();
    assert_snapshot!(sandbox.art("run --name a"), @"
    exit 1
    -- stderr
    error: the run 'a' already exists in ada/lab

    hint: choose another name, or switch to the existing run: art runs switch a
    ");
    sandbox.art("run --name ../a").fails_with(2);
    sandbox.art("run --name a -- touch ran").fails_with(1);
    assert!(!sandbox.path("ran").exists());
}

#[test]
fn a_run_records_its_command_and_its_result() {
    let sandbox = lab();
    let output = sandbox.art("run --name fine -- sh -c 'echo out; echo err >&2'").ok();
    assert_eq!(output.stdout, "out\n");
    assert_eq!(output.stderr, "err\nrun fine succeeded\n");
    let run = record(&sandbox, "fine");
    assert_eq!(run["command"], serde_json::json!(["sh", "-c", "echo out; echo err >&2"]));
    assert_eq!((&run["status"], &run["exit_code"]), (&"succeeded".into(), &0.into()));
    assert_eq!(run["started_at"], crate::common::NOW);
    assert_eq!(run["finished_at"], crate::common::NOW);
    assert_snapshot!(sandbox.art("run --name not -- sh -c 'exit 3'"), @"
    exit 3
    -- stderr
    run not failed with exit code 3
    ");
    let run = record(&sandbox, "not");
    assert_eq!((&run["status"], &run["exit_code"]), (&"failed".into(), &3.into()));
    let log = sandbox.git("--git-dir .artifacts log --format=%s refs/runs/ada/lab/not");
    assert_eq!(log, "ended with exit code 3\nrun sh -c exit 3\n");
}

#[test]
fn the_streams_of_a_command_are_its_own() {
    let sandbox = lab();
    let bytes = [&b"a\0\xff\r\n"[..], &b"long ".repeat(20_000)].concat();
    let output = sandbox.command("run --quiet -- cat").stdin(&bytes).run().ok();
    assert_eq!(output.stdout_bytes, bytes);
    assert_eq!(output.stderr, "");
}

#[test]
fn words_of_a_command_are_passed_on_as_they_are() {
    let sandbox = lab();
    let odd = std::ffi::OsStr::from_bytes(b"\xff *");
    let call = sandbox.command("run --name odd -- printf %s| --json -o '' 'a b'").arg(odd);
    assert_eq!(call.run().ok().stdout_bytes, b"--json|-o||a b|\xff *|");
    let words = serde_json::json!(["printf", "%s|", "--json", "-o", "", "a b", "\\xff *"]);
    assert_eq!(record(&sandbox, "odd")["command"], words);
}

#[test]
fn a_command_finds_its_run_after_the_current_run_changed() {
    let sandbox = lab();
    sandbox.write("sub/x", "");
    let script = "echo $ART_RUN $ART_DIR $ART_PROJECT; art run --name two > /dev/null; \
                  echo 1 > f; art upload f --quiet; art runs switch two 2>&1; \
                  art ls -r HEAD; art cat HEAD@{0}:sub/f; art ls -p ada/lab @{1}";
    let output =
        sandbox.command("run --name one -- sh -c").arg(script).current_dir("sub").run().ok();
    assert_snapshot!(output, @"
    exit 0
    -- stdout
    one [ROOT]/desk/.artifacts ada/lab
    warning: ART_RUN is set, so 'one' stays the current run
    two of ada/lab is the current run
    sub/f
    1
    -- stderr
    run one succeeded
    ");
    assert_eq!(sandbox.art("ls -r run/one").ok().stdout, "sub/f\n");
    assert_eq!(sandbox.art("ls run/two").ok().stdout, "");
}

#[test]
fn the_inputs_of_a_command_are_uploaded_before_it_starts() {
    let sandbox = lab();
    sandbox.write("data/train.csv", "1,2");
    sandbox.art("run --name a -u -- sh -c 'art ls -r HEAD; rm -r data'").ok();
    assert_eq!(sandbox.art("ls -r run/a").ok().stdout, "uploads/data/train.csv\n");
    sandbox.write("data/train.csv", "1,2");
    let listing = sandbox.art("run --name b --upload-from data --upload-to / -- art ls -r").ok();
    assert_eq!(listing.stdout, "train.csv\n");
    sandbox.art("run --name c --upload-from data -- true").ok();
    assert_eq!(sandbox.art("ls -r run/c").ok().stdout, "uploads/train.csv\n");
    sandbox.art("run --name d --upload-to in/put -- true").ok();
    assert_eq!(sandbox.art("ls -r run/d").ok().stdout, "in/put/data/train.csv\n");
    sandbox.art("run --name e --upload-from nowhere -- touch ran").fails_with(1);
    assert!(!sandbox.path("ran").exists(), "without what it needs it does not begin");
    sandbox.art("runs show e").fails_with(1);
}

#[test]
fn outputs_are_uploaded_however_the_command_ended() {
    let sandbox = lab();
    let output =
        sandbox.art("run --name a -o x -o d/y -- sh -c 'mkdir d; echo 1 >x; echo 22 >d/y; exit 4'");
    assert_snapshot!(output, @"
    exit 4
    -- stderr
    run a failed with exit code 4; uploaded 2 files, 5 B
    ");
    assert_eq!(sandbox.art("ls -r run/a").ok().stdout, "d/y\nx\n");
    sandbox.art("run --name b -o x -- sh -c 'kill -9 $$'").fails_with(137);
    assert_eq!(sandbox.art("ls -r run/b").ok().stdout, "x\n");
}

#[test]
fn a_missing_output_fails_a_run_that_succeeded() {
    let sandbox = lab();
    assert_snapshot!(sandbox.art("run --name a -o nothing -o x -- touch x"), @"
    exit 1
    -- stderr
    error: the output 'nothing' of the run 'a' was not uploaded
    caused by: cannot read 'nothing'
    caused by: No such file or directory (os error 2)
    run a succeeded; uploaded 1 file, 0 B
    ");
    assert_eq!(record(&sandbox, "a")["status"], "succeeded");
    assert_eq!(sandbox.art("ls run/a").ok().stdout, "x\n", "the others are uploaded");
    let output = sandbox.art("run --name b -o nothing --json -- sh -c 'echo hi; exit 9'");
    assert_eq!(output.code, 9, "{output}");
    assert_eq!(output.json_error()["kind"], "not_found");
    let last: serde_json::Value =
        serde_json::from_str(output.stdout.strip_prefix("hi\n").unwrap()).unwrap();
    assert_eq!((&last["run"], &last["shell_code"]), (&"b".into(), &9.into()));
    assert_eq!(last["failures"][0]["kind"], "not_found");
}

#[test]
fn an_output_outside_of_the_work_tree_is_refused_before_the_command_starts() {
    let sandbox = lab();
    assert_snapshot!(sandbox.art("run -o ../x -- touch ran"), @"
    exit 2
    -- stderr
    error: '../x' is outside the work tree '[ROOT]/desk'

    hint: let the command write its output inside the work tree
    ");
    assert!(!sandbox.path("ran").exists());
    assert_eq!(sandbox.art("runs --json").ok().json(), serde_json::json!([]));
    assert!(sandbox.art("run -o x").fails_with(2).stderr.contains("-- <CMD>"));
    sandbox.art("run -u").fails_with(2);
}

#[test]
fn a_command_that_can_not_be_started_is_recorded_as_failed() {
    let sandbox = lab();
    assert_snapshot!(sandbox.art("run --name a -o x -- nonesuch --flag"), @"
    exit 127
    -- stderr
    error: cannot run 'nonesuch'
    caused by: No such file or directory (os error 2)

    hint: install it in a directory of PATH; to run a file in this directory, type ./CMD
    run a failed with exit code 127
    ");
    sandbox.write("plain", "no program");
    sandbox.art("run --name b -- ./plain").fails_with(126);
    for (run, code) in [("a", 127), ("b", 126)] {
        let run = record(&sandbox, run);
        assert_eq!((&run["status"], &run["exit_code"]), (&"failed".into(), &code.into()));
    }
}

#[test]
fn the_source_around_a_run_is_recorded() {
    let sandbox = lab();
    sandbox.git("init -q -b main");
    sandbox.write("code", "1");
    sandbox.git("add code");
    sandbox.git("commit -qm first");
    let commit = sandbox.git("rev-parse HEAD");
    sandbox.art("run --name clean").ok();
    sandbox.write("code", "2");
    sandbox.git("remote add origin https://ada:secret@example.org/lab.git");
    sandbox.art("run --name dirty -- true").ok();
    sandbox.art("upload code --run clean").ok();
    let (clean, dirty) = (record(&sandbox, "clean"), record(&sandbox, "dirty"));
    assert_eq!(clean["source"]["commit"], commit.trim());
    assert_eq!(clean["source"]["branch"], "main");
    assert_eq!(clean["source"]["dirty"], false);
    assert_eq!(dirty["source"]["dirty"], true);
    assert_eq!(dirty["source"]["remote"], "https://example.org/lab.git");
}

#[test]
fn a_run_that_an_upload_makes_has_its_source_too() {
    let sandbox = lab();
    sandbox.git("init -q -b main");
    sandbox.write("code", "1");
    sandbox.git("add code");
    sandbox.git("commit -qm first");
    sandbox.art("upload code").ok();
    let source = record(&sandbox, "")["source"].clone();
    assert_eq!(source["commit"], sandbox.git("rev-parse HEAD").trim());
}

#[test]
fn a_result_set_by_the_command_counts() {
    let sandbox = lab();
    sandbox.art("run --name a -- art runs finish --status failed").ok();
    let run = record(&sandbox, "a");
    assert_eq!((&run["status"], &run["exit_code"]), (&"failed".into(), &0.into()));
}

#[test]
fn a_deleted_repository_does_not_hide_the_result_of_the_command() {
    let sandbox = lab();
    let output = sandbox.art("run --name a -o x -- sh -c 'rm -rf .artifacts; touch x; exit 5'");
    assert_eq!(output.code, 5, "{output}");
    assert!(output.stderr.contains("the end of the run 'a' could not be recorded"), "{output}");
    assert!(output.stderr.contains("the output 'x' of the run 'a' was not uploaded"), "{output}");
    assert!(!sandbox.path(".artifacts").exists(), "nothing of it is made again");
    sandbox.art("init --project ada/lab").ok();
    // Keeping no output is a failure.
    sandbox.art("run --name a -- rm -rf .artifacts").fails_with(10);
}

#[test]
fn the_record_stays_at_running_if_art_is_killed() {
    let sandbox = lab();
    sandbox.art("run --name a -- sh -c 'kill -9 $PPID'").fails_with(137);
    assert_eq!(record(&sandbox, "a")["status"], "running");
    sandbox.art("runs finish a --status stopped").ok();
    assert_eq!(record(&sandbox, "a")["status"], "stopped");
}

#[test]
fn a_command_without_dashes_is_shown_as_it_has_to_be_typed() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    let hint = |line: &str| {
        let output = sandbox.art(line);
        assert_eq!(output.code, 2, "{output}");
        output.stderr.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        hint("run python3 x.py"),
        "hint: put `--` before the command: art run -- python3 x.py"
    );
    assert_eq!(
        hint("run --name a -u python3 -c 'print(1)'"),
        "hint: put `--` before the command: art run --name a -u -- python3 -c print(1)"
    );
    assert_eq!(
        hint("run make 'all of it'"),
        "hint: put `--` before the command: art run -- make 'all of it'"
    );
    assert!(sandbox.art("runs").ok().stdout.is_empty());
}

#[test]
fn a_password_in_a_uri_is_in_no_record_of_a_command_and_the_command_gets_it() {
    let sandbox = lab();
    let script = "printf %s \"$1\" >got; : ftp://u:hunter2@host/x";
    let call = sandbox.command("run --name a -o got -- sh -c").arg(script).arg("sh");
    call.arg("u:hunter2@host:/x").run().ok();
    assert_eq!(sandbox.read("got"), "u:hunter2@host:/x");
    let record = record(&sandbox, "a");
    let script = "printf %s \"$1\" >got; : ftp://u:…@host/x";
    assert_eq!(record["command"], serde_json::json!(["sh", "-c", script, "sh", "u:…@host:/x"]));
    for line in ["runs show a", "log --json", "operations", "reflog", "show run/a"] {
        let shown = sandbox.art(line);
        assert!(!format!("{shown}").contains("hunter2"), "{line}: {shown}");
    }
    let git = sandbox.git("--git-dir .artifacts log --format=%B --all");
    assert!(!git.contains("hunter2"), "{git}");
    let logs = sandbox.shell("grep -r hunter2 .artifacts --exclude-dir=packs");
    assert_eq!(logs.stdout, "");
}

#[test]
fn a_new_run_finds_a_free_name_although_another_run_is_damaged() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.art("run --name broken").ok();
    sandbox.art("run --name current").ok();
    sandbox.write(".artifacts/refs/runs/o/p/broken", "damaged\n");
    sandbox.art("runs").fails_with(3);
    sandbox.art("run").ok();
}
