//! A crash at any step, a full disk or `kill -9` leaves the repository in the old state or in the
//! new one. The same command, run again, finishes the work.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Sandbox, Step, noise, thorough};

/// A tree with small files, one in chunks and one large.
fn fill(sandbox: &Sandbox, seed: u64) {
    for n in 0..40u8 {
        let text = format!("file {n} of {seed}\n").repeat(usize::from(n) * 20);
        sandbox.write(format!("data/d{}/f{n}.txt", n % 35), text);
    }
    sandbox.write("data/chunked.bin", noise(seed, 300_000));
    sandbox.write("data/large.bin", noise(seed + 1, 5_000_000));
}

/// The tree of the current run's artifacts, as git reads it. Empty before the first upload.
fn tree(sandbox: &Sandbox) -> Option<String> {
    let line = "--git-dir .artifacts rev-parse -q --verify HEAD:artifacts";
    let output = sandbox.program("git").words(line).run();
    (output.code == 0).then_some(output.stdout)
}

/// Checks the conditions that hold after any end of a writer.
fn check(sandbox: &Sandbox, context: &str, states: &[Option<String>]) {
    let now = tree(sandbox);
    assert!(states.contains(&now), "{context}: {now:?} is none of {states:?}");
    let fsck = sandbox.art("fsck --full");
    assert_eq!(fsck.code, 0, "{context}: {fsck}");
    if now.is_some() {
        sandbox.art("download HEAD --to out").ok();
        sandbox.tool("rm", "-rf out");
    }
}

/// Runs `command` with a fault at every step until it succeeds, or at every third step after `first`
/// if not all cases run. `before` prepares each attempt.
fn at_every_step(action: &str, before: &[Step<'_>], command: &str, first: usize) {
    let done = Sandbox::with(before);
    let old = tree(&done);
    done.art(command).ok();
    let states = [old, tree(&done)];
    let (mut struck, steps) = (0, if thorough() { (1..).step_by(1) } else { (first..).step_by(3) });
    for step in steps {
        let sandbox = Sandbox::with(before);
        let fault = format!("{action}:{step}");
        let output = sandbox.command(command).env("ART_FAULT", &fault).run();
        if output.code == 0 {
            break;
        }
        check(&sandbox, &fault, &states);
        sandbox.art(command).ok();
        assert_eq!(tree(&sandbox), states[1], "{fault}");
        assert_eq!(left_in_tmp(&sandbox.path(".artifacts/tmp")), [""; 0], "{fault}");
        struck += 1;
    }
    assert!(struck > 3, "only {struck} steps: the faults are not reached");
}

/// The temporary files that a finished writer must not leave.
fn left_in_tmp(tmp: &Path) -> Vec<String> {
    let names = std::fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.starts_with("writer-")).collect()
}

const FIRST: [Step<'_>; 2] = [Step::Art("init"), Step::Do(|sandbox| fill(sandbox, 1))];
const UPLOAD: Step<'_> = Step::Art("upload data --tag best");
const SECOND: [Step<'_>; 4] = [FIRST[0], FIRST[1], UPLOAD, Step::Do(|sandbox| fill(sandbox, 2))];

#[test]
fn a_crash_at_any_step_of_a_first_upload_leaves_nothing_or_all() {
    at_every_step("abort", &FIRST, "upload data", 1);
}

#[test]
fn a_crash_at_any_step_of_an_upload_with_a_tag_leaves_the_old_state_or_the_new() {
    at_every_step("abort", &SECOND, "upload data --tag best", 2);
}

#[test]
fn a_full_disk_at_any_step_leaves_the_old_state_or_the_new() {
    at_every_step("full", &SECOND, "upload data --tag best", 3);
}

#[test]
fn a_crash_at_any_step_of_init_leaves_no_repository_or_a_whole_one() {
    for step in 1.. {
        let sandbox = Sandbox::new();
        let fault = format!("abort:{step}");
        let output = sandbox.command("init").env("ART_FAULT", &fault).run();
        if sandbox.path(".artifacts").exists() {
            sandbox.art("fsck").ok();
        }
        sandbox.art("init").ok();
        sandbox.art("fsck").ok();
        if output.code == 0 {
            assert!(step > 5, "only {step} steps");
            break;
        }
    }
}

#[test]
fn an_upload_killed_at_random_is_finished_by_the_next() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    fill(&sandbox, 3);
    for n in 0..6 {
        sandbox.write(format!("data/more{n}.bin"), noise(n + 10, 3_000_000));
    }
    for round in 0..8u64 {
        let old = tree(&sandbox);
        sandbox.write("data/round.txt", format!("round {round}"));
        let mut child = sandbox
            .command("upload data")
            .into_command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + round * round * 9));
        child.kill().unwrap();
        let killed = child.wait().unwrap().signal() == Some(9);
        assert_eq!(sandbox.art("fsck --full").code, 0, "round {round}, killed: {killed}");
        let between = tree(&sandbox);
        sandbox.art("upload data").ok();
        let new = tree(&sandbox);
        assert!(between == old || between == new, "round {round}");
    }
    sandbox.art("download HEAD:data --to out").ok();
    sandbox.tool("diff", "-r data out");
}

#[test]
fn a_file_size_limit_stops_an_upload_without_a_trace() {
    let sandbox = Sandbox::with(&SECOND);
    let old = tree(&sandbox);
    // The kernel refuses a write in the middle of a pack.
    let art = env!("CARGO_BIN_EXE_art");
    let script = format!("trap '' XFSZ; ulimit -f 500; exec {art} upload data");
    let output = sandbox.program("bash").arg("-c").arg(script).run();
    assert_ne!(output.code, 0, "{output}");
    assert!(output.stderr.contains("error: cannot write"), "{output}");
    check(&sandbox, "file size limit", &[old]);
    sandbox.art("upload data").ok();
}

#[test]
fn a_download_stopped_at_any_moment_leaves_no_half_written_file() {
    let sandbox = Sandbox::with(&FIRST);
    sandbox.art("upload data").ok();
    for round in 0..6u64 {
        let mut child = sandbox
            .command("download HEAD:data --to out")
            .into_command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(2 + round * round * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        // A file under its final name has the right bytes; other files are missing.
        let script = "cd out 2>/dev/null || exit 0; find . -type f -not -path './.art-*' -print0 | \
                      while IFS= read -r -d '' f; do cmp \"$f\" \"../data/$f\" || exit 1; done";
        let compared = sandbox.program("bash").arg("-c").arg(script).run();
        assert_eq!(compared.code, 0, "{compared}");
    }
    sandbox.art("download HEAD:data --to out").ok();
    sandbox.tool("diff", "-r data out");
    sandbox.shell("test -z \"$(find . -name '.art-*')\"").ok();
}
