//! Pairs a local ref with a remote ref of a different name if both are the same run, version or
//! tag. The ref was renamed or transferred on one side or both, and the other side changed it too.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::record_uuid::uuid_of;
use super::ref_memory::RefMemory;
use super::ref_relation::RefRelation;
use super::removed::{Removed, find_renamed};
use crate::error::Result;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::repo::Repository;

/// A ref that has different names on the two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenamedPair {
    /// The former name on both sides.
    pub(crate) was: RefName,
    /// The local ref; `None` if it was deleted locally.
    pub(crate) ours: Option<(RefName, Id)>,
    /// The remote's ref; `None` if it was deleted on the remote.
    pub(crate) theirs: Option<(RefName, Id)>,
}

impl RenamedPair {
    /// The name to show to the user: the local name if the ref exists locally.
    pub(crate) fn name(&self) -> &RefName {
        self.ours.as_ref().or(self.theirs.as_ref()).map_or(&self.was, |(name, _)| name)
    }

    /// All present and former names of the ref.
    pub(crate) fn names(&self) -> impl Iterator<Item = &RefName> {
        let sides = [&self.ours, &self.theirs].into_iter().flatten();
        sides.map(|(name, _)| name).chain([&self.was])
    }

    /// Returns true if `name` is one of the names.
    pub(crate) fn is_about(&self, name: &RefName) -> bool {
        self.names().any(|one| one == name)
    }
}

/// The refs of a repository and of a remote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) here: &'a BTreeMap<RefName, Id>,
    pub(crate) there: &'a BTreeMap<RefName, Id>,
    pub(crate) memory: &'a RefMemory,
    /// The result of [`removed_here`](super::removed_here) for the refs that do not exist locally.
    pub(crate) removed: &'a BTreeMap<RefName, Removed>,
}

/// Finds the refs among `compared` that have different names on the two sides.
pub(crate) fn find_renamed_pairs(
    repo: &Repository,
    sides: &Sides<'_>,
    compared: &[(RefName, RefRelation)],
) -> Result<Vec<RenamedPair>> {
    let mut finder = Finder { repo, sides, only_there: None };
    let mut pairs = Vec::new();
    for (name, relation) in compared {
        if !matches!(name.kind(), RefKind::Run | RefKind::Version) {
            continue;
        }
        let pair = match relation {
            RefRelation::DeletedHereChangedThere => finder.renamed_here(name)?,
            RefRelation::DeletedThereChangedHere => finder.renamed_there(name)?,
            RefRelation::Same if !sides.here.contains_key(name) => finder.gone_from_both(name)?,
            _ => None,
        };
        pairs.extend(pair);
    }
    Ok(pairs)
}

/// Finds the remote's name of the run or version of `commit`, if no local ref has that name.
pub(crate) fn renamed_there(
    repo: &Repository,
    sides: &Sides<'_>,
    kind: RefKind,
    commit: &Id,
) -> Result<Option<RefName>> {
    let mut finder = Finder { repo, sides, only_there: None };
    Ok(finder.find_there(kind, commit)?.map(|(name, _)| name))
}

struct Finder<'a> {
    repo: &'a Repository,
    sides: &'a Sides<'a>,
    /// The refs that only the remote has, by UUID. Read at the first use.
    only_there: Option<BTreeMap<Uuid, (RefName, Id)>>,
}

impl Finder<'_> {
    /// Handles `was`, which was renamed locally and changed on the remote.
    fn renamed_here(&mut self, was: &RefName) -> Result<Option<RenamedPair>> {
        let theirs = self.sides.there.get(was).map(|commit| (was.clone(), *commit));
        let ours = self.renamed_to(was)?;
        Ok(ours.map(|ours| RenamedPair { was: was.clone(), ours: Some(ours), theirs }))
    }

    /// Handles `was`, which was renamed on the remote and changed locally.
    fn renamed_there(&mut self, was: &RefName) -> Result<Option<RenamedPair>> {
        let Some(ours) = self.sides.here.get(was).copied() else { return Ok(None) };
        let theirs = self.find_there(was.kind(), &ours)?;
        let ours = Some((was.clone(), ours));
        Ok(theirs.map(|theirs| RenamedPair { was: was.clone(), ours, theirs: Some(theirs) }))
    }

    /// Handles `was`, which neither side has any more. If at least one side renamed it, it is a
    /// pair.
    fn gone_from_both(&mut self, was: &RefName) -> Result<Option<RenamedPair>> {
        let Some(removed) = self.sides.removed.get(was) else { return Ok(None) };
        if self.sides.memory.was_deleted_there(was).is_none() {
            return Ok(None);
        }
        if find_renamed(self.repo.history(), self.sides.here, removed)?
            .is_some_and(|to| self.sides.there.contains_key(&to))
        {
            return Ok(None);
        }
        let ours = self.renamed_to(was)?;
        let theirs = self.find_there(was.kind(), &removed.commit)?;
        let is_pair = ours.is_some() || theirs.is_some();
        Ok(is_pair.then(|| RenamedPair { was: was.clone(), ours, theirs }))
    }

    /// The new local name of `was`, if the remote has no ref of that name.
    fn renamed_to(&self, was: &RefName) -> Result<Option<(RefName, Id)>> {
        let Some(removed) = self.sides.removed.get(was) else { return Ok(None) };
        let to = find_renamed(self.repo.history(), self.sides.here, removed)?;
        let to = to.filter(|to| !self.sides.there.contains_key(to));
        Ok(to.and_then(|to| Some((to.clone(), *self.sides.here.get(&to)?))))
    }

    /// Finds the remote's ref for the run or version of `commit`, if its name does not exist
    /// locally.
    fn find_there(&mut self, kind: RefKind, commit: &Id) -> Result<Option<(RefName, Id)>> {
        let Some(uuid) = uuid_of(self.repo, kind, commit)? else { return Ok(None) };
        if self.only_there.is_none() {
            let mut only_there = BTreeMap::new();
            for (name, commit) in self.sides.there {
                if !self.sides.here.contains_key(name)
                    && !self.sides.memory.is_given_up(name, commit)
                    && let Some(uuid) = uuid_of(self.repo, name.kind(), commit)?
                {
                    only_there.insert(uuid, (name.clone(), *commit));
                }
            }
            self.only_there = Some(only_there);
        }
        Ok(self.only_there.as_ref().and_then(|all| all.get(&uuid)).cloned())
    }
}
