//! A server that fails to serve one object and serves all others: a defect of that object.

use artifacts::ops::evict::{EvictOptions, evict};
use artifacts::ops::fsck::remote::Depth;
use artifacts::ops::push::{PushOptions, push};
use artifacts::{ErrorKind, NoProgress};

use super::world::{Kind, World};
use crate::blow::Blow;
use crate::common::noise;
use crate::server::Manners;

/// A way in which a server fails to serve an object.
const FAILURES: [Blow; 3] = [Blow::Status(500), Blow::Status(403), Blow::HalfAnswer];

/// The largest object whose key has this prefix.
fn largest(world: &World, prefix: &str) -> String {
    let all = world.all();
    let of_kind = all.iter().filter(|(key, _)| key.starts_with(prefix));
    of_kind.max_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone()
}

#[test]
fn an_unreadable_object_is_named_with_its_users_and_written_again() {
    let world = World::new(Kind::S3(Manners::Honest));
    for blow in FAILURES {
        for prefix in ["packs/", "meta/", "index/", "log/00000000000000000002", "checkpoint/0"] {
            let context = format!("{prefix}: {blow:?}");
            world.restore();
            let key = largest(&world, prefix);
            world.server().make_unreadable(&key, blow);
            let found =
                world.check("a", Depth::Full).unwrap_or_else(|e| panic!("{context}: {e:?}"));
            let of_key = found.defects.iter().find(|defect| defect.key.as_ref() == Some(&key));
            let defect = of_key.unwrap_or_else(|| panic!("{context}: {:?}", found.defects));
            assert!(!defect.problem.is_empty(), "{context}");
            if matches!(prefix, "packs/" | "meta/") {
                let names: Vec<String> = found.affected.iter().map(ToString::to_string).collect();
                // A Git pack has the commits of one push, a content pack the files of all.
                let kinds =
                    if prefix == "packs/" { &["/runs/", "/versions/"][..] } else { &["refs/"] };
                for kind in kinds {
                    assert!(names.iter().any(|name| name.contains(kind)), "{context}: {names:?}");
                }
            }
            let repaired = world.repair("a").unwrap_or_else(|e| panic!("{context}: {e:?}"));
            assert!(repaired.check.sound, "{context}: {:?}", repaired.check.defects);
            world.server().make_readable();
            let after = world.check("c", Depth::Full).unwrap();
            assert!(after.sound, "{context}: {:?}", after.defects);
        }
    }
}

#[test]
fn content_that_depends_on_an_unreadable_object_is_not_evicted() {
    let world = World::new(Kind::S3(Manners::Honest));
    for blow in FAILURES {
        for prefix in ["packs/", "index/"] {
            let context = format!("{prefix}: {blow:?}");
            world.restore();
            world.sandbox.shell("rm -rf a/.artifacts/cache").ok();
            let key = largest(&world, prefix);
            world.server().make_unreadable(&key, blow);
            let options = EvictOptions::default().full(true);
            let evicted = evict(&world.open("a"), &options, &NoProgress);
            let evicted = evicted.unwrap_or_else(|e| panic!("{context}: {e:?}"));
            assert!(evicted.unsent > 0, "{context}: {evicted:?}");
            // All content can be read, because content that depends on the object is present locally.
            world.sandbox.art("-C a fsck --full").ok();
            for path in ["v1:model/weights.bin", "v2:notes.txt"] {
                let output = world.sandbox.art(&format!("-C a export {path} -o ../out.tar"));
                assert_eq!(output.code, 0, "{context}: {output}");
                world.sandbox.shell("rm out.tar").ok();
            }
            assert!(world.server().make_readable(), "{context}: nothing was written");
        }
    }
}

#[test]
fn a_push_continues_without_an_unreadable_index_segment() {
    let world = World::new(Kind::S3(Manners::Honest));
    for blow in FAILURES {
        let context = format!("{blow:?}");
        world.restore();
        world.sandbox.shell("rm -rf a/.artifacts/cache").ok();
        let key = largest(&world, "index/");
        world.server().make_unreadable(&key, blow);
        world.sandbox.write("a/more.txt", "more");
        world.sandbox.art("-C a upload more.txt").ok();
        let warnings = world.push_and_warn("a");
        assert!(
            warnings.iter().any(|text| text.contains(&key) && text.contains("--repair origin")),
            "{context}: {warnings:?}"
        );
        let repaired = world.repair("a").unwrap_or_else(|e| panic!("{context}: {e:?}"));
        assert!(repaired.check.sound, "{context}: {:?}", repaired.check.defects);
        world.server().make_readable();
        let after = world.check("c", Depth::Full).unwrap();
        assert!(after.sound, "{context}: {:?}", after.defects);
    }
}

#[test]
fn a_push_that_needs_content_of_an_unreadable_segment_names_the_segment() {
    let world = World::new(Kind::S3(Manners::Honest));
    for blow in FAILURES {
        let context = format!("{blow:?}");
        world.restore();
        // Content that only an overtaken commit on the remote has, and then only the remote: a disk
        // lost the local packs.
        world.sandbox.write("a/again.bin", noise(3, 50_000));
        world.sandbox.art("-C a upload again.bin").ok();
        let lost =
            "rm -rf a/.artifacts/cache a/again.bin a/.artifacts/packs/* a/.artifacts/index/*";
        world.sandbox.shell(lost).ok();
        world.server().put_between(move |method, path| {
            (method == "GET" && path.contains("/index/")).then_some(blow)
        });
        let error = push(&world.open("a"), &PushOptions::default(), &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{context}: {error:?}");
        assert!(error.message().contains("'index/"), "{context}: {error:?}");
        assert!(error.hint().unwrap().contains("art push --repair origin"), "{context}: {error:?}");
        world.server().clear();
        world.push("a", false);
        assert!(world.check("c", Depth::Full).unwrap().sound, "{context}");
    }
}

#[test]
fn a_server_that_serves_nothing_is_unavailable_and_no_object_is_blamed() {
    let world = World::new(Kind::S3(Manners::Honest));
    for blow in [Blow::Status(500), Blow::Status(403)] {
        // Every key has this ending.
        world.server().make_unreadable("", blow);
        let error = world.check("a", Depth::Full).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unauthorized));
        world.server().make_readable();
    }
}
