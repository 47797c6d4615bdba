//! Selects the refs that a push moves, skips or refuses.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::PushOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::ops::fsck::names::check_record;
use crate::remote::log::{RefMove, Settled};
use crate::repo::Repository;
use crate::sync::{
    Connection, RefMemory, RefRelation, RefSides, Removed, find_name, find_renamed, ref_relations,
    removed_here,
};

/// The planned changes of a push.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Selection {
    /// The refs to move.
    pub(super) moves: Vec<RefMove>,
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
    for ((name, ours, theirs), relation) in compare(connection, options)? {
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
fn memory_until_now(
    connection: &Connection<'_>,
    seen: &BTreeMap<RefName, Id>,
) -> Result<RefMemory> {
    let mut memory = connection.memory.refs();
    let there = &connection.state.remote_state().refs;
    let gone = seen.iter().filter(|(name, _)| !there.contains_key(*name));
    let gone: BTreeMap<RefName, Id> = gone.map(|(name, id)| (name.clone(), *id)).collect();
    for name in connection.deleted_by_log(&gone)? {
        if let Some(commit) = gone.get(&name) {
            memory.note_deleted_there(&name, *commit);
        }
    }
    Ok(memory)
}

/// The new names of locally renamed refs, unless they are among `compared`. A ref that was
/// transferred to another project is pushed together with its deletion in this project.
fn went_elsewhere(
    history: &History,
    here: &BTreeMap<RefName, Id>,
    compared: &[(RefName, RefRelation)],
    removed: &BTreeMap<RefName, Removed>,
) -> Result<BTreeSet<RefName>> {
    let names: BTreeSet<&RefName> = compared.iter().map(|(name, _)| name).collect();
    let mut all = BTreeSet::new();
    for (_, removed) in removed.iter().filter(|(name, _)| !here.contains_key(*name)) {
        let to = find_renamed(history, here, removed)?;
        all.extend(to.filter(|to| !names.contains(to)));
    }
    Ok(all)
}

/// Refs that were renamed locally, while another user deleted or renamed them on the remote. Such a
/// ref must not be simply added under its new name.
fn taken_away(
    history: &History,
    here: &BTreeMap<RefName, Id>,
    there: &BTreeMap<RefName, Id>,
    memory: &RefMemory,
) -> Result<BTreeSet<RefName>> {
    let gone = memory
        .deleted_there()
        .filter(|name| !here.contains_key(*name) && !there.contains_key(*name));
    let gone: BTreeSet<(RefName, bool)> = gone.map(|name| (name.clone(), false)).collect();
    let mut taken = BTreeSet::new();
    for removed in removed_here(history, gone)?.values() {
        let to = find_renamed(history, here, removed)?;
        taken.extend(to.filter(|to| !there.contains_key(to)));
    }
    Ok(taken)
}

/// Returns the requested refs, both sides of each, and their relations.
fn compare(
    connection: &Connection<'_>,
    options: &PushOptions,
) -> Result<Vec<(RefSides, RefRelation)>> {
    let (repo, history) = (connection.repo, connection.repo.history());
    let there = &connection.state.remote_state().refs;
    let here: BTreeMap<RefName, Id> = history.refs("refs/")?.into_iter().collect();
    let seen = connection.tracked()?;
    let memory = memory_until_now(connection, &seen)?;
    let sides = |names: BTreeSet<RefName>| -> Vec<RefSides> {
        let side =
            |name: RefName| (name.clone(), here.get(&name).copied(), there.get(&name).copied());
        names.into_iter().map(side).collect()
    };
    let mut sides_of_all = sides(asked_for(repo, options, &here, there)?);
    let (mut compared, removed) = ref_relations(repo, &memory, &sides_of_all)?;
    if options.refs.is_empty() {
        let elsewhere = sides(went_elsewhere(history, &here, &compared, &removed)?);
        compared.extend(ref_relations(repo, &memory, &elsewhere)?.0);
        sides_of_all.extend(elsewhere);
    }
    let taken = taken_away(history, &here, there, &memory)?;
    let mut all = Vec::new();
    for ((name, ours, theirs), (_, relation)) in sides_of_all.into_iter().zip(compared) {
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
                    && removed.contains_key(&name)
                    && !is_here(history, theirs)? =>
            {
                RefRelation::DeletedHereChangedThere
            }
            RefRelation::OnlyHere if taken.contains(&name) => RefRelation::DeletedThereChangedHere,
            relation => relation,
        };
        all.push(((name, ours, theirs), relation));
    }
    Ok(all)
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

/// Conflict sides that this push settles: commits that are ancestors of a pushed commit, and
/// deletions, which the user overrides by pushing the ref.
fn settled(connection: &Connection<'_>, moves: &[RefMove]) -> Result<Vec<Settled>> {
    let history = connection.repo.history();
    let conflicts = &connection.state.remote_state().conflicts;
    let mut settled = Vec::new();
    for moved in moves {
        let Some(new) = moved.new else { continue };
        for side in conflicts.get(&moved.name).into_iter().flatten() {
            let is_in = match side.commit {
                None => true,
                Some(commit) => {
                    history.try_kind(&commit)?.is_some() && history.is_ancestor(&commit, &new)?
                }
            };
            if is_in {
                settled.push(Settled { name: moved.name.clone(), commit: side.commit });
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
