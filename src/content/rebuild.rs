//! Makes the index anew from the packs.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use super::{ContentStore, Session};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic;
use crate::id::Id;
use crate::pack::{FOOTER_LEN, FormatError, MemberKind, PackIndex, SegmentBuilder, read_footer};
use crate::progress::{Progress, Unit, check_interrupt};

/// An index that takes more bytes than this is not read into memory.
const MAX_INDEX: usize = 1 << 30;

/// What a rebuild found.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Packs that are in the index now.
    pub packs: usize,
    /// Entries in it.
    pub entries: usize,
    /// Packs whose own index can't be read, and why; they are left where they are.
    pub unreadable: Vec<(Id, Error)>,
}

impl ContentStore {
    /// A pack's own index, from its end.
    pub(crate) fn pack_index(&self, pack: &Id) -> Result<PackIndex> {
        let path = self.pack_path(pack);
        let file = File::open(&path).on("open", &path)?;
        let length = file.metadata().on("read", &path)?.len();
        let damaged = |defect: FormatError| {
            Error::corrupt(format!("the pack {pack} is damaged"))
                .with_source(defect)
                .with_hint("art fsck --full")
        };
        let footer_at = length.checked_sub(FOOTER_LEN as u64);
        let footer_at = footer_at.ok_or_else(|| damaged(FormatError::Truncated))?;
        let mut footer = [0; FOOTER_LEN];
        file.read_exact_at(&mut footer, footer_at).on("read", &path)?;
        let (offset, index_len) = read_footer(&footer, length).map_err(damaged)?;
        if index_len > MAX_INDEX {
            return Err(damaged(FormatError::OutOfBounds("the index")));
        }
        let mut bytes = vec![0; index_len];
        file.read_exact_at(&mut bytes, offset).on("read", &path)?;
        PackIndex::parse(&bytes, length).map_err(damaged)
    }

    /// The index of a pack whose own index is lost, from its frames. Reads and decompresses all.
    pub(crate) fn scan_pack(&self, pack: &Id) -> Result<PackIndex> {
        let path = self.pack_path(pack);
        let damaged = |defect: FormatError| {
            Error::corrupt(format!("the pack {pack} is damaged")).with_source(defect)
        };
        let file = File::open(&path).on("open", &path)?;
        let length = file.metadata().on("read", &path)?.len();
        let mut index = PackIndex::default();
        let mut offset = 0;
        let mut window = Vec::new();
        while offset < length {
            let Some((frame, members)) =
                super::verify::read_frame(&file, offset, length, &mut window).map_err(damaged)?
            else {
                break;
            };
            let number = index.frames.len() as u32;
            offset += u64::from(frame.stored);
            index.frames.push(frame);
            let members = members.into_iter();
            index.members.extend(members.map(|m| crate::pack::MemberEntry { frame: number, ..m }));
        }
        Ok(index)
    }

    /// Takes finished packs that no segment names into the index: a writer was killed between
    /// the two. Manifests are left out, for the chunks they name may never have been written.
    pub(super) fn adopt_orphans(&self, session: &Session) -> Result<()> {
        let known = self.refresh()?.packs();
        let mut builder = SegmentBuilder::default();
        for (pack, _) in self.packs()? {
            if known.contains(&pack) {
                continue;
            }
            // A pack that can't be read is fsck's to report; it is in nobody's way here.
            if let Ok(mut index) = self.pack_index(&pack) {
                index.members.retain(|member| member.kind != MemberKind::Manifest);
                builder.add_pack(pack, &index);
            }
        }
        self.add_segment(session, builder)
    }

    /// Replaces the whole index by one made from the packs. A manifest counts only if all of its
    /// chunks are there.
    pub fn rebuild_index(&self, session: &Session, progress: &dyn Progress) -> Result<Rebuilt> {
        let old = super::segments::segment_files(&self.index_dir())?;
        let packs = self.packs()?;
        progress.begin("reading packs", Some(packs.len() as u64), Unit::Items);
        let mut rebuilt = Rebuilt::default();
        let mut bytes = SegmentBuilder::default();
        let mut manifests = Vec::new();
        let mut present = HashSet::new();
        for (pack, _) in packs {
            check_interrupt(progress)?;
            match self.pack_index(&pack).or_else(|_| self.scan_pack(&pack)) {
                Ok(mut index) => {
                    let is_manifest = |kind| kind == MemberKind::Manifest;
                    let apart: Vec<_> =
                        index.members.extract_if(.., |m| is_manifest(m.kind)).collect();
                    present.extend(index.members.iter().map(|member| member.id));
                    bytes.add_pack(pack, &index);
                    manifests.push((pack, PackIndex { frames: index.frames, members: apart }));
                    rebuilt.packs += 1;
                }
                Err(error) => rebuilt.unreadable.push((pack, error)),
            }
            progress.advance(1);
        }
        rebuilt.entries = bytes.len();
        let fresh = self.write_fresh(session, bytes)?;
        for path in &old {
            if Some(path) != fresh.as_ref() {
                atomic::remove_file(path)?;
            }
        }
        self.refresh()?;
        let whole = self.whole_manifests(manifests, &present);
        rebuilt.entries += whole.len();
        self.add_segment(session, whole)?;
        Ok(rebuilt)
    }

    /// Keeps the manifests whose chunks are all present.
    fn whole_manifests(
        &self,
        packs: Vec<(Id, PackIndex)>,
        present: &HashSet<Id>,
    ) -> SegmentBuilder {
        let mut builder = SegmentBuilder::default();
        let mut reader = self.reader();
        for (pack, mut index) in packs {
            let frames = index.frames.clone();
            index.members.retain(|member| {
                let Some(frame) = frames.get(member.frame as usize) else { return false };
                let location = crate::pack::Location {
                    kind: MemberKind::Manifest,
                    pack,
                    frame: *frame,
                    offset: member.offset,
                    size: member.size,
                };
                let mut whole = true;
                let read = reader.chunks(&location, |chunk| {
                    whole &= present.contains(&chunk.id);
                    Ok(())
                });
                read.is_ok() && whole
            });
            if !index.members.is_empty() {
                builder.add_pack(pack, &index);
            }
        }
        builder
    }
}

/// Reads up to `limit` bytes at `offset`; fewer at the end.
pub(super) fn read_at_most(file: &File, offset: u64, limit: usize) -> std::io::Result<Vec<u8>> {
    struct At<'a>(&'a File, u64);
    impl Read for At<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let got = self.0.read_at(buffer, self.1)?;
            self.1 += got as u64;
            Ok(got)
        }
    }
    let mut bytes = Vec::new();
    At(file, offset).take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
