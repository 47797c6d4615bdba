//! Content of other stores is found in copies of their segments, or by reading parts of segments.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use artifacts::content::{ForeignIndex, Need, find_remotely};
use artifacts::id::Digest;
use artifacts::pack::{
    FrameEntry, Location, MemberEntry, MemberKind, PackIndex, SegmentBuilder, SegmentView,
};
use artifacts::{ErrorKind, Id, Result};
use proptest::collection::vec;
use proptest::prelude::*;

/// A segment of `packs` packs with `members` chunks each. Every tenth id is a manifest too.
fn segment(seed: u32, packs: u32, members: u32) -> Vec<u8> {
    build(packs, |pack| (0..members).map(|n| id(seed, pack * members + n)).collect())
}

fn id(seed: u32, number: u32) -> Id {
    Digest::of(&[seed.to_le_bytes(), number.to_le_bytes()].concat())
}

fn build(packs: u32, ids: impl Fn(u32) -> Vec<Id>) -> Vec<u8> {
    let mut builder = SegmentBuilder::default();
    for pack in 0..packs {
        let mut index = PackIndex::default();
        for (number, id) in ids(pack).into_iter().enumerate() {
            let frame = (number / 8) as u32;
            if number % 8 == 0 {
                let offset = u64::from(frame) * 5000;
                index.frames.push(FrameEntry { offset, stored: 4000 + pack, size: 1 << 20 });
            }
            let offset = (number % 8 * 1024) as u32;
            let mut push = |kind, offset| {
                index.members.push(MemberEntry { id, kind, frame, offset, size: 512 });
            };
            push(MemberKind::Chunk, offset);
            if number % 10 == 0 {
                push(MemberKind::Manifest, offset + 512);
            }
        }
        builder.add_pack(id(u32::MAX, pack), &index);
    }
    let mut bytes = Vec::new();
    builder.write_to(&mut bytes).unwrap();
    bytes
}

/// The reads of a look-up.
#[derive(Default)]
struct Asked {
    rounds: Cell<usize>,
    bytes: Cell<u64>,
}

fn find(bytes: &[u8], ids: &[Id], asked: &Asked) -> Result<Vec<(Id, Location)>> {
    let read = |ranges: &[Range<u64>]| {
        assert!(!ranges.is_empty());
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        let sum = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        asked.rounds.set(asked.rounds.get() + 1);
        asked.bytes.set(asked.bytes.get() + sum);
        let part = |range: &Range<u64>| bytes[range.start as usize..range.end as usize].to_vec();
        Ok(ranges.iter().map(part).collect::<Vec<_>>())
    };
    find_remotely(bytes.len() as u64, ids, &read)
}

/// The first location of each id, read from the whole segment.
fn expected(bytes: &[u8], ids: &[Id]) -> Vec<(Id, Location)> {
    let view = SegmentView::open(bytes).unwrap();
    let ids: BTreeSet<Id> = ids.iter().copied().collect();
    let first = |id: Id| Some((id, view.locations(&id).next()?.unwrap()));
    ids.into_iter().filter_map(first).collect()
}

#[test]
fn one_id_in_a_large_segment_takes_four_small_reads() {
    let bytes = segment(1, 40, 20_000);
    for number in [0, 1, 399_999, 799_999] {
        let asked = Asked::default();
        let found = find(&bytes, &[id(1, number)], &asked).unwrap();
        assert_eq!(found, expected(&bytes, &[id(1, number)]));
        // The rows of the first frames are read with the header.
        assert_eq!((found.len(), asked.rounds.get()), (1, if number < 2 { 3 } else { 4 }));
        assert!(asked.bytes.get() < 150_000, "{} bytes", asked.bytes.get());
    }
    let asked = Asked::default();
    assert_eq!(find(&bytes, &[id(2, 0)], &asked).unwrap(), []);
    assert_eq!(asked.rounds.get(), 2);
    assert_eq!(find(&bytes, &[], &asked).unwrap(), []);
    assert_eq!(asked.rounds.get(), 2);
}

