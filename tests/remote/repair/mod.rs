//! Damages the files of a remote on every kind of store. `fsck --remote` names each damage, and
//! `push --repair` repairs it.

mod listing;
mod losses;
mod unreadable;
mod world;

use artifacts::ops::fsck::remote::{Depth, RemotePart};
use artifacts::remote::Store;
use bytes::Bytes;

use crate::common::thorough;
use crate::server::Manners;
use world::{Kind, Objects, World};

/// A kind of damage to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Lost,
    /// One bit in the middle.
    Flipped,
    Short,
    Long,
}

/// The damaged file: the largest file whose key has this prefix, or the file with this index.
#[derive(Debug, Clone, Copy)]
struct Damage {
    part: RemotePart,
    prefix: &'static str,
    place: Place,
    blow: Blow,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Largest,
    Nth(usize),
    Last,
}

const fn damage(part: RemotePart, prefix: &'static str, place: Place, blow: Blow) -> Damage {
    Damage { part, prefix, place, blow }
}

/// Every kind of file, damaged in every way.
const ALL: [Damage; 17] = [
    damage(RemotePart::Pack, "packs/", Place::Largest, Blow::Lost),
    damage(RemotePart::Pack, "packs/", Place::Largest, Blow::Flipped),
    damage(RemotePart::Pack, "packs/", Place::Largest, Blow::Short),
    damage(RemotePart::Pack, "packs/", Place::Largest, Blow::Long),
    damage(RemotePart::Pack, "packs/", Place::Nth(1), Blow::Lost),
    damage(RemotePart::Segment, "index/", Place::Largest, Blow::Lost),
    damage(RemotePart::Segment, "index/", Place::Largest, Blow::Flipped),
    damage(RemotePart::Meta, "meta/", Place::Largest, Blow::Lost),
    damage(RemotePart::Meta, "meta/", Place::Nth(1), Blow::Flipped),
    damage(RemotePart::Meta, "meta/", Place::Last, Blow::Lost),
    damage(RemotePart::Log, "log/", Place::Nth(0), Blow::Flipped),
    damage(RemotePart::Log, "log/", Place::Nth(1), Blow::Lost),
    damage(RemotePart::Log, "log/", Place::Last, Blow::Lost),
    damage(RemotePart::Checkpoint, "checkpoint/0", Place::Last, Blow::Flipped),
    damage(RemotePart::Checkpoint, "checkpoint/0", Place::Last, Blow::Lost),
    damage(RemotePart::Checkpoint, "checkpoint/latest", Place::Last, Blow::Short),
    damage(RemotePart::Outline, "art.toml", Place::Last, Blow::Lost),
];

/// The kinds of damage that are tested on every kind of store.
const SOME: [usize; 6] = [1, 5, 8, 11, 14, 16];

impl Damage {
    /// The key of the damaged file.
    fn key(&self, objects: &Objects) -> String {
        let of_it = |(key, _): &(&String, &Bytes)| key.starts_with(self.prefix);
        let mut keys: Vec<(&String, &Bytes)> = objects.iter().filter(of_it).collect();
        let key = match self.place {
            Place::Largest => keys.into_iter().max_by_key(|(_, bytes)| bytes.len()),
            Place::Nth(number) => keys.into_iter().nth(number),
            Place::Last => keys.pop(),
        };
        key.unwrap().0.clone()
    }

    fn strike(&self, store: &Store, objects: &Objects) -> String {
        let key = self.key(objects);
        let mut bytes = objects[&key].to_vec();
        match self.blow {
            Blow::Lost => {
                store.delete(std::slice::from_ref(&key)).unwrap();
                return key;
            }
            Blow::Flipped => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            Blow::Short => bytes.truncate(bytes.len() / 2),
            Blow::Long => bytes.extend_from_slice(b"more"),
        }
        store.write(&key, bytes).unwrap();
        key
    }

    /// Returns true if only a check that reads every byte can find the damage.
    fn is_hidden(&self) -> bool {
        self.part == RemotePart::Pack && self.blow == Blow::Flipped
    }
}

/// Damages the remote and checks it. Repairs as much as possible from a repository with history
/// only, and the rest from a repository with everything.
fn try_out(world: &World, damage: &Damage) {
    let context = format!("{}: {damage:?}", world.uri);
    world.restore();
    let before = world.all();
    let key = world.as_owner(|store| damage.strike(store, &before));
    is_found(world, damage, &key, &context);
    let struck = world.all();
    world.repair("c").unwrap_or_else(|error| panic!("{context}: {error:?}"));
    is_no_worse(&struck, &world.all(), &key, &context);
    let repaired = world.repair("a").unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert!(repaired.check.sound, "{context}: {:?}", repaired.check.defects);
    is_no_worse(&struck, &world.all(), &key, &context);
    world.is_whole(&context);
    assert_eq!(
        world.repair("a").unwrap().repairs,
        [],
        "{context}: there is nothing left to repair"
    );
}

