//! Servers of other programs, named in the environment:
//!
//! ```text
//! ART_TEST_REMOTES="s3+http://127.0.0.1:5000/bucket?region=us-east-1 webdav+http://127.0.0.1:8080"
//! ```
//!
//! Blanks separate the URIs. Each test uses its own directory. Secrets come from
//! the variables that `art` reads. The test prints the guarantees of each server.

use std::path::Path;
use std::time::{Duration, Instant};

use artifacts::remote::probe::probe;
use artifacts::remote::{RemoteUri, Store, StoreOptions};
use uuid::Uuid;

use super::conformance::suite;
use super::stores::Place;
use super::writers::race;
use crate::common::thorough;

/// The named servers, each with a new directory.
fn places() -> Vec<Place> {
    let named = std::env::var("ART_TEST_REMOTES").unwrap_or_default();
    named.split_whitespace().map(place).collect()
}

fn place(uri: &str) -> Place {
    let (place, options) = uri.split_once('?').unwrap_or((uri, ""));
    let place = place.trim_end_matches('/');
    let mut text = format!("{place}/art-test-{}", Uuid::new_v4());
    if !options.is_empty() {
        text.push('?');
        text.push_str(options);
    }
    let parsed = RemoteUri::parse(&text, Path::new("/")).unwrap();
    let secret = |(variable, option): &(&str, &str)| {
        Some(((*option).to_owned(), std::env::var(variable).ok()?))
    };
    let options = StoreOptions {
        first_wait: Duration::from_millis(20),
        retries: 7,
        secrets: parsed.variables().iter().filter_map(secret).collect(),
        ..StoreOptions::default()
    };
    Place::of(uri, Store::open(&parsed, options).unwrap())
}

#[test]
fn named_servers_do_what_a_store_must() {
    for place in places() {
        suite(&place);
        println!("{}: {}", place.name, probe(&place.store).unwrap().as_str());
    }
}

#[test]
fn named_servers_lose_nothing() {
    for place in places() {
        let (writers, commits) = if thorough() { (32, 50) } else { (8, 10) };
        let start = Instant::now();
        race(&place, writers, commits);
        let seconds = start.elapsed().as_secs();
        println!("{}: {writers} writers, {commits} commits each: {seconds} s", place.name);
    }
}
