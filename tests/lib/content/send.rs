//! A send plan has all needed content and no content that the destination has. A pack is sent
//! unchanged if most of it is needed.

use artifacts::content::{HasContent, Need};
use artifacts::pack::{MemberKind, SegmentView};
use artifacts::{ErrorKind, Id, NoProgress};

use super::super::damaged::craft;
use super::{Place, noise, vast};

/// Many small files and a few in chunks: some packs of 1 MiB.
fn contents(seed: u64) -> Vec<Vec<u8>> {
    let small = (0..300).map(|n| noise(seed * 1000 + n, 700 + n as usize));
    let long = (0..6).map(|n| noise(seed * 1000 + 500 + n, 500_000));
    small.chain(long).collect()
}

#[test]
fn all_that_is_needed_arrives_and_then_nothing_is_sent() {
    let (here, there) = (Place::new(), Place::new());
    let contents = contents(1);
    let files = here.put(&contents);
    let session = here.store.begin().unwrap();
    let plan = here.plan_to(&there, &session, &files);
    assert!(plan.missing.is_empty());
    assert!(plan.packs.len() > 2 && plan.packs.iter().all(|pack| !pack.is_new));
    there.take(&plan);
    let sizes = plan.packs.iter().map(|pack| pack.size).sum::<u64>();
    assert_eq!(plan.bytes, sizes + plan.segment.as_ref().unwrap().size);
    there.assert_sound();
    for (id, content) in files.iter().zip(&contents) {
        assert_eq!(&there.read(id).unwrap(), content);
    }
    let again = here.plan_to(&there, &session, &files);
    assert!(again.packs.is_empty() && again.segment.is_none() && again.missing.is_empty());
    assert_eq!(again.bytes, 0);
}

#[test]
fn frames_of_a_mostly_unneeded_pack_are_copied_unchanged() {
    let (here, there) = (Place::new(), Place::new());
    let contents = contents(2);
    let files = here.put(&contents);
    let some: Vec<Id> = files.iter().step_by(40).copied().collect();
    let session = here.store.begin().unwrap();
    let plan = here.plan_to(&there, &session, &some);
    assert!(plan.packs.iter().any(|pack| pack.is_new));
    let again = here.plan_to(&there, &session, &some);
    let names = |plan: &artifacts::content::SendPlan| -> Vec<Id> {
        plan.packs.iter().map(|pack| pack.id).chain([plan.segment.as_ref().unwrap().id]).collect()
    };
    assert_eq!(names(&plan), names(&again));
    there.take(&plan);
    for pack in plan.packs.iter().filter(|pack| pack.is_new) {
        let path = there.store.pack_path(&pack.id);
        let new = craft::Pack::read(&path);
        let originals: Vec<_> = craft::packs(here.path())
            .iter()
            .flat_map(|path| craft::Pack::read(path).frames)
            .collect();
        assert!(new.frames.iter().all(|frame| originals.contains(frame)));
    }
    there.assert_sound();
    for (number, id) in files.iter().enumerate().step_by(40) {
        assert_eq!(there.read(id).unwrap(), contents[number]);
    }
    assert!(plan.bytes < 2 << 20, "{} bytes", plan.bytes);
    let path = plan.packs.iter().find(|pack| pack.is_new).unwrap().path.clone();
    drop(plan);
    assert!(!path.exists());
}

#[test]
fn present_chunks_are_not_sent_again() {
    let (here, there) = (Place::new(), Place::new());
    let mut content = noise(3, 1_500_000);
    let first = here.put(&[content.clone()]);
    let session = here.store.begin().unwrap();
    there.take(&here.plan_to(&there, &session, &first));
    content.splice(700_000..700_010, *b"other bytes, and more of them");
    let second = here.put(&[content.clone()]);
    let plan = here.plan_to(&there, &session, &second);
    assert!(plan.bytes < 100_000, "{} bytes", plan.bytes);
    there.take(&plan);
    there.assert_sound();
    assert_eq!(there.read(&second[0]).unwrap(), content);
}

#[test]
fn a_manifest_is_relied_on_only_if_it_was_asked_for() {
    let (here, there) = (Place::new(), Place::new());
    let files = here.put(&[noise(4, 60_000), noise(5, 20_000), noise(6, 50)]);
    let session = here.store.begin().unwrap();
    // More than half of one pack is needed, so the whole pack is sent.
    let plan = here.plan_to(&there, &session, &files[..1]);
    assert_eq!(plan.packs.len(), 1);
    assert!(!plan.packs[0].is_new);
    let bytes = std::fs::read(plan.segment.as_ref().unwrap().path()).unwrap();
    let segment = SegmentView::open(&bytes).unwrap();
    assert!(segment.find(&files[0]).is_some());
    assert!(segment.find(&files[1]).is_none());
    assert!(segment.find(&files[2]).is_some());
    there.take(&plan);
    there.assert_sound();
    // A later request needs only its manifest, because its chunks are present.
    let plan = here.plan_to(&there, &session, &files[1..]);
    assert!(plan.bytes < 5_000, "{} bytes", plan.bytes);
    there.take(&plan);
    there.assert_sound();
    assert_eq!(there.read(&files[1]).unwrap(), noise(5, 20_000));
}

