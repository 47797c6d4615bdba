//! Transfer of content between stores: sent, received and dropped content.

mod drop;
mod foreign;
mod moved;
mod receive;
mod send;

use std::collections::BTreeSet;
use std::path::Path;

use artifacts::content::{
    ContentStore, HasContent, IngestItem, ItemKind, Need, Params, SendPlan, Session,
};
use artifacts::fs::beneath::Beneath;
use artifacts::fs::stat::Stat;
use artifacts::id::Digest;
use artifacts::pack::{
    FrameEntry, MemberEntry, MemberKind, PackIndex, SegmentBuilder, SegmentView, append_member,
    end_frame, write_line,
};
use artifacts::{Id, NoProgress, Result};

/// Small chunks and frames, so that few bytes have many of them; packs of 1 MiB.
pub(crate) const PARAMS: Params = Params {
    chunk_min: 1 << 10,
    chunk_avg: 4 << 10,
    chunk_max: 8 << 10,
    frame_size: 8 << 10,
    pack_size: 1 << 20,
    level: 3,
};

/// A content store in a directory of its own.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) store: ContentStore,
}

pub(crate) use crate::noise::noise;

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        ContentStore::init(directory.path()).unwrap();
        let store = ContentStore::open(directory.path(), PARAMS).unwrap();
        Place { directory, store }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Stores contents and returns their ids.
    pub(crate) fn put(&self, contents: &[Vec<u8>]) -> Vec<Id> {
        let work = tempfile::tempdir().unwrap();
        let items: Vec<IngestItem> = (0..contents.len())
            .map(|number| {
                let name = format!("{number:06}.bin");
                let path = work.path().join(&name);
                std::fs::write(&path, &contents[number]).unwrap();
                let stat = Stat::of_file(&std::fs::File::open(&path).unwrap()).unwrap();
                IngestItem { path: name.into(), kind: ItemKind::File(stat) }
            })
            .collect();
        let session = self.store.begin().unwrap();
        let root = Beneath::open(work.path()).unwrap();
        let done = self.store.ingest(&session, &root, &items, 2, &NoProgress).unwrap();
        done.items.into_iter().map(|item| item.unwrap().0).collect()
    }

    /// Returns true if the store has the needed part of `id`.
    pub(crate) fn has(&self, id: &Id, need: Need) -> bool {
        let place = self.store.locate(id).unwrap();
        place.is_some_and(|place| need == Need::File || place.kind != MemberKind::Manifest)
    }

    pub(crate) fn read(&self, id: &Id) -> Result<Vec<u8>> {
        self.store.reader().read(id, u64::MAX)
    }

    /// Checks that a full check finds nothing.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let store = ContentStore::open(self.path(), PARAMS).unwrap();
        let mut check = store.check().unwrap();
        check.check_packs(true, 2, &NoProgress).unwrap();
        check.check_manifests(true, 2, &NoProgress).unwrap();
        assert_eq!(check.defects(), []);
    }

    /// Receives the packs and the segment of a plan.
    pub(crate) fn take(&self, plan: &SendPlan) {
        for pack in &plan.packs {
            let bytes = std::fs::read(&pack.path).unwrap();
            assert_eq!((Digest::of(&bytes), bytes.len() as u64), (pack.id, pack.size));
            std::fs::write(self.store.pack_path(&pack.id), bytes).unwrap();
        }
        if let Some(segment) = &plan.segment {
            let bytes = std::fs::read(segment.path()).unwrap();
            assert_eq!((Digest::of(&bytes), bytes.len() as u64), (segment.id, segment.size));
            SegmentView::open(&bytes).unwrap().verify().unwrap();
            let name = Id::from_slice(&bytes[bytes.len() - Id::LEN..]).unwrap();
            std::fs::write(self.path().join("index").join(format!("{name}.idx")), bytes).unwrap();
        }
    }

    /// Plans the content to send to `other`.
    pub(crate) fn plan_to(&self, other: &Place, session: &Session, files: &[Id]) -> SendPlan {
        let is_there: &mut HasContent<'_> = &mut |id, need| Ok(other.has(id, need));
        self.store.plan_send(session, files, is_there, &NoProgress).unwrap()
    }

    /// All ids in the index with their kinds.
    pub(crate) fn indexed(&self) -> BTreeSet<(Id, MemberKind)> {
        let entries = self.store.entries().unwrap();
        (0..entries.len())
            .map(|number| entries.get(number).unwrap())
            .map(|(id, place)| (id, place.kind))
            .collect()
    }

    /// Adds a pack of these frames, each with its members, and a segment for it.
    pub(crate) fn put_pack(&self, frames: &[Vec<(MemberKind, Id, &[u8])>]) -> Id {
        let (mut bytes, mut index) = (Vec::new(), PackIndex::default());
        for members in frames {
            let (tar, own) = frame_of(members);
            let stored = zstd::bulk::compress(&tar, 3).unwrap();
            let frame = index.frames.len() as u32;
            index.frames.push(FrameEntry {
                offset: bytes.len() as u64,
                stored: stored.len() as u32,
                size: tar.len() as u64,
            });
            index.members.extend(own.into_iter().map(|member| MemberEntry { frame, ..member }));
            bytes.extend(stored);
        }
        bytes.extend(end_frame());
        bytes.extend(index.to_skippable_frame());
        let id = Digest::of(&bytes);
        std::fs::write(self.store.pack_path(&id), &bytes).unwrap();
        let mut builder = SegmentBuilder::default();
        builder.add_pack(id, &index);
        let mut segment = Vec::new();
        let name = builder.write_to(&mut segment).unwrap();
        std::fs::write(self.path().join("index").join(format!("{name}.idx")), segment).unwrap();
        id
    }
}

/// The archive of a frame and its members.
pub(crate) fn frame_of(members: &[(MemberKind, Id, &[u8])]) -> (Vec<u8>, Vec<MemberEntry>) {
    let (mut tar, mut own) = (Vec::new(), Vec::new());
    for (kind, id, content) in members {
        let offset = append_member(&mut tar, *kind, id, content) as u32;
        let size = content.len() as u32;
        own.push(MemberEntry { id: *id, kind: *kind, frame: 0, offset, size });
    }
    (tar, own)
}

/// A file of equal chunks whose manifest is larger than the memory limit. Returns the chunk, the
/// manifest and the id of the file.
pub(crate) fn vast() -> (Vec<u8>, Vec<u8>, Id) {
    let chunk = vec![b'v'; 16];
    let mut line = Vec::new();
    write_line(&mut line, &artifacts::pack::Chunk { id: Id::of_blob(&chunk), size: 16 });
    let count = usize::try_from(Params::MAX_FRAME).unwrap() / line.len() + 1;
    (chunk.clone(), line.repeat(count), Id::of_blob(&chunk.repeat(count)))
}
