//! Where a ref stands here, compared with where it stands on a remote.

use std::collections::BTreeMap;

use serde::Serialize;

use super::past::Past;
use super::removed::{Removed, removed_here};
use super::ties::uuid_of;
use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::repo::Repository;

/// How the two sides of a ref relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Both are at the same commit, or both have none.
    Same,
    /// The remote's commit comes after ours.
    Behind,
    /// Our commit comes after the remote's, or is what took its place here, where it was deleted.
    Ahead,
    /// The remote has another thing of that name now, in the place of ours, which is as it was then.
    Replaced,
    /// Each side has commits that the other has not.
    Diverged,
    /// Only this repository has it.
    OnlyHere,
    /// Only the remote has it.
    OnlyThere,
    /// It was deleted here and is on the remote as it was then.
    DeletedHere,
    /// It was deleted here, and the remote's has gone on since.
    DeletedHereChangedThere,
    /// It was deleted on the remote and is here as it was then.
    DeletedThere,
    /// It was deleted on the remote, and ours has gone on since.
    DeletedThereChangedHere,
}

/// The two sides of a ref: where it is here, and where it is on the remote.
pub(crate) type Sides = (RefName, Option<Id>, Option<Id>);

/// A ref, and how its two sides relate.
pub(crate) type Stands = (RefName, Standing);

/// Compares both sides of refs. Beside it stands what commands here did away with, of those that
/// are not here, and of those that are another thing now.
pub(crate) fn standings(
    repo: &Repository,
    past: &Past,
    sides: &[Sides],
) -> Result<(Vec<Stands>, BTreeMap<RefName, Removed>)> {
    let history = repo.history();
    let absent = sides.iter().filter(|(_, here, _)| here.is_none());
    let mut removed = removed_here(history, absent.map(|(name, ..)| (name.clone(), false)))?;
    let mut compared = Vec::new();
    let mut others = Vec::new();
    for (at, (name, here, there)) in sides.iter().enumerate() {
        let stands = standing(history, name, (*here, *there), past, &removed)?;
        if let (Standing::Diverged, Some(here), Some(there)) = (stands, here, there)
            && is_another(repo, name.kind(), here, there)?
        {
            others.push(at);
        }
        compared.push((name.clone(), stands));
    }
    // Made anew under its old name, it comes after what was deleted.
    let names = others.iter().map(|at| (sides[*at].0.clone(), true));
    removed.extend(removed_here(history, names)?);
    for at in others {
        let (name, here, there) = &sides[at];
        compared[at].1 = standing(history, name, (*here, *there), past, &removed)?;
    }
    Ok((compared, removed))
}

/// Whether two commits of a ref are known to be of different things of its name.
pub(crate) fn is_another(repo: &Repository, kind: RefKind, one: &Id, other: &Id) -> Result<bool> {
    let uuids = (uuid_of(repo, kind, one)?, uuid_of(repo, kind, other)?);
    Ok(matches!(uuids, (Some(one), Some(other)) if one != other))
}

/// Compares the two sides of `name`. A commit of the remote that is not in this repository makes
/// them diverged: it has to be fetched first. `removed` has what [`removed_here`] found.
fn standing(
    history: &History,
    name: &RefName,
    (here, there): (Option<Id>, Option<Id>),
    past: &Past,
    removed: &BTreeMap<RefName, Removed>,
) -> Result<Standing> {
    let agreed = past.agreed(name);
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
        (None, None) => Standing::Same,
        (Some(here), Some(there)) if here == there => Standing::Same,
        (Some(here), Some(there)) => match agreed {
            Some(agreed) if agreed == here => Standing::Behind,
            Some(agreed) if agreed == there => Standing::Ahead,
            _ if name.kind() == RefKind::Tag => Standing::Diverged,
            _ if is_before(&here, &there)? => Standing::Behind,
            _ if is_before(&there, &here)? => Standing::Ahead,
            _ => {
                let mut is_replaced = false;
                for then in past.replaced(name) {
                    is_replaced = is_replaced || is_before(&here, then)?;
                }
                match removed {
                    _ if is_replaced => Standing::Replaced,
                    Some(removed) if is_before(&there, removed)? => Standing::Ahead,
                    _ => Standing::Diverged,
                }
            }
        },
        (Some(here), None) => match past.was_deleted_there(name) {
            Some(deleted) if is_before(&here, &deleted)? => Standing::DeletedThere,
            Some(deleted) if is_before(&deleted, &here)? => Standing::DeletedThereChangedHere,
            _ => Standing::OnlyHere,
        },
        (None, Some(there)) => match removed {
            // It came back after both sides had deleted it, or a new one has its name.
            _ if past.agreed_on_none(name) => Standing::OnlyThere,
            _ if past.is_given_up(name, &there) => Standing::DeletedHere,
            Some(removed) if is_before(&there, removed)? => Standing::DeletedHere,
            Some(removed) if is_before(removed, &there)? => Standing::DeletedHereChangedThere,
            _ => Standing::OnlyThere,
        },
    })
}
