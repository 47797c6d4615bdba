//! Dropped content is removed and kept content stays readable, even after a crash at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts::content::{ContentStore, Dropped, Need, RewriteRule};
use artifacts::fs::fault::{self, Action};
use artifacts::{ErrorKind, Id, NoProgress, Result};

use super::super::damaged::craft;
use super::super::refs_crash::child;
use super::{PARAMS, Place, noise};

/// A store in several packs and segments.
struct Filled {
    place: Place,
    kept: BTreeMap<Id, Vec<u8>>,
    /// The contents that may be dropped.
    others: BTreeMap<Id, Vec<u8>>,
}

fn filled() -> Filled {
    let place = Place::new();
    let (mut kept, mut others) = (BTreeMap::new(), BTreeMap::new());
    let mut put = |contents: Vec<Vec<u8>>, is_kept: &dyn Fn(usize) -> bool| {
        for (number, (id, content)) in place.put(&contents).into_iter().zip(contents).enumerate() {
            if is_kept(number) {
                kept.insert(id, content)
            } else {
                others.insert(id, content)
            };
        }
    };
    let small = |seed: u64, count: u64| -> Vec<Vec<u8>> {
        (0..count).map(|n| noise(seed * 1000 + n, 900)).collect()
    };
    let long = noise(1, 300_000);
    let mut changed = long.clone();
    changed.splice(150_000..150_100, *b"a change in the middle");
    // Cases: keep all, none, a little or most of the content.
    put(small(1, 40), &|_| true);
    put([small(2, 40), vec![noise(2, 100_000)]].concat(), &|_| false);
    put(small(3, 400), &|number| number % 100 == 7);
    put([small(4, 40), vec![noise(3, 9_000)]].concat(), &|number| number % 10 != 0);
    // Two files that share most of their chunks, of which one is kept.
    put(vec![long, changed], &|number| number == 1);
    Filled { place, kept, others }
}

impl Filled {
    fn drop(&self, store: &ContentStore, dry_run: bool) -> Result<Dropped> {
        let session = if dry_run { None } else { Some(store.begin()?) };
        store.drop_content(session.as_ref(), &|id| self.kept.contains_key(id), &NoProgress)
    }
}

/// Bytes of all packs.
fn bytes_of(store: &ContentStore) -> u64 {
    store.packs().unwrap().into_iter().map(|(_, size)| size).sum()
}

#[test]
fn content_is_dropped_unless_it_is_kept() {
    let filled = filled();
    let Filled { place, kept, others } = &filled;
    let before = (place.store.packs().unwrap(), place.indexed(), bytes_of(&place.store));
    let rehearsal = filled.drop(&place.store, true).unwrap();
    assert_eq!((&place.store.packs().unwrap(), &place.indexed()), (&before.0, &before.1));
    let done = filled.drop(&place.store, false).unwrap();
    assert_eq!((rehearsal.packs, rehearsal.contents), (done.packs, done.contents));
    assert_eq!(rehearsal.bytes_rewritten, done.bytes_rewritten);
    assert!(rehearsal.bytes_freed.abs_diff(done.bytes_freed) < 10_000);
    assert_eq!(before.2 - bytes_of(&place.store), done.bytes_freed);
    assert!(done.packs >= 2 && done.bytes_rewritten > 3600);
    place.assert_sound();
    assert_eq!(done.contents, (before.1.len() - place.indexed().len()) as u64);
    for (id, content) in kept {
        assert_eq!(&place.read(id).unwrap(), content);
    }
    let gone = others.keys().filter(|id| !place.has(id, Need::File)).count();
    assert!(gone > 400, "{gone} of {}", others.len());
    // Files in chunks that are not kept are not named, wherever their chunks are.
    assert!(others.iter().all(|(id, content)| content.len() < 8192 || !place.has(id, Need::File)));
    // A second drop changes nothing.
    let again = filled.drop(&place.store, false).unwrap();
    assert_eq!(again, Dropped::default());
    let segments = craft::segments(place.path());
    assert_eq!(segments.len(), 1);
    // Dropped content can be stored again.
    let contents: Vec<Vec<u8>> = others.values().cloned().collect();
    let ids = place.put(&contents);
    place.assert_sound();
    assert!(ids.iter().zip(&contents).all(|(id, content)| &place.read(id).unwrap() == content));
}

#[test]
fn everything_can_leave() {
    let filled = filled();
    let place = &filled.place;
    let session = place.store.begin().unwrap();
    let before = bytes_of(&place.store);
    let done = place.store.drop_content(Some(&session), &|_| false, &NoProgress).unwrap();
    assert_eq!((done.bytes_freed, done.bytes_rewritten), (before, 0));
    assert!(place.store.packs().unwrap().is_empty() && place.indexed().is_empty());
    assert!(craft::segments(place.path()).is_empty());
    place.assert_sound();
}

