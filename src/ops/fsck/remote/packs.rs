//! Reads content packs of a remote completely.

use std::collections::BTreeMap;

use super::files::FileFindings;
use super::index::{Places, RemoteIndex};
use super::{Depth, View, content};
use crate::content::{Need, verify_pack};
use crate::error::Result;
use crate::id::Id;
use crate::pack::{FrameEntry, MemberKind, PackIndex};
use crate::progress::{NoProgress, Unit, check_interrupt};
use crate::remote::FileKind;
use crate::sync::ObjectReader;

/// The findings about the packs that were read.
#[derive(Debug, Default)]
pub(super) struct PacksRead {
    pub(super) packs: u64,
    pub(super) bytes: u64,
    /// Packs with wrong locations in the index, with the number of affected contents.
    pub(super) contradicted: BTreeMap<Id, u64>,
    /// The number of chunks of indexed manifests that no pack has.
    pub(super) missing_chunks: u64,
}

/// The findings about one pack.
struct PackRead {
    wrong: Option<String>,
    contradicted: u64,
    missing_chunks: u64,
}

/// Reads the packs that `depth` selects. Records problems in `files`.
pub(super) fn read(
    view: View<'_>,
    files: &mut FileFindings,
    index: &RemoteIndex,
    depth: Depth,
) -> Result<PacksRead> {
    let chosen = choose(files.right(FileKind::Pack, view.remote_state), depth);
    let mut all = PacksRead {
        packs: chosen.len() as u64,
        bytes: chosen.iter().map(|(_, size)| size).sum(),
        ..PacksRead::default()
    };
    view.progress.begin("reading packs", Some(all.bytes), Unit::Bytes);
    let places = index.places(view.remote_state, files);
    let read = view.store.at_once(&chosen, &|(pack, size)| read_pack(view, places, pack, *size))?;
    for ((pack, _), read) in chosen.into_iter().zip(read) {
        all.missing_chunks += read.missing_chunks;
        if read.contradicted > 0 {
            all.contradicted.insert(pack, read.contradicted);
        }
        if let Some(problem) = read.wrong {
            files.record_problem(FileKind::Pack, pack, problem);
        }
    }
    Ok(all)
}

fn read_pack(view: View<'_>, places: Places<'_>, pack: &Id, size: u64) -> Result<PackRead> {
    check_interrupt(view.progress)?;
    let verified = view.store.read_sound(|| {
        let mut source =
            ObjectReader::new(view.store, FileKind::Pack.key(*pack), 0..size, &NoProgress);
        verify_pack(&mut source, pack, view.progress)
    });
    let read = verified.and_then(|own| {
        let missing_chunks = missing_chunks(view, places, pack, &own)?;
        let contradicted = contradicted(places.index, pack, &own);
        Ok(PackRead { wrong: None, contradicted, missing_chunks })
    });
    read.or_else(|error| {
        let wrong = Some(view.store.defect_of(&FileKind::Pack.key(*pack), error)?);
        Ok(PackRead { wrong, contradicted: 0, missing_chunks: 0 })
    })
}

/// Chooses the packs to read.
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

/// The number of contents that the index wrongly locates in a pack.
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

/// The number of chunks of the pack's indexed manifests that no pack has.
fn missing_chunks(view: View<'_>, places: Places<'_>, pack: &Id, own: &PackIndex) -> Result<u64> {
    let is_named = |id: &Id| places.index.locations(id).iter().any(|place| place.pack == *pack);
    let manifests = own
        .members
        .iter()
        .filter(|member| member.kind == MemberKind::Manifest && is_named(&member.id));
    let mut frames: Vec<FrameEntry> =
        manifests.filter_map(|member| own.frames.get(member.frame as usize).copied()).collect();
    frames.sort_unstable_by_key(|frame| frame.offset);
    frames.dedup();
    let mut missing = 0;
    for frame in frames {
        content::visit_chunks(view, pack, &frame, &mut |manifest, chunk| {
            let location = places.locate(&chunk.id, Need::Bytes);
            if is_named(manifest) && location.is_none_or(|location| location.size != chunk.size) {
                missing += 1;
            }
        })?;
    }
    Ok(missing)
}
