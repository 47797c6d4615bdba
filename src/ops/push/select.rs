//! Selects the refs that a push moves, skips or refuses.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::PushOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Departure, History};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::ops::fsck::names::check_record;
use crate::remote::log::{RefMove, Renamed, Settled};
use crate::repo::Repository;
use crate::sync::{
    Connection, RefMemory, RefRelation, RefSides, find_name, ref_relations, uuid_of,
};

/// The planned changes of a push.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Selection {
    /// The refs to move.
    pub(super) moves: Vec<RefMove>,
    /// The records among `moves` that were renamed or transferred.
    pub(super) renamed: Vec<Renamed>,
    /// The refs among `moves` that are not a fast-forward.
    pub(super) forced: BTreeSet<RefName>,
    /// The conflict sides that the push settles.
    pub(super) settled: Vec<Settled>,
    /// Refs that cannot be moved forward, with their relation to the remote.
    pub(super) refused: Vec<(RefName, RefRelation)>,
    /// Refs that are behind the remote, so that there is nothing to push.
    pub(super) behind: Vec<RefName>,
    /// Refs that have the same commit on both sides.
    pub(super) same: Vec<(RefName, Id)>,
}

/// Compares the local refs with the state of the remote in `connection`.
pub(super) fn select(connection: &Connection<'_>, options: &PushOptions) -> Result<Selection> {
    let are_named = !options.refs.is_empty();
    let mut selection = Selection::default();
    let (compared, departed) = compare(connection, options)?;
    for ((name, ours, theirs), relation) in compared {
        let forced = options.force
            && match relation {
                RefRelation::Diverged
                | RefRelation::DeletedHereChangedThere
                | RefRelation::DeletedThereChangedHere => true,
                // Only a user who names the ref wants to set it back.
                RefRelation::Behind | RefRelation::Replaced | RefRelation::DeletedThere => {
                    are_named
                }
                _ => false,
            };
        match relation {
            RefRelation::Ahead | RefRelation::OnlyHere | RefRelation::DeletedHere => {
                selection.moves.push(RefMove { name, old: theirs, new: ours });
            }
            _ if forced => {
                selection.forced.insert(name.clone());
                selection.moves.push(RefMove { name, old: theirs, new: ours });
            }
            RefRelation::Behind | RefRelation::Replaced | RefRelation::DeletedThere => {
                selection.behind.push(name);
            }
            RefRelation::Same => selection.same.extend(ours.map(|commit| (name, commit))),
            RefRelation::OnlyThere => {}
            RefRelation::Diverged
            | RefRelation::DeletedHereChangedThere
            | RefRelation::DeletedThereChangedHere => selection.refused.push((name, relation)),
        }
    }
    let mut known: HashSet<Id> = connection.state.remote_state().refs.values().copied().collect();
    // A tag may point to any record, so each commit is checked once for all its tags.
    let mut sound = HashSet::new();
    for moved in &selection.moves {
        let is_tag = moved.name.kind() == RefKind::Tag;
        if let Some(new) = moved.new.as_ref().filter(|new| !is_tag || sound.insert(**new)) {
            check_record(connection.repo.history(), &moved.name, new)
                .and_then(|()| check_times(connection.repo.history(), new, &mut known))
                .map_err(|error| error.context(format!("'{}' is not pushed", moved.name)))?;
        }
    }
    selection.renamed = renamed(connection.repo.history(), &selection.moves, &departed)?;
    selection.settled = settled(connection, &selection.moves)?;
    Ok(selection)
}

/// Fails for a commit with an impossible time among those that lead to `tip`, up to the commits that
/// are `known`. A missing commit is left to the walk that collects the objects.
fn check_times(history: &History, tip: &Id, known: &mut HashSet<Id>) -> Result<()> {
    for entry in history.log(&[history.peel(tip)?]) {
        let Ok((id, _)) = entry else { break };
        if !known.insert(id) {
            break;
        }
        if let Some(defect) = history.find_time_defect(&id)? {
            return Err(Error::corrupt(format!("commit {id} is damaged: {defect}"))
                .with_hint("see what is damaged: art fsck"));
        }
    }
    Ok(())
}

