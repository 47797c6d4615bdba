//! A crash or a full disk at every durable step on either side, and a kill of the process at any
//! moment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Instant;

use super::world::{Log, Spot, World, is_there};
use crate::common::thorough;
use crate::server::Manners;

/// The distance between the tested steps: 1 if the environment selects all of them.
fn stride() -> usize {
    if thorough() { 1 } else { 5 }
}

/// Runs `command` with a fault at every step until it succeeds, and again after each fault.
fn at_every_step(world: &World, action: &str, command: &str, done: impl Fn(&World, &str)) {
    world.keep();
    let mut struck = 0;
    for step in (1..).step_by(stride()) {
        world.restore();
        let context = format!("{command}: {action}:{step}");
        let fault = format!("{action}:{step}");
        let output = world.sandbox.command(command).env("ART_FAULT", &fault).run();
        if output.code == 0 {
            if step > 3 {
                assert!(struck > 0, "{command}: no fault of {step} steps was reached");
                println!("{command}: {action}: {step} steps");
                return;
            }
            // A command continues without a file that only saves work. The result is complete.
            done(world, &context);
            world.is_sound(&context);
            continue;
        }
        struck += 1;
        again(world, command, &context);
        done(world, &context);
        world.is_sound(&context);
    }
}

/// Checks a failed command: everything is sound, and the same command finishes the work.
fn again(world: &World, command: &str, context: &str) {
    world.is_sound(context);
    if command.starts_with("clone") && is_there(&world.sandbox.path("c")) {
        if world.is_unfinished("c") {
            let output = world.sandbox.art("-C c runs").fails_with(1);
            assert!(output.stderr.contains("did not finish"), "{context}: {output}");
        } else {
            // The fault came after the last step.
            world.sandbox.art("-C c fsck").ok();
            return;
        }
    }
    let output = world.sandbox.art(command);
    // If the conflict was settled before the crash, there is none to resolve.
    let is_settled = command.contains("resolve") && output.code == 1;
    assert!(output.code == 0 || is_settled, "{context}: again: {output}");
}

fn both(world: impl Fn() -> World, command: &str, done: impl Fn(&World, &str)) {
    for action in ["abort", "full"] {
        at_every_step(&world(), action, command, &done);
    }
}

fn settled(world: &World, context: &str) {
    world.tracks("b", context);
    world.sandbox.art("-C b push").ok();
    world.agrees("b", context);
}

#[test]
fn crashes_of_a_push() {
    both(|| World::shared(Log::Linear), "-C a push", |world, context| world.agrees("a", context));
    both(|| World::new(Log::Siblings), "-C a push", |world, context| world.agrees("a", context));
}

#[test]
fn crashes_of_a_fetch_and_of_pulls() {
    let tracked = |world: &World, context: &str| world.tracks("b", context);
    both(|| World::diverged(Log::Linear), "-C b fetch", tracked);
    both(|| World::diverged(Log::Siblings), "-C b pull", settled);
    both(|| World::diverged(Log::Linear), "-C b pull --full", settled);
}

#[test]
fn crashes_of_a_clone() {
    both(
        || World::diverged(Log::Linear),
        "clone store c --full",
        |world, context| {
            world.agrees("c", context);
            world.reads("c", context);
        },
    );
}

#[test]
fn crashes_of_evict() {
    let reads = |world: &World, context: &str| world.reads("a", context);
    both(|| World::diverged(Log::Linear), "-C a evict --yes", reads);
}

/// Conflicts: the command of `b` while `a` pushes, and the command that settles the conflict.
const CONFLICTS: [(&str, &str); 7] = [
    ("update v1 --description 'of b'", "resolve v1 --ours"),
    ("update v1 --description 'of b'", "resolve v1 --theirs"),
    ("delete v1 --yes", "resolve v1 --ours"),
    ("delete v1 --yes", "resolve v1 --theirs"),
    ("update v0 --description 'of b'", "resolve v0 --ours"),
    ("update v0 --description 'of b'", "resolve v0 --theirs"),
    ("tag best v1", "resolve best --ours"),
];

