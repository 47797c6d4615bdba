//! The history that a push sends: one Git pack with all objects that the remote does not have.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::History;
use super::expiry::Expiry;
use super::object_pack::{EntryEncoder, finish_pack, pack_header};
use super::reach::{Expired, Reach, Visitor, missing_object};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, Unit};

/// The number of names to try for a pack.
const NAMES: u32 = 100;

/// The objects that are reachable from some commits and not from others.
#[derive(Debug)]
pub struct Outgoing {
    /// The pack, or `None` if there are no objects or no pack was requested.
    pub pack: Option<OutgoingPack>,
    /// The number of Git objects: commits, tags, trees and record files.
    pub objects: u64,
    /// The number of commits among them.
    pub commits: u64,
    /// The size of the objects in bytes before they are deflated.
    pub bytes: u64,
    /// The contents that the new trees name and the old trees do not, as far as the two were
    /// compared. Sorted, without duplicates. They are not in the pack.
    pub content: Vec<Id>,
}

/// The objects that a walk collects: those that are reachable from `tips` and not from `have`.
#[derive(Clone, Copy)]
pub(crate) struct OutgoingWalk<'a> {
    /// The commits to send.
    pub(crate) tips: &'a [Id],
    /// Commits that the other side has.
    pub(crate) have: &'a [Id],
    /// The commits whose content expired; `None` if no content expired.
    pub(crate) expired: Option<Expired<'a>>,
}

/// A Git pack in a temporary file that is removed when this is dropped.
#[derive(Debug)]
pub struct OutgoingPack {
    /// The pack. It is not synced, because it is temporary.
    pub file: TempFile,
    /// The SHA-256 of all bytes of the file. Git's own name for the pack excludes the last 32
    /// bytes, which contain that name.
    pub id: Id,
    /// The length in bytes.
    pub size: u64,
}

impl History {
    /// Writes the Git objects that are reachable from `tips` and not from `have` to a pack in
    /// `directory`. Commits of `have` that are not in this repository are ignored. `tips` and
    /// `have` are commits or annotated tags.
    ///
    /// The same repository, tips and `have` produce the same bytes. Objects are streamed; only ids
    /// are in memory. The pack may contain a few objects that `have` reaches: objects at another
    /// path in an older tree, and commits if clocks differed a lot or if `have` has more than a
    /// thousand entries.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if an object is missing or damaged.
    pub fn write_pack_of(
        &self,
        tips: &[Id],
        have: &[Id],
        directory: &Path,
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        let walk = OutgoingWalk { tips, have, expired: None };
        self.write_outgoing(&walk, directory, &|_| false, progress)
    }

    /// Like [`History::write_pack_of`], for a walk that heeds expired content. The pack has no name for
    /// which `is_dead` returns true: the same objects, deflated in another way, have another name.
    pub(crate) fn write_outgoing(
        &self,
        walk: &OutgoingWalk<'_>,
        directory: &Path,
        is_dead: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        let mut encoder = EntryEncoder::new();
        for _ in 0..NAMES {
            let outgoing = self.write_with(encoder, walk, directory, progress)?;
            if outgoing.pack.as_ref().is_none_or(|pack| !is_dead(&pack.id)) {
                return Ok(outgoing);
            }
            encoder = EntryEncoder::varied();
        }
        Err(Error::internal("no free name was found for a pack to send"))
    }

    fn write_with(
        &self,
        encoder: EntryEncoder,
        walk: &OutgoingWalk<'_>,
        directory: &Path,
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        let file = TempFile::new_in(directory)?;
        let mut out = BufWriter::with_capacity(1 << 18, file.file());
        // The number of objects is known only at the end.
        out.write_all(&pack_header(0)).on("write", file.path())?;
        let pack = Pack { out: &mut out, path: file.path(), encoder };
        let mut outgoing = self.collect(walk, Some(pack), progress)?;
        out.flush().on("write", file.path())?;
        drop(out);
        if outgoing.objects > 0 {
            let (id, size) = finish_pack(file.file(), outgoing.objects).on("write", file.path())?;
            outgoing.pack = Some(OutgoingPack { file, id, size });
        }
        Ok(outgoing)
    }

