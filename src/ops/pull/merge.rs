//! Merges the remote's refs into the local refs, ref by ref, in one operation.

use std::collections::{BTreeMap, BTreeSet};

use super::{PullChange, PullConflict, PullOptions, PullOutcome, PulledRef};
use crate::catalog::{RecordChange, change_records};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::sync::merge::{
    Choice, FieldConflict, MergeOptions, Merged, PairMerge, PairMove, merge_ref,
    merge_renamed_pair, name_conflict,
};
use crate::sync::{
    Brought, Connection, Imported, RefMemory, RefRelation, RefSides, RenamedPair, Sides, find_name,
    find_renamed_pairs, open_renames, ref_relations,
};

/// The refs to merge: the named ones, or all refs that the remote has or had.
pub(super) fn asked_for(connection: &Connection<'_>, words: &[String]) -> Result<Vec<RefName>> {
    let remote_state = connection.state.remote_state();
    let there = remote_state.refs.keys().chain(remote_state.conflicts.keys()).cloned();
    let gone = connection.memory.refs();
    let all: BTreeSet<RefName> = there.chain(gone.deleted_there().cloned()).collect();
    if words.is_empty() {
        return Ok(all.into_iter().collect());
    }
    words.iter().map(|word| find_there(connection, word, &all)).collect()
}

/// Finds the ref that `word` names among `all` refs of the remote.
fn find_there(connection: &Connection<'_>, word: &str, all: &BTreeSet<RefName>) -> Result<RefName> {
    let (repo, remote) = (connection.repo, &connection.remote.name);
    let project = &repo.settings().project;
    find_name(word, project, all, &format!(" on '{remote}'")).map_err(|error| {
        let here = repo.history().refs("refs/").unwrap_or_default();
        let here = here.into_iter().map(|(name, _)| name).collect();
        match find_name(word, project, &here, ", here") {
            Ok(name) => Error::not_found(format!(
                "the {} '{}' exists only locally, not on '{remote}'",
                name.kind().as_str(),
                name.name()
            ))
            .with_hint(format!("to share it: art push {remote} {word}")),
            Err(_) => error,
        }
    })
}

/// Merges the remote's `names` into the local refs.
pub(super) fn merge_refs(
    connection: &Connection<'_>,
    names: &[RefName],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PullOutcome> {
    let repo = connection.repo;
    progress.begin("merging", Some(names.len() as u64), Unit::Items);
    let changed = change_records(repo, |change| {
        let mut merge = PullMerge {
            connection,
            is_named: !options.refs.is_empty(),
            memory: connection.memory.refs(),
            refs: Vec::new(),
            conflicts: Vec::new(),
            ahead: 0,
        };
        merge.all(change, names, progress)?;
        Ok((merge.refs, merge.conflicts, merge.ahead, merge.memory))
    })?;
    let (refs, conflicts, ahead, memory) = changed.value;
    connection.memory.save_refs(&memory)?;
    Ok(PullOutcome {
        remote: connection.remote.name.clone(),
        fetched: Imported::default(),
        refs,
        ahead,
        conflicts,
        content: Brought::default(),
        written: None,
        traffic: TrafficCount::default(),
    })
}

/// A merge of refs in progress, with all of them locked.
struct PullMerge<'a> {
    connection: &'a Connection<'a>,
    is_named: bool,
    memory: RefMemory,
    refs: Vec<PulledRef>,
    conflicts: Vec<PullConflict>,
    ahead: u64,
}

