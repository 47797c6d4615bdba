//! A proxy, a login page or a bad line between a program and its store. No failed request is reported
//! as done, and no sound object is reported as damaged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use artifacts::repo::TransferSettings;
use artifacts::{Error, ErrorKind};

use super::blow::Blow;
use super::campaign::{CLONE_FULL, FETCH, FIRST_PUSH, PUSH, World, transfer};
use super::server::Manners;
use crate::common::thorough;

/// The message of an error with all its causes.
fn words(error: &Error) -> String {
    format!("{}: {} ({})", error.message(), error.causes().join(": "), error.hint().unwrap_or(""))
}

#[test]
fn a_push_whose_uploads_are_swallowed_is_not_reported_as_done() {
    for blow in [Blow::Page(200), Blow::Page(201), Blow::Swallowed] {
        for directory in ["/packs/", "/meta/", "/index/", "/log/"] {
            let world = World::new(Manners::Honest);
            world.server().put_between(move |method, path| {
                (method == "PUT" && path.contains(directory)).then_some(blow)
            });
            let context = format!("{blow:?} for {directory}");
            let error = (FIRST_PUSH.act)(&world, transfer()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{context}: {error:?}");
            assert!(words(&error).contains("login page"), "{context}: {}", words(&error));
            assert!(!world.sandbox.path("store").join("log").exists());
            world.server().clear();
            (FIRST_PUSH.act)(&world, transfer()).unwrap();
            (FIRST_PUSH.done)(&world, &context);
            world.is_sound(&context);
        }
    }
}

#[test]
fn a_page_in_the_place_of_an_object_is_no_damage() {
    let world = World::shared(Manners::Honest);
    world.keep();
    for (verb, method) in [(FETCH, "GET"), (CLONE_FULL, "GET"), (PUSH, "GET")] {
        world.restore();
        world.server().put_between(move |asked, _| (asked == method).then_some(Blow::Page(200)));
        let error = (verb.act)(&world, transfer()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}: {error:?}", verb.name);
        assert!(words(&error).contains("a proxy or login page answered"), "{}", words(&error));
        world.server().clear();
    }
}

#[test]
fn bytes_that_were_damaged_on_their_way_are_read_again() {
    let world = World::shared(Manners::Honest);
    world.keep();
    for blow in [Blow::Flipped, Blow::Shortened] {
        for directory in ["/packs/", "/meta/", "/index/", "/log/", "/art.toml", "/checkpoint/"] {
            world.restore();
            let context = format!("{blow:?} for {directory}");
            let struck = Arc::new(Mutex::new(std::collections::BTreeMap::<String, u32>::new()));
            world.server().put_between(move |method, path| {
                if method != "GET" || !path.contains(directory) {
                    return None;
                }
                let mut struck = struck.lock().unwrap();
                let times = struck.entry(path.to_owned()).or_default();
                *times += 1;
                (*times <= 2).then_some(blow)
            });
            (CLONE_FULL.act)(&world, transfer()).unwrap_or_else(|e| panic!("{context}: {e:?}"));
            (CLONE_FULL.done)(&world, &context);
            world.server().clear();
        }
    }
}

#[test]
fn bytes_that_are_damaged_on_each_read_are_reported_as_damage() {
    let world = World::shared(Manners::Honest);
    world.keep();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    world.server().put_between(move |method, path| {
        let is_pack = method == "GET" && path.contains("/packs/");
        count.fetch_add(u64::from(is_pack), Ordering::SeqCst);
        is_pack.then_some(Blow::Flipped)
    });
    let error = (CLONE_FULL.act)(&world, transfer()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(asked.load(Ordering::SeqCst) >= 3);
}

#[test]
fn a_retry_after_header_is_obeyed() {
    let world = World::shared(Manners::Honest);
    world.keep();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    world.server().put_between(move |_, _| {
        let mut times = times.lock().unwrap();
        times.push(std::time::Instant::now());
        (times.len() == 1).then_some(Blow::Busy(1))
    });
    (FETCH.act)(&world, transfer()).unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[1] - asked[0] >= std::time::Duration::from_secs(1));
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_long_is_not_asked_again() {
    let world = World::shared(Manners::Honest);
    world.keep();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    world.server().put_between(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Some(Blow::Busy(3600))
    });
    let error = (FETCH.act)(&world, transfer()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(words(&error).contains("asks for no requests for the next 3"), "{}", words(&error));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_trickle_of_bytes_ends_and_a_slow_line_gets_done() {
    let world = World::diverged(Manners::Honest);
    world.keep();
    let settings = |answer_timeout| TransferSettings {
        answer_timeout: std::time::Duration::from_millis(answer_timeout),
        retries: 1,
        ..transfer()
    };
    world.server().put_between(|method, path| {
        (method == "GET" && path.contains("/meta/")).then_some(Blow::Trickles(1))
    });
    // 50 bytes a second; the minimum is 256.
    let error = (FETCH.act)(&world, settings(2000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(words(&error).contains("has stalled"), "{}", words(&error));
    world.restore();
    world.server().put_between(|method, path| {
        (method == "GET" && path.contains("/meta/")).then_some(Blow::Trickles(200))
    });
    (FETCH.act)(&world, settings(if thorough() { 1000 } else { 4000 })).unwrap();
}

#[test]
fn a_status_that_no_retry_changes_is_explained_and_asked_for_once() {
    for (status, name, hint) in [
        (405, "405 Method Not Allowed", "check the host and the path of the URI"),
        (413, "413 Payload Too Large", "client_max_body_size"),
    ] {
        let world = World::new(Manners::Honest);
        let asked = Arc::new(Mutex::new(std::collections::BTreeMap::<String, u32>::new()));
        let counted = Arc::clone(&asked);
        world.server().put_between(move |method, path| {
            if method != "PUT" || !path.contains("/packs/") {
                return None;
            }
            *counted.lock().unwrap().entry(path.to_owned()).or_default() += 1;
            Some(Blow::Status(status))
        });
        let error = (FIRST_PUSH.act)(&world, transfer()).unwrap_err();
        let words = words(&error);
        assert!(words.contains(name) && words.contains(hint), "{words}");
        let asked = asked.lock().unwrap().clone();
        assert!(!asked.is_empty() && asked.values().all(|times| *times == 1), "{asked:?}");
        world.server().clear();
        (FIRST_PUSH.act)(&world, transfer()).unwrap();
    }
}
