//! Received packs are verified first, stored byte for byte, and indexed only if they are whole.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use artifacts::content::{Need, Params, read_pack_index_at, verify_pack};
use artifacts::id::Digest;
use artifacts::pack::{MemberKind, parse_members};
use artifacts::{Error, ErrorKind, Id, NoProgress};

use super::super::damaged::craft;
use super::{Place, frame_of, noise, vast};

/// Small files and some in chunks, and their ids.
fn filled(seed: u64) -> (Place, Vec<(Id, Vec<u8>)>) {
    let place = Place::new();
    let small = (0..200).map(|n| noise(seed * 1000 + n, 700 + n as usize));
    let long = (0..4).map(|n| noise(seed * 1000 + 500 + n, 400_000));
    let contents: Vec<Vec<u8>> = small.chain(long).collect();
    let ids = place.put(&contents);
    (place, ids.into_iter().zip(contents).collect())
}

/// The frames of all packs of a store: stored bytes and size.
fn frames(place: &Place) -> Vec<(Vec<u8>, u64)> {
    let packs = craft::packs(place.path());
    let packs = packs.iter().map(|path| craft::Pack::read(path));
    packs
        .flat_map(|pack| pack.frames.into_iter().zip(pack.index.frames.into_iter().map(|f| f.size)))
        .collect()
}

#[test]
fn frames_from_many_threads_are_all_stored() {
    let (there, files) = filled(1);
    let here = Place::new();
    let session = here.store.begin().unwrap();
    let receiver = here.store.receive(&session);
    let frames = frames(&there);
    std::thread::scope(|scope| {
        for part in frames.chunks(frames.len().div_ceil(4)) {
            let receiver = &receiver;
            scope.spawn(move || {
                for (bytes, size) in part {
                    let held = receiver.add_frame(bytes, *size).unwrap();
                    let tar = zstd::bulk::decompress(bytes, *size as usize).unwrap();
                    let expected = parse_members(&tar).unwrap();
                    let expected: Vec<_> = expected.into_iter().map(|(k, id, _)| (id, k)).collect();
                    assert_eq!(held, expected);
                }
            });
        }
    });
    let done = receiver.finish(&|_| true, &NoProgress).unwrap();
    assert!(done.packs > 1 && done.incomplete.is_empty());
    assert_eq!(done.contents, here.store.entries().unwrap().len() as u64);
    here.assert_sound();
    for (id, content) in &files {
        assert_eq!(&here.read(id).unwrap(), content);
    }
    let mut stored: Vec<_> = self::frames(&here);
    let mut sent = frames;
    stored.sort();
    sent.sort();
    assert!(stored == sent, "frames are stored as they came");
}

