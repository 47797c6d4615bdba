//! Verifies that a remote holds the files that its log names. The store itself is read before local
//! data that relies on the remote is removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::content::RemoteContent;
use super::object_reader::ObjectReader;
use crate::content::{Need, Params, check_frame, verify_pack};
use crate::error::Result;
use crate::id::Id;
use crate::pack::FrameEntry;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::FileKind;

/// The result of verifying content on a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// `true` if every byte of the packs was read back, `false` if one random frame of each pack
    /// was.
    pub full: bool,
    /// Packs that exist with the expected size and whose bytes that were read are correct.
    pub packs: u64,
    /// Packs that failed the verification.
    pub failed: u64,
    /// Bytes that were read back.
    pub bytes: u64,
}

impl RemoteContent<'_> {
    /// Verifies each pack in `contents` on the store: checks its existence and size, and reads a
    /// random frame, or with `full` every byte. Returns the verified packs.
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
                // Nothing relies on a pack that fails the verification.
                Err(error) => self.store().defect_of(&FileKind::Pack.key(**pack), error).map(Err),
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
                        .warn(&format!("the remote's pack {pack} failed verification: {problem}"));
                }
            }
        }
        Ok((held, proof))
    }

    /// Reads a pack back; returns the number of bytes read.
    fn prove_pack(
        &self,
        pack: &Id,
        ids: &[Id],
        full: bool,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let key = FileKind::Pack.key(*pack);
        let size = self.size_of(pack);
        if self.store().try_size(&key)? != Some(size) {
            return Err(crate::Error::corrupt(format!(
                "'{key}' is missing or does not have {size} bytes"
            )));
        }
        if full {
            let mut source = ObjectReader::new(self.store(), key, 0..size, &crate::NoProgress);
            verify_pack(&mut source, pack, progress)?;
            return Ok(size);
        }
        let number = uuid::Uuid::new_v4().as_u128() as usize % ids.len().max(1);
        let places =
            ids.get(number).map(|id| self.find_locations(id, Need::File)).unwrap_or_default();
        match places.iter().find(|place| place.pack == *pack) {
            Some(place) => self.prove_frame(&key, &place.frame),
            None => Ok(0),
        }
    }

    fn prove_frame(&self, key: &str, frame: &FrameEntry) -> Result<u64> {
        let stored = u64::from(frame.stored);
        let end = frame.offset.saturating_add(stored.min(Params::MAX_FRAME));
        let bytes = self.store().read_range(key, frame.offset..end)?;
        // A frame too large for memory is checked by its first bytes only.
        if frame.size <= Params::MAX_FRAME {
            check_frame(&bytes, frame.size)?;
        }
        Ok(bytes.len() as u64)
    }
}