fn is_here(history: &History, commit: Option<Id>) -> Result<bool> {
    Ok(match commit {
        Some(commit) => history.try_kind(&commit)?.is_some(),
        None => false,
    })
}

/// The recorded facts about the refs, plus the deletions by log entries since the last fetch. A ref
/// that is merely missing on the remote was not necessarily deleted.
///
/// A ref that the remote renamed, and that is behind the ref with the new name, left its old name
/// there: this repository has undone its own rename, which only a pull can follow.
fn memory_until_now(
    connection: &Connection<'_>,
    refs: &Refs<'_>,
    seen: &BTreeMap<RefName, Id>,
) -> Result<RefMemory> {
    let mut memory = connection.memory.refs();
    let there = refs.there;
    for former in &connection.state.remote_state().former_names {
        if let (Some(ours), None, Some(theirs)) =
            (refs.here.get(&former.name), there.get(&former.name), there.get(&former.now))
            && ours != theirs
            && is_here(refs.history, Some(*theirs))?
            && refs.history.is_ancestor(ours, theirs)?
        {
            memory.note_deleted_there(&former.name, *ours);
        }
    }
    let gone = seen.iter().filter(|(name, _)| !there.contains_key(*name));
    let gone: BTreeMap<RefName, Id> = gone.map(|(name, id)| (name.clone(), *id)).collect();
    for name in connection.deleted_by_log(&gone)? {
        if let Some(commit) = gone.get(&name) {
            memory.note_deleted_there(&name, *commit);
        }
    }
    Ok(memory)
}

/// The refs of a repository and of a remote.
struct Refs<'a> {
    history: &'a History,
    here: BTreeMap<RefName, Id>,
    there: &'a BTreeMap<RefName, Id>,
}

impl Refs<'_> {
    fn sides(&self, names: &BTreeSet<RefName>) -> Vec<RefSides> {
        let here = |name| self.here.get(name).copied();
        let there = |name| self.there.get(name).copied();
        names.iter().map(|name| (name.clone(), here(name), there(name))).collect()
    }

    /// The other names of refs among `names` that were renamed locally. A push moves both names
    /// together. `departed` are the local departures from `names`.
    fn renamed_with(
        &self,
        names: &BTreeSet<RefName>,
        departed: &BTreeMap<RefName, Departure>,
    ) -> Result<BTreeSet<RefName>> {
        let is_new =
            |name: &RefName| self.here.contains_key(name) && !self.there.contains_key(name);
        let may_be_renamed = !departed.is_empty() || names.iter().any(is_new);
        if !may_be_renamed {
            return Ok(BTreeSet::new());
        }
        let differs = |name: &&RefName| self.here.get(*name) != self.there.get(*name);
        let others = self.there.keys().filter(|name| !names.contains(*name)).filter(differs);
        let others = others.map(|name| (name.clone(), self.here.contains_key(name)));
        let others = self.history.departures(others)?;
        let mut pairs: Vec<(&RefName, &RefName)> = Vec::new();
        for (from, departure) in departed.iter().chain(&others) {
            let Some(to) = departure.now() else { continue };
            if self.is_unpushed(from, to)? {
                pairs.push((from, to));
            }
        }
        let mut all = names.clone();
        // Refs can swap their names.
        while let Some(at) =
            pairs.iter().position(|(from, to)| all.contains(*from) || all.contains(*to))
        {
            let (from, to) = pairs.swap_remove(at);
            all.extend([from.clone(), to.clone()]);
        }
        Ok(all.difference(names).cloned().collect())
    }

    /// Returns true if the remote has the local ref `to` under its former name `from`.
    fn is_unpushed(&self, from: &RefName, to: &RefName) -> Result<bool> {
        let (Some(here), Some(there)) = (self.here.get(to), self.there.get(from)) else {
            return Ok(false);
        };
        let uuid = |commit| uuid_of(self.history, to.kind(), commit);
        let theirs = uuid(there)?;
        // Without the remote's commit, only a ref that is gone locally is known to be the same.
        Ok(theirs == uuid(here)? || (theirs.is_none() && !self.here.contains_key(from)))
    }

    /// Refs that were renamed locally, while another user deleted or renamed them on the remote.
    /// Such a ref must not be simply added under its new name.
    fn taken_away(&self, memory: &RefMemory) -> Result<BTreeSet<RefName>> {
        let is_gone =
            |name: &&RefName| !self.here.contains_key(*name) && !self.there.contains_key(*name);
        let gone = memory.deleted_there().filter(is_gone).map(|name| (name.clone(), false));
        let departed = self.history.departures(gone)?;
        let now = departed.values().filter_map(Departure::now);
        Ok(now.filter(|now| !self.there.contains_key(*now)).cloned().collect())
    }
}

