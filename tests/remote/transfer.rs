//! Limits of transfers: parallel requests, bytes a second, bytes in memory.

use std::process::Command;
use std::time::{Duration, Instant};

use artifacts::remote::{Store, StoreOptions};
use bytes::Bytes;

use super::server::{Manners, Server};
use super::stores::{directory, open, options, plain};
use super::webdav::WebDav;
use crate::common::{Sandbox, noise, thorough};

/// Checks that 1.5 MiB in each direction respect a limit of 1 MiB a second.
fn is_throttled(name: &str, open: &dyn Fn(StoreOptions) -> Store, options: StoreOptions) {
    let store = open(StoreOptions { bandwidth: Some(1 << 20), ..options });
    let body = Bytes::from(noise(1, 512 << 10));
    let time = |work: &dyn Fn(&str)| {
        let begun = Instant::now();
        for key in ["packs/a", "packs/b", "packs/c"] {
            work(key);
        }
        begun.elapsed()
    };
    // The last bytes need not wait for themselves.
    let least = Duration::from_millis(900);
    let long = time(&|key| {
        let source = || Ok(Box::new(std::io::Cursor::new(body.clone())) as Box<dyn std::io::Read>);
        store.write_from(key, body.len() as u64, &source).unwrap();
    });
    assert!(long >= least, "{name}: sent in {long:?}");
    let long = time(&|key| assert_eq!(store.read_range(key, 0..512 << 10).unwrap(), body));
    assert!(long >= least, "{name}: read in {long:?}");
    let long = time(&|key| store.write(key, body.clone()).unwrap());
    assert!(long >= least, "{name}: written in {long:?}");
}

#[test]
fn bytes_a_second_are_limited_in_single_requests_and_in_directories() {
    let files = directory();
    let uri = files.path().join("store");
    is_throttled("a directory", &|options| open(uri.to_str().unwrap(), options), plain());
    let dav = WebDav::start();
    is_throttled("WebDAV", &|options| open(&dav.uri("a"), options), plain());
    let s3 = Server::start(Manners::Honest);
    is_throttled("S3", &|given| open(&s3.uri("a"), given), options());
}

#[test]
fn a_limit_on_bytes_a_second_is_no_stall() {
    let server = Server::start(Manners::Honest);
    let options = StoreOptions {
        // Each object except the first waits four times longer than the timeout of an answer.
        bandwidth: Some(1 << 10),
        answer_timeout: Duration::from_millis(500),
        retries: 0,
        ..options()
    };
    let store = open(&server.uri("a"), options);
    for key in ["packs/a", "packs/b"] {
        store.write(key, Bytes::from(noise(1, 2 << 10))).unwrap();
        assert_eq!(store.read(key, 2 << 10).unwrap().len(), 2 << 10);
    }
}

#[test]
fn parallel_requests_of_long_uploads_never_exceed_the_jobs() {
    let server = Server::start(Manners::HalfHonest);
    let store = open(&server.uri("a"), StoreOptions { jobs: 2, ..options() });
    let body = noise(1, 24 << 20);
    let keys = ["packs/a", "packs/b", "packs/c"];
    std::thread::scope(|scope| {
        for key in keys {
            let (store, body) = (&store, &body);
            scope.spawn(move || {
                let source = || Ok(Box::new(&body[..]) as Box<dyn std::io::Read + '_>);
                store.write_from(key, body.len() as u64, &source).unwrap();
            });
        }
    });
    store.prove_writes(0).unwrap();
    assert!(server.most_at_once() <= 2, "{}", server.most_at_once());
}

/// The highest memory use of a program, in bytes.
fn most_memory(mut command: Command) -> u64 {
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) << 10);
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return most;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_push_to_a_store_that_takes_objects_whole_holds_none_of_them_in_memory() {
    let size = if thorough() { 1 << 30 } else { 160 << 20 };
    let sandbox = Sandbox::new();
    sandbox.art("init a --project ada/digits").ok();
    sandbox.art("-C a config set content.pack_size 32MiB").ok();
    sandbox.write("a/data.bin", noise(7, size));
    sandbox.art("-C a run --name base").ok();
    sandbox.art("-C a upload data.bin").ok();
    std::fs::remove_file(sandbox.path("a/data.bin")).unwrap();
    let dav = WebDav::start();
    sandbox.art(&format!("-C a remote add origin {}", dav.uri("store"))).ok();
    let most = most_memory(sandbox.command("-C a push").into_command());
    println!("{} MiB in at most {} MiB of memory", size >> 20, most >> 20);
    assert!(most > 0 && most < 128 << 20, "{} MiB", most >> 20);
}
