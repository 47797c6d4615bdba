//! The most frequent commands stay within a number of requests and bytes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::{Sandbox, noise};

fn traffic(outcome: &Value, what: &str) -> u64 {
    outcome["traffic"][what].as_u64().unwrap()
}

/// The number of requests and of received bytes in the line that `-v` adds.
fn told(stderr: &str) -> (u64, f64) {
    let line = stderr.lines().find_map(|line| line.strip_prefix("remote: ")).unwrap();
    let requests = line.split(' ').next().unwrap().parse().unwrap();
    let received = line.split(", ").find_map(|part| part.strip_suffix(" received")).unwrap();
    let (number, unit) = received.split_once(' ').unwrap();
    let scale = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        _ => panic!("{line}"),
    };
    (requests, number.parse::<f64>().unwrap() * scale)
}

/// A store with as many chunks, frames and packs as ten gigabytes with default settings.
fn large_store() -> Sandbox {
    let sandbox = Sandbox::new();
    let sizes = [("MIN", "1KiB"), ("AVG", "4KiB"), ("MAX", "8KiB")];
    let mut init = sandbox.command("init a --project ada/digits");
    for (name, size) in sizes {
        init = init.env(&format!("ART_CONTENT_CHUNK_{name}"), size);
    }
    init.run().ok();
    sandbox.art("-C a config set content.pack_size 1MiB").ok();
    sandbox.art("-C a config set content.frame_size 64KiB").ok();
    for seed in 0..8u64 {
        sandbox.write(format!("a/data/{seed}.bin"), noise(seed, 36 << 20));
    }
    let mut labels = String::new();
    for line in 0..500 {
        writeln!(labels, "{line} label").unwrap();
    }
    sandbox.write("a/data/labels.txt", &labels[..900]);
    sandbox.art("-C a run --name base").ok();
    sandbox.art("-C a upload data -m first").ok();
    sandbox.art("-C a register v1").ok();
    sandbox.art("-C a remote add origin ../store").ok();
    sandbox.art("-C a push").ok();
    sandbox
}

#[test]
fn a_small_file_of_a_large_store_costs_a_few_requests() {
    let sandbox = large_store();
    let packs = sandbox.shell("find store/packs -type f | wc -l").ok().stdout;
    assert!(packs.trim().parse::<u64>().unwrap() >= 150, "{packs}");
    let index = sandbox.shell("cat store/index/*/* | wc -c").ok().stdout;
    assert!(index.trim().parse::<u64>().unwrap() >= 50_000 * 48, "{index}");
    let clone = sandbox.art("clone store b --json").ok().json();
    assert!(traffic(&clone, "requests") <= 12, "{clone}");
    assert!(traffic(&clone, "received") <= 1 << 20, "{clone}");
    let cat = sandbox.art("-C b cat v1:data/labels.txt -v").ok();
    assert_eq!(cat.stdout, sandbox.read("a/data/labels.txt"));
    let (requests, received) = told(&cat.stderr);
    assert!(requests <= 10 && received <= 4e6, "{}", cat.stderr);
    let pulled = sandbox.art("-C b fetch --json").ok().json();
    assert!(traffic(&pulled, "requests") <= 2, "{pulled}");
    let pushed = sandbox.art("-C a push --json").ok().json();
    assert!(traffic(&pushed, "requests") <= 3, "{pushed}");
}
