//! Rules for every verb: help, the version, errors, exit codes, closed pipes.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Sandbox, wait_for};
use crate::push::shared;

#[test]
fn version_is_one_line() {
    let output = Sandbox::new().art("--version").ok();
    assert_eq!(output.stdout, format!("art {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output.stderr, "");
    let json = Sandbox::new().art("--version --json").ok().json();
    assert_eq!(json, serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
}

#[test]
fn an_unknown_verb_suggests_the_nearest() {
    assert_snapshot!(Sandbox::new().art("completons bash"), @"
    exit 2
    -- stderr
    error: unrecognized subcommand 'completons'

    hint: did you mean 'art completions'?
    ");
}

#[test]
fn an_unknown_option_suggests_the_nearest() {
    assert_snapshot!(Sandbox::new().art("man --markdwn"), @"
    exit 2
    -- stderr
    error: unexpected argument '--markdwn' found

    hint: did you mean '--markdown'?
    ");
}

#[test]
fn a_usage_error_is_json_with_the_json_option() {
    let output = Sandbox::new().art("man --json --nonsense").fails_with(2);
    assert_eq!(output.stdout, "");
    assert_snapshot!(serde_json::to_string_pretty(&output.json_error()).unwrap(), @r#"
    {
      "kind": "invalid",
      "message": "unexpected argument '--nonsense' found",
      "causes": [],
      "hint": "art man --json [VERB]...",
      "exit_code": 2
    }
    "#);
}

#[test]
fn a_missing_argument_is_named_with_the_usage() {
    assert_snapshot!(Sandbox::new().art("completions"), @"
    exit 2
    -- stderr
    error: the following required arguments were not provided: <SHELL>

    hint: art completions <SHELL>
    ");
}

#[test]
fn a_bad_project_name_says_why() {
    assert_snapshot!(Sandbox::new().art("-p nonsense man"), @"
    exit 2
    -- stderr
    error: invalid value 'nonsense' for '--project <OWNER/PROJECT>': 'nonsense' is not OWNER/PROJECT

    hint: name a project as OWNER/PROJECT, for example --project alice/digits
    ");
}

#[test]
fn an_absent_directory_is_refused() {
    assert_snapshot!(Sandbox::new().art("-C nowhere man"), @"
    exit 1
    -- stderr
    error: cannot enter directory 'nowhere'
    caused by: No such file or directory (os error 2)
    ");
}

#[test]
fn an_error_is_json_with_the_json_option() {
    let output = Sandbox::new().art("-C nowhere man --json").fails_with(1);
    assert_snapshot!(serde_json::to_string_pretty(&output.json_error()).unwrap(), @r#"
    {
      "kind": "not_found",
      "message": "cannot enter directory 'nowhere'",
      "causes": [
        "No such file or directory (os error 2)"
      ],
      "hint": null,
      "exit_code": 1
    }
    "#);
}

#[test]
fn no_verb_shows_the_help_and_is_a_usage_error() {
    let output = Sandbox::new().art("").fails_with(2);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("Usage: art"), "{output}");
    let error = Sandbox::new().art("--json").fails_with(2).json_error();
    assert!(error["message"].as_str().unwrap().contains("requires a subcommand"), "{error}");
}

#[test]
fn help_is_plain_in_a_pipe_and_coloured_on_demand() {
    let sandbox = Sandbox::new();
    assert!(!sandbox.art("--help").ok().stdout.contains('\x1b'));
    assert!(sandbox.art("--color always --help").ok().stdout.contains('\x1b'));
}

#[test]
fn names_in_errors_can_not_reach_the_terminal() {
    let output = Sandbox::new().command("man").arg("a\x1b[31mb").run().fails_with(1);
    assert!(!output.stderr.contains('\x1b'), "{output}");
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sandbox.command("completions zsh").into_command();
    let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.signal(), Some(13));
}

#[test]
fn stdout_on_a_full_disk_is_an_error() {
    let output = Sandbox::new().shell("art man > /dev/full").fails_with(14);
    assert!(output.stderr.contains("cannot write 'standard output'"), "{output}");
}

/// The signals that a process handles, as the kernel reports them.
fn handled_signals(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[test]
fn the_first_signal_interrupts_and_the_second_kills() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("w.bin", "weights");
    // The hook notes the request to stop and continues, and `art` waits for it for a moment.
    let hook = "#!/bin/sh\ntrap 'echo >asked' TERM\necho >started\n\
                for i in $(seq 100); do sleep 0.05; done\n";
    sandbox.write(".artifacts/hooks/pre-upload", hook);
    sandbox.shell("chmod +x .artifacts/hooks/pre-upload").ok();
    let upload = sandbox.command("upload w.bin").into_command();
    let mut child = { upload }.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    wait_for("the hook", || sandbox.path("started").exists());
    kill_process(pid, Signal::TERM).unwrap();
    wait_for("the first signal", || sandbox.path("asked").exists());
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn one_signal_ends_a_command_that_waits_for_a_pipe() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("w.bin", "weights");
    sandbox.art("upload w.bin").ok();
    sandbox.shell("mkfifo unread").ok();
    let before = sandbox.shell("find .artifacts/tmp; cat .artifacts/HEAD").ok().stdout;
    for line in ["register v1 --readme @unread", "register v1 --content @-", "upload - --to piped"]
    {
        for signal in [Signal::TERM, Signal::INT] {
            let (input, writer) = std::io::pipe().unwrap();
            let mut command = sandbox.command(line).into_command();
            let command = command.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            wait_for("the handler of the signal", || {
                handled_signals(child.id()) & (1 << (signal.as_raw() - 1)) != 0
            });
            // One signal is enough at any step.
            kill_process(Pid::from_child(&child), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{line}: {stderr}");
            assert!(stderr.contains("interrupted"), "{line}: {stderr}");
            drop(writer);
        }
    }
    assert_eq!(sandbox.shell("find .artifacts/tmp; cat .artifacts/HEAD").ok().stdout, before);
    // A pipe that has a writer is read to its end.
    sandbox.shell("echo text >unread & art register v2 --readme @unread; wait").ok();
    sandbox.shell("printf piped | art upload - --to piped").ok();
    assert_eq!(sandbox.art("cat HEAD:piped").ok().stdout, "piped");
}

#[test]
fn a_read_only_repository_answers_commands_that_only_read() {
    let sandbox = shared();
    sandbox.art("-C a update v1 --description new").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b tag mine v1").ok();
    sandbox.shell("chmod -R a+rX .. && chmod -R a+rwX store && chmod -R a-w b/.artifacts").ok();
    let files = "find store b/.artifacts -type f | sort | xargs cksum";
    let before = sandbox.shell(files).ok().stdout;
    for line in [
        "remote show",
        "remote list",
        "log --remote origin",
        "versions",
        "ls -l v1",
        "push --dry-run",
        "remote remove origin --dry-run",
        "remote set-uri origin ../other --dry-run",
    ] {
        sandbox.command(&format!("-C b {line}")).unprivileged().run().ok();
    }
    for line in [
        "push",
        "push --repair",
        "fetch",
        "pull",
        "pull v1",
        "evict --yes",
        "resolve v1 --ours",
        "fsck --remote origin",
        "remote add other ../other",
        "remote set-uri origin ../store",
        "remote remove origin --yes",
        "cat v1:notes.txt",
    ] {
        let error = sandbox.command(&format!("-C b {line} --json")).unprivileged().run();
        let error = error.fails_with(12).json_error();
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.ends_with("(reading still works)"), "{line}: {error}");
        let told = error.to_string();
        assert!(told.contains("b/.artifacts' cannot be written"), "{line}: {error}");
    }
    assert_eq!(sandbox.shell(files).ok().stdout, before, "nothing is half done");
    sandbox.shell("chmod -R u+w b/.artifacts").ok();
}

#[test]
fn a_verb_of_another_tool_names_the_command_of_art() {
    let sandbox = Sandbox::new();
    for (verb, hint) in [
        ("commit", "use art upload PATH -m MESSAGE"),
        ("add", "use art upload PATH"),
        ("checkout", "use art download REV --force"),
        ("restore", "use art download REV --path PATH --force"),
        ("rm", "use art runs delete RUN"),
        ("merge", "use art pull"),
        ("branch", "use art run --name NAME"),
        ("stash", "use art upload PATH --tag NAME"),
        ("publish", "use art register VERSION"),
    ] {
        let output = sandbox.art(&format!("{verb} x"));
        assert_eq!(output.code, 2, "{output}");
        assert!(output.stderr.contains(hint), "{verb}: {output}");
    }
}

#[test]
fn did_you_mean_suggests_only_similar_words() {
    let sandbox = Sandbox::new();
    let hint = |line: &str| {
        let error = sandbox.command(line).arg("--json").run().json_error();
        error["hint"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(hint("regsiter v1"), "did you mean 'art register'?");
    assert_eq!(hint("runs swich x"), "did you mean 'art runs switch'?");
    for line in ["transmogrify", "resurrect", "upgrade", "runs restart", "deploy"] {
        assert!(!hint(line).contains("did you mean"), "{line}: {}", hint(line));
    }
    assert!(hint("runs --limt 3").contains("'--limit'"), "{}", hint("runs --limt 3"));
    assert!(!hint("runs --lines 3").contains("did you mean"), "{}", hint("runs --lines 3"));
}
