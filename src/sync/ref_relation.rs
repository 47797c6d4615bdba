//! The relation between a local ref and the same ref on a remote: ahead, behind, diverged and so
//! on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record_uuid::uuid_of;
use super::ref_memory::RefMemory;
use crate::error::Result;
use crate::history::{Departure, End, History};
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

/// Compares both sides of refs. Also returns the last local departure from each name that does not
/// exist locally, or that was recreated.
pub(crate) fn ref_relations(
    repo: &Repository,
    memory: &RefMemory,
    sides: &[RefSides],
) -> Result<(Vec<RelatedRef>, BTreeMap<RefName, Departure>)> {
    let history = repo.history();
    let absent = sides.iter().filter(|(_, here, _)| here.is_none());
    let departed = history.departures(absent.map(|(name, ..)| (name.clone(), false)))?;
    let mut context = Context { history, memory, departed };
    let mut compared = Vec::new();
    let mut others = Vec::new();
    for (at, (name, here, there)) in sides.iter().enumerate() {
        let relation = context.relation(name, (*here, *there))?;
        if let (RefRelation::Diverged, Some(here), Some(there)) = (relation, here, there)
            && is_another(history, name.kind(), here, there)?
        {
            others.push(at);
        }
        compared.push((name.clone(), relation));
    }
    // A ref that was recreated under its old name supersedes the deleted or renamed one.
    let names = others.iter().map(|at| (sides[*at].0.clone(), true));
    context.departed.extend(history.departures(names)?);
    for at in others {
        let (name, here, there) = &sides[at];
        compared[at].1 = context.relation(name, (*here, *there))?;
    }
    Ok((compared, context.departed))
}

/// Returns true if two commits of a ref are known to belong to different runs, versions or tags of
/// the same name.
pub(crate) fn is_another(history: &History, kind: RefKind, one: &Id, other: &Id) -> Result<bool> {
    let uuids = (uuid_of(history, kind, one)?, uuid_of(history, kind, other)?);
    Ok(matches!(uuids, (Some(one), Some(other)) if one != other))
}

/// Everything that decides the relation of refs, beside their commits.
struct Context<'a> {
    history: &'a History,
    memory: &'a RefMemory,
    departed: BTreeMap<RefName, Departure>,
}

impl Context<'_> {
    /// Compares the two sides of `name`. If a commit of the remote is missing from this repository,
    /// the sides count as diverged until the commit is fetched.
    fn relation(
        &self,
        name: &RefName,
        (here, there): (Option<Id>, Option<Id>),
    ) -> Result<RefRelation> {
        Ok(match (here, there) {
            (None, None) => RefRelation::Same,
            (Some(here), Some(there)) if here == there => RefRelation::Same,
            (Some(here), Some(there)) => self.relation_of_both(name, here, there)?,
            (Some(here), None) => match self.memory.was_deleted_there(name) {
                Some(deleted) if self.is_before(&here, &deleted)? => RefRelation::DeletedThere,
                Some(deleted) if self.is_before(&deleted, &here)? => {
                    RefRelation::DeletedThereChangedHere
                }
                _ => RefRelation::OnlyHere,
            },
            (None, Some(there)) => match self.departed.get(name) {
                // The ref was restored after both sides had deleted it, or a new ref has its name.
                _ if self.memory.agreed_on_none(name) => RefRelation::OnlyThere,
                _ if self.memory.is_given_up(name, &there) => RefRelation::DeletedHere,
                Some(departure) if self.includes(departure, &there)? => RefRelation::DeletedHere,
                Some(departure) if self.is_changed(name, departure, &there)? => {
                    RefRelation::DeletedHereChangedThere
                }
                _ => RefRelation::OnlyThere,
            },
        })
    }

    fn relation_of_both(&self, name: &RefName, here: Id, there: Id) -> Result<RefRelation> {
        Ok(match self.memory.agreed(name) {
            Some(agreed) if agreed == here => RefRelation::Behind,
            Some(agreed) if agreed == there => RefRelation::Ahead,
            _ if name.kind() == RefKind::Tag => RefRelation::Diverged,
            _ if self.is_before(&here, &there)? => RefRelation::Behind,
            _ if self.is_before(&there, &here)? => RefRelation::Ahead,
            _ => {
                let mut is_replaced = false;
                for then in self.memory.replaced(name) {
                    is_replaced = is_replaced || self.is_before(&here, then)?;
                }
                match self.departed.get(name) {
                    _ if is_replaced => RefRelation::Replaced,
                    Some(departure) if self.includes(departure, &there)? => RefRelation::Ahead,
                    _ => RefRelation::Diverged,
                }
            }
        })
    }

    /// Returns true if the ref that left a name, or its current state, includes the remote's commit
    /// under that name.
    fn includes(&self, departure: &Departure, there: &Id) -> Result<bool> {
        if self.is_before(there, &departure.commit)? {
            return Ok(true);
        }
        match self.last(departure)? {
            Some(last) => self.is_before(there, &last),
            None => Ok(false),
        }
    }

    /// Returns true if the remote's commit is a later state of the ref that left the name.
    fn is_changed(&self, name: &RefName, departure: &Departure, there: &Id) -> Result<bool> {
        if self.is_before(&departure.commit, there)? {
            return Ok(true);
        }
        let (End::Now(_), Some(now)) = (&departure.end, self.last(departure)?) else {
            return Ok(false);
        };
        let uuid = uuid_of(self.history, name.kind(), &now)?;
        Ok(uuid.is_some() && uuid == uuid_of(self.history, name.kind(), there)?)
    }

    /// The current or last commit of a departed ref.
    fn last(&self, departure: &Departure) -> Result<Option<Id>> {
        match &departure.end {
            End::Deleted(last) => Ok(Some(*last)),
            End::Now(name) => self.history.try_find_ref(name),
        }
    }

    fn is_before(&self, before: &Id, after: &Id) -> Result<bool> {
        if before == after {
            return Ok(true);
        }
        if self.history.try_kind(before)?.is_none() || self.history.try_kind(after)?.is_none() {
            return Ok(false);
        }
        self.history.is_ancestor(before, after)
    }
}