#[test]
fn a_manifest_is_indexed_only_if_it_is_wanted_and_its_chunks_are_present() {
    let (there, files) = filled(2);
    let (wanted, unwanted) = (files[200].0, files[201].0);
    let kind_of = |bytes: &[u8], size: u64| {
        let tar = zstd::bulk::decompress(bytes, size as usize).unwrap();
        parse_members(&tar).unwrap()[0].0
    };
    let (manifests, others): (Vec<_>, Vec<_>) =
        frames(&there).into_iter().partition(|(b, s)| kind_of(b, *s) == MemberKind::Manifest);
    let here = Place::new();
    let session = here.store.begin().unwrap();
    // First the manifests alone, which name the required chunks.
    let receiver = here.store.receive(&session);
    for (bytes, size) in &manifests {
        receiver.add_frame(bytes, *size).unwrap();
    }
    let mut chunks: BTreeMap<Id, u64> = BTreeMap::new();
    let each = &mut |id: &Id, chunk: artifacts::pack::Chunk| {
        *chunks.entry(*id).or_default() += u64::from(chunk.size);
        Ok(())
    };
    receiver.chunks(&|id| *id == wanted || *id == unwanted, each).unwrap();
    assert_eq!(chunks, BTreeMap::from([(wanted, 400_000), (unwanted, 400_000)]));
    let done = receiver.finish(&|id| *id == wanted, &NoProgress).unwrap();
    assert_eq!((done.contents, done.incomplete), (0, vec![wanted]));
    assert!(!here.has(&wanted, Need::File));
    // Then with the chunks, in other packs.
    let receiver = here.store.receive(&session);
    for (bytes, size) in others.iter().chain(&manifests) {
        receiver.add_frame(bytes, *size).unwrap();
    }
    // All packs except the last are durable now. The lists are read from any of them.
    let mut count = 0;
    receiver
        .chunks(&|_| true, &mut |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
    assert!(count > 4);
    let done = receiver.finish(&|id| *id == wanted, &NoProgress).unwrap();
    assert!(done.incomplete.is_empty());
    assert_eq!(here.read(&wanted).unwrap(), files[200].1);
    assert!(!here.has(&unwanted, Need::File));
    here.assert_sound();
}

#[test]
fn a_whole_pack_is_stored_under_its_name_or_refused() {
    let (there, files) = filled(3);
    let here = Place::new();
    let session = here.store.begin().unwrap();
    let receiver = here.store.receive(&session);
    let temp = |bytes: &[u8]| {
        let mut file = session.temp_file().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        file
    };
    for (id, _) in there.store.packs().unwrap() {
        let mut bytes = std::fs::read(there.store.pack_path(&id)).unwrap();
        receiver.add_pack(temp(&bytes), &id, &NoProgress).unwrap();
        assert_eq!(std::fs::read(here.store.pack_path(&id)).unwrap(), bytes);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(here.store.pack_path(&id)).unwrap();
        let refused: Error = receiver.add_pack(temp(&bytes), &id, &NoProgress).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(!here.store.pack_path(&id).exists());
        bytes[middle] ^= 1;
        receiver.add_pack(temp(&bytes), &id, &NoProgress).unwrap();
    }
    receiver.finish(&|_| true, &NoProgress).unwrap();
    here.assert_sound();
    for (id, content) in &files {
        assert_eq!(&here.read(id).unwrap(), content);
    }
}

#[test]
fn a_frame_that_differs_from_its_id_is_refused() {
    let here = Place::new();
    let session = here.store.begin().unwrap();
    let receiver = here.store.receive(&session);
    let content = noise(4, 3000);
    let id = Id::of_blob(&content);
    let refused = |tar: &[u8], size: Option<u64>, more: &[u8]| {
        let mut bytes = zstd::bulk::compress(tar, 3).unwrap();
        bytes.extend_from_slice(more);
        let error = receiver.add_frame(&bytes, size.unwrap_or(tar.len() as u64)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    };
    let (good, _) = frame_of(&[(MemberKind::Blob, id, &content)]);
    let (other, _) = frame_of(&[(MemberKind::Chunk, Id::of_blob(b"other"), &content)]);
    let (manifest, _) = frame_of(&[(MemberKind::Manifest, id, &content)]);
    refused(&other, None, &[]);
    refused(&manifest, None, &[]);
    refused(&good, Some(good.len() as u64 - 1), &[]);
    refused(&good, Some(Params::MAX_FRAME + 1), &[]);
    refused(&good, None, b"more");
    // A frame of nothing that is skipped, and one behind the first.
    refused(&good, None, &[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]);
    refused(&good, None, &zstd::bulk::compress(&[], 3).unwrap());
    refused(&good[..good.len() - 512], None, &[]);
    // The end mark of an archive would hide the bytes after it.
    refused(&[&good[..], &[0; 1024]].concat(), None, &[]);
    refused(&[&good[..], &[0; 1024], &good].concat(), None, &[]);
    refused(&[], None, &[]);
    assert_eq!(receiver.finish(&|_| true, &NoProgress).unwrap().contents, 0);
    assert!(here.store.packs().unwrap().is_empty());
}

#[test]
fn a_manifest_larger_than_memory_is_received() {
    let (chunk, manifest, file) = vast();
    let part = Id::of_blob(&chunk);
    let here = Place::new();
    let session = here.store.begin().unwrap();
    let receiver = here.store.receive(&session);
    let (small, _) = frame_of(&[(MemberKind::Chunk, part, &chunk)]);
    receiver.add_frame(&zstd::bulk::compress(&small, 3).unwrap(), small.len() as u64).unwrap();
    let (large, _) = frame_of(&[(MemberKind::Manifest, file, &manifest)]);
    let (size, stored) = (large.len() as u64, zstd::bulk::compress(&large, 1).unwrap());
    let add = |bytes: &[u8], stored: usize, size: u64| {
        receiver.add_large_frame(&mut Cursor::new(bytes), stored as u64, size)
    };
    assert!(receiver.add_frame(&stored, size).is_err());
    assert!(add(&stored, stored.len() + 1, size).is_err());
    assert!(add(&stored, stored.len() - 1, size).is_err());
    assert!(add(&stored, stored.len(), size + 512).is_err());
    let more = [&stored[..], b"more"].concat();
    assert!(add(&more, more.len(), size).is_err());
    let mut wrong = large.clone();
    wrong[512 + 70] = b'x';
    let wrong = zstd::bulk::compress(&wrong, 1).unwrap();
    assert!(add(&wrong, wrong.len(), size).is_err());
    assert_eq!(add(&more, stored.len(), size).unwrap(), file);
    let done = receiver.finish(&|_| true, &NoProgress).unwrap();
    assert_eq!((done.contents, done.incomplete), (2, vec![]));
    let lines = manifest.len() / 68;
    assert_eq!(here.store.reader().size(&file).unwrap(), 16 * lines as u64);
    let (pack, _) = here.store.packs().unwrap()[0];
    let bytes = std::fs::read(here.store.pack_path(&pack)).unwrap();
    verify_pack(&mut &bytes[..], &pack, &NoProgress).unwrap();
}

#[test]
fn every_changed_byte_of_a_pack_is_noticed() {
    let there = Place::new();
    there.put(&[noise(5, 300), noise(6, 9000), b"text ".repeat(900)]);
    let (id, _) = there.store.packs().unwrap()[0];
    let bytes = std::fs::read(there.store.pack_path(&id)).unwrap();
    let index = verify_pack(&mut &bytes[..], &id, &NoProgress).unwrap();
    assert_eq!(index, craft::Pack::read(&there.store.pack_path(&id)).index);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x21;
        let name = Digest::of(&changed);
        let found = verify_pack(&mut &changed[..], &id, &NoProgress).unwrap_err();
        assert_eq!(found.kind(), ErrorKind::Corrupt, "byte {at}");
        // Under the name of the changed bytes it is wrong too, unless no reader needs that byte.
        if let Ok(same) = verify_pack(&mut &changed[..], &name, &NoProgress) {
            assert_eq!(same.members.len(), index.members.len(), "byte {at}");
        }
    }
    for end in (0..bytes.len()).step_by(7) {
        let found = verify_pack(&mut &bytes[..end], &id, &NoProgress).unwrap_err();
        assert_eq!(found.kind(), ErrorKind::Corrupt, "cut at {end}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(verify_pack(&mut &longer[..], &Digest::of(&longer), &NoProgress).is_err());
}

#[test]
fn durable_data_of_a_killed_receiver_is_not_lost() {
    let (there, files) = filled(7);
    let here = Place::new();
    let session = here.store.begin().unwrap();
    let receiver = here.store.receive(&session);
    for (bytes, size) in frames(&there) {
        receiver.add_frame(&bytes, size).unwrap();
    }
    // As after a kill: no clean-up, and the lock is released.
    let left = session.directory().to_owned();
    let sealed = here.store.packs().unwrap().len();
    assert!(sealed > 0);
    drop(receiver);
    drop(session);
    std::fs::create_dir_all(left).unwrap();
    let session = here.store.begin().unwrap();
    here.assert_sound();
    let small = files[..200].iter().filter(|(id, _)| here.has(id, Need::File));
    let chunks = here.store.entries().unwrap().len();
    assert!(chunks > 50 && small.count() < chunks);
    assert!(files[200..].iter().all(|(id, _)| !here.has(id, Need::File)));
    let receiver = here.store.receive(&session);
    for (bytes, size) in frames(&there) {
        receiver.add_frame(&bytes, size).unwrap();
    }
    receiver.finish(&|_| true, &NoProgress).unwrap();
    here.assert_sound();
    assert!(files.iter().all(|(id, content)| &here.read(id).unwrap() == content));
}

#[test]
fn the_index_of_a_remote_pack_is_read_from_its_end() {
    let (place, _) = filled(8);
    let many: Vec<Vec<u8>> = (0..4000u32).map(|n| n.to_le_bytes().to_vec()).collect();
    place.put(&many);
    let mut twice = 0;
    for path in craft::packs(place.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let reads = std::cell::Cell::new(0);
        let read = |range: Range<u64>| {
            reads.set(reads.get() + 1);
            Ok(&bytes[range.start as usize..range.end as usize])
        };
        let index = read_pack_index_at(&read, bytes.len() as u64).unwrap();
        assert_eq!(index, craft::Pack::read(&path).index);
        assert!(reads.get() <= 2);
        twice += usize::from(reads.get() == 2);
    }
    assert_eq!(twice, 1, "one index is longer than what is read at first");
    let path = &craft::packs(place.path())[0];
    let bytes = std::fs::read(path).unwrap();
    let footer = bytes.len() - 16;
    for at in (0..8).map(|at| footer + at).chain((footer - 60..footer).step_by(9)) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x80;
        let read = |range: Range<u64>| Ok(&changed[range.start as usize..range.end as usize]);
        let refused = read_pack_index_at(&read, bytes.len() as u64).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    }
    for size in [0, 3, 15, 16, 100, bytes.len() as u64 - 1] {
        let read = |range: Range<u64>| Ok(&bytes[range.start as usize..range.end as usize]);
        assert!(read_pack_index_at(&read, size).is_err(), "{size}");
    }
    let short = |_: Range<u64>| Ok(&bytes[..1]);
    assert!(read_pack_index_at(&short, bytes.len() as u64).is_err());
}
