//! `art evict`: removes local content after verifying it on a remote.
//!
//! Only content that the remote's refs reach is removed: a remote may remove the rest. Before
//! anything is removed, every relevant pack of the remote is verified: it exists with the expected
//! size, and a sample of its frames, or all its bytes, are read back and checked. Content of commits
//! that were not pushed and content of `keep` stays.

use std::collections::{BTreeMap, BTreeSet};

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::resolve;
use crate::content::Need;
use crate::error::Result;
use crate::history::Revision;
use crate::id::Id;
use crate::name::Name;
use crate::pack::MemberKind;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;
use crate::sync::{Connection, Proof, UnreadableSegment, content_of_tree};

/// The options of an eviction.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct EvictOptions {
    /// The remote that holds the content; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The revisions whose content is kept.
    #[setters(into)]
    pub keep: Vec<Revision>,
    /// Read back every byte of the remote's packs, not only a sample.
    pub full: bool,
    /// Only report what would be removed. Needs no lock.
    pub dry_run: bool,
}

/// The result of an eviction or of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct EvictOutcome {
    /// The remote that holds the content.
    pub remote: Name,
    /// How the content was verified on the remote.
    pub proof: Proof,
    /// The number of removed contents: blobs, chunks and manifests.
    pub contents: u64,
    /// The number of packs that were removed or became smaller.
    pub packs: u64,
    /// The freed bytes.
    pub bytes: u64,
    /// The number of contents that were kept because of `keep`.
    pub kept: u64,
    /// The number of contents that were kept because no ref of the remote reaches them, or because
    /// the remote does not hold them.
    pub unsent: u64,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Removes local content after verifying it on a remote.
///
/// Content that failed the verification is kept. This is not an error.
pub fn evict(
    repo: &Repository,
    options: &EvictOptions,
    progress: &dyn Progress,
) -> Result<EvictOutcome> {
    progress.begin("contacting the remote", None, Unit::Items);
    if !options.dry_run {
        repo.require_writable()?;
    }
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    connection.refresh(progress)?;
    if !options.dry_run {
        let _lock = repo.lock_shared()?;
        connection.import(progress)?;
    }
    let keep = kept(repo, &options.keep)?;
    let remote_content = connection.content()?;
    for UnreadableSegment { key, problem } in remote_content.complete_readable_index(progress)? {
        progress.warn(&format!(
            "'{key}' on the remote is unusable: {problem}; content that only this file names is kept"
        ));
    }
    let mut reached = connection.reached_content(progress)?;
    let mut by_pack: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    let (mut kept, mut unsent) = (0, 0);
    let entries = repo.content().entries()?;
    for number in 0..entries.len() {
        let Some((id, location)) = entries.get(number) else { continue };
        match remote_content.find_locations(&id, need_of(location.kind)).first() {
            _ if keep.contains(&id) => kept += 1,
            _ if !reached.is_kept_there(&id, location.kind) => unsent += 1,
            Some(place) => by_pack.entry(place.pack).or_default().push(id),
            None => unsent += 1,
        }
    }
    let (held, proof) = remote_content.prove(&by_pack, options.full, progress)?;
    unsent += by_pack.iter().filter(|(pack, _)| !held.contains(*pack)).count() as u64;
    let session = if options.dry_run { None } else { Some(repo.content().begin()?) };
    let _lock = if options.dry_run { None } else { Some(repo.lock_exclusive()?) };
    if !options.dry_run {
        connection.complete_reached(&mut reached, progress)?;
    }
    let is_held = |id: &Id| {
        let Ok(Some(location)) = repo.content().locate_known(id) else { return false };
        if !reached.is_kept_there(id, location.kind) {
            return false;
        }
        let places = remote_content.find_locations(id, need_of(location.kind));
        places.iter().any(|place| held.contains(&place.pack))
    };
    let is_kept = |id: &Id| keep.contains(id) || !is_held(id);
    let dropped = repo.content().drop_content(session.as_ref(), &is_kept, progress)?;
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

/// The need that another copy must satisfy for a content with this local kind.
fn need_of(kind: MemberKind) -> Need {
    if kind == MemberKind::Manifest { Need::File } else { Need::Bytes }
}

/// The contents of the revisions to keep.
fn kept(repo: &Repository, revisions: &[Revision]) -> Result<BTreeSet<Id>> {
    let mut commits = Vec::new();
    for revision in revisions {
        commits.push(resolve(repo, revision)?.commit);
    }
    Ok(content_of_tree(repo, &commits)?.into_iter().collect())
}
