//! Assembles the files to send: whole packs of the store, new packs of copied frames, and a segment
//! that indexes them.

use super::copy::FrameCopier;
use super::needed_places::{NeededPlace, needed_frames, stored};
use super::other_name::{IsDead, rename_pack, rename_segment};
use super::outgoing_file::{OutgoingPack, OutgoingSegment};
use super::packer::FullPack;
use super::segments::SegmentSet;
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{MemberKind, PackIndex};
use crate::progress::{Progress, check_interrupt};

/// The files to send, while they are assembled.
pub(super) struct Outgoing<'a> {
    store: &'a ContentStore,
    segments: &'a SegmentSet,
    /// The manifests that the segment may name, sorted.
    relied: &'a [Id],
    whole: Vec<OutgoingPack>,
    new: Vec<OutgoingPack>,
    copier: FrameCopier<'a>,
    contents: SegmentSpill<'a>,
    session: &'a Session,
    is_dead: IsDead<'a>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        store: &'a ContentStore,
        session: &'a Session,
        (segments, relied): (&'a SegmentSet, &'a [Id]),
        is_dead: IsDead<'a>,
    ) -> Self {
        let (whole, new) = (Vec::new(), Vec::new());
        let copier = FrameCopier::new(session, store.params().pack_size);
        let contents = SegmentSpill::new(session);
        Outgoing { store, segments, relied, whole, new, copier, contents, session, is_dead }
    }

    /// Adds the needed content of one pack; `places` are the locations of that content, sorted.
    pub(super) fn take(
        &mut self,
        pack: &Id,
        places: &[NeededPlace],
        progress: &dyn Progress,
    ) -> Result<()> {
        let file = self.store.open_pack(pack)?;
        let (index, is_whole) = match self.store.pack_index(pack) {
            Ok(index) => (index, true),
            // If the pack's own index is damaged, the store's index of the pack may still be good.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                (indexed_members(self.segments, pack), false)
            }
            Err(error) => return Err(error),
        };
        let needed = needed_frames(&index, pack, places)?;
        let needed = || needed.iter().map(|number| &index.frames[*number as usize]);
        if is_whole && 2 * stored(needed()) >= stored(index.frames.iter()) {
            let path = self.store.pack_path(pack);
            let size = file.metadata().on("read", &path)?.len();
            if (self.is_dead)(pack) {
                let (id, bytes, file) = rename_pack(self.session, &file, size, self.is_dead)?;
                return self.add_new(FullPack { file, id, bytes, index });
            }
            self.whole.push(OutgoingPack::of_store(*pack, size, path));
            return self.add_contents(*pack, index);
        }
        for frame in needed() {
            check_interrupt(progress)?;
            if let Some(full) = self.copier.copy(&file, pack, frame)? {
                self.add_new(full)?;
            }
        }
        Ok(())
    }

    fn add_new(&mut self, full: FullPack) -> Result<()> {
        let FullPack { mut file, mut id, mut bytes, index } = full;
        if (self.is_dead)(&id) {
            (id, bytes, file) = rename_pack(self.session, file.file(), bytes, self.is_dead)?;
        }
        self.new.push(OutgoingPack::new(id, bytes, file));
        self.add_contents(id, index)
    }

    fn add_contents(&mut self, pack: Id, mut index: PackIndex) -> Result<()> {
        index.members.retain(|member| {
            member.kind != MemberKind::Manifest || self.relied.binary_search(&member.id).is_ok()
        });
        self.contents.add(pack, &index)
    }

    pub(super) fn finish(mut self) -> Result<(Vec<OutgoingPack>, Option<OutgoingSegment>)> {
        if let Some(full) = self.copier.finish()? {
            self.add_new(full)?;
        }
        let Outgoing { mut whole, new, contents, session, is_dead, .. } = self;
        whole.extend(new);
        let Some(made) = contents.finish()? else { return Ok((whole, None)) };
        let (id, file) = if is_dead(&made.digest) {
            rename_segment(session, &made.file, is_dead)?
        } else {
            (made.digest, made.file)
        };
        Ok((whole, Some(OutgoingSegment::new(id, made.size, file))))
    }
}

/// A segment of another store's packs, built in bounded memory.
pub struct NewSegment<'a>(SegmentSpill<'a>);

impl<'a> NewSegment<'a> {
    /// Creates an empty segment, whose file belongs to `session`.
    pub fn new(session: &'a Session) -> Self {
        NewSegment(SegmentSpill::new(session))
    }

    /// Adds the members of a pack.
    pub fn add(&mut self, pack: Id, index: &PackIndex) -> Result<()> {
        self.0.add(pack, index)
    }

    /// Writes the segment. Returns `None` if the segment is empty.
    pub fn finish(self) -> Result<Option<OutgoingSegment>> {
        let made = self.0.finish()?;
        Ok(made.map(|made| OutgoingSegment::new(made.digest, made.size, made.file)))
    }
}

impl std::fmt::Debug for NewSegment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSegment").finish_non_exhaustive()
    }
}
