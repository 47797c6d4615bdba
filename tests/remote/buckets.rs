//! Buckets that do not exist: one error code for each kind of store, and a hint to create them.

use artifacts::ErrorKind;
use artifacts::remote::{Log, Store, probe};

use super::blow::Blow;
use super::server::{Manners, Server};
use super::stores;

/// Checks that readers and writers of `store` report that its bucket does not exist.
pub(crate) fn check_reports_missing(store: &Store) {
    for error in [
        Log::try_find(store).unwrap_err(),
        probe::probe(store).unwrap_err(),
        store.list("log/", None, 10).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.starts_with("create it")), "{error:?}");
    }
}

#[test]
fn a_missing_bucket_of_s3_is_reported_with_a_hint_to_create_it() {
    let server = Server::start(Manners::Honest);
    // The server creates a bucket with its first object; others do not.
    server.put_between(|method, _| (method == "PUT").then_some(Blow::Status(404)));
    let open = |uri: &str| stores::open(uri, stores::options());
    check_reports_missing(&open(&server.uri("prefix").replace("/bucket/", "/other/")));
    assert!(Log::try_find(&open(&server.uri("prefix"))).unwrap().is_none());
}