/// The renames that a push of `moves` records.
fn renamed(
    history: &History,
    moves: &[RefMove],
    departed: &BTreeMap<RefName, Departure>,
) -> Result<Vec<Renamed>> {
    let new = moves.iter().filter_map(|moved| Some((&moved.name, moved.new?)));
    let mut new: BTreeMap<&RefName, Id> = new.collect();
    let mut renamed = Vec::new();
    for RefMove { name, old, .. } in moves {
        let Some(to) = departed.get(name).and_then(Departure::now) else { continue };
        let (Some(old), Some(commit)) = (old, new.get(to)) else { continue };
        let (is, was) = (uuid_of(history, to.kind(), commit)?, uuid_of(history, to.kind(), old)?);
        if let Some(uuid) = is.filter(|_| was.is_none() || was == is) {
            renamed.push(Renamed { uuid, from: name.clone(), to: to.clone() });
            new.remove(to);
        }
    }
    Ok(renamed)
}

/// The requested refs, both sides of each, and their relations.
type Compared = Vec<(RefSides, RefRelation)>;

/// Compares the requested refs. Also returns the local departures from their names.
fn compare(
    connection: &Connection<'_>,
    options: &PushOptions,
) -> Result<(Compared, BTreeMap<RefName, Departure>)> {
    let (repo, history) = (connection.repo, connection.repo.history());
    let here = history.refs("refs/")?.into_iter().collect();
    let refs = Refs { history, here, there: &connection.state.remote_state().refs };
    let seen = connection.tracked()?;
    let memory = memory_until_now(connection, &refs, &seen)?;
    let names = asked_for(repo, options, &refs.here, refs.there)?;
    let mut sides = refs.sides(&names);
    let (mut compared, mut departed) = ref_relations(repo, &memory, &sides)?;
    let more = refs.sides(&refs.renamed_with(&names, &departed)?);
    let (more_compared, more_departed) = ref_relations(repo, &memory, &more)?;
    sides.extend(more);
    compared.extend(more_compared);
    departed.extend(more_departed);
    let taken = refs.taken_away(&memory)?;
    let mut all = Vec::new();
    for ((name, ours, theirs), (_, relation)) in sides.into_iter().zip(compared) {
        let seen = seen.get(&name).copied();
        let relation = match relation {
            RefRelation::Diverged if was_there(history, &name, (ours, theirs), seen)? => {
                RefRelation::Behind
            }
            // The ref was on the remote when it was deleted locally. The remote has moved it since,
            // to a commit that was never fetched.
            RefRelation::OnlyThere
                if connection.goes_on()
                    && seen.is_some()
                    && departed.contains_key(&name)
                    && !is_here(history, theirs)? =>
            {
                RefRelation::DeletedHereChangedThere
            }
            RefRelation::OnlyHere if taken.contains(&name) => RefRelation::DeletedThereChangedHere,
            relation => relation,
        };
        all.push(((name, ours, theirs), relation));
    }
    Ok((all, departed))
}