#[test]
fn crashes_while_a_conflict_is_settled() {
    // All cases take minutes.
    for (change, settle) in CONFLICTS.iter().step_by(if thorough() { 1 } else { 4 }) {
        let conflict = || {
            let world = World::shared(Log::Linear);
            world.sandbox.art("-C a push").ok();
            world.sandbox.art(&format!("-C b {change}")).ok();
            world.sandbox.art("-C b pull").fails_with(13);
            world
        };
        both(conflict, &format!("-C b {settle}"), settled);
    }
}

/// Two machines move one ref at the same time on a store that cannot order them.
#[test]
fn crashes_while_entries_of_two_writers_are_settled() {
    let conflict = || {
        let world = World::shared(Log::Siblings);
        let sandbox = &world.sandbox;
        sandbox.art("-C b update v1 --description 'of b'").ok();
        sandbox.shell("cp -a store/log ../before && mkdir ../late").ok();
        sandbox.art("-C a push").ok();
        // `b` pushes before the push of `a` is visible.
        let hide = "for e in store/log/*; do test -e ../before/${e##*/} || mv $e ../late/; done";
        sandbox.shell(hide).ok();
        sandbox.art("-C b push").ok();
        sandbox.shell("mv ../late/* store/log/").ok();
        sandbox.art("-C b pull").fails_with(13);
        world
    };
    for side in if thorough() { &["--theirs", "--ours"][..] } else { &["--theirs"] } {
        both(conflict, &format!("-C b resolve v1 {side}"), settled);
    }
}

/// Kills `command` at `times` moments of the time that it takes; then lets it finish.
fn kill(world: &World, command: &str, times: u64, done: impl Fn(&World, &str)) {
    world.keep();
    let start = Instant::now();
    world.sandbox.art(command).ok();
    let whole = start.elapsed();
    let mut killed = 0;
    for time in 0..times {
        if time % 6 == 0 {
            world.restore();
        }
        let mut child = world.sandbox.command(command).into_command();
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Evenly spaced fractions of the whole time, for any number of kills.
        std::thread::sleep(whole.mul_f64((time as f64 * 0.618_034).fract()));
        let _ = child.kill();
        killed += u64::from(child.wait().unwrap().signal() == Some(9));
        let context = format!("{command}: killed, number {time}");
        world.is_sound(&context);
        let is_cloned = command.starts_with("clone")
            && is_there(&world.sandbox.path("c"))
            && !world.is_unfinished("c");
        if time % 6 == 5 || is_cloned {
            again(world, command, &context);
            done(world, &context);
            world.is_sound(&context);
        }
        if is_cloned {
            world.sandbox.shell("rm -rf c").ok();
        }
    }
    println!("{command}: {killed} of {times} killed");
}

/// The number of kills of each command; more if the environment selects all cases.
fn times() -> u64 {
    let more = std::env::var("ART_TEST_KILLS").ok().and_then(|times| times.parse().ok());
    more.unwrap_or(12)
}

fn kill_all(spots: [Spot; 3]) {
    let agrees = |world: &World, context: &str| world.agrees("a", context);
    let reads = |world: &World, context: &str| world.reads("a", context);
    let cloned = |world: &World, context: &str| world.agrees("c", context);
    let tracked = |world: &World, context: &str| world.tracks("b", context);
    let [first, second, third] = spots;
    kill(&World::shared(first), "-C a push", times(), agrees);
    kill(&World::diverged(second), "-C b fetch", times(), tracked);
    kill(&World::diverged(second), "-C b pull --full", times(), settled);
    let world = World::diverged(third);
    kill(&world, &format!("clone '{}' c --full", world.uri()), times(), cloned);
    kill(&World::diverged(first), "-C a evict --yes", times(), reads);
}

#[test]
fn commands_that_are_killed_at_any_moment() {
    kill_all([Log::Linear, Log::Linear, Log::Siblings].map(Spot::from));
}

#[test]
fn commands_that_talk_to_a_server_and_are_killed_at_any_moment() {
    kill_all([Manners::Honest, Manners::HalfHonest, Manners::Honest].map(Spot::from));
}
