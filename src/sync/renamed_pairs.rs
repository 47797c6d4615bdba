//! Pairs a local ref with a remote ref of a different name if both are the same run or version. It
//! was renamed or transferred on one side or both. The operation log records local renames, and the
//! log of the remote records its renames.

use std::collections::{BTreeMap, BTreeSet};

use super::open_renames::OpenRename;
use super::record_uuid::uuid_of;
use super::ref_memory::RefMemory;
use super::ref_relation::RefRelation;
use crate::error::Result;
use crate::history::{Departure, End, History};
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::FormerName;
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
    /// True if another local ref has the remote's name, and keeps it.
    pub(crate) is_taken: bool,
}

impl RenamedPair {
    fn new(was: &RefName, ours: Option<(RefName, Id)>, theirs: Option<(RefName, Id)>) -> Self {
        RenamedPair { was: was.clone(), ours, theirs, is_taken: false }
    }

    /// The name to show to the user: the local name if the ref exists locally.
    pub(crate) fn name(&self) -> &RefName {
        self.ours.as_ref().or(self.theirs.as_ref()).map_or(&self.was, |(name, _)| name)
    }

    /// All present and former names of the ref.
    pub(crate) fn names(&self) -> impl Iterator<Item = &RefName> {
        let sides = [&self.ours, &self.theirs].into_iter().flatten();
        sides.map(|(name, _)| name).chain([&self.was])
    }

    /// Records in `memory` that the pair was merged to the ref `to`. `there` are the remote's refs.
    pub(crate) fn note_merged(
        &self,
        memory: &mut RefMemory,
        to: Option<&(RefName, Id)>,
        there: &BTreeMap<RefName, Id>,
    ) {
        if let Some((name, commit)) = to {
            memory.note_agreed(name, Some(*commit));
        }
        if there.contains_key(&self.was) {
            memory.note_there(&self.was);
        } else {
            memory.note_agreed(&self.was, None);
        }
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
    /// The renames on the remote that this repository may not have followed.
    pub(crate) open: &'a [OpenRename],
    /// The local departures from the names that only the remote has, or that were recreated.
    pub(crate) departed: &'a BTreeMap<RefName, Departure>,
}

/// Finds the refs among `compared` that have different names on the two sides.
pub(crate) fn find_renamed_pairs(
    repo: &Repository,
    sides: &Sides<'_>,
    compared: &[(RefName, RefRelation)],
) -> Result<Vec<RenamedPair>> {
    let finder = Finder { history: repo.history(), sides };
    let mut pairs = finder.renamed_there()?;
    let named: BTreeSet<RefName> = pairs.iter().flat_map(RenamedPair::names).cloned().collect();
    for (name, relation) in compared.iter().filter(|(name, _)| !named.contains(name)) {
        pairs.extend(match relation {
            RefRelation::DeletedHereChangedThere | RefRelation::Diverged => {
                finder.renamed_here(name)?
            }
            RefRelation::Same if !sides.here.contains_key(name) => finder.deleted_there(name),
            _ => None,
        });
    }
    let left: BTreeSet<RefName> =
        pairs.iter().filter_map(|pair| Some(pair.ours.as_ref()?.0.clone())).collect();
    for pair in &mut pairs {
        let theirs = pair.theirs.as_ref().map(|(name, _)| name).filter(|name| **name != pair.was);
        pair.is_taken =
            theirs.is_some_and(|name| sides.here.contains_key(name) && !left.contains(name));
    }
    Ok(pairs)
}

/// The local ref of a record that the remote renamed.
struct LocalSide {
    /// The ref; `None` if it was deleted.
    current: Option<(RefName, Id)>,
    /// Its last commit.
    last: Id,
}

impl LocalSide {
    fn present(name: &RefName, commit: Id) -> Self {
        LocalSide { current: Some((name.clone(), commit)), last: commit }
    }
}

struct Finder<'a> {
    history: &'a History,
    sides: &'a Sides<'a>,
}

impl Finder<'_> {
    /// Finds the refs that the remote renamed and that this repository still has under another
    /// name, or deleted.
    fn renamed_there(&self) -> Result<Vec<RenamedPair>> {
        let mut pairs: Vec<RenamedPair> = Vec::new();
        for OpenRename { former, theirs } in self.sides.open {
            let is_it = |(name, _): &(RefName, Id)| *name == former.now;
            let is_known = pairs.iter().any(|pair| pair.theirs.as_ref().is_some_and(is_it));
            // Another record may have taken the name since.
            if is_known || !self.is_record(former, theirs)? {
                continue;
            }
            let Some(LocalSide { current: ours, last }) = self.ours_of(former)? else { continue };
            let is_given_up = self.sides.memory.is_given_up(&former.now, theirs);
            if (ours.is_none() && is_given_up) || self.history.is_ancestor(&former.commit, &last)? {
                continue;
            }
            let theirs = Some((former.now.clone(), *theirs));
            pairs.push(RenamedPair::new(&former.name, ours, theirs));
        }
        Ok(pairs)
    }

    /// Finds the local ref of a record that the remote renamed, and its last local commit.
    fn ours_of(&self, former: &FormerName) -> Result<Option<LocalSide>> {
        if let Some(commit) = self.sides.here.get(&former.name)
            && self.is_record(former, commit)?
        {
            return Ok(Some(LocalSide::present(&former.name, *commit)));
        }
        let Some(departure) = self.sides.departed.get(&former.name) else { return Ok(None) };
        if !self.is_record(former, &departure.commit)? {
            return Ok(None);
        }
        Ok(match &departure.end {
            End::Deleted(last) => Some(LocalSide { current: None, last: *last }),
            End::Now(name) => {
                self.sides.here.get(name).map(|commit| LocalSide::present(name, *commit))
            }
        })
    }

    fn is_record(&self, former: &FormerName, commit: &Id) -> Result<bool> {
        Ok(uuid_of(self.history, former.now.kind(), commit)? == Some(former.uuid))
    }

    /// Handles `was`, which was renamed locally and changed on the remote.
    fn renamed_here(&self, was: &RefName) -> Result<Option<RenamedPair>> {
        let (Some(ours), Some(theirs)) = (self.now(was), self.sides.there.get(was)) else {
            return Ok(None);
        };
        let uuid = |commit: &Id| uuid_of(self.history, was.kind(), commit);
        let record = uuid(&ours.1)?;
        if record.is_none() || uuid(theirs)? != record {
            return Ok(None);
        }
        // The remote may have the record under both names, from two concurrent renames.
        if let Some(there) = self.sides.there.get(&ours.0)
            && uuid(there)? == record
        {
            return Ok(None);
        }
        Ok(Some(RenamedPair::new(was, Some(ours), Some((was.clone(), *theirs)))))
    }

    /// Handles `was`, which was renamed locally and deleted on the remote.
    fn deleted_there(&self, was: &RefName) -> Option<RenamedPair> {
        self.sides.memory.was_deleted_there(was)?;
        let ours = self.now(was).filter(|(name, _)| !self.sides.there.contains_key(name))?;
        Some(RenamedPair::new(was, Some(ours), None))
    }

    /// The local ref that left the name `was`.
    fn now(&self, was: &RefName) -> Option<(RefName, Id)> {
        let name = self.sides.departed.get(was)?.now()?;
        Some((name.clone(), *self.sides.here.get(name)?))
    }
}