impl PullMerge<'_> {
    fn all(
        &mut self,
        change: &mut RecordChange<'_>,
        names: &[RefName],
        progress: &dyn Progress,
    ) -> Result<()> {
        let repo = self.connection.repo;
        // Only fetched refs are merged: the tracking refs show which were complete.
        let there = self.connection.tracked()?;
        let here: BTreeMap<RefName, Id> = repo.history().refs("refs/")?.into_iter().collect();
        let wanted: BTreeSet<&RefName> = names.iter().collect();
        // The earlier names of a ref identify it.
        let memory = self.memory.clone();
        let state = self.connection.state.remote_state();
        let open = open_renames(repo.history(), &here, &there, state)?;
        let all = names.iter().chain(memory.deleted_there());
        let all: BTreeSet<&RefName> = all.chain(open.iter().map(|it| &it.former.name)).collect();
        let ref_sides = |name: &RefName| -> RefSides {
            (name.clone(), here.get(name).copied(), there.get(name).copied())
        };
        let ref_sides: Vec<RefSides> = all.into_iter().map(ref_sides).collect();
        let (compared, departed) = ref_relations(repo, &memory, &ref_sides)?;
        let sides =
            Sides { here: &here, there: &there, memory: &memory, open: &open, departed: &departed };
        let mut pairs = find_renamed_pairs(repo, &sides, &compared)?;
        pairs.retain(|pair| pair.names().any(|name| wanted.contains(name)));
        self.merge_pairs(change, &pairs, &sides)?;
        let merged: BTreeSet<&RefName> = pairs.iter().flat_map(RenamedPair::names).collect();
        for ((name, here, there), (_, relation)) in ref_sides.iter().zip(&compared) {
            if wanted.contains(name) && !merged.contains(name) {
                self.one(change, name, *relation, (*here, *there))?;
                progress.advance(1);
            }
        }
        Ok(())
    }

    fn one(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        relation: RefRelation,
        (here, there): (Option<Id>, Option<Id>),
    ) -> Result<()> {
        let mut now = here;
        let mut how = None;
        match relation {
            RefRelation::Same => self.memory.note_agreed(name, here),
            RefRelation::OnlyThere => (now, how) = (there, Some(PullChange::Created)),
            RefRelation::DeletedHere if self.is_named => {
                (now, how) = (there, Some(PullChange::Created));
            }
            RefRelation::Behind => (now, how) = (there, Some(PullChange::FastForward)),
            RefRelation::Replaced => (now, how) = (there, Some(PullChange::Replaced)),
            RefRelation::DeletedThere => (now, how) = (None, Some(PullChange::Deleted)),
            RefRelation::Ahead | RefRelation::OnlyHere | RefRelation::DeletedHere => {
                self.ahead += 1;
            }
            RefRelation::Diverged => {
                if let (Some(ours), Some(theirs)) = (here, there) {
                    (now, how) = self.merge(change, name, ours, theirs)?;
                    self.ahead += u64::from(how == Some(PullChange::Merged));
                }
            }
            RefRelation::DeletedHereChangedThere | RefRelation::DeletedThereChangedHere => {
                let fields = vec![FieldConflict::deletion(None, here, there)];
                self.conflict(name, here, there, fields);
            }
        }
        if how.is_some_and(|how| how != PullChange::Merged) {
            self.memory.note_agreed(name, now);
        }
        let merged = self.other_sides(change, name, now)?;
        if merged.is_some() {
            (now, how) = (merged, Some(PullChange::Merged));
        }
        if let Some(how) = how {
            let subject = match how {
                PullChange::Created | PullChange::FastForward => "pull",
                PullChange::Merged => "pull: merge",
                PullChange::Replaced => "pull: recreated on the remote",
                PullChange::Deleted => "pull: deleted on the remote",
            };
            change.move_ref(name.clone(), here, now, subject);
            self.refs.push(PulledRef { name: name.clone(), old: here, new: now, how });
        }
        Ok(())
    }

    /// Merges the refs that have different names on the two sides.
    fn merge_pairs(
        &mut self,
        change: &mut RecordChange<'_>,
        pairs: &[RenamedPair],
        sides: &Sides<'_>,
    ) -> Result<()> {
        let who = self.connection.repo.signature();
        let mut settled = Vec::new();
        for pair in pairs {
            let remote = &self.connection.remote.name;
            let message = format!("Merge {} of '{remote}'", pair.was.kind().as_str());
            let options = MergeOptions { choice: &Choice::None, who: &who, message: &message };
            let memory = &mut self.memory;
            match merge_renamed_pair(self.connection.repo, change.writer(), pair, &options, memory)?
            {
                PairMerge::Moved(moved) => settled.push((pair, moved)),
                PairMerge::Conflict(fields) => self.pair_conflict(pair, fields),
            }
        }
        // A ref with a conflict keeps its name, so no other ref can get the name.
        while let Some(at) = settled.iter().position(|(_, moved)| self.is_blocked(moved)) {
            let (pair, moved) = settled.remove(at);
            let names = moved.from.iter().zip(&moved.to);
            let fields = names.map(|(ours, theirs)| name_conflict(pair, &ours.0, &theirs.0));
            self.pair_conflict(pair, fields.collect());
        }
        let reached: BTreeSet<RefName> =
            settled.iter().filter_map(|(_, moved)| Some(moved.to.as_ref()?.0.clone())).collect();
        let current = self.connection.repo.history().head()?;
        for (pair, moved) in settled {
            if let (Some((from, old)), Some((to, _))) = (&moved.from, &moved.to)
                && from != to
            {
                if !reached.contains(from) {
                    self.leave(change, (from, *old), sides);
                }
                if current.as_ref() == Some(from) {
                    change.transaction().set_head(Some(to.clone()));
                }
            }
            self.note_pulled(pair, &moved, sides);
            pair.note_merged(&mut self.memory, moved.to.as_ref(), sides.there);
            moved.apply(change.transaction(), "pull: renamed");
        }
        Ok(())
    }

    /// Returns true if a ref with a conflict has the new name.
    fn is_blocked(&self, moved: &PairMove) -> bool {
        let (Some((from, _)), Some((to, _))) = (&moved.from, &moved.to) else { return false };
        from != to && self.conflicts.iter().any(|conflict| conflict.name == *to)
    }

    /// Handles the old name of a ref that was renamed on the remote: the remote may have given it
    /// to a new ref.
    fn leave(
        &mut self,
        change: &mut RecordChange<'_>,
        (name, old): (&RefName, Id),
        sides: &Sides<'_>,
    ) {
        let new = sides.there.get(name).copied();
        let how = if new.is_some() { PullChange::Replaced } else { PullChange::Deleted };
        if new.is_some() {
            change.move_ref(name.clone(), Some(old), new, "pull: recreated on the remote");
            self.memory.note_agreed(name, new);
        }
        self.refs.push(PulledRef { name: name.clone(), old: Some(old), new, how });
    }

    /// Reports the new commit of a renamed ref.
    fn note_pulled(&mut self, pair: &RenamedPair, moved: &PairMove, sides: &Sides<'_>) {
        let Some((name, commit)) = &moved.to else { return };
        let old = sides.here.get(name).copied();
        let is_theirs = pair.theirs.as_ref().is_some_and(|(_, theirs)| theirs == commit);
        let how = match old {
            _ if !is_theirs => PullChange::Merged,
            Some(_) => PullChange::Replaced,
            None => PullChange::Created,
        };
        self.ahead += u64::from(how == PullChange::Merged);
        if old != Some(*commit) {
            self.refs.push(PulledRef { name: name.clone(), old, new: Some(*commit), how });
        }
    }

    fn pair_conflict(&mut self, pair: &RenamedPair, fields: Vec<FieldConflict>) {
        let commit = |side: &Option<(RefName, Id)>| side.as_ref().map(|(_, id)| *id);
        let (ours, theirs) = (commit(&pair.ours), commit(&pair.theirs));
        self.conflict(pair.name(), ours, theirs, fields);
        if let Some(conflict) = self.conflicts.last_mut() {
            conflict.was = Some(pair.was.clone()).filter(|was| was != pair.name());
        }
    }

    fn merge(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        ours: Id,
        theirs: Id,
    ) -> Result<(Option<Id>, Option<PullChange>)> {
        let who = self.connection.repo.signature();
        let remote = &self.connection.remote.name;
        let message = format!("Merge {} of '{remote}'", name.kind().as_str());
        let options = MergeOptions { choice: &Choice::None, who: &who, message: &message };
        let merged =
            merge_ref(self.connection.repo, change.writer(), name, (ours, theirs), &options)?;
        Ok(match merged {
            Merged::Same => (Some(ours), None),
            Merged::FastForward(commit) => (Some(commit), Some(PullChange::FastForward)),
            Merged::Merge(commit) => (Some(commit), Some(PullChange::Merged)),
            Merged::Conflict(fields) => {
                self.conflict(name, Some(ours), Some(theirs), fields);
                (Some(ours), None)
            }
        })
    }

    /// Merges the other sides of a conflict, which concurrent writers pushed to a store that cannot
    /// prevent it. Returns the resulting commit, if any.
    fn other_sides(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        now: Option<Id>,
    ) -> Result<Option<Id>> {
        let connection = self.connection;
        let mut merged = None;
        for side in connection.state.remote_state().conflicts.get(name).into_iter().flatten() {
            match (merged.or(now), side.commit) {
                (Some(ours), Some(theirs)) => {
                    // The local commit may be a merge of earlier sides that is not written yet.
                    change.writer().write_out()?;
                    let (commit, how) = self.merge(change, name, ours, theirs)?;
                    if how.is_some() {
                        merged = commit;
                    }
                }
                (ours, theirs) if ours != theirs => {
                    let fields = vec![FieldConflict::deletion(None, ours, theirs)];
                    self.conflict(name, ours, theirs, fields);
                }
                _ => {}
            }
        }
        Ok(merged)
    }

    fn conflict(
        &mut self,
        name: &RefName,
        ours: Option<Id>,
        theirs: Option<Id>,
        fields: Vec<FieldConflict>,
    ) {
        let (name, was) = (name.clone(), None);
        self.conflicts.push(PullConflict { name, was, ours, theirs, fields });
    }
}
