//! Permanent losses of overtaken commits, and data that can be salvaged from damaged files.

use artifacts::ops::fsck::remote::Depth;

use super::world::{Kind, World};
use crate::server::Manners;

/// The keys of the files that the entry with this number added.
fn added_by(world: &World, number: u64) -> Vec<String> {
    let all = world.all();
    let log: Vec<&String> = all.keys().filter(|key| key.starts_with("log/")).collect();
    let entry = std::str::from_utf8(&all[log[number as usize - 1]]).unwrap();
    all.keys()
        .filter(|key| !key.starts_with("log/"))
        .filter(|key| {
            let name = key.rsplit('/').next().unwrap().split('.').next().unwrap();
            name.len() == 64 && entry.contains(name)
        })
        .cloned()
        .collect()
}

fn lose(world: &World, number: u64, directory: &str) {
    let keys: Vec<String> =
        added_by(world, number).into_iter().filter(|key| key.starts_with(directory)).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    world.as_owner(|store| store.delete(&keys)).unwrap();
}

#[test]
fn lost_overtaken_history_is_reported_and_restored_from_another_repository() {
    for kind in [Kind::Directory, Kind::S3(Manners::Ignores)] {
        let world = World::new(kind);
        lose(&world, 4, "meta/");
        // This repository never had the lost data.
        world.clone("late", false).unwrap();
        let told = world.check("late", Depth::Structure).unwrap();
        assert_eq!((told.sound, told.affected.len()), (false, 0), "{:?}", told.defects);
        let lost = &told.overtaken.lost;
        assert_eq!((lost.len(), lost[0].entry, lost[0].history), (1, 4, true), "{lost:?}");
        assert_eq!(lost[0].commit.to_hex(), world.overtaken);
        assert_eq!(lost[0].name.to_string(), "refs/runs/ada/digits/base");
        // Everything that refs reach is whole, so the remote is sound. The loss is still reported.
        let repaired = world.repair("late").unwrap();
        assert_eq!((repaired.repairs.len(), repaired.check.sound), (1, true), "{repaired:?}");
        assert_eq!(repaired.check.overtaken.lost_count, 1);
        assert!(repaired.check.advice[0].contains("push --repair"), "{:?}", repaired.check.advice);
        assert_eq!(world.repair("late").unwrap().entry, None, "nothing can be done from here");
        let back = world.repair("a").unwrap();
        assert_eq!(back.check.overtaken.lost, [], "{back:?}");
        world.is_whole(&format!("{kind:?}"));
    }
}

#[test]
fn overtaken_history_is_carried_over_when_its_pack_is_replaced() {
    let world = World::new(Kind::Directory);
    for number in 1..=5 {
        lose(&world, number, "meta/");
    }
    // The repository has all objects and none of the files.
    let repaired = world.repair("c").unwrap();
    assert!(repaired.check.sound, "{:?}", repaired.check.defects);
    assert_eq!(repaired.check.overtaken.lost, []);
    world.is_whole("carried over");
}

#[test]
fn lost_overtaken_content_is_reported_and_restored_from_another_repository() {
    let world = World::new(Kind::Directory);
    lose(&world, 4, "packs/");
    let told = world.check("c", Depth::Structure).unwrap();
    assert_eq!((told.sound, told.affected.len()), (false, 0), "{:?}", told.defects);
    let lost = &told.overtaken.lost;
    assert_eq!((lost.len(), lost[0].entry, lost[0].history), (1, 4, false), "{lost:?}");
    let repaired = world.repair("c").unwrap();
    assert_eq!(
        (repaired.check.sound, repaired.check.overtaken.lost_count),
        (true, 1),
        "{repaired:?}"
    );
    world.repair("a").unwrap();
    world.is_whole("content");
}

#[test]
fn readable_content_of_a_damaged_pack_is_salvaged() {
    let world = World::new(Kind::Directory);
    // Only the file in the damaged frame is lost.
    world.sandbox.art("-C c cat v1:model/weights.bin").ok();
    let before = world.all();
    let packs = before.iter().filter(|(key, _)| key.starts_with("packs/"));
    let (key, bytes) = packs.max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let mut whole = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 7) {
        world.restore();
        world.sandbox.art("-C c cat v1:model/weights.bin").ok();
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        world.as_owner(|store| store.write(key, damaged)).unwrap();
        let repaired = world.repair("c").unwrap();
        whole += u32::from(repaired.check.sound);
        if !repaired.check.sound {
            let lost: Vec<String> =
                repaired.check.files.iter().map(|file| file.path.to_string()).collect();
            assert_eq!(lost, ["model/bias.bin"], "byte {at}");
        }
    }
    assert!(whole >= 4, "most of the bytes are those of the file that is here: {whole}");
}
