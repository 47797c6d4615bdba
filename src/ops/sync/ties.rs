//! Refs of different names, one here and one on the remote, that are one thing: it was renamed, or
//! went to another project, on one side or on both, and the other side did something with it too.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::past::Past;
use super::removed::{Removed, find_renamed};
use super::standing::Standing;
use crate::error::Result;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// One thing that each side has elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tie {
    /// What both called it.
    pub(crate) was: RefName,
    /// What it is here; `None` if it was deleted here.
    pub(crate) ours: Option<(RefName, Id)>,
    /// What it is on the remote; `None` if it was deleted there.
    pub(crate) theirs: Option<(RefName, Id)>,
}

impl Tie {
    /// What people call it: its name here, if it is here.
    pub(crate) fn name(&self) -> &RefName {
        self.ours.as_ref().or(self.theirs.as_ref()).map_or(&self.was, |(name, _)| name)
    }

    /// All that it is called, and was.
    pub(crate) fn names(&self) -> impl Iterator<Item = &RefName> {
        let sides = [&self.ours, &self.theirs].into_iter().flatten();
        sides.map(|(name, _)| name).chain([&self.was])
    }

    /// Whether it is about `name`.
    pub(crate) fn is_about(&self, name: &RefName) -> bool {
        self.names().any(|one| one == name)
    }
}

/// Both sides of a repository and a remote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Both<'a> {
    pub(crate) here: &'a BTreeMap<RefName, Id>,
    pub(crate) there: &'a BTreeMap<RefName, Id>,
    pub(crate) past: &'a Past,
    /// What [`removed_here`](super::removed_here) found of the refs that are not here.
    pub(crate) removed: &'a BTreeMap<RefName, Removed>,
}

/// The things that the two sides have under different names, of the refs `compared`.
pub(crate) fn find_ties(
    repo: &Repository,
    both: &Both<'_>,
    compared: &[(RefName, Standing)],
) -> Result<Vec<Tie>> {
    let mut finder = Finder { repo, both, only_there: None };
    let mut ties = Vec::new();
    for (name, stands) in compared {
        if !matches!(name.kind(), RefKind::Run | RefKind::Version) {
            continue;
        }
        let tie = match stands {
            Standing::DeletedHereChangedThere => finder.renamed_here(name)?,
            Standing::DeletedThereChangedHere => finder.renamed_there(name)?,
            Standing::Same if !both.here.contains_key(name) => finder.gone_from_both(name)?,
            _ => None,
        };
        ties.extend(tie);
    }
    Ok(ties)
}

/// What the remote calls the thing that `commit` is a state of, if it is not here under that name.
pub(crate) fn renamed_there(
    repo: &Repository,
    both: &Both<'_>,
    kind: RefKind,
    commit: &Id,
) -> Result<Option<RefName>> {
    let mut finder = Finder { repo, both, only_there: None };
    Ok(finder.find_there(kind, commit)?.map(|(name, _)| name))
}

/// The identity of the run or version that `commit` is a state of, as far as that can be read.
pub(crate) fn uuid_of(repo: &Repository, kind: RefKind, commit: &Id) -> Result<Option<Uuid>> {
    let history = repo.history();
    let file = match kind {
        RefKind::Run => RunRecord::FILE,
        RefKind::Version => VersionRecord::FILE,
        RefKind::Project | RefKind::Tag => return Ok(None),
    };
    if history.try_kind(commit)?.is_none() {
        return Ok(None);
    }
    let tree = history.read_commit(commit)?.tree;
    let Some(entry) = history.entry_at(&tree, &TreePath::parse(file)?)? else { return Ok(None) };
    let bytes = history.read_blob(&entry.id)?;
    Ok(match kind {
        RefKind::Run => RunRecord::decode(&bytes).ok().map(|record| record.uuid),
        _ => VersionRecord::decode(&bytes).ok().map(|record| record.uuid),
    })
}

struct Finder<'a> {
    repo: &'a Repository,
    both: &'a Both<'a>,
    /// What only the remote has, by what it is. Read when it is needed first.
    only_there: Option<BTreeMap<Uuid, (RefName, Id)>>,
}

impl Finder<'_> {
    /// `was` was renamed here and changed there.
    fn renamed_here(&mut self, was: &RefName) -> Result<Option<Tie>> {
        let theirs = self.both.there.get(was).map(|commit| (was.clone(), *commit));
        let ours = self.renamed_to(was)?;
        Ok(ours.map(|ours| Tie { was: was.clone(), ours: Some(ours), theirs }))
    }

    /// `was` was renamed there and changed here.
    fn renamed_there(&mut self, was: &RefName) -> Result<Option<Tie>> {
        let Some(ours) = self.both.here.get(was).copied() else { return Ok(None) };
        let theirs = self.find_there(was.kind(), &ours)?;
        let ours = Some((was.clone(), ours));
        Ok(theirs.map(|theirs| Tie { was: was.clone(), ours, theirs: Some(theirs) }))
    }

    /// `was` is gone from both sides: renamed on one of them at least, it is a tie.
    fn gone_from_both(&mut self, was: &RefName) -> Result<Option<Tie>> {
        let Some(removed) = self.both.removed.get(was) else { return Ok(None) };
        if self.both.past.was_deleted_there(was).is_none() {
            return Ok(None);
        }
        if find_renamed(self.repo.history(), self.both.here, removed)?
            .is_some_and(|to| self.both.there.contains_key(&to))
        {
            return Ok(None);
        }
        let ours = self.renamed_to(was)?;
        let theirs = self.find_there(was.kind(), &removed.commit)?;
        let is_tie = ours.is_some() || theirs.is_some();
        Ok(is_tie.then(|| Tie { was: was.clone(), ours, theirs }))
    }

    /// What `was` is here, if the remote has nothing of that name.
    fn renamed_to(&self, was: &RefName) -> Result<Option<(RefName, Id)>> {
        let Some(removed) = self.both.removed.get(was) else { return Ok(None) };
        let to = find_renamed(self.repo.history(), self.both.here, removed)?;
        let to = to.filter(|to| !self.both.there.contains_key(to));
        Ok(to.and_then(|to| Some((to.clone(), *self.both.here.get(&to)?))))
    }

    /// The remote's ref, of a name that is not here, that is what `commit` is a state of.
    fn find_there(&mut self, kind: RefKind, commit: &Id) -> Result<Option<(RefName, Id)>> {
        let Some(uuid) = uuid_of(self.repo, kind, commit)? else { return Ok(None) };
        if self.only_there.is_none() {
            let mut only_there = BTreeMap::new();
            for (name, commit) in self.both.there {
                if !self.both.here.contains_key(name)
                    && !self.both.past.is_given_up(name, commit)
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