/// Returns true if the remote had the local commit or a descendant of it, `seen` at the last fetch,
/// and has moved on since. In this case there is nothing to push.
fn was_there(
    history: &History,
    name: &RefName,
    sides: (Option<Id>, Option<Id>),
    seen: Option<Id>,
) -> Result<bool> {
    let (Some(ours), Some(theirs), Some(seen)) = (sides.0, sides.1, seen) else {
        return Ok(false);
    };
    let is_tag = name.kind() == RefKind::Tag;
    // A fetch beside this push may have brought the commit since the two sides were compared.
    let is_here = history.try_kind(&theirs)?.is_some();
    if ours == seen && (is_tag || !is_here) {
        return Ok(true);
    }
    Ok(!is_tag && history.is_ancestor(&ours, if is_here { &theirs } else { &seen })?)
}

/// The refs to compare.
fn asked_for(
    repo: &Repository,
    options: &PushOptions,
    here: &BTreeMap<RefName, Id>,
    there: &BTreeMap<RefName, Id>,
) -> Result<BTreeSet<RefName>> {
    let all: BTreeSet<RefName> = here.keys().chain(there.keys()).cloned().collect();
    let project = &repo.settings().project;
    if !options.refs.is_empty() {
        return options
            .refs
            .iter()
            .map(|word| find_name(word, project, &all, ", locally or on the remote"))
            .collect();
    }
    let is_wanted = |name: &RefName| options.all || name.project() == project;
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Conflict sides that this push settles: commits that are ancestors of a pushed commit, also under
/// a former name of its ref, and deletions, which the user overrides by pushing the ref.
fn settled(connection: &Connection<'_>, moves: &[RefMove]) -> Result<Vec<Settled>> {
    let history = connection.repo.history();
    let state = connection.state.remote_state();
    let mut settled = Vec::new();
    for moved in moves {
        let Some(new) = moved.new else { continue };
        let former = state.former_names.iter().filter(|former| former.now == moved.name);
        let names = former.map(|former| &former.name).chain([&moved.name]);
        for name in names.collect::<BTreeSet<_>>() {
            for side in state.conflicts.get(name).into_iter().flatten() {
                let is_in = match side.commit {
                    None => *name == moved.name,
                    Some(commit) => {
                        history.try_kind(&commit)?.is_some()
                            && history.is_ancestor(&commit, &new)?
                    }
                };
                if is_in {
                    settled.push(Settled { name: name.clone(), commit: side.commit });
                }
            }
        }
    }
    Ok(settled)
}

impl Selection {
    /// Fails with [`Moved`](ErrorKind::Moved) if a ref cannot be moved forward. In this case no ref
    /// moves.
    pub(super) fn check(&self, remote: &str) -> Result<()> {
        let Some((first, _)) = self.refused.first() else { return Ok(()) };
        let why = |relation: &RefRelation| match relation {
            RefRelation::DeletedHereChangedThere => "deleted locally, changed on the remote",
            RefRelation::DeletedThereChangedHere => {
                "deleted or renamed on the remote, changed locally"
            }
            _ => "the remote has commits that are missing locally",
        };
        let lines: Vec<String> = self
            .refused
            .iter()
            .take(10)
            .map(|(name, relation)| format!("{name}: {}", why(relation)))
            .chain(
                (self.refused.len() > 10).then(|| format!("and {} more", self.refused.len() - 10)),
            )
            .collect();
        let count = self.refused.len();
        let what = if count == 1 {
            format!("'{}' is not a fast-forward", first.name())
        } else {
            format!("{count} refs are not a fast-forward")
        };
        Err(Error::new(ErrorKind::Moved, format!("{what} on '{remote}'; nothing was pushed"))
            .with_source(lines.join("\n"))
            .with_hint(format!("merge the remote's changes, then push again: art pull {remote}")))
    }
}