#[test]
fn many_ids_are_found_in_the_same_number_of_reads() {
    let bytes = segment(3, 40, 10_000);
    let ids: Vec<Id> = (0..900_000).step_by(150).map(|number| id(3, number)).collect();
    let asked = Asked::default();
    let mut found = find(&bytes, &ids, &asked).unwrap();
    found.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(found, expected(&bytes, &ids));
    assert!(found.len() > 2000);
    assert_eq!(asked.rounds.get(), 4);
    assert!(asked.bytes.get() < bytes.len() as u64);
}

#[test]
fn ids_that_are_not_spread_evenly_are_found() {
    // All have the same prefix, and one occurs twice, as a chunk and as a manifest.
    let skewed = |number: u32| {
        let mut bytes = [7; Id::LEN];
        bytes[28..].copy_from_slice(&(number * 3).to_be_bytes());
        Id::from_bytes(bytes)
    };
    let bytes = build(3, |pack| (0..9000).map(|n| skewed(pack * 9000 + n)).collect());
    let ids: Vec<Id> = [0, 1, 5, 13_333, 26_999, 27_000, 90_000].map(skewed).to_vec();
    for id in &ids {
        let asked = Asked::default();
        assert_eq!(find(&bytes, &[*id], &asked).unwrap(), expected(&bytes, &[*id]));
        assert!(asked.rounds.get() <= 6);
    }
    assert_eq!(find(&bytes, &ids, &Asked::default()).unwrap(), expected(&bytes, &ids));
}

#[test]
fn a_segment_with_very_many_packs_is_searched() {
    let bytes = segment(4, 5000, 1);
    let ids = [id(4, 0), id(4, 4999), id(4, 2500)];
    let asked = Asked::default();
    assert_eq!(find(&bytes, &ids, &asked).unwrap(), expected(&bytes, &ids));
    assert_eq!(asked.rounds.get(), 4);
}

#[test]
fn an_answer_that_is_too_short_is_refused() {
    let bytes = segment(5, 3, 40);
    let short = |ranges: &[Range<u64>]| {
        Ok(ranges.iter().map(|range| vec![0; (range.end - range.start) as usize - 1]).collect())
    };
    let refused = find_remotely::<Vec<u8>>(bytes.len() as u64, &[id(5, 1)], &short).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    let none = |_: &[Range<u64>]| Ok(Vec::<Vec<u8>>::new());
    assert!(find_remotely(bytes.len() as u64, &[id(5, 1)], &none).is_err());
    let whole = |_: &[Range<u64>]| Ok(vec![bytes.clone()]);
    assert!(find_remotely(bytes.len() as u64 - 1, &[id(5, 1)], &whole).is_err());
    assert!(find_remotely(1, &[id(5, 1)], &whole).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_remote_segment_is_searched_like_a_local_one(
        shape in (0u32..5, 1u32..200),
        seed in any::<u32>(),
        numbers in vec(0u32..1200, 0..40),
    ) {
        let bytes = segment(seed, shape.0, shape.1);
        let ids: Vec<Id> = numbers.into_iter().map(|number| id(seed, number)).collect();
        prop_assert_eq!(find(&bytes, &ids, &Asked::default()).unwrap(), expected(&bytes, &ids));
    }

    #[test]
    fn any_bytes_are_searched_without_harm(
        flips in vec((0usize..1 << 20, any::<u8>()), 0..12),
        near_start in vec((0usize..1100, any::<u8>()), 0..3),
        numbers in vec(0u32..700, 1..20),
    ) {
        let mut bytes = segment(9, 3, 200);
        for (at, value) in flips.into_iter().chain(near_start) {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let ids: Vec<Id> = numbers.into_iter().map(|number| id(9, number)).collect();
        let asked = Asked::default();
        if let Err(error) = find(&bytes, &ids, &asked) {
            prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
        prop_assert!(asked.rounds.get() <= 6);
        prop_assert!(asked.bytes.get() <= bytes.len() as u64);
    }
}

/// Names of the files in a directory, by extension.
fn files(directory: &Path, extension: &str) -> usize {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|found| found == extension)
        })
        .count()
}