#[test]
fn a_part_of_a_file_must_be_present_as_bytes() {
    let (here, there) = (Place::new(), Place::new());
    let content = noise(7, 60_000);
    let files = here.put(std::slice::from_ref(&content));
    let session = here.store.begin().unwrap();
    // In the other store, each chunk is only known as a file that is itself in chunks.
    let is_there: &mut HasContent<'_> = &mut |id, need| Ok(need == Need::File && *id != files[0]);
    let plan = here.store.plan_send(&session, &files, is_there, &NoProgress).unwrap();
    there.take(&plan);
    assert_eq!(there.read(&files[0]).unwrap(), content);
}

#[test]
fn content_in_neither_store_is_named() {
    let (here, there) = (Place::new(), Place::new());
    let files = here.put(&[noise(8, 30_000), noise(9, 30_000), noise(10, 40)]);
    let absent = Id::of_blob(b"absent");
    let session = here.store.begin().unwrap();
    let asked = [absent, files[2], absent];
    let plan = here.plan_to(&there, &session, &asked);
    assert_eq!(plan.missing, [absent]);
    assert_eq!(plan.packs.len(), 1);
    // A file without one of its chunks is missing as a whole, and no segment names it.
    let lost = Id::of_blob(&craft_chunk(&here, &files[0]));
    craft::write_segment(here.path(), |index| index.members.retain(|member| member.id != lost));
    let plan = here.plan_to(&there, &session, &files);
    assert_eq!(plan.missing, [files[0]]);
    let bytes = std::fs::read(plan.segment.as_ref().unwrap().path()).unwrap();
    assert!(SegmentView::open(&bytes).unwrap().find(&files[0]).is_none());
    there.take(&plan);
    assert_eq!(there.read(&files[1]).unwrap(), noise(9, 30_000));
}

/// The bytes of some chunk of a file.
fn craft_chunk(place: &Place, file: &Id) -> Vec<u8> {
    let content = place.read(file).unwrap();
    let is_chunk = |end: &usize| place.has(&Id::of_blob(&content[..*end]), Need::Bytes);
    let end = (1..content.len()).find(is_chunk).unwrap();
    content[..end].to_vec()
}

#[test]
fn a_damaged_frame_is_not_copied_and_a_lying_index_is_noticed() {
    let (here, there) = (Place::new(), Place::new());
    let files = here.put(&contents(11));
    let session = here.store.begin().unwrap();
    let is_there: &mut HasContent<'_> = &mut |_, _| Ok(false);
    let path = here.store.pack_path(&here.store.locate(&files[0]).unwrap().unwrap().pack);
    let place = here.store.locate(&files[0]).unwrap().unwrap();
    craft::change(&path, |bytes| {
        let middle = place.frame.offset as usize + place.frame.stored as usize / 2;
        bytes[middle] ^= 1;
    });
    let refused = here.store.plan_send(&session, &files[..1], is_there, &NoProgress).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    craft::change(&path, |bytes| {
        let middle = place.frame.offset as usize + place.frame.stored as usize / 2;
        bytes[middle] ^= 1;
    });
    here.store.plan_send(&session, &files[..1], is_there, &NoProgress).unwrap();
    craft::write_segment(here.path(), |index| {
        for member in &mut index.members {
            if member.id == files[0] {
                member.offset += 1;
                member.size -= 1;
            }
        }
    });
    let refused = here.store.plan_send(&session, &files[..1], is_there, &NoProgress).unwrap_err();
    assert_eq!((refused.kind(), refused.hint()), (ErrorKind::Corrupt, Some("art fsck --repair")));
    drop(there);
}

#[test]
fn a_manifest_larger_than_memory_is_sent() {
    let (here, there) = (Place::new(), Place::new());
    let (chunk, manifest, file) = vast();
    let part = Id::of_blob(&chunk);
    let other = noise(12, 2 << 20);
    let frames = [
        vec![(MemberKind::Blob, Id::of_blob(&other), &other[..])],
        vec![(MemberKind::Chunk, part, &chunk[..])],
        vec![(MemberKind::Manifest, file, &manifest[..])],
    ];
    here.put_pack(&frames);
    let session = here.store.begin().unwrap();
    let plan = here.plan_to(&there, &session, &[file]);
    assert!(plan.packs.len() == 1 && plan.packs[0].is_new);
    there.take(&plan);
    let size = there.store.reader().size(&file).unwrap();
    assert_eq!(size, here.store.reader().size(&file).unwrap());
    there.assert_sound();
}
