//! `art run -- CMD` passes each signal to the command, once.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::signal_name;

use crate::common::{Sandbox, Step, wait_for};

fn lab() -> Sandbox {
    Sandbox::with(&[Step::Art("init --project ada/lab")])
}

/// Not a test, but the command of some tests: records each signal, reports when it is ready, and ends
/// with 7 on SIGTERM.
///
/// A shell does not work here, because it may see only one of two successive signals.
#[test]
#[ignore = "the command of other tests"]
#[expect(clippy::exit, reason = "a command ends with a code")]
fn record_signals() {
    let mut signals = SignalsInfo::<WithOrigin>::new([
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
    ])
    .unwrap();
    let mut log = std::fs::File::create("log").unwrap();
    std::fs::write("ready", "").unwrap();
    for origin in &mut signals {
        writeln!(log, "{}", signal_name(origin.signal).unwrap()).unwrap();
        if origin.signal == SIGTERM {
            std::process::exit(7);
        }
    }
}

/// The words that run it.
fn recorder() -> String {
    let program = std::env::current_exe().unwrap();
    format!("{} --quiet --ignored --exact run_signals::record_signals", program.display())
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[track_caller]
fn end_of(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_for("the end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn record(sandbox: &Sandbox, run: &str) -> serde_json::Value {
    sandbox.art(&format!("runs show {run} --json")).ok().json()
}

#[test]
fn a_command_that_is_killed_leaves_its_record() {
    let sandbox = lab();
    sandbox.art("run --name a -- sh -c 'kill -9 $$'").fails_with(137);
    let run = record(&sandbox, "a");
    assert_eq!((&run["status"], &run["signal"]), (&"stopped".into(), &"SIGKILL".into()));
    assert!(run.get("exit_code").is_none(), "{run}");
    assert_eq!(run["finished_at"], crate::common::NOW);
    sandbox.art("run --name b -- sh -c 'kill -SEGV $$'").fails_with(139);
    assert_eq!(record(&sandbox, "b")["signal"], "SIGSEGV");
}

#[test]
fn signals_are_passed_on_and_only_the_command_ends_the_run() {
    let sandbox = lab();
    let call = sandbox.command(&format!("run --name a -o log -- {}", recorder()));
    let mut child = spawn(call.into_command());
    wait_for("the command", || sandbox.path("ready").exists());
    let pid = Pid::from_child(&child);
    // Ctrl-C twice would end any other verb.
    for signal in [
        Signal::HUP,
        Signal::INT,
        Signal::INT,
        Signal::QUIT,
        Signal::USR1,
        Signal::USR2,
        Signal::WINCH,
    ] {
        let before = std::fs::read(sandbox.path("log")).unwrap_or_default().len();
        kill_process(pid, signal).unwrap();
        wait_for("the signal", || {
            std::fs::read(sandbox.path("log")).unwrap_or_default().len() > before
        });
    }
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(end_of(&mut child).code(), Some(7));
    let log = "SIGHUP\nSIGINT\nSIGINT\nSIGQUIT\nSIGUSR1\nSIGUSR2\nSIGWINCH\nSIGTERM\n";
    assert_eq!(sandbox.read("log"), log);
    let run = record(&sandbox, "a");
    assert_eq!((&run["status"], &run["exit_code"]), (&"failed".into(), &7.into()));
    assert_eq!(sandbox.art("cat run/a:log").ok().stdout, sandbox.read("log"), "it was uploaded");
}

#[test]
fn a_signal_that_ends_the_command_is_the_end_of_the_run() {
    let sandbox = lab();
    let script = "touch ready; exec sleep 60";
    let mut child = spawn(sandbox.command("run --name a -- sh -c").arg(script).into_command());
    wait_for("the command", || sandbox.path("ready").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(end_of(&mut child).code(), Some(143));
    assert_eq!(record(&sandbox, "a")["signal"], "SIGTERM");
}

#[test]
fn a_key_in_the_terminal_reaches_the_command_once() {
    let sandbox = lab();
    // The terminal turns the byte 3 into SIGINT for all its processes. Two signals may arrive as one, so
    // the test sends many.
    let keys = "
         wait_for() { while ! \"$@\"; do sleep 0.01; done }; wait_for test -e ready
         (for n in $(seq 30); do
              printf '\\003'; wait_for sh -c \"test \\$(wc -l < log) -ge $n\"; sleep 0.02
          done; kill -TERM $(cat pid))";
    let script = format!(
        "({keys}) | script -qe -c 'echo $$ > pid; exec art run --name a -o log -- {}' /dev/null",
        recorder()
    );
    sandbox.shell(&script).fails_with(7);
    assert_eq!(sandbox.read("log"), "SIGINT\n".repeat(30) + "SIGTERM\n");
    assert_eq!(sandbox.art("cat run/a:log").ok().stdout, sandbox.read("log"));
}

#[test]
fn ctrl_c_that_ends_the_command_does_not_keep_its_outputs_from_being_uploaded() {
    let sandbox = lab();
    let script = "(while ! test -e ready; do sleep 0.01; done; printf '\\003'; sleep 1) | \
                  script -qe -c 'exec art run --name a -o x -- sh -c \"touch x ready; exec sleep 60\"' \
                  /dev/null";
    sandbox.shell(script).fails_with(130);
    let run = record(&sandbox, "a");
    assert_eq!((&run["status"], &run["signal"]), (&"stopped".into(), &"SIGINT".into()));
    assert_eq!(sandbox.art("ls run/a").ok().stdout, "x\n");
}

#[test]
fn ignored_signals_stay_ignored_for_the_command() {
    let sandbox = lab();
    let script =
        "trap '' HUP INT; art run --name a -- sh -c 'kill -HUP $$; kill -INT $$; echo alive'";
    let output = sandbox.shell(script).ok();
    assert_eq!(output.stdout, "alive\n");
    assert_eq!(record(&sandbox, "a")["status"], "succeeded");
}
