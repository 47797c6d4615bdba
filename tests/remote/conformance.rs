//! Conformance tests that run on every store.

use std::io::Read;

use artifacts::ErrorKind;
use artifacts::clock::Timestamp;
use artifacts::remote::log::{Commit, Log, Proposal};
use artifacts::remote::probe::probe;
use artifacts::remote::{Creation, Guarantee, Honesty, Protocol, Store};
use bytes::Bytes;

use super::blow::{Blow, Strike};
use super::server::{Manners, Server};
use super::stores::{Place, fs, memory, open, options, s3, sftp, webdav};
use super::webdav::WebDav;

pub(crate) fn suite(place: &Place) {
    let store = &place.store;
    let name = &place.name;
    objects_come_back(store, name);
    listings_are_sorted_and_bounded(store, name);
    long_objects_are_streamed(store, name);
    times_are_those_of_the_store(store, name);
}

/// The times in a listing and the store's clock are of one kind. Some stores have no times.
fn times_are_those_of_the_store(store: &Store, name: &str) {
    let before = store.now().unwrap();
    store.write("times/x", Bytes::from_static(b"x")).unwrap();
    let after = store.now().unwrap();
    let listed = store.list("times/", None, 10).unwrap();
    let [listed] = &listed[..] else { panic!("{name}: {listed:?}") };
    if let Some(modified) = listed.modified {
        assert!(before <= Some(modified) && Some(modified) <= after, "{name}");
    }
    store.delete(&["times/x".to_owned()]).unwrap();
    assert_eq!(store.list("probe/", None, 10).unwrap(), [], "{name}");
}

