//! Reads all index segments of a remote completely.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use super::View;
use super::files::FileFindings;
use crate::content::{ForeignIndex, Need, Session, map_file};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::{Digest, Id};
use crate::pack::{Location, MemberKind, SegmentView};
use crate::progress::{Unit, check_interrupt};
use crate::remote::FileKind;
use crate::remote::log::RemoteState;
use crate::sync::ObjectReader;

/// The most bytes of segments in memory at a time. A larger segment is read to a temporary file.
const HELD: u64 = 64 << 20;

/// The combined index of the intact segments of a remote.
pub(crate) struct RemoteIndex {
    index: ForeignIndex,
    /// The number of entries for each pack.
    listed: HashMap<Id, u64>,
    /// The number of all entries.
    pub(crate) entries: u64,
}

impl RemoteIndex {
    /// Reads all segments. Records problems in `files` and skips damaged segments.
    pub(super) fn read(
        view: View<'_>,
        files: &mut FileFindings,
        session: &Session,
    ) -> Result<Self> {
        let mut index = ForeignIndex::open(&session.directory().join("index"), &[])?;
        let right = files.right(FileKind::Segment, view.remote_state);
        let total = right.iter().map(|(_, size)| size).sum();
        view.progress.begin("reading the index", Some(total), Unit::Bytes);
        let (large, right): (Vec<_>, Vec<_>) = right.iter().partition(|(_, size)| *size > HELD);
        for (id, size) in large {
            match read_large_segment(view, session, id, size)? {
                Ok(file) => index.add_file(&id, file.path())?,
                Err(problem) => files.record_problem(FileKind::Segment, id, problem),
            }
        }
        for batch in batches(&right) {
            let read = view.store.at_once(batch, &|(id, size)| read_segment(view, *id, *size))?;
            let mut sound: Vec<(Id, Bytes)> = Vec::new();
            for ((id, _), read) in batch.iter().zip(read) {
                match read {
                    Ok(bytes) => sound.push((*id, bytes)),
                    Err(problem) => files.record_problem(FileKind::Segment, *id, problem),
                }
            }
            index.add_segments(&sound)?;
        }
        let (mut listed, mut entries) = (HashMap::new(), 0);
        index.visit(&mut |_, place| {
            *listed.entry(place.pack).or_default() += 1;
            entries += 1;
        });
        Ok(RemoteIndex { index, listed, entries })
    }

    /// The locations of contents in packs of `remote_state` without known problems.
    pub(crate) fn places<'a>(
        &'a self,
        remote_state: &'a RemoteState,
        files: &'a FileFindings,
    ) -> Places<'a> {
        Places { index: self, remote_state, files }
    }

    /// Adds the segment in `file`.
    pub(crate) fn add(&mut self, id: Id, file: &Path) -> Result<()> {
        self.index.add_file(&id, file)
    }

    /// The number of entries for a pack.
    pub(crate) fn listed(&self, pack: &Id) -> u64 {
        self.listed.get(pack).copied().unwrap_or(0)
    }

    /// All locations of `id`.
    pub(crate) fn locations(&self, id: &Id) -> Vec<Location> {
        self.index.locations(id)
    }

    /// Visits every entry.
    pub(crate) fn visit(&self, each: &mut dyn FnMut(&Id, &Location)) {
        self.index.visit(each);
    }
}

/// The locations of contents in packs without known problems.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(super) index: &'a RemoteIndex,
    remote_state: &'a RemoteState,
    files: &'a FileFindings,
}

impl Places<'_> {
    /// Returns true if a segment lists the content in a pack that is not retired.
    pub(super) fn is_listed(&self, id: &Id) -> bool {
        let packs = &self.remote_state.packs;
        self.index.locations(id).iter().any(|place| packs.contains_key(&place.pack))
    }

    /// Returns a location of `id` that satisfies `need`; prefers one as bytes.
    pub(crate) fn locate(&self, id: &Id, need: Need) -> Option<Location> {
        let wrong = self.files.wrong(FileKind::Pack);
        let is_good = |place: &Location| {
            self.remote_state.packs.contains_key(&place.pack) && !wrong.contains_key(&place.pack)
        };
        let places = self.index.locations(id).into_iter().filter(is_good);
        let is_manifest = |place: &Location| place.kind == MemberKind::Manifest;
        places
            .filter(|place| need == Need::File || !is_manifest(place))
            .min_by_key(|place| is_manifest(place))
    }
}

/// Splits segments, in order, into batches that fit into memory.
fn batches(segments: &[(Id, u64)]) -> impl Iterator<Item = &[(Id, u64)]> {
    let mut rest = segments;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = rest.iter().take_while(|(_, size)| {
            sum += size;
            sum <= HELD
        });
        let (now, later) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// Reads a segment; returns its bytes or its problem.
fn read_segment(view: View<'_>, id: Id, size: u64) -> Result<Result<Bytes, String>> {
    check_interrupt(view.progress)?;
    let mut last = None;
    let read = view.store.read_sound(|| {
        let bytes = view.store.read(&FileKind::Segment.key(id), size)?;
        let is_right = Digest::of(&bytes) == id;
        last = Some(bytes);
        if is_right { Ok(()) } else { Err(Error::corrupt("its bytes do not match its name")) }
    });
    let bytes = match (read, last) {
        // The check below finds the problem.
        (_, Some(bytes)) => bytes,
        (Ok(()), None) => Bytes::new(),
        (Err(error), None) => {
            return view.store.defect_of(&FileKind::Segment.key(id), error).map(Err);
        }
    };
    view.progress.advance(size);
    let sound = check(view.remote_state, id, &bytes);
    Ok(sound.map(|()| bytes))
}

/// Reads a segment that is too large for memory to a temporary file; returns the file or the
/// segment's problem.
fn read_large_segment(
    view: View<'_>,
    session: &Session,
    id: Id,
    size: u64,
) -> Result<Result<TempFile, String>> {
    let mut source =
        ObjectReader::new(view.store, FileKind::Segment.key(id), 0..size, view.progress);
    let mut file = session.temp_file()?;
    if let Err(error) = std::io::copy(&mut source, &mut file).on("write", file.path()) {
        return source.defect(error).map(Err);
    }
    let sound = check(view.remote_state, id, &map_file(file.path())?);
    Ok(sound.map(|()| file))
}

/// Checks the bytes of a segment: they must match the id, have a valid format, and name frames
/// within their packs.
fn check(remote_state: &RemoteState, id: Id, bytes: &[u8]) -> Result<(), String> {
    if Digest::of(bytes) != id {
        return Err("its bytes do not match its name".to_owned());
    }
    let view = SegmentView::open(bytes).map_err(|defect| defect.to_string())?;
    view.verify().map_err(|defect| defect.to_string())?;
    // A garbage collection forgets deleted packs at some time, and other segments may name them.
    let may_be_forgotten = remote_state.features.needed_to_write.contains("gc");
    for pack in view.packs().filter(|_| !may_be_forgotten) {
        if !remote_state.packs.contains_key(&pack) && !remote_state.retired.contains_key(&pack) {
            return Err(format!("it names the pack {pack}, but the log does not"));
        }
    }
    for at in 0..view.len() {
        let place = view.location(at).map_err(|defect| defect.to_string())?;
        let end = place.frame.offset.saturating_add(u64::from(place.frame.stored));
        if remote_state.packs.get(&place.pack).is_some_and(|size| end > *size) {
            let (id, pack) = (view.id(at), place.pack);
            return Err(format!("it locates {id} behind the end of the pack {pack}"));
        }
    }
    Ok(())
}