#[test]
fn copies_of_segments_are_found_again_and_only_those_that_count() {
    let top = tempfile::tempdir().unwrap();
    let directory = top.path().join("remotes/origin/index");
    let segments: Vec<(Id, Vec<u8>)> =
        (0..40).map(|seed| segment(seed, 2, 30)).map(|bytes| (Digest::of(&bytes), bytes)).collect();
    let ids: Vec<Id> = segments.iter().map(|(id, _)| *id).collect();
    let mut index = ForeignIndex::open(&directory, &ids).unwrap();
    assert!(!index.has_segment(&ids[0]) && !index.contains(&id(0, 0), Need::File).unwrap());
    // One by one, then many in one call.
    for segment in &segments[..12] {
        index.add_segments(std::slice::from_ref(segment)).unwrap();
    }
    index.add_segments(&segments).unwrap();
    for index in [&index, &ForeignIndex::open(&directory, &ids).unwrap()] {
        for (seed, (segment, bytes)) in segments.iter().enumerate() {
            assert!(index.has_segment(segment));
            let view = SegmentView::open(bytes).unwrap();
            let own = id(seed as u32, 17);
            let place = view.locations(&own).next().unwrap().unwrap();
            assert_eq!(index.locate(&own, Need::File).unwrap(), Some(place));
            assert_eq!(index.locations(&own), [place]);
        }
        assert_eq!(index.locate(&id(40, 0), Need::File).unwrap(), None);
        assert!(index.size().0 == 40 * 66);
    }
    assert!(files(&directory, "idx") <= 9, "{} files", files(&directory, "idx"));
    // The other store removed a segment, so the copies that were stored with it are ignored.
    let fewer = ForeignIndex::open(&directory, &ids[1..]).unwrap();
    assert!(!fewer.has_segment(&ids[0]) && !fewer.contains(&id(0, 0), Need::File).unwrap());
    let mut fewer = fewer;
    fewer.add_segments(&segments[1..]).unwrap();
    assert!(fewer.contains(&id(7, 7), Need::File).unwrap());
    assert!(!fewer.contains(&id(0, 0), Need::File).unwrap());
    // A truncated copy is ignored.
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let lost = ForeignIndex::open(&directory, &ids).unwrap();
    assert!(ids.iter().all(|id| !lost.has_segment(id)));
}

#[test]
fn a_part_of_a_file_is_found_only_as_bytes() {
    let top = tempfile::tempdir().unwrap();
    let mut builder = SegmentBuilder::default();
    let frames = vec![FrameEntry { offset: 0, stored: 9, size: 4096 }];
    let kinds = [MemberKind::Manifest, MemberKind::Chunk];
    let members = kinds.map(|kind| {
        let id = id(0, kind as u32);
        MemberEntry { id, kind, frame: 0, offset: 512, size: 100 }
    });
    builder.add_pack(Id::NULL, &PackIndex { frames, members: members.to_vec() });
    let mut bytes = Vec::new();
    builder.write_to(&mut bytes).unwrap();
    let name = Digest::of(&bytes);
    let mut index = ForeignIndex::open(top.path(), &[name]).unwrap();
    index.add_segments(&[(name, &bytes)]).unwrap();
    let has = |number: u32, need| index.contains(&id(0, number), need).unwrap();
    assert!(has(2, Need::File) && !has(2, Need::Bytes));
    assert!(has(1, Need::File) && has(1, Need::Bytes));
}

#[test]
fn a_segment_that_is_not_what_it_is_named_after_is_no_copy() {
    let top = tempfile::tempdir().unwrap();
    let bytes = segment(1, 1, 5);
    let mut index = ForeignIndex::open(top.path(), &[Id::NULL]).unwrap();
    let refused = index.add_segments(&[(Id::NULL, &bytes)]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    let mut damaged = bytes;
    let at = damaged.len() - 40;
    damaged[at] ^= 1;
    let refused = index.add_segments(&[(Digest::of(&damaged), &damaged)]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert_eq!(files(top.path(), "idx"), 0);
}
