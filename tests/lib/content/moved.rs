//! Readers hold no lock: content may move to another pack, or be removed, while they read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use artifacts::NoProgress;
use artifacts::content::ContentStore;

use super::{PARAMS, Place, noise};

/// A small file that is stored with others, and a chunked one, in packs that a removal rewrites.
fn filled() -> (Place, Vec<artifacts::Id>, Vec<Vec<u8>>) {
    let place = Place::new();
    let mut contents = vec![noise(1, 700), noise(2, 60_000)];
    contents.extend((3..40).map(|seed| noise(seed, 30_000)));
    let ids = place.put(&contents);
    (place, ids, contents)
}

/// Removes all content except the first two.
fn rewrite(place: &Place, ids: &[artifacts::Id]) {
    let session = place.store.begin().unwrap();
    let kept = |id: &artifacts::Id| ids[..2].contains(id);
    let dropped = place.store.drop_content(Some(&session), &kept, &NoProgress).unwrap();
    assert!(dropped.bytes_rewritten > 0, "{dropped:?}");
}

#[test]
fn a_reader_finds_content_that_another_process_moved_to_another_pack() {
    let (place, ids, contents) = filled();
    let other = ContentStore::open(place.path(), PARAMS).unwrap();
    assert!(other.contains(&ids[0]).unwrap());
    rewrite(&place, &ids);
    for number in [0, 1] {
        let read = other.reader().read(&ids[number], u64::MAX).unwrap();
        assert!(read == contents[number]);
    }
}

#[test]
fn a_reader_in_the_middle_finds_content_that_moved() {
    let (place, ids, contents) = filled();
    let other = ContentStore::open(place.path(), PARAMS).unwrap();
    let mut reader = other.reader();
    assert_eq!(reader.size(&ids[1]).unwrap(), contents[1].len() as u64);
    rewrite(&place, &ids);
    assert!(reader.read(&ids[0], u64::MAX).unwrap() == contents[0]);
    assert!(reader.read(&ids[1], u64::MAX).unwrap() == contents[1]);
}

#[test]
fn content_that_was_removed_is_supplied_once_for_each_read() {
    let (place, ids, contents) = filled();
    let other = ContentStore::open(place.path(), PARAMS).unwrap();
    assert!(other.contains(&ids[5]).unwrap());
    rewrite(&place, &ids);
    assert!(other.reader().read(&ids[5], u64::MAX).is_err());
    let calls = AtomicU32::new(0);
    let supply = || -> artifacts::content::Supply<'_> {
        Arc::new(|id| {
            assert_eq!(*id, ids[5]);
            calls.fetch_add(1, Ordering::SeqCst);
            place.put(&contents[5..6]);
            Ok(())
        })
    };
    let read = other.reader().with_supply(Some(supply())).read(&ids[5], u64::MAX).unwrap();
    assert!(read == contents[5]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_pack_that_the_index_still_names_is_damage() {
    let (place, ids, _) = filled();
    assert!(place.store.contains(&ids[0]).unwrap());
    for (pack, _) in place.store.packs().unwrap() {
        std::fs::remove_file(place.store.pack_path(&pack)).unwrap();
    }
    let error = place.read(&ids[0]).unwrap_err();
    assert_eq!(error.kind(), artifacts::ErrorKind::Corrupt);
    assert!(error.message().contains("is missing"), "{error:?}");
}
