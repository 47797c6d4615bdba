//! Recreates missing or damaged index segments from the packs' own indexes.

use super::RepairRun;
use crate::content::{Need, NewSegment, OutgoingSegment, read_pack_index_at};
use crate::error::Result;
use crate::id::Id;
use crate::ops::fsck::remote::visit_chunks;
use crate::pack::{MemberKind, PackIndex};
use crate::progress::{Unit, check_interrupt};
use crate::remote::FileKind;

impl RepairRun<'_> {
    /// Creates segments for all members of packs that no intact segment covers. Returns true if the
    /// index was complete already.
    pub(super) fn make_segments(&mut self) -> Result<bool> {
        let has_unknown = self.found.lost.unknown + self.found.overtaken.lost.unknown > 0;
        if self.found.files.wrong(FileKind::Segment).is_empty() && !has_unknown {
            return Ok(true);
        }
        let unknown = self.unknown_members()?;
        let (mut bytes, mut manifests) = (NewSegment::new(&self.session), Vec::new());
        for (pack, mut index) in unknown {
            let lists: Vec<_> = index
                .members
                .extract_if(.., |member| member.kind == MemberKind::Manifest)
                .collect();
            if !index.members.is_empty() {
                bytes.add(pack, &index)?;
            }
            manifests.push((pack, PackIndex { members: lists, ..index }));
        }
        let bytes = bytes.finish()?;
        self.take(bytes)?;
        let manifests = self.whole_manifests(manifests)?;
        self.take(manifests)?;
        Ok(false)
    }

    /// Reads the packs' own indexes. Returns the members that no intact segment locates in their
    /// packs.
    fn unknown_members(&mut self) -> Result<Vec<(Id, PackIndex)>> {
        let packs = self.found.files.right(FileKind::Pack, &self.found.audit.remote_state);
        self.progress.begin("reading packs' indexes", Some(packs.len() as u64), Unit::Items);
        let indexes = self.found.store.at_once(&packs, &|(pack, size)| {
            check_interrupt(self.progress)?;
            let key = FileKind::Pack.key(*pack);
            let read = |range| self.found.store.read_range(&key, range);
            let index = read_pack_index_at(&read, *size);
            self.progress.advance(1);
            Ok(match index {
                Ok(index) => Ok(self.unknown(pack, index)),
                Err(error) => Err(self.found.store.defect_of(&key, error)?),
            })
        })?;
        let mut unknown = Vec::new();
        for ((pack, _), index) in packs.into_iter().zip(indexes) {
            match index {
                Ok(index) => unknown.push((pack, index)),
                Err(problem) => self.found.files.record_problem(FileKind::Pack, pack, problem),
            }
        }
        Ok(unknown)
    }

    /// Returns the members of a pack that no intact segment locates in this pack.
    fn unknown(&self, pack: &Id, mut index: PackIndex) -> PackIndex {
        index.members.retain(|member| {
            let places = self.found.index.locations(&member.id);
            !places.iter().any(|place| place.pack == *pack && place.kind == member.kind)
        });
        index
    }

    /// Creates a segment for the manifests whose chunks all exist.
    fn whole_manifests(&self, packs: Vec<(Id, PackIndex)>) -> Result<Option<OutgoingSegment>> {
        let mut segment = NewSegment::new(&self.session);
        let (view, places) = (self.found.view(self.progress), self.found.places());
        for (pack, mut index) in packs {
            let mut broken = Vec::new();
            let mut frames: Vec<u32> = index.members.iter().map(|member| member.frame).collect();
            frames.dedup();
            for number in frames {
                let Some(frame) = index.frames.get(number as usize).copied() else { continue };
                let read = visit_chunks(view, &pack, &frame, &mut |manifest, chunk| {
                    let location = places.locate(&chunk.id, Need::Bytes);
                    if location.is_none_or(|location| location.size != chunk.size) {
                        broken.push(*manifest);
                    }
                });
                if let Err(error) = read {
                    view.store.defect_of(&FileKind::Pack.key(pack), error)?;
                    let own = index.members.iter().filter(|member| member.frame == number);
                    broken.extend(own.map(|member| member.id));
                }
            }
            index.members.retain(|member| !broken.contains(&member.id));
            if !index.members.is_empty() {
                segment.add(pack, &index)?;
            }
        }
        segment.finish()
    }

    /// Adds the new segment to the known segments of the remote.
    fn take(&mut self, segment: Option<OutgoingSegment>) -> Result<()> {
        let Some(segment) = segment else { return Ok(()) };
        self.found.index.add(segment.id, segment.path())?;
        self.new.segments.push(segment);
        Ok(())
    }
}
