//! Commands that are interrupted during a transfer: they report the interruption and the kept state,
//! and the same command finishes the work.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::blow::{Blow, Strike};
use crate::common::{Sandbox, noise, wait_for};
use crate::server::{Manners, Server};

/// A repository `a` with three runs of a megabyte each, and an empty remote.
fn world() -> (Sandbox, Server) {
    let (sandbox, server) = (Sandbox::new(), Server::open_to_all(Manners::Honest));
    sandbox.art("init a --project ada/digits").ok();
    for (seed, run) in [(1, "one"), (2, "two"), (3, "three")] {
        sandbox.write("a/data.bin", noise(seed, 1_000_000));
        sandbox.art(&format!("-C a run --name {run}")).ok();
        sandbox.art("-C a upload data.bin").ok();
    }
    sandbox.art(&format!("-C a remote add origin '{}'", server.uri("x"))).ok();
    (sandbox, server)
}

/// Runs `line` on a server that answers only the first `from` requests, then sends `signal`. Returns
/// the output, or `None` if the command ended earlier.
fn interrupt(
    sandbox: &Sandbox,
    server: &Server,
    line: &str,
    from: u64,
    signal: Signal,
) -> Option<String> {
    server.strike(Some(Strike { blow: Blow::Hangs, from, times: u64::MAX }));
    let mut command = sandbox.command(line).into_command();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for(&format!("a request or the end of {line}"), || {
        server.asked() > from || child.try_wait().unwrap().is_some()
    });
    if child.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    server.strike(None);
    let text = String::from_utf8(output.stderr).unwrap();
    if output.status.success() {
        return None;
    }
    assert_eq!(output.status.code(), Some(130), "{line}: request {from}: {text}");
    Some(text)
}

#[test]
fn an_interrupted_push_reports_the_kept_state_and_the_next_push_finishes_it() {
    let (sandbox, server) = world();
    for (from, signal) in [(0, Signal::INT), (4, Signal::TERM), (6, Signal::INT)] {
        let Some(text) = interrupt(&sandbox, &server, "-C a push", from, signal) else { continue };
        assert!(text.starts_with("error: interrupted; "), "{text}");
        assert!(text.contains("hint: ") && text.contains("art push origin"), "{text}");
    }
    sandbox.art("-C a push").ok();
    sandbox.art(&format!("clone '{}' b", server.uri("x"))).ok();
    sandbox.art("-C b runs show three").ok();
}

#[test]
fn an_interrupted_clone_reports_the_kept_state_and_is_resumed() {
    let (sandbox, server) = world();
    sandbox.art("-C a push").ok();
    let line = format!("clone '{}' b --full", server.uri("x"));
    let mut resumed = 0;
    for from in 0..20 {
        let signal = if from % 2 == 0 { Signal::INT } else { Signal::TERM };
        let Some(text) = interrupt(&sandbox, &server, &line, from, signal) else { break };
        assert!(text.starts_with("error: interrupted"), "{text}");
        if sandbox.path("b").exists() {
            resumed += 1;
            assert!(text.contains("are kept in '"), "{text}");
            assert!(text.contains("hint: resume the clone: art clone s3+http://"), "{text}");
            let other = sandbox.art("-C b runs").fails_with(1);
            assert!(other.stderr.contains("did not finish"), "{other}");
        }
    }
    assert!(resumed > 0);
    if !sandbox.path("b").exists() || sandbox.art("-C b runs").code != 0 {
        sandbox.art(&line).ok();
    }
    assert_eq!(sandbox.art("-C b runs --json").ok().json().as_array().unwrap().len(), 3);
    sandbox.art("-C b fsck --full").ok();
}
