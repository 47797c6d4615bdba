//! A crash or a full disk at every step that makes something durable, on either side, and the end of
//! the process at any moment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use super::world::{Log, World, is_there, thorough};

/// From one step to the next that is tried: 1 where the environment asks for all of them.
fn stride() -> usize {
    if thorough() { 1 } else { 5 }
}

/// Runs `command` with a fault at every step until it gets to its end, and again after each.
fn at_every_step(world: &World, action: &str, command: &str, done: impl Fn(&World, &str)) {
    world.keep();
    for step in (1..).step_by(stride()) {
        world.restore();
        let context = format!("{command}: {action}:{step}");
        let fault = format!("{action}:{step}");
        let output = world.sandbox.command(command).env("ART_FAULT", &fault).run();
        if output.code == 0 {
            assert!(step > 3, "{command}: only {step} steps: the faults are not reached");
            println!("{command}: {action}: {step} steps");
            return;
        }
        again(world, command, &context);
        done(world, &context);
        world.is_sound(&context);
    }
}

/// After one that ended early: all is sound, and the same command finishes the work.
fn again(world: &World, command: &str, context: &str) {
    world.is_sound(context);
    if command.starts_with("clone") && is_there(&world.sandbox.path("c")) {
        // A clone that was killed has left a repository; a pull completes it.
        world.sandbox.art("-C c fsck").ok();
        world.sandbox.shell("rm -rf c").ok();
    }
    let output = world.sandbox.art(command);
    // What was settled before the end came is no conflict any more.
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
fn crashes_of_evict_and_resolve() {
    let reads = |world: &World, context: &str| world.reads("a", context);
    both(|| World::diverged(Log::Linear), "-C a evict --yes", reads);
    let conflict = || {
        let world = World::diverged(Log::Linear);
        world.sandbox.art("-C b update v1 --description 'of b'").ok();
        world.sandbox.art("-C b pull").fails_with(13);
        world
    };
    both(conflict, "-C b resolve v1 --ours", settled);
}

/// Kills `command` after growing parts of a second, `times` times; then lets it finish.
fn kill(world: &World, command: &str, times: u64, done: impl Fn(&World, &str)) {
    world.keep();
    let mut killed = 0;
    for time in 0..times {
        if time % 6 == 0 {
            world.restore();
        }
        let mut child = world.sandbox.command(command).into_command();
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + time * 37 % 250));
        let _ = child.kill();
        killed += u64::from(child.wait().unwrap().signal() == Some(9));
        let context = format!("{command}: killed, number {time}");
        world.is_sound(&context);
        if time % 6 == 5 {
            again(world, command, &context);
            done(world, &context);
            world.is_sound(&context);
        } else if command.starts_with("clone") {
            world.sandbox.shell("rm -rf c").ok();
        }
    }
    println!("{command}: {killed} of {times} killed");
}

/// How often each command is killed; more where the environment says so.
fn times() -> u64 {
    let more = std::env::var("ART_TEST_KILLS").ok().and_then(|times| times.parse().ok());
    more.unwrap_or(12)
}

#[test]
fn commands_that_are_killed_at_any_moment() {
    let agrees = |world: &World, context: &str| world.agrees("a", context);
    kill(&World::shared(Log::Linear), "-C a push", times(), agrees);
    kill(&World::diverged(Log::Linear), "-C b pull --full", times(), settled);
    let cloned = |world: &World, context: &str| world.agrees("c", context);
    kill(&World::diverged(Log::Siblings), "clone store c --full", times(), cloned);
    let reads = |world: &World, context: &str| world.reads("a", context);
    kill(&World::diverged(Log::Linear), "-C a evict --yes", times(), reads);
}
