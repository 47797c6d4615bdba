//! Each project has its own current run, so `-p` and `ART_PROJECT` do not affect later commands
//! without them.

use crate::common::{Output, Sandbox, Step};

/// A repository of `ada/lab` with the current run `base`.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::Art("run --name base"),
        Step::File("file", "file"),
        Step::Art("upload -m first"),
    ])
}

/// The output of several commands without `-p`.
fn seen(sandbox: &Sandbox) -> Vec<String> {
    ["log --json", "runs --json", "status", "ls -r", "show --json", "reflog HEAD --json", "tag"]
        .map(|line| {
            let Output { code, stdout, .. } = sandbox.art(line);
            format!("{line}: {code} {stdout}")
        })
        .to_vec()
}

#[test]
fn a_command_for_another_project_changes_no_output_of_other_commands() {
    let sandbox = sandbox();
    let head = sandbox.git("--git-dir .artifacts symbolic-ref HEAD");
    let before = seen(&sandbox);
    let check = |line: &str| {
        assert_eq!(seen(&sandbox), before, "{line}");
        assert_eq!(sandbox.git("--git-dir .artifacts symbolic-ref HEAD"), head, "{line}");
    };
    for line in [
        "run --name other",
        "upload file -m second",
        "run --name third -o file -- true",
        "runs switch other",
        "runs update --name renamed --description d",
        "lineage add file --path file --kind file",
        "register v1",
        "stage v1 production",
        "tag best",
        "runs finish",
        "undo --yes",
        "redo --yes",
        "runs delete third --yes",
        "register v2 --path file",
        "delete v2 --yes",
    ] {
        sandbox.art(&format!("-p x/y {line}")).ok();
        check(line);
    }
    for line in ["run --name fourth", "runs delete renamed --yes --force"] {
        sandbox.command(line).env("ART_PROJECT", "x/y").run().ok();
        check(line);
    }
    sandbox.art("fsck").ok();
    // The same with the roles exchanged.
    let theirs = sandbox.art("-p x/y runs --json").ok().stdout;
    sandbox.art("run --name next").ok();
    sandbox.art("runs delete base --yes").ok();
    assert_eq!(sandbox.art("-p x/y runs --json").ok().stdout, theirs);
}

#[test]
fn a_command_for_a_project_answers_for_its_own_current_run() {
    let sandbox = sandbox();
    for line in ["log", "show", "ls", "diff", "reflog HEAD", "tag best", "register v1"] {
        let output = sandbox.art(&format!("-p x/y {line}"));
        assert!(output.code == 1 || output.stdout.is_empty(), "{line}: {output}");
        assert!(!output.stdout.contains("first"), "{line}: {output}");
    }
    sandbox.write("other", "other");
    sandbox.art("-p x/y upload other -m theirs").ok();
    let run = sandbox.art("-p x/y runs --json").ok().json()[0]["name"].clone();
    let run = run.as_str().unwrap();
    sandbox.art("-p x/y run --name second").ok();
    sandbox.art(&format!("-p x/y runs switch {run}")).ok();
    assert_eq!(sandbox.art("-p x/y ls").ok().stdout, "other\n");
    assert_eq!(sandbox.art("ls x/y:HEAD").ok().stdout, "other\n");
    assert_eq!(sandbox.art("ls").ok().stdout, "file\n");
    let log = sandbox.art("-p x/y log").ok();
    assert!(log.stdout.contains("(HEAD -> run/") && log.stdout.contains("theirs"), "{log}");
    let moves = sandbox.art("-p x/y reflog HEAD --json").ok().json_lines();
    assert_eq!(moves.len(), 3, "{moves:?}");
    let status = sandbox.art("-p x/y status --json").ok().json();
    assert_eq!(status["reference"], format!("refs/runs/x/y/{run}"));
    sandbox.art("-p x/y undo --yes").ok();
    assert_eq!(sandbox.art("-p x/y ls").ok().stdout, "");
    // The repository's own project is the default.
    assert_eq!(sandbox.art("-p ada/lab ls").ok().stdout, "file\n");
}

#[test]
fn a_crash_in_a_new_run_of_another_project_leaves_the_run_or_nothing() {
    for step in 1.. {
        let sandbox = sandbox();
        let fault = format!("abort:{step}");
        let output = sandbox.command("-p x/y run --name other").env("ART_FAULT", &fault).run();
        let current = sandbox.art("-p x/y runs --json").ok().json();
        let current = current.as_array().unwrap();
        assert!(current.iter().all(|run| run["current"] == true), "{fault}: {current:?}");
        sandbox.art("fsck").ok();
        sandbox.art("-p x/y run --name next").ok();
        assert_eq!(sandbox.art("ls").ok().stdout, "file\n", "{fault}");
        if output.code == 0 {
            assert!(step > 3 && !current.is_empty(), "only {step} steps");
            break;
        }
    }
}

#[test]
fn a_variable_that_names_no_run_is_an_error() {
    let sandbox = sandbox();
    for line in
        ["upload", "status", "log", "ls", "lineage add f --path file --kind file", "register v1"]
    {
        let refused = sandbox.command(line).env("ART_RUN", "absent").run().fails_with(1);
        assert!(refused.stderr.contains("absent"), "{line}: {refused}");
    }
    sandbox.command("runs").env("ART_RUN", "absent").run().ok();
    sandbox.command("fsck").env("ART_RUN", "absent").run().ok();
}