#[test]
fn content_that_a_writer_found_or_stored_meanwhile_stays() {
    let filled = filled();
    let Filled { place, kept, others } = &filled;
    let session = place.store.begin().unwrap();
    let is_kept = |id: &Id| kept.contains_key(id);
    let prepared = place
        .store
        .prepare_drop(Some(&session), &is_kept, RewriteRule::FreesHalf, &NoProgress)
        .unwrap();
    // A writer finds small and chunked files, and stores a variant of a file that goes.
    let gone = &noise(2, 100_000);
    let small = (0..4).map(|n| Id::of_blob(&noise(2000 + n, 900)));
    let found: Vec<Id> = small.chain([Id::of_blob(gone)]).collect();
    let mut variant = gone.clone();
    variant.splice(50_000..50_100, *b"another middle");
    let writer = ContentStore::open(place.path(), PARAMS).unwrap();
    let stored = Place { directory: tempfile::tempdir().unwrap(), store: writer };
    let new = stored.put(&[variant.clone(), noise(77, 3_000)]);
    assert!(prepared.is_current().unwrap());
    prepared.apply(&found).unwrap();
    place.assert_sound();
    for id in &found {
        assert!(place.read(id).unwrap() == others[id]);
    }
    assert!(place.read(&new[0]).unwrap() == variant);
    assert!(place.read(&new[1]).unwrap() == noise(77, 3_000));
    for (id, content) in kept {
        assert!(&place.read(id).unwrap() == content);
    }
    assert!(others.keys().any(|id| !place.has(id, Need::File)), "the rest goes");
}

#[test]
fn a_prepared_removal_is_worthless_after_another_removal() {
    let filled = filled();
    let place = &filled.place;
    let session = place.store.begin().unwrap();
    let is_kept = |id: &Id| filled.kept.contains_key(id);
    let prepared = place
        .store
        .prepare_drop(Some(&session), &is_kept, RewriteRule::FreesAny, &NoProgress)
        .unwrap();
    place.store.drop_content(Some(&session), &|_| false, &NoProgress).unwrap();
    assert!(!prepared.is_current().unwrap());
}

#[test]
fn a_pack_that_no_index_names_is_left_alone() {
    let filled = filled();
    let place = &filled.place;
    for segment in craft::segments(place.path()) {
        std::fs::remove_file(segment).unwrap();
    }
    let before = place.store.packs().unwrap();
    let store = ContentStore::open(place.path(), PARAMS).unwrap();
    let session = store.begin().unwrap();
    let done = store.drop_content(Some(&session), &|_| false, &NoProgress).unwrap();
    assert_eq!(done, Dropped::default());
    assert_eq!(store.packs().unwrap(), before);
}

#[test]
fn damage_in_copied_content_stops_the_drop_before_any_removal() {
    let filled = filled();
    let place = &filled.place;
    let before = (place.store.packs().unwrap(), place.indexed());
    let few = filled.kept.iter().find(|(_, content)| **content == noise(3007, 900)).unwrap().0;
    let found = place.store.locate(few).unwrap().unwrap();
    let path = place.store.pack_path(&found.pack);
    let flip = |bytes: &mut Vec<u8>| {
        bytes[found.frame.offset as usize + found.frame.stored as usize / 2] ^= 1;
    };
    craft::change(&path, flip);
    assert_eq!(filled.drop(&place.store, false).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(place.indexed(), before.1);
    let after: BTreeSet<Id> = place.store.packs().unwrap().into_iter().map(|(id, _)| id).collect();
    assert!(before.0.iter().all(|(id, _)| after.contains(id)));
    craft::change(&path, flip);
    filled.drop(&place.store, false).unwrap();
    place.assert_sound();
}

#[test]
fn letting_go_can_be_stopped_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let status = child("content::drop::stops_everywhere", place.path()).status().unwrap();
    assert!(status.success());
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
#[ignore = "arms faults for its whole process; run by another test as a process of its own"]
fn stops_everywhere() {
    let filled = filled();
    let before = filled.place.indexed();
    let whole = Place::new();
    copy(filled.place.path(), whole.path());
    filled.drop(&whole.store, false).unwrap();
    let expected = whole.indexed();
    let mut step = 0;
    loop {
        step += 1;
        let place = Place::new();
        copy(filled.place.path(), place.path());
        let store = ContentStore::open(place.path(), PARAMS).unwrap();
        fault::arm(step, Action::DiskFull);
        let stopped = filled.drop(&store, false);
        if fault::disarm() {
            assert!(stopped.is_ok());
            break;
        }
        assert!(stopped.is_err(), "step {step}");
        drop(store);
        let readable = |place: &Place| {
            place.assert_sound();
            let store = ContentStore::open(place.path(), PARAMS).unwrap();
            for (id, content) in &filled.kept {
                let read = store.reader().read(id, u64::MAX).unwrap();
                assert_eq!(&read, content, "step {step}");
            }
        };
        readable(&place);
        let indexed = place.indexed();
        assert!(indexed.is_subset(&before) && indexed.is_superset(&expected), "step {step}");
        // The next writer cleans up after the killed one in the same way.
        std::fs::create_dir_all(place.path().join("tmp/writer-gone")).unwrap();
        let store = ContentStore::open(place.path(), PARAMS).unwrap();
        filled.drop(&store, false).unwrap();
        readable(&place);
        assert_eq!(place.indexed(), expected, "step {step}");
    }
    assert!(step > 12, "only {step} steps");
}
