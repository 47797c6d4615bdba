//! `art evict`: content leaves this repository, as far as a remote is proven to hold it.
//!
//! The proof, before anything is removed: every pack of the remote that is relied on is there with
//! its size, and frames of it are read back and checked, some of them or all bytes. What the
//! remote does not hold stays, and so does what is to be kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::revision::resolve;
use super::sync::{Connection, Proof, RemoteContent, content_of_tree, take_in};
use crate::content::Need;
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::Name;
use crate::pack::MemberKind;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;

/// What to evict.
#[derive(Debug, Clone, Default)]
pub struct EvictOptions {
    /// The remote that holds it; the default one if there is none.
    pub remote: Option<Name>,
    /// The revisions whose content stays.
    pub keep: Vec<Revision>,
    /// Every byte of the remote's packs is read back, not a sample.
    pub full: bool,
    /// Only finds out what would leave.
    pub dry_run: bool,
}

/// What left, or would.
#[derive(Debug, Clone, Serialize)]
pub struct EvictOutcome {
    /// The remote that holds it.
    pub remote: Name,
    /// How that was proven.
    pub proof: Proof,
    /// Contents that left: blobs, chunks and manifests.
    pub contents: u64,
    /// Packs that are gone or smaller.
    pub packs: u64,
    /// Bytes that are free now.
    pub bytes: u64,
    /// Contents that stay because they are to be kept.
    pub kept: u64,
    /// Contents that stay because the remote does not hold them.
    pub unsent: u64,
    /// What it took.
    pub traffic: TrafficCount,
}

/// Evicts.
///
/// Content that the remote is not proven to hold stays, and is no failure of this call.
pub fn evict(
    repo: &Repository,
    options: &EvictOptions,
    progress: &dyn Progress,
) -> Result<EvictOutcome> {
    progress.begin("asking the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    connection.refresh(progress)?;
    {
        let _lock = repo.lock_shared()?;
        take_in(repo, &mut connection, progress)?;
    }
    let keep = kept(repo, &options.keep)?;
    let fold = connection.state.fold();
    let store = connection.log.store();
    let there = RemoteContent::new(repo, store, fold, &connection.directory())?;
    there.complete_readable_index(progress)?;
    let mut by_pack: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    let (mut kept, mut unsent) = (0, 0);
    let entries = repo.content().entries()?;
    for number in 0..entries.len() {
        let Some((id, here)) = entries.get(number) else { continue };
        match there.is_there(&id, need_of(here.kind)).first() {
            _ if keep.contains(&id) => kept += 1,
            Some(place) => by_pack.entry(place.pack).or_default().push(id),
            None => unsent += 1,
        }
    }
    let (held, proof) = there.prove(&by_pack, options.full, progress)?;
    unsent += by_pack.iter().filter(|(pack, _)| !held.contains(*pack)).count() as u64;
    let is_held = |id: &Id| {
        let Ok(Some(here)) = repo.content().locate_known(id) else { return false };
        let places = there.is_there(id, need_of(here.kind));
        places.iter().any(|place| held.contains(&place.pack))
    };
    let is_kept = |id: &Id| keep.contains(id) || !is_held(id);
    let session = repo.content().begin()?;
    let _lock = repo.lock_exclusive()?;
    let dropped = repo.content().drop_content(&session, &is_kept, options.dry_run, progress)?;
    progress.end();
    Ok(EvictOutcome {
        remote: connection.remote.name.clone(),
        proof,
        contents: dropped.contents,
        packs: dropped.packs,
        bytes: dropped.bytes_freed,
        kept,
        unsent,
        traffic: connection.traffic(),
    })
}

/// What must be elsewhere of a content that is stored so here.
fn need_of(kind: MemberKind) -> Need {
    if kind == MemberKind::Manifest { Need::File } else { Need::Bytes }
}

/// The contents of the revisions that are to be kept.
fn kept(repo: &Repository, revisions: &[Revision]) -> Result<BTreeSet<Id>> {
    let mut commits = Vec::new();
    for revision in revisions {
        commits.push(resolve(repo, revision)?.commit);
    }
    Ok(content_of_tree(repo, &commits)?.into_iter().collect())
}
