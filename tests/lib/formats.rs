//! The binary formats of content: written values are read back, and no input panics.

use artifacts::Id;
use artifacts::pack::{
    Chunk, FOOTER_LEN, FrameEntry, MemberEntry, MemberKind, PackIndex, SegmentBuilder, SegmentView,
    append_member, end_frame, parse_manifest, parse_members, read_footer, write_line,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = MemberKind> {
    prop_oneof![Just(MemberKind::Blob), Just(MemberKind::Chunk), Just(MemberKind::Manifest)]
}

/// An index whose members lie within their frames.
fn index() -> impl Strategy<Value = PackIndex> {
    let frames = vec((0u64..1 << 40, 1u32..1 << 30, 1024u64..1 << 31), 1..6);
    let members = vec((any::<[u8; 32]>(), kind(), any::<prop::sample::Index>(), 0u32..512), 0..40);
    (frames, members).prop_map(|(frames, members)| {
        let frames: Vec<FrameEntry> = frames
            .into_iter()
            .map(|(offset, stored, size)| FrameEntry { offset, stored, size })
            .collect();
        let members = members
            .into_iter()
            .map(|(id, kind, at, offset)| MemberEntry {
                id: Id::from_bytes(id),
                kind,
                frame: at.index(frames.len()) as u32,
                offset,
                size: 512,
            })
            .collect();
        PackIndex { frames, members }
    })
}

/// Bytes with some of them overwritten, and some cut off.
fn damaged(mut bytes: Vec<u8>, flips: &[(prop::sample::Index, u8)], cut: usize) -> Vec<u8> {
    for (at, value) in flips {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    bytes.truncate(bytes.len() - cut.min(bytes.len()));
    bytes
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
}

proptest! {
    #[test]
    fn a_pack_index_is_read_back(index in index()) {
        let frame = index.to_skippable_frame();
        let footer = &frame[frame.len() - FOOTER_LEN..];
        let pack_len = (1 << 42) + frame.len() as u64;
        let (offset, length) = read_footer(footer, pack_len).unwrap();
        let start = (offset - (1 << 42)) as usize;
        prop_assert_eq!(PackIndex::parse(&frame[start..start + length], pack_len).unwrap(), index);
    }

    #[test]
    fn a_damaged_pack_index_is_refused_or_the_same(index in index(), flips in flips(), cut in 0usize..80) {
        let frame = index.to_skippable_frame();
        let body = frame[8..frame.len() - FOOTER_LEN].to_vec();
        let bytes = damaged(body.clone(), &flips, cut);
        if let Ok(read) = PackIndex::parse(&bytes, 1 << 43) {
            prop_assert_eq!(bytes, body);
            prop_assert_eq!(read, index);
        }
    }

    #[test]
    fn any_footer_is_read_or_refused(footer in vec(any::<u8>(), 0..40), pack_len in any::<u64>()) {
        if let Ok((offset, length)) = read_footer(&footer, pack_len) {
            prop_assert!(offset.checked_add(length as u64).unwrap() <= pack_len);
        }
    }

    #[test]
    fn members_are_read_back(contents in vec((kind(), vec(any::<u8>(), 0..2000)), 0..12)) {
        let mut tar = Vec::new();
        let mut expected = Vec::new();
        for (kind, content) in &contents {
            let id = Id::of_blob(content);
            let start = append_member(&mut tar, *kind, &id, content);
            expected.push((*kind, id, start..start + content.len()));
        }
        tar.extend(zstd::decode_all(&end_frame()[..]).unwrap());
        prop_assert_eq!(parse_members(&tar).unwrap(), expected);
    }

    #[test]
    fn any_archive_is_read_within_its_bounds(
        contents in vec(vec(any::<u8>(), 0..700), 1..4),
        flips in flips(),
        cut in 0usize..1200,
    ) {
        let mut tar = Vec::new();
        for content in &contents {
            append_member(&mut tar, MemberKind::Blob, &Id::of_blob(content), content);
        }
        let tar = damaged(tar, &flips, cut);
        for (_, _, range) in parse_members(&tar).unwrap_or_default() {
            prop_assert!(range.end <= tar.len());
        }
    }

    #[test]
    fn a_manifest_is_read_back_and_any_text_does_no_harm(
        chunks in vec((any::<[u8; 32]>(), any::<u32>()), 1..20),
        text in vec(any::<u8>(), 0..300),
    ) {
        let chunks: Vec<Chunk> =
            chunks.into_iter().map(|(id, size)| Chunk { id: Id::from_bytes(id), size }).collect();
        let mut written = Vec::new();
        for chunk in &chunks {
            write_line(&mut written, chunk);
        }
        prop_assert_eq!(parse_manifest(&written).unwrap(), chunks);
        let _ = parse_manifest(&text);
    }

    #[test]
    fn a_segment_finds_all_that_its_packs_have(indexes in vec(index(), 1..4)) {
        let mut builder = SegmentBuilder::default();
        for (number, index) in indexes.iter().enumerate() {
            builder.add_pack(Id::of_blob(&[number as u8]), index);
        }
        let mut bytes = Vec::new();
        builder.write_to(&mut bytes).unwrap();
        let segment = SegmentView::open(&bytes).unwrap();
        segment.verify().unwrap();
        for (number, index) in indexes.iter().enumerate() {
            for member in &index.members {
                let found = segment.locations(&member.id).any(|location| {
                    let location = location.unwrap();
                    location.pack == Id::of_blob(&[number as u8])
                        && location.kind == member.kind
                        && location.offset == member.offset
                        && location.frame == index.frames[member.frame as usize]
                });
                prop_assert!(found);
            }
        }
    }
}
