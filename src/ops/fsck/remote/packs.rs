//! Reads content packs of a remote from their first byte to their last.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::files::{FileKind, Files};
use super::index::RemoteIndex;
use super::report::RemoteChecked;
use super::{Depth, content};
use crate::content::{Need, verify_pack};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::ops::sync::ObjectReader;
use crate::pack::{FrameEntry, MemberKind, PackIndex};
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::pack_key;
use crate::remote::log::Fold;

/// What was found of the packs that were read.
#[derive(Default)]
struct Read {
    /// What is wrong with packs.
    wrong: HashMap<Id, String>,
    /// Packs about which the index says what is not so, and of how many contents.
    contradicted: HashMap<Id, u64>,
    /// Chunks that are nowhere, of manifests that the index names.
    chunks: u64,
    packs: u64,
    bytes: u64,
}

/// Reads as many packs as `depth` says. What is wrong with one is noted in `files`.
pub(super) fn read(
    store: &Store,
    fold: &Fold,
    files: &mut Files,
    index: &RemoteIndex,
    (depth, checked): (Depth, &mut RemoteChecked),
    progress: &dyn Progress,
) -> Result<()> {
    let chosen = choose(files.right(FileKind::Pack, fold), depth);
    let total = chosen.iter().map(|(_, size)| size).sum();
    progress.begin("reading packs", Some(total), Unit::Bytes);
    let found = Mutex::new(Read::default());
    let all_known = &*files;
    store.at_once(&chosen, &|(pack, size)| {
        check_interrupt(progress)?;
        let key = pack_key(*pack);
        let mut source = ObjectReader::new(store, key, 0..*size, &NoProgress);
        let verified = damage(verify_pack(&mut source, pack, progress))?;
        let (contradicted, chunks) = match &verified {
            Ok(own) => (
                contradicted(index, pack, own),
                missing_chunks(store, fold, all_known, index, pack, own, progress)?,
            ),
            Err(_) => (0, 0),
        };
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.packs += 1;
        found.bytes += size;
        found.chunks += chunks;
        if contradicted > 0 {
            found.contradicted.insert(*pack, contradicted);
        }
        if let Err(problem) = verified {
            found.wrong.insert(*pack, problem);
        }
        Ok(())
    })?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    (checked.packs_read, checked.pack_bytes_read) = (found.packs, found.bytes);
    checked.contradicted.extend(found.contradicted);
    checked.missing_chunks = found.chunks;
    for (pack, problem) in found.wrong {
        files.is_wrong(FileKind::Pack, pack, problem);
    }
    Ok(())
}

/// What is wrong, in a few words, where the error is one of damage.
pub(crate) fn damage<T>(result: Result<T>) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
            Ok(Err(in_short(&error)))
        }
        Err(error) => Err(error),
    }
}

/// The last part of a message says what is wrong.
fn in_short(error: &Error) -> String {
    let cause = error.causes().pop().unwrap_or_else(|| error.message().to_owned());
    match cause.split_once(" is damaged: ") {
        Some((_, problem)) => problem.to_owned(),
        None => cause,
    }
}

/// Those of `packs` that are to be read.
fn choose(mut packs: Vec<(Id, u64)>, depth: Depth) -> Vec<(Id, u64)> {
    let count = match depth {
        Depth::Structure => 0,
        Depth::Full => packs.len(),
        Depth::Sample(percent) => {
            let count = (packs.len() as f64 * percent / 100.0).ceil() as usize;
            count.clamp(packs.len().min(1), packs.len())
        }
    };
    if count < packs.len() {
        // A random order.
        packs.sort_by_cached_key(|_| uuid::Uuid::new_v4());
        packs.truncate(count);
    }
    packs
}

/// Of how many contents the index says that they lie in a pack where they do not.
fn contradicted(index: &RemoteIndex, pack: &Id, own: &PackIndex) -> u64 {
    let mut agreed = 0;
    let mut members: Vec<_> = own.members.iter().collect();
    members.sort_unstable_by_key(|member| (member.id, member.frame, member.offset));
    members.dedup();
    for member in members {
        let frame = own.frames.get(member.frame as usize);
        let is_it = index.locations(&member.id).iter().any(|place| {
            place.pack == *pack
                && Some(&place.frame) == frame
                && (place.kind, place.offset, place.size)
                    == (member.kind, member.offset, member.size)
        });
        agreed += u64::from(is_it);
    }
    index.listed(pack).saturating_sub(agreed)
}

#[allow(clippy::too_many_arguments, reason = "all that a remote is known by")]
/// How many chunks of the manifests of a pack that the index names are nowhere.
fn missing_chunks(
    store: &Store,
    fold: &Fold,
    files: &Files,
    index: &RemoteIndex,
    pack: &Id,
    own: &PackIndex,
    progress: &dyn Progress,
) -> Result<u64> {
    let manifests = own.members.iter().filter(|member| {
        member.kind == MemberKind::Manifest
            && index.locations(&member.id).iter().any(|place| place.pack == *pack)
    });
    let mut frames: Vec<FrameEntry> =
        manifests.filter_map(|member| own.frames.get(member.frame as usize).copied()).collect();
    frames.sort_unstable_by_key(|frame| frame.offset);
    frames.dedup();
    let mut missing = 0;
    for frame in frames {
        content::visit_chunks(store, pack, &frame, progress, &mut |manifest, chunk| {
            let is_named = index.locations(manifest).iter().any(|place| place.pack == *pack);
            let there = index.locate(&chunk.id, Need::Bytes, fold, files);
            if is_named && there.is_none_or(|there| there.size != chunk.size) {
                missing += 1;
            }
        })?;
    }
    Ok(missing)
}
