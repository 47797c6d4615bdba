//! Writes the files that replace others: packs with the needed frames of packs that are mostly not
//! needed, and one index segment of what stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::super::connection::Connection;
use super::super::content::RemoteContent;
use super::super::object_reader::ObjectReader;
use super::mark::{Marked, NeededFrames};
use crate::content::{CompactedPack, OutgoingSegment, PackCompactor, Session, filter_segments};
use crate::error::{IoResultExt, Result};
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::log::Stored;
use crate::remote::{FileKind, PerKind};

/// New files on the remote that no entry names yet.
#[derive(Default)]
pub(super) struct NewFiles {
    pub(super) files: PerKind<Vec<Stored>>,
    /// The local copies of the new segments.
    pub(super) segments: Vec<OutgoingSegment>,
    /// The bytes of the new packs.
    pub(super) bytes: u64,
}

impl Connection<'_> {
    /// Copies the needed frames of the packs `sources` into new packs, and stores these with a
    /// segment for each. Then stores one segment of all live entries, without those of the packs
    /// `removed`.
    pub(super) fn write_replacements(
        &self,
        session: &Session,
        marked: &Marked,
        sources: &BTreeMap<Id, NeededFrames>,
        removed: &BTreeSet<Id>,
        progress: &dyn Progress,
    ) -> Result<NewFiles> {
        let content = self.content()?;
        let total = sources.values().map(|frames| frames.bytes).sum();
        progress.begin("copying needed content", Some(total), Unit::Bytes);
        let pack_size = self.repo.content().params().pack_size;
        let mut new = NewFiles::default();
        let mut compactor = PackCompactor::new(session);
        let mut bytes = 0;
        for (pack, frames) in sources {
            check_interrupt(progress)?;
            self.copy_frames(session, pack, frames, &mut compactor, progress)?;
            bytes += frames.bytes;
            if bytes >= pack_size {
                let full = std::mem::replace(&mut compactor, PackCompactor::new(session));
                self.store_pack(session, marked, &content, full, &mut new)?;
                bytes = 0;
            }
        }
        self.store_pack(session, marked, &content, compactor, &mut new)?;
        let packs = &self.state.remote_state().packs;
        let segment = filter_segments(session, &marked.segments, &|id, place| {
            packs.contains_key(&place.pack)
                && !removed.contains(&place.pack)
                && marked.keeps_entry(id, place.kind)
        })?;
        if let Some(segment) = segment {
            self.store_segment(session, segment, &mut new)?;
        }
        Ok(new)
    }

    /// Copies frames of one pack, from the local copy of the pack if there is one.
    fn copy_frames(
        &self,
        session: &Session,
        pack: &Id,
        frames: &NeededFrames,
        compactor: &mut PackCompactor<'_>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let is_wanted = |offset: u64| frames.offsets.contains(&offset);
        let state = self.state.remote_state();
        let live = state.packs.get(pack).copied();
        let size = live.or_else(|| Some(state.retired.get(pack)?.size)).unwrap_or(0);
        let local = self.repo.content().pack_path(pack);
        let is_same = |found: std::fs::Metadata| found.is_file() && found.len() == size;
        if std::fs::metadata(&local).is_ok_and(is_same)
            && compactor.add_frames(pack, &local, &is_wanted, progress).is_ok()
        {
            return Ok(());
        }
        let mut file = session.temp_file()?;
        let key = FileKind::Pack.key(*pack);
        let mut source = ObjectReader::new(self.log.store(), key, 0..size, progress);
        io::copy(&mut source, &mut file).on("write", file.path())?;
        compactor.add_frames(pack, file.path(), &is_wanted, progress)
    }

    fn store_pack(
        &self,
        session: &Session,
        marked: &Marked,
        content: &RemoteContent<'_>,
        compactor: PackCompactor<'_>,
        new: &mut NewFiles,
    ) -> Result<()> {
        let Some(pack) = compactor.finish()? else { return Ok(()) };
        let is_dead = |id: &Id| self.state.remote_state().is_dead(id);
        let pack = pack.with_free_name(session, &is_dead)?;
        let segment = pack.segment(session, &|from, member| {
            let places = content.locations(&member.id);
            let is_named =
                places.iter().any(|place| place.pack == *from && place.kind == member.kind);
            is_named && marked.keeps_entry(&member.id, member.kind)
        })?;
        let Some(segment) = segment else { return Ok(()) };
        let stored = self.store_new_pack(&pack)?;
        new.bytes += stored.size;
        new.files.packs.push(stored);
        self.store_segment(session, segment, new)
    }

    fn store_new_pack(&self, pack: &CompactedPack) -> Result<Stored> {
        self.log.store().write_file(&FileKind::Pack.key(pack.id()), pack.path())?;
        Ok(Stored { id: pack.id(), size: pack.size() })
    }

    fn store_segment(
        &self,
        session: &Session,
        segment: OutgoingSegment,
        new: &mut NewFiles,
    ) -> Result<()> {
        let is_dead = |id: &Id| self.state.remote_state().is_dead(id);
        let segment = segment.with_free_name(session, &is_dead)?;
        let key = FileKind::Segment.key(segment.id);
        self.log.store().write_file(&key, segment.path())?;
        new.files.segments.push(Stored { id: segment.id, size: segment.size });
        new.segments.push(segment);
        Ok(())
    }
}
