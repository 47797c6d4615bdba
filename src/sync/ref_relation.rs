//! The relation between a local ref and the same ref on a remote: ahead, behind, diverged and so
//! on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record_uuid::uuid_of;
use super::ref_memory::RefMemory;
use super::removed::{Removed, removed_here};
use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::repo::Repository;

/// The relation between the two sides of a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefRelation {
    /// Both sides have the same commit, or both lack the ref.
    Same,
    /// The remote's commit is a descendant of the local one.
    Behind,
    /// The local commit is a descendant of the remote's, or the ref was deleted and recreated
    /// locally.
    Ahead,
    /// The remote deleted and recreated the ref. The local ref has not changed since.
    Replaced,
    /// Each side has commits that the other side lacks.
    Diverged,
    /// Only this repository has the ref.
    OnlyHere,
    /// Only the remote has the ref.
    OnlyThere,
    /// The ref was deleted locally. The remote's ref has not changed since.
    DeletedHere,
    /// The ref was deleted locally. The remote's ref has changed since.
    DeletedHereChangedThere,
    /// The ref was deleted on the remote. The local ref has not changed since.
    DeletedThere,
    /// The ref was deleted on the remote. The local ref has changed since.
    DeletedThereChangedHere,
}

/// The two sides of a ref: its name, its local commit, and its commit on the remote.
pub(crate) type RefSides = (RefName, Option<Id>, Option<Id>);

/// A ref and the relation between its two sides.
pub(crate) type RelatedRef = (RefName, RefRelation);

/// Compares both sides of refs. Also returns the last local removal of each ref that does not exist
/// locally, or that was recreated.
pub(crate) fn ref_relations(
    repo: &Repository,
    memory: &RefMemory,
    sides: &[RefSides],
) -> Result<(Vec<RelatedRef>, BTreeMap<RefName, Removed>)> {
    let history = repo.history();
    let absent = sides.iter().filter(|(_, here, _)| here.is_none());
    let mut removed = removed_here(history, absent.map(|(name, ..)| (name.clone(), false)))?;
    let mut compared = Vec::new();
    let mut others = Vec::new();
    for (at, (name, here, there)) in sides.iter().enumerate() {
        let relation = ref_relation(history, name, (*here, *there), memory, &removed)?;
        if let (RefRelation::Diverged, Some(here), Some(there)) = (relation, here, there)
            && is_another(repo, name.kind(), here, there)?
        {
            others.push(at);
        }
        compared.push((name.clone(), relation));
    }
    // A ref that was recreated under its old name supersedes the deleted one.
    let names = others.iter().map(|at| (sides[*at].0.clone(), true));
    removed.extend(removed_here(history, names)?);
    for at in others {
        let (name, here, there) = &sides[at];
        compared[at].1 = ref_relation(history, name, (*here, *there), memory, &removed)?;
    }
    Ok((compared, removed))
}

/// Returns true if two commits of a ref are known to belong to different runs, versions or tags of
/// the same name.
pub(crate) fn is_another(repo: &Repository, kind: RefKind, one: &Id, other: &Id) -> Result<bool> {
    let uuids = (uuid_of(repo, kind, one)?, uuid_of(repo, kind, other)?);
    Ok(matches!(uuids, (Some(one), Some(other)) if one != other))
}

/// Compares the two sides of `name`. If a commit of the remote is missing from this repository, the
/// sides count as diverged until the commit is fetched. `removed` is the result of
/// [`removed_here`].
fn ref_relation(
    history: &History,
    name: &RefName,
    (here, there): (Option<Id>, Option<Id>),
    memory: &RefMemory,
    removed: &BTreeMap<RefName, Removed>,
) -> Result<RefRelation> {
    let agreed = memory.agreed(name);
    let is_before = |before: &Id, after: &Id| -> Result<bool> {
        if before == after {
            return Ok(true);
        }
        if history.try_kind(before)?.is_none() || history.try_kind(after)?.is_none() {
            return Ok(false);
        }
        history.is_ancestor(before, after)
    };
    let removed = removed.get(name).map(|removed| &removed.commit);
    Ok(match (here, there) {
        (None, None) => RefRelation::Same,
        (Some(here), Some(there)) if here == there => RefRelation::Same,
        (Some(here), Some(there)) => match agreed {
            Some(agreed) if agreed == here => RefRelation::Behind,
            Some(agreed) if agreed == there => RefRelation::Ahead,
            _ if name.kind() == RefKind::Tag => RefRelation::Diverged,
            _ if is_before(&here, &there)? => RefRelation::Behind,
            _ if is_before(&there, &here)? => RefRelation::Ahead,
            _ => {
                let mut is_replaced = false;
                for then in memory.replaced(name) {
                    is_replaced = is_replaced || is_before(&here, then)?;
                }
                match removed {
                    _ if is_replaced => RefRelation::Replaced,
                    Some(removed) if is_before(&there, removed)? => RefRelation::Ahead,
                    _ => RefRelation::Diverged,
                }
            }
        },
        (Some(here), None) => match memory.was_deleted_there(name) {
            Some(deleted) if is_before(&here, &deleted)? => RefRelation::DeletedThere,
            Some(deleted) if is_before(&deleted, &here)? => RefRelation::DeletedThereChangedHere,
            _ => RefRelation::OnlyHere,
        },
        (None, Some(there)) => match removed {
            // The ref was restored after both sides had deleted it, or a new ref has its name.
            _ if memory.agreed_on_none(name) => RefRelation::OnlyThere,
            _ if memory.is_given_up(name, &there) => RefRelation::DeletedHere,
            Some(removed) if is_before(&there, removed)? => RefRelation::DeletedHere,
            Some(removed) if is_before(removed, &there)? => RefRelation::DeletedHereChangedThere,
            _ => RefRelation::OnlyThere,
        },
    })
}
