//! Two machines whose clocks differ by a day: the order of the log counts, not the clocks.

use super::world::{Log, World};
use crate::common::Output;

const YESTERDAY: &str = "2026-11-20T12:00:00Z";
const TOMORROW: &str = "2026-11-22T12:00:00Z";

struct Machines<'w> {
    world: &'w World,
    /// The time on the clock of `b`. The clock of `a` is constant.
    time: &'static str,
}

impl Machines<'_> {
    fn a(&self, line: &str) -> Output {
        self.world.sandbox.art(&format!("-C a {line}"))
    }

    fn b(&self, line: &str) -> Output {
        self.world.sandbox.command(&format!("-C b {line}")).at(self.time).run()
    }

    fn description(&self, machine: &str) -> String {
        let shown = self.world.sandbox.art(&format!("-C {machine} show v1 --json")).ok().json();
        shown["record"]["description"].as_str().unwrap_or_default().to_owned()
    }
}

fn work(log: Log, time: &'static str) {
    let context = format!("{log:?}, {time}");
    let world = World::diverged(log);
    let all = Machines { world: &world, time };
    // A merge by the machine with the wrong clock; then each continues from the other.
    all.b("pull").ok();
    all.b("push").ok();
    all.a("pull").ok();
    all.a("update v1 --description 'the second of a'").ok();
    all.a("push").ok();
    all.b("pull").ok();
    assert_eq!(all.description("b"), "the second of a", "{context}");
    all.b("update v1 --description 'the third, of b'").ok();
    all.b("push").ok();
    all.a("pull").ok();
    assert_eq!(all.description("a"), "the third, of b", "{context}");
    // A deletion with an old time counts, and so does a reused name.
    all.b("delete v2 --yes").ok();
    all.b("push").ok();
    all.a("pull").ok();
    all.a("show v2").fails_with(1);
    all.a("register v2").ok();
    all.a("push").ok();
    all.b("pull").ok();
    all.b("show v2").ok();
    // Changes on both sides are a conflict with either clock, and are settled once.
    all.a("update v1 --description 'of a, at last'").ok();
    all.b("update v1 --description 'of b, at last'").ok();
    all.a("push").ok();
    all.b("push").fails_with(13);
    all.b("pull").fails_with(13);
    all.b("resolve v1 --ours").ok();
    all.b("push").ok();
    all.a("pull").ok();
    assert_eq!(all.description("a"), "of b, at last", "{context}");
    world.agrees("a", &context);
    world.agrees("b", &context);
    world.is_sound(&context);
    let shown = all.a("log --remote origin --json").ok();
    let numbers: Vec<u64> = shown.stdout.lines().filter_map(number).collect();
    assert!(numbers.len() > 6 && numbers.is_sorted_by(|a, b| a > b), "{context}: {shown}");
}

fn number(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64()
}

#[test]
fn machines_whose_clocks_are_a_day_apart() {
    for log in [Log::Linear, Log::Siblings] {
        work(log, YESTERDAY);
        work(log, TOMORROW);
    }
}