    /// Returns the result of [`History::write_pack_of`] without writing a pack.
    pub fn survey_pack_of(
        &self,
        tips: &[Id],
        have: &[Id],
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        self.survey_outgoing(&OutgoingWalk { tips, have, expired: None }, progress)
    }

    /// Returns the result of [`History::write_outgoing`] without writing a pack.
    pub(crate) fn survey_outgoing(
        &self,
        walk: &OutgoingWalk<'_>,
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        self.collect(walk, None, progress)
    }

    /// The contents that the history of `tips` needs: without the contents that only expired
    /// commits have. Sorted, without duplicates.
    pub(crate) fn needed_content(
        &self,
        tips: &[Id],
        expiry: &Expiry,
        progress: &dyn Progress,
    ) -> Result<Vec<Id>> {
        let expired = Some(Expired { now: expiry, ever: expiry });
        let walk = OutgoingWalk { tips, have: &[], expired };
        Ok(self.survey_outgoing(&walk, progress)?.content)
    }

    fn collect<'a>(
        &'a self,
        walk: &OutgoingWalk<'_>,
        pack: Option<Pack<'a>>,
        progress: &dyn Progress,
    ) -> Result<Outgoing> {
        progress.begin("collecting history", None, Unit::Items);
        let outgoing =
            Outgoing { pack: None, objects: 0, commits: 0, bytes: 0, content: Vec::new() };
        let mut collector = Collector { history: self, pack, outgoing, old: Vec::new() };
        Reach::new(self, &mut collector, progress)
            .with_expired(walk.expired)
            .walk(walk.tips, walk.have)?;
        let Collector { mut outgoing, mut old, .. } = collector;
        old.sort_unstable();
        sort(&mut outgoing.content);
        outgoing.content.retain(|id| old.binary_search(id).is_err());
        outgoing.content.shrink_to_fit();
        Ok(outgoing)
    }
}

fn sort(ids: &mut Vec<Id>) {
    ids.sort_unstable();
    ids.dedup();
}

/// A pack that is being written.
struct Pack<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
    encoder: EntryEncoder,
}

/// Counts the objects of a walk, and writes them to a pack if there is one.
struct Collector<'a> {
    history: &'a History,
    pack: Option<Pack<'a>>,
    outgoing: Outgoing,
    old: Vec<Id>,
}

/// Adds an id to a list that may contain many duplicates.
fn push(ids: &mut Vec<Id>, id: Id) {
    if ids.len() == ids.capacity() {
        sort(ids);
        // Double the room, so that sorting is rare even with few duplicates.
        ids.reserve(ids.len() + 1);
    }
    ids.push(id);
}

impl Visitor for Collector<'_> {
    fn object(&mut self, kind: ObjectKind, _: &Id, bytes: &[u8]) -> Result<()> {
        self.outgoing.objects += 1;
        self.outgoing.commits += u64::from(kind == ObjectKind::Commit);
        self.outgoing.bytes += bytes.len() as u64;
        let Some(Pack { out, path, encoder }) = &mut self.pack else { return Ok(()) };
        encoder.encode(kind, bytes).and_then(|entry| out.write_all(entry)).on("write", path)
    }

    fn blob(&mut self, id: &Id) -> Result<()> {
        match self.history.try_read(id)? {
            Some((ObjectKind::Blob, bytes)) => self.object(ObjectKind::Blob, id, &bytes),
            _ => Err(missing_object(ObjectKind::Blob, id)),
        }
    }

    fn content(&mut self, id: Id) {
        push(&mut self.outgoing.content, id);
    }

    fn old_content(&mut self, id: Id) {
        push(&mut self.old, id);
    }

    fn missing(&mut self, kind: ObjectKind, id: &Id) -> Result<()> {
        Err(missing_object(kind, id))
    }
}
