//! Stores that refuse lists, or are read-only.

use artifacts::ErrorKind;
use artifacts::NoProgress;
use artifacts::ops::fetch::{FetchOptions, fetch};
use artifacts::ops::fsck::remote::Depth;
use artifacts::ops::push::{PushOptions, push};
use artifacts::ops::remote::{AddRemoteOptions, SetRemoteUriOptions, add, set_uri};
use artifacts::remote::Guarantee;

use super::world::{Kind, World};
use crate::blow::Blow;
use crate::common::Sandbox;
use crate::server::{Manners, Server};
use crate::webdav::WebDav;

fn add_options(uri: &str, sandbox: &Sandbox) -> AddRemoteOptions {
    AddRemoteOptions::new("new".parse().unwrap(), uri.to_owned(), sandbox.work())
}

#[test]
fn a_bucket_that_may_not_be_listed_is_used_without_lists() {
    let world = World::new(Kind::S3(Manners::NoList { hides: false }));
    let added = add(&world.open("a"), &add_options(&world.uri, &world.sandbox), &NoProgress);
    assert_eq!(added.unwrap().guarantee, Guarantee::Exclusive);
    let check = world.check("c", Depth::Full).unwrap();
    assert!(check.sound && !check.listed, "{:?}", check.defects);
    world.shows_its_log();
}

#[test]
fn a_bucket_that_hides_absent_keys_is_refused_with_the_reason() {
    let server = Server::open_to_all(Manners::NoList { hides: true });
    let world = World::new(Kind::Directory);
    let error =
        add(&world.open("a"), &add_options(&server.uri("fresh"), &world.sandbox), &NoProgress);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert!(error.hint().unwrap().contains("s3:ListBucket"), "{error:?}");
    assert!(error.to_string().contains("does not report missing objects"), "{error}");
}

#[test]
fn a_lost_permission_to_list_is_named_as_the_reason() {
    let world = World::new(Kind::S3(Manners::NoList { hides: true }));
    let error = fetch(&world.open("c"), &FetchOptions::default(), &NoProgress).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert!(error.hint().unwrap().contains("s3:ListBucket"), "{error:?}");
    let error = world.check("c", Depth::Structure).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
}

/// A log without siblings, served over HTTP, and the machine `c` that fetches from it.
fn served(world: &World) -> (WebDav, String) {
    let server = WebDav::start();
    let store = crate::stores::open(&server.uri("copy"), crate::stores::plain());
    for (key, bytes) in world.all() {
        store.write(&key, bytes).unwrap();
    }
    let uri = server.uri("copy").replace("webdav+http", "http");
    let cwd = world.sandbox.work();
    let options = SetRemoteUriOptions::new("origin".parse().unwrap(), uri.clone(), cwd);
    let set = set_uri(&world.open("c"), &options, &NoProgress).unwrap();
    assert_eq!(set.guarantee, Guarantee::ReadOnly);
    (server, uri)
}

#[test]
fn a_remote_that_can_only_be_read_is_checked_and_not_repaired() {
    let world = World::new(Kind::Directory);
    let (server, uri) = served(&world);
    let check = world.check("c", Depth::Full).unwrap();
    assert!(check.sound && !check.listed, "{uri}: {:?}", check.defects);
    assert_eq!(world.repair("c").unwrap().repairs, [], "there is nothing to repair");
    world.shows_its_log();
    let store = crate::stores::open(&server.uri("copy"), crate::stores::plain());
    for key in world.all().into_keys().filter(|key| key.starts_with("meta/")) {
        store.delete(std::slice::from_ref(&key)).unwrap();
        let check = world.check("c", Depth::Structure).unwrap();
        assert!(check.defects.iter().any(|defect| defect.key.as_ref() == Some(&key)));
    }
    let error = world.repair("c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.hint().unwrap().contains("art fsck --remote origin"), "{error:?}");
}

#[test]
fn a_log_that_needs_lists_is_not_added_without_them() {
    let world = World::new(Kind::WebDav);
    let options = add_options(&world.http(), &world.sandbox);
    let error = add(&world.open("c"), &options, &NoProgress).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.hint().unwrap().contains("list"), "{error:?}");
}

#[test]
fn a_store_with_data_that_refuses_writes_can_be_fetched_from_and_not_pushed_to() {
    let world = World::new(Kind::S3(Manners::Honest));
    world.server().put_between(|method, _| (method == "PUT").then_some(Blow::Status(405)));
    let added = add(&world.open("a"), &add_options(&world.uri, &world.sandbox), &NoProgress);
    let added = added.unwrap();
    assert_eq!(added.guarantee, Guarantee::ReadOnly);
    assert!(added.meaning.contains("405 Method Not Allowed"), "{}", added.meaning);
    assert!(added.log.is_some(), "its data is found");
    fetch(&world.open("c"), &FetchOptions::default(), &NoProgress).unwrap();
    world.sandbox.write("a/more.txt", "more");
    world.sandbox.art("-C a upload more.txt").ok();
    // The guarantee of one remote is known from the time when it accepted writes.
    for name in ["origin", "new"] {
        let options = PushOptions::default().remote(name.parse::<artifacts::Name>().unwrap());
        let error = push(&world.open("a"), &options, &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error:?}");
        let words = format!("{error} {}", error.causes().join(" "));
        assert!(words.contains("405 Method Not Allowed"), "{name}: {words}");
        assert!(error.hint().is_some(), "{name}: {error:?}");
    }
    world.server().clear();
    for name in ["origin", "new"] {
        let options = PushOptions::default().remote(name.parse::<artifacts::Name>().unwrap());
        push(&world.open("a"), &options, &NoProgress).unwrap();
    }
    assert!(world.check("a", Depth::Full).unwrap().sound);
}
