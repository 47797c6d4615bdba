//! Compacts the small content packs that many pushes left, so that a full clone makes few requests.
//!
//! The new pack holds all frames of its inputs as they are stored. The entry of the log that adds it
//! retires the inputs, so no moment exists at which a content has no pack. The inputs stay on the
//! remote until garbage collection: a reader with an older state still finds them.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::connection::Connection;
use super::object_reader::ObjectReader;
use super::worth_compacting::worth_it;
use crate::content::{CompactedPack, OutgoingSegment, PackCompactor, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::Id;
use crate::progress::{NoProgress, Progress, check_interrupt};
use crate::remote::FileKind;

/// The number of small packs that makes compaction worthwhile.
pub(super) const MANY_PACKS: usize = 8;
/// The largest compacted pack, in bytes: a reader fetches a larger one in several requests anyway.
pub(super) const MOST_CONTENT: u64 = 16 << 20;
/// If more bytes of the index than this are missing locally, the compaction is left to a later
/// push.
const MOST_INDEX: u64 = 1 << 20;

/// A compacted pack that is stored on the remote but not in its log yet.
pub(super) struct NewPack {
    pub(super) pack: CompactedPack,
    /// The segment for the pack.
    pub(super) segment: OutgoingSegment,
    /// The replaced packs.
    pub(super) replaces: BTreeSet<Id>,
}

/// An input pack: its id and the file with its bytes.
struct PackInput {
    id: Id,
    path: PathBuf,
    _file: Option<TempFile>,
}

impl Connection<'_> {
    /// Stores one pack with the content of many small ones; `None` if there are few small packs.
    pub(super) fn compact_packs(
        &self,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<Option<NewPack>> {
        let (store, remote_state) = (self.log.store(), self.state.remote_state());
        let most = MOST_CONTENT.min(self.repo.content().params().pack_size);
        let chosen = worth_it(&remote_state.packs, most);
        if chosen.len() < MANY_PACKS {
            return Ok(None);
        }
        let remote_content = self.content()?;
        if remote_content.missing_index() > MOST_INDEX {
            return Ok(None);
        }
        remote_content.complete_index(progress)?;
        let inputs = store.at_once(&chosen, &|(id, size)| {
            check_interrupt(progress)?;
            self.find_input(session, id, *size)
        })?;
        let mut compactor = PackCompactor::new(session);
        let mut replaces = BTreeSet::new();
        for input in inputs.into_iter().flatten() {
            check_interrupt(progress)?;
            match compactor.add(&input.id, &input.path, &NoProgress) {
                Ok(()) => drop(replaces.insert(input.id)),
                // `fsck` reports a damaged pack; the others are compacted without it.
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        if replaces.len() < MANY_PACKS {
            return Ok(None);
        }
        let Some(pack) = compactor.finish()? else { return Ok(None) };
        let segment = pack.segment(session, &|from, member| {
            let places = remote_content.locations(&member.id);
            places.iter().any(|place| place.pack == *from && place.kind == member.kind)
        })?;
        // Content that no segment names is not lost, but could not be found in the new pack.
        let Some(segment) = segment else { return Ok(None) };
        store.write_file(&FileKind::Pack.key(pack.id()), pack.path())?;
        store.write_file(&FileKind::Segment.key(segment.id), segment.path())?;
        Ok(Some(NewPack { pack, segment, replaces }))
    }

    /// The bytes of a pack: from this repository if it has the identical pack, otherwise from the
    /// remote; `None` if the remote lacks the pack.
    fn find_input(&self, session: &Session, id: &Id, size: u64) -> Result<Option<PackInput>> {
        let path = self.repo.content().pack_path(id);
        if std::fs::metadata(&path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
        {
            return Ok(Some(PackInput { id: *id, path, _file: None }));
        }
        let mut source =
            ObjectReader::new(self.log.store(), FileKind::Pack.key(*id), 0..size, &NoProgress);
        let mut file = session.temp_file()?;
        match io::copy(&mut source, &mut file).on("write", file.path()) {
            Ok(_) => {
                Ok(Some(PackInput { id: *id, path: file.path().to_owned(), _file: Some(file) }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