/// Checks that a check names the damaged file and the affected refs.
fn is_found(world: &World, damage: &Damage, key: &str, context: &str) {
    let structure = world.check("c", Depth::Structure).unwrap();
    assert_eq!(structure.sound, damage.is_hidden(), "{context}: {:?}", structure.defects);
    for depth in [Depth::Sample(100.0), Depth::Full] {
        let found = world.check("c", depth).unwrap();
        let is_named = found.defects.iter().any(|defect| {
            defect.part == damage.part
                && defect.key.as_ref().is_some_and(|named| {
                    // The file that names the checkpoint counts as the checkpoint.
                    named == key || damage.part == RemotePart::Checkpoint && key.contains(named)
                })
        });
        assert!(!found.sound && is_named, "{context}: {:?}", found.defects);
        assert!(!found.advice.is_empty(), "{context}");
        let is_file =
            |part| matches!(part, RemotePart::Pack | RemotePart::Meta | RemotePart::Segment);
        let mut files = found.defects.iter().filter(|defect| is_file(defect.part));
        assert!(files.all(|file| file.who.is_some() && file.entry.is_some()), "{context}");
        if matches!(damage.part, RemotePart::Pack | RemotePart::Meta) {
            let lost = !found.affected.is_empty() || found.overtaken.lost_count > 0;
            assert!(lost, "{context}: nothing is said to suffer");
        }
        if damage.part == RemotePart::Pack && !found.affected.is_empty() {
            assert!(!found.files.is_empty(), "{context}: no file is named");
        }
    }
}

/// Checks that no file was removed or changed, except the damaged one.
fn is_no_worse(before: &Objects, after: &Objects, key: &str, context: &str) {
    for (there, bytes) in before {
        let is_hint = there.starts_with("checkpoint/latest");
        if there != key && !is_hint {
            assert_eq!(after.get(there), Some(bytes), "{context}: {there}");
        }
    }
}

/// Checks that foreign files are counted if the store has a list, and are no damage.
fn strangers_do_no_harm(world: &World, kind: Kind) {
    let strangers = ["packs/ab/stranger", "log/readme.txt"];
    world.as_owner(|store| {
        for key in strangers {
            store.write(key, Bytes::from_static(b"1234")).unwrap();
        }
    });
    let check = world.check("c", Depth::Full).unwrap();
    assert!(check.sound, "{kind:?}: {:?}", check.defects);
    assert_eq!(check.listed, kind != Kind::S3(Manners::NoList { hides: false }), "{kind:?}");
    let counted = if check.listed { &strangers[..] } else { &[] };
    assert_eq!(check.leftovers.keys, counted, "{kind:?}");
    assert_eq!(check.leftovers.bytes, 4 * counted.len() as u64, "{kind:?}");
}

fn on(kind: Kind) {
    let world = World::new(kind);
    world.shows_its_log();
    world.is_whole(&format!("{kind:?}: before"));
    strangers_do_no_harm(&world, kind);
    for (number, damage) in ALL.iter().enumerate() {
        let is_special = kind == Kind::S3(Manners::Ignores) || kind == Kind::Directory;
        if thorough() || is_special || SOME.contains(&number) {
            try_out(&world, damage);
        }
    }
}

#[test]
fn a_damaged_directory_is_repaired() {
    on(Kind::Directory);
}

#[test]
fn a_damaged_remote_in_memory_is_repaired() {
    on(Kind::Memory);
}

#[test]
fn a_damaged_bucket_is_repaired() {
    on(Kind::S3(Manners::Honest));
}

#[test]
fn a_damaged_bucket_whose_writers_can_win_together_is_repaired() {
    on(Kind::S3(Manners::HalfHonest));
}

#[test]
fn a_damaged_bucket_that_ignores_conditions_is_repaired() {
    on(Kind::S3(Manners::Ignores));
}

#[test]
fn a_damaged_bucket_that_may_not_be_listed_is_repaired() {
    on(Kind::S3(Manners::NoList { hides: false }));
}

#[test]
fn a_damaged_directory_behind_webdav_is_repaired() {
    on(Kind::WebDav);
}
