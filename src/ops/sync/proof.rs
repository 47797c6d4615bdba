//! The proof that a remote holds what its log says: asked of the store itself, before anything is
//! removed here that relies on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::content::RemoteContent;
use super::object_reader::ObjectReader;
use crate::content::{Need, Params, check_frame, verify_pack};
use crate::error::Result;
use crate::id::Id;
use crate::pack::FrameEntry;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::layout::pack_key;

/// How it was proven that a remote holds content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// `true`: every byte of the packs was read back. `false`: a frame of each, chosen at random.
    pub full: bool,
    /// Packs that are there with their size, and whose bytes that were read are right.
    pub packs: u64,
    /// Packs that are not.
    pub failed: u64,
    /// Bytes that were read back.
    pub bytes: u64,
}

impl RemoteContent<'_> {
    /// Asks the store for each pack that holds the `contents` named with it: whether it is there with
    /// its size, and for a frame of it at random, or with `full` for every byte. Gives those that
    /// are proven.
    pub(crate) fn prove(
        &self,
        contents: &BTreeMap<Id, Vec<Id>>,
        full: bool,
        progress: &dyn Progress,
    ) -> Result<(BTreeSet<Id>, Proof)> {
        let packs: Vec<(&Id, &Vec<Id>)> = contents.iter().collect();
        progress.begin("reading back", Some(packs.len() as u64), Unit::Items);
        let read = self.store().at_once(&packs, &|(pack, ids)| {
            check_interrupt(progress)?;
            let read = self.store().read_sound(|| self.prove_pack(pack, ids, full, progress));
            progress.advance(1);
            match read {
                Ok(bytes) => Ok(Ok(bytes)),
                // Of one that is not as it should be, nothing is relied on.
                Err(error) => self.store().defect_of(&pack_key(**pack), error).map(Err),
            }
        })?;
        let mut held = BTreeSet::new();
        let mut proof = Proof { full, packs: 0, failed: 0, bytes: 0 };
        for ((pack, _), read) in packs.iter().zip(read) {
            match read {
                Ok(bytes) => {
                    held.insert(**pack);
                    proof.packs += 1;
                    proof.bytes += bytes;
                }
                Err(problem) => {
                    proof.failed += 1;
                    progress
                        .warn(&format!("the remote's pack {pack} can't be relied on: {problem}"));
                }
            }
        }
        Ok((held, proof))
    }

    /// Reads a pack back; gives how many bytes were read.
    fn prove_pack(
        &self,
        pack: &Id,
        ids: &[Id],
        full: bool,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let key = pack_key(*pack);
        let size = self.size_of(pack);
        if self.store().try_size(&key)? != Some(size) {
            return Err(crate::Error::corrupt(format!("'{key}' is not there with {size} bytes")));
        }
        if full {
            let mut source = ObjectReader::new(self.store(), key, 0..size, &crate::NoProgress);
            verify_pack(&mut source, pack, progress)?;
            return Ok(size);
        }
        let number = uuid::Uuid::new_v4().as_u128() as usize % ids.len().max(1);
        let places = ids.get(number).map(|id| self.is_there(id, Need::File)).unwrap_or_default();
        match places.iter().find(|place| place.pack == *pack) {
            Some(place) => self.prove_frame(&key, &place.frame),
            None => Ok(0),
        }
    }

    fn prove_frame(&self, key: &str, frame: &FrameEntry) -> Result<u64> {
        let stored = u64::from(frame.stored);
        let end = frame.offset.saturating_add(stored.min(Params::MAX_FRAME));
        let bytes = self.store().read_range(key, frame.offset..end)?;
        // Of one that no memory holds, the first bytes must do.
        if frame.size <= Params::MAX_FRAME {
            check_frame(&bytes, frame.size)?;
        }
        Ok(bytes.len() as u64)
    }
}