fn objects_come_back(store: &Store, name: &str) {
    let body = Bytes::from((0..100_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    assert_eq!(store.try_read("packs/ab/x", 10).unwrap(), None, "{name}");
    assert_eq!(store.try_size("packs/ab/x").unwrap(), None, "{name}");
    assert_eq!(store.read("packs/ab/x", 10).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    store.write("packs/ab/x", body.clone()).unwrap();
    assert_eq!(store.read("packs/ab/x", 1 << 20).unwrap(), body, "{name}");
    assert_eq!(store.try_size("packs/ab/x").unwrap(), Some(body.len() as u64), "{name}");
    assert_eq!(store.read("packs/ab/x", 100).unwrap_err().kind(), ErrorKind::Corrupt, "{name}");
    // A second write replaces the object.
    store.write("packs/ab/x", body.slice(..50_000)).unwrap();
    let ranges = [10..20, 49_990..50_000, 0..0, 15..25, 30_000..30_001];
    for (range, piece) in ranges.iter().zip(store.read_ranges("packs/ab/x", &ranges).unwrap()) {
        let wanted = body.slice(range.start as usize..range.end as usize);
        assert_eq!(piece, wanted, "{name} {range:?}");
    }
    let beyond = store.read_range("packs/ab/x", 49_990..50_010).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::Corrupt, "{name}");
    if store.abilities().create {
        assert!(matches!(store.create("log/1", &body).unwrap(), Creation::Made(_)), "{name}");
    } else {
        assert_eq!(store.create("log/1", &body).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    store.write("empty", Bytes::new()).unwrap();
    assert_eq!(store.read("empty", 0).unwrap(), Bytes::new(), "{name}");
    let gone = ["packs/ab/x", "log/1", "empty", "never"].map(str::to_owned);
    store.delete(&gone).unwrap();
    store.delete(&gone).unwrap();
    assert_eq!(store.try_size("empty").unwrap(), None, "{name}");
}

fn listings_are_sorted_and_bounded(store: &Store, name: &str) {
    assert_eq!(store.list("log/", None, 10).unwrap(), [], "{name}");
    let keys: Vec<String> = (0..12).map(|number| format!("log/{number:02}.toml")).collect();
    for key in keys.iter().rev() {
        store.write(key, Bytes::from_static(b"x")).unwrap();
    }
    store.write("log/deep/er.toml", Bytes::from_static(b"x")).unwrap();
    store.write("logs", Bytes::from_static(b"x")).unwrap();
    let listed: Vec<String> =
        store.list("log/", None, 100).unwrap().into_iter().map(|listed| listed.key).collect();
    assert_eq!(listed[..12], keys, "{name}");
    assert_eq!(listed[12..], ["log/deep/er.toml"], "{name}");
    let after = store.list("log/", Some("log/09.toml"), 100).unwrap();
    assert_eq!(after.len(), 3, "{name}");
    assert_eq!(store.list("log/", None, 5).unwrap_err().kind(), ErrorKind::Unsupported, "{name}");
    let mut gone = listed;
    gone.push("logs".to_owned());
    store.delete(&gone).unwrap();
    assert_eq!(store.list("log/", None, 10).unwrap(), [], "{name}");
}

/// Bytes that are cheap to make and to check, and differ at each offset.
struct Stream(u64);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = (self.0 ^ (self.0 >> 8) ^ (self.0 >> 16)) as u8;
            self.0 += 1;
        }
        Ok(buffer.len())
    }
}

fn long_objects_are_streamed(store: &Store, name: &str) {
    let size = 20 * (1 << 20) + 17;
    store.write_from("packs/cd/long", size, &|| Ok(Box::new(Stream(0)))).unwrap();
    assert_eq!(store.try_size("packs/cd/long").unwrap(), Some(size), "{name}");
    let mut wanted = vec![0; size as usize];
    Stream(0).read_exact(&mut wanted).unwrap();
    assert!(store.read("packs/cd/long", size).unwrap() == wanted, "{name}");
    // A body that ends early creates no visible object.
    let short = store.write_from("packs/cd/short", size, &|| Ok(Box::new(Stream(0).take(9 << 20))));
    assert!(short.is_err(), "{name}");
    assert_eq!(store.try_size("packs/cd/short").unwrap(), None, "{name}");
    store.delete(&["packs/cd/long".to_owned()]).unwrap();
}

#[test]
fn memory_and_directories_do_what_a_store_must() {
    suite(&memory(Honesty::Honest));
    suite(&memory(Honesty::Declines));
    suite(&fs());
}

#[test]
fn s3_over_http_does_what_a_store_must() {
    for manners in [Manners::Honest, Manners::HalfHonest, Manners::Ignores] {
        suite(&s3(manners));
    }
}

#[test]
fn webdav_over_http_does_what_a_store_must() {
    suite(&webdav());
}

#[test]
fn sftp_over_ssh_does_what_a_store_must() {
    if let Some(place) = sftp() {
        suite(&place);
    }
}

#[test]
fn s3_that_is_busy_or_loses_answers_does_what_a_store_must() {
    let place = s3(Manners::Answers(503, 4));
    long_objects_are_streamed(&place.store, &place.name);
    listings_are_sorted_and_bounded(&place.store, &place.name);
    assert!(place.store.traffic().requests > 0);
    let place = s3(Manners::LosesAnswers(3));
    long_objects_are_streamed(&place.store, &place.name);
}

#[test]
fn the_probe_tells_the_truth_about_each_store() {
    for (place, guarantee) in [
        (memory(Honesty::Honest), Guarantee::Exclusive),
        (fs(), Guarantee::Exclusive),
        (s3(Manners::Honest), Guarantee::Exclusive),
        (s3(Manners::LosesAnswers(7)), Guarantee::Exclusive),
        (s3(Manners::Ignores), Guarantee::Ignored),
        (s3(Manners::HalfHonest), Guarantee::Races),
        (webdav(), Guarantee::None),
    ]
    .into_iter()
    .chain(sftp().map(|place| (place, Guarantee::None)))
    {
        assert_eq!(probe(&place.store).unwrap(), guarantee, "{}", place.name);
    }
}

#[test]
fn requests_and_bytes_are_those_of_http() {
    let place = s3(Manners::Honest);
    let store = &place.store;
    let before = store.traffic();
    store.write("a/b", Bytes::from(vec![7; 1000])).unwrap();
    let after = store.traffic().since(before);
    assert_eq!((after.requests, after.sent), (1, 1000));
    let before = store.traffic();
    store.read("a/b", 1000).unwrap();
    let after = store.traffic().since(before);
    assert_eq!((after.requests, after.received), (1, 1000));
    let before = store.traffic();
    store.read_ranges("a/b", &[0..10, 20..30]).unwrap();
    let after = store.traffic().since(before);
    assert_eq!((after.requests, after.received), (1, 30));
    let before = store.traffic();
    store.list("a/", None, 10).unwrap();
    assert_eq!(store.traffic().since(before).requests, 1);
}

#[test]
fn wrong_credentials_are_named_without_them() {
    let server = Server::start(Manners::Honest);
    let mut wrong = options();
    wrong.secrets[1].1 = "hunter2hunter2".to_owned();
    let store = open(&server.uri("x"), wrong);
    let error = store.write("a", Bytes::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(store.traffic().requests, 1, "a refusal is final");
}

#[test]
fn a_server_that_never_answers_is_given_up_when_asked() {
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let uri = format!("s3+http://127.0.0.1:{port}/bucket?disable_ec2_metadata=true");
    let start = Instant::now();
    let mut asked = options();
    asked.interrupt = Some(Arc::new(move || start.elapsed() > Duration::from_millis(300)));
    let error = open(&uri, asked).read("art.toml", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[test]
fn a_long_object_is_whole_whichever_answer_is_lost() {
    let server = Server::start(Manners::Honest);
    let store = open(&server.uri("x"), options());
    let size = 11 << 20;
    for from in 0.. {
        server.strike(Some(Strike { blow: Blow::NoAnswer, from, times: 1 }));
        store.write_from("packs/ab/x", size, &|| Ok(Box::new(Stream(0)))).unwrap();
        let is_struck = server.asked() > from;
        assert_eq!(store.try_size("packs/ab/x").unwrap(), Some(size), "request {from}");
        if !is_struck {
            assert!(from > 4, "it is not sent in parts");
            return;
        }
        store.delete(&["packs/ab/x".to_owned()]).unwrap();
    }
}

#[test]
fn the_answer_of_a_server_decides_about_another_attempt() {
    for (status, kind, again) in [
        (401, ErrorKind::Unauthorized, false),
        (403, ErrorKind::Unauthorized, false),
        (404, ErrorKind::NotFound, false),
        (405, ErrorKind::Unsupported, false),
        (413, ErrorKind::Unsupported, false),
        (429, ErrorKind::Unavailable, true),
        (500, ErrorKind::Unavailable, true),
        (502, ErrorKind::Unavailable, true),
        (503, ErrorKind::Unavailable, true),
    ] {
        let place = s3(Manners::Answers(status, 1));
        let error = place.store.read("a", 10).unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        let requests = place.store.traffic().requests;
        assert_eq!(requests > 1, again, "{status}: {requests} requests");
        assert!(requests <= 8, "{status}: {requests} requests");
    }
}

#[test]
fn webdav_creates_each_directory_once() {
    let place = webdav();
    let requests = |key: &str| {
        let before = place.store.traffic();
        place.store.write(key, Bytes::from_static(b"x")).unwrap();
        place.store.traffic().since(before).requests
    };
    // The directories `a`, `a/prefix`, `tmp`, `packs` and `packs/ab`, the object, its rename, and the
    // list of leftovers.
    assert!(requests("packs/ab/1") <= 14, "the first object");
    assert_eq!(requests("packs/ab/2"), 2, "another one beside it");
    assert!(requests("packs/cd/3") <= 4, "one in another directory");
}

#[test]
fn a_write_that_fails_leaves_nothing_on_webdav() {
    let server = WebDav::start();
    let store = open(&server.uri("a/prefix"), super::stores::plain());
    store.write("packs/ab/1", Bytes::from_static(b"x")).unwrap();
    server.refuse_moves(true);
    store.write("packs/ab/2", Bytes::from_static(b"x")).unwrap_err();
    server.refuse_moves(false);
    assert_eq!(store.list("tmp/", None, 10).unwrap(), []);
    assert_eq!(store.try_size("packs/ab/2").unwrap(), None);
}

#[test]
fn leftovers_of_a_dead_writer_are_removed_by_the_next_one() {
    let server = WebDav::start();
    let store = || open(&server.uri("a/prefix"), super::stores::plain());
    let (Ok(boot), Ok(namespace)) = (
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id"),
        std::fs::read_link("/proc/self/ns/pid"),
    ) else {
        return;
    };
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    let namespace = namespace.display().to_string();
    let namespace: String = namespace.chars().filter(char::is_ascii_digit).collect();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let name = |pid: u32| format!("tmp/{boot}-{namespace}-{pid}-0123");
    let (dead, alive, elsewhere) =
        (name(child.id()), name(std::process::id()), "tmp/other-1-1-0123".to_owned());
    let first = store();
    for key in [&dead, &alive, &elsewhere] {
        first.write(key, Bytes::from_static(b"x")).unwrap();
    }
    store().write("packs/ab/1", Bytes::from_static(b"x")).unwrap();
    let left = first.list("tmp/", None, 10).unwrap();
    let mut left: Vec<String> = left.into_iter().map(|listed| listed.key).collect();
    left.sort();
    let mut wanted = vec![alive, elsewhere];
    wanted.sort();
    assert_eq!(left, wanted);
}

#[test]
fn temporary_failures_cost_a_writer_only_time() {
    for status in [409, 429, 500, 503] {
        let place = s3(Manners::Answers(status, 3));
        let log = Log::open_or_make(&place.store, Protocol::Linear).unwrap();
        let mut state = log.load().unwrap();
        for _ in 0..6 {
            let push = Proposal::new("Ada <a@example.com>", Timestamp::from_seconds(0), "push");
            assert!(matches!(log.commit(&mut state, &push).unwrap(), Commit::Done(_)), "{status}");
        }
        assert_eq!(state.remote_state().entries, 6, "{status}");
        let mut reader = log.load().unwrap();
        log.refresh(&mut reader).unwrap();
        assert_eq!(reader.remote_state(), state.remote_state(), "{status}");
    }
}
