//! The index segments of a remote, read whole.

use std::collections::HashMap;

use bytes::Bytes;

use super::files::{FileKind, Files};
use crate::content::{ForeignIndex, Need, Session};
use crate::error::{ErrorKind, Result};
use crate::id::{Digest, Id};
use crate::pack::{Location, MemberKind, SegmentView};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::segment_key;
use crate::remote::log::Fold;

/// So many bytes of segments are held at once, if one alone is not longer.
const HELD: u64 = 64 << 20;

/// What the sound segments of a remote say.
pub(crate) struct RemoteIndex {
    index: ForeignIndex,
    /// How many entries there are for each pack.
    listed: HashMap<Id, u64>,
    /// Entries in all.
    pub(crate) entries: u64,
}

impl RemoteIndex {
    /// Reads all segments. What is wrong with one is noted in `files`, and then it counts as none.
    pub(super) fn read(
        store: &Store,
        fold: &Fold,
        files: &mut Files,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut index = ForeignIndex::open(&session.directory().join("index"), &[])?;
        let right = files.right(FileKind::Segment, fold);
        let total = right.iter().map(|(_, size)| size).sum();
        progress.begin("reading the index", Some(total), Unit::Bytes);
        let mut rest = &right[..];
        while !rest.is_empty() {
            let mut sum = 0;
            let fits = rest.iter().take_while(|(_, size)| {
                sum += size;
                sum <= HELD
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            rest = later;
            let read = store.at_once(now, &|(id, size)| {
                check_interrupt(progress)?;
                let read = read_segment(store, fold, *id, *size)?;
                progress.advance(*size);
                Ok((*id, read))
            })?;
            let mut sound: Vec<(Id, Bytes)> = Vec::new();
            for (id, read) in read {
                match read {
                    Ok(bytes) => sound.push((id, bytes)),
                    Err(problem) => files.is_wrong(FileKind::Segment, id, problem),
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

    /// Takes a segment in too.
    pub(crate) fn add(&mut self, id: Id, bytes: &[u8]) -> Result<()> {
        self.index.add_segments(&[(id, bytes)])
    }

    /// How many entries there are for a pack.
    pub(crate) fn listed(&self, pack: &Id) -> u64 {
        self.listed.get(pack).copied().unwrap_or(0)
    }

    /// All places of `id`.
    pub(crate) fn locations(&self, id: &Id) -> Vec<Location> {
        self.index.locations(id)
    }

    /// A place of `id` in a pack that is not known to be wrong and that is enough for what is needed;
    /// of bytes where there is one.
    pub(crate) fn locate(
        &self,
        id: &Id,
        need: Need,
        fold: &Fold,
        files: &Files,
    ) -> Option<Location> {
        let wrong = files.wrong(FileKind::Pack);
        let is_good = |place: &Location| {
            fold.packs.contains_key(&place.pack) && !wrong.contains_key(&place.pack)
        };
        let places = self.locations(id).into_iter().filter(is_good);
        let is_manifest = |place: &Location| place.kind == MemberKind::Manifest;
        places
            .filter(|place| need == Need::File || !is_manifest(place))
            .min_by_key(|place| is_manifest(place))
    }

    /// Shows every entry.
    pub(crate) fn visit(&self, each: &mut dyn FnMut(&Id, &Location)) {
        self.index.visit(each);
    }
}

/// Reads a segment; gives its bytes, or what is wrong with it.
fn read_segment(store: &Store, fold: &Fold, id: Id, size: u64) -> Result<Result<Bytes, String>> {
    let bytes = match store.read(&segment_key(id), size) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
            return Ok(Err(error.message().to_owned()));
        }
        Err(error) => return Err(error),
    };
    let sound = check(fold, id, &bytes);
    Ok(sound.map(|()| bytes))
}

/// Checks the bytes of a segment: they are those that it is named after, of the right form, and name
/// frames that can be there.
fn check(fold: &Fold, id: Id, bytes: &[u8]) -> Result<(), String> {
    if Digest::of(bytes) != id {
        return Err("its bytes are not those it is named after".to_owned());
    }
    let view = SegmentView::open(bytes).map_err(|defect| defect.to_string())?;
    view.verify().map_err(|defect| defect.to_string())?;
    for pack in view.packs() {
        if !fold.packs.contains_key(&pack) && !fold.retired.contains_key(&pack) {
            return Err(format!("it names the pack {pack}, which the log does not"));
        }
    }
    for at in 0..view.len() {
        let place = view.location(at).map_err(|defect| defect.to_string())?;
        let end = place.frame.offset.saturating_add(u64::from(place.frame.stored));
        if fold.packs.get(&place.pack).is_some_and(|size| end > *size) {
            let (id, pack) = (view.id(at), place.pack);
            return Err(format!("it says that {id} lies behind the end of the pack {pack}"));
        }
    }
    Ok(())
}
