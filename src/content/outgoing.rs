//! Puts together what is sent: packs of the store as they are, new packs of copied frames, and the
//! segment over them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::frame::is_in_bounds;
use super::frame_check::FrameChecker;
use super::large_frame;
use super::packer::{Frame, FullPack, OpenPack};
use super::read::{Span, damaged};
use super::segments::SegmentSet;
use super::send::{OutgoingPack, OutgoingSegment, Place};
use super::spill::SegmentSpill;
use super::verify::indexed_members;
use super::{ContentStore, Session};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::id::Id;
use crate::pack::{FrameEntry, MemberEntry, MemberKind, PackIndex};
use crate::progress::{Progress, check_interrupt};

/// What is sent, while it is put together.
pub(super) struct Outgoing<'a> {
    store: &'a ContentStore,
    session: &'a Session,
    segments: &'a SegmentSet,
    /// The manifests that the segment may name, sorted.
    relied: &'a [Id],
    whole: Vec<OutgoingPack>,
    new: Vec<OutgoingPack>,
    open: Option<OpenPack>,
    contents: SegmentSpill<'a>,
    checker: FrameChecker,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        store: &'a ContentStore,
        session: &'a Session,
        segments: &'a SegmentSet,
        relied: &'a [Id],
    ) -> Self {
        Outgoing {
            store,
            session,
            segments,
            relied,
            whole: Vec::new(),
            new: Vec::new(),
            open: None,
            contents: SegmentSpill::new(session),
            checker: FrameChecker::default(),
        }
    }

    /// Takes on what is needed of one pack: `places` are all in it, sorted.
    pub(super) fn take(
        &mut self,
        pack: &Id,
        places: &[Place],
        progress: &dyn Progress,
    ) -> Result<()> {
        let path = self.store.pack_path(pack);
        let file = self.store.open_pack(pack)?;
        let (index, is_whole) = match self.store.pack_index(pack) {
            Ok(index) => (index, true),
            // What the index of the store knows of it may be good all the same.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                (indexed_members(self.segments, pack), false)
            }
            Err(error) => return Err(error),
        };
        let needed = needed_frames(&index, pack, places)?;
        let sum = |frames: &[FrameEntry]| frames.iter().map(|f| u64::from(f.stored)).sum::<u64>();
        if is_whole && 2 * sum(&needed) >= sum(&index.frames) {
            let size = file.metadata().on("read", &path)?.len();
            self.whole.push(OutgoingPack::of_store(*pack, size, path));
            return self.add_contents(*pack, index);
        }
        for frame in &needed {
            check_interrupt(progress)?;
            self.copy(&file, pack, frame)?;
        }
        Ok(())
    }

    /// Copies a frame into the open pack.
    fn copy(&mut self, file: &File, pack: &Id, frame: &FrameEntry) -> Result<()> {
        let span = || Span::new(file, frame.offset, u64::from(frame.stored));
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenPack::new(self.session)?,
        };
        if is_in_bounds(frame) {
            let mut bytes = vec![0; frame.stored as usize];
            file.read_exact_at(&mut bytes, frame.offset).map_err(|error| damaged(pack, error))?;
            let members = self.checker.members(&bytes, frame);
            let members = members.map_err(|problem| damaged(pack, problem))?;
            open.add(Frame { bytes, size: frame.size, members })?;
        } else {
            let mut input = std::io::BufReader::new(span());
            let member = large_frame::check(&mut input, frame.size);
            let member = member.map_err(|problem| damaged(pack, problem))?;
            open.add_large(&mut span(), (frame.stored, frame.size), member)?;
        }
        self.open = Some(open);
        if self.open.as_ref().is_some_and(|open| open.bytes >= self.store.params().pack_size) {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let FullPack { file, id, bytes, index } = open.close()?;
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
        self.close()?;
        let Outgoing { mut whole, new, contents, .. } = self;
        whole.extend(new);
        let segment = contents.finish()?;
        Ok((whole, segment.map(|made| OutgoingSegment::new(made.digest, made.size, made.file))))
    }
}

/// The frames of a pack in which the places lie, in the order of the pack. That the needed contents
/// are in them is what the pack itself says.
fn needed_frames(index: &PackIndex, pack: &Id, places: &[Place]) -> Result<Vec<FrameEntry>> {
    let mut members: Vec<(Place, u32)> = Vec::with_capacity(index.members.len());
    members.extend(index.members.iter().filter_map(|member| {
        let frame = index.frames.get(member.frame as usize)?.offset;
        let MemberEntry { offset, id, .. } = *member;
        let place = Place { pack: places[0].pack, frame, offset, id: Place::beginning(&id) };
        Some((place, member.frame))
    }));
    members.sort_unstable();
    let mut needed = Vec::new();
    let mut members = members.into_iter().peekable();
    for place in places {
        while members.next_if(|(member, _)| member < place).is_some() {}
        match members.peek() {
            Some((member, frame)) if member == place => needed.push(*frame),
            _ => return Err(contradicted(pack)),
        }
    }
    needed.sort_unstable();
    needed.dedup();
    Ok(needed.into_iter().map(|number| index.frames[number as usize]).collect())
}

fn contradicted(pack: &Id) -> Error {
    Error::corrupt(format!("the index says of the pack {pack} what the pack does not"))
        .with_hint("art fsck --repair")
}
