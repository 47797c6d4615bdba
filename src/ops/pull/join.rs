//! Merges the remote's refs into the local refs, ref by ref, in one operation.

use std::collections::{BTreeMap, BTreeSet};

use super::{Joined, PullConflict, PullOptions, PullOutcome, PulledRef};
use crate::catalog::version::{RecordChange, change_records};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;
use crate::sync::merge::{Choice, FieldConflict, MergeOptions, Merged, Tied, join_tie, merge_ref};
use crate::sync::{
    Both, Brought, Connection, Past, Sides, Standing, TakenIn, Tie, find_name, find_ties,
    renamed_there, standings, tracked,
};

/// The refs to merge: the named ones, or all refs that the remote has or had.
pub(super) fn asked_for(
    repo: &Repository,
    connection: &Connection<'_>,
    words: &[String],
) -> Result<Vec<RefName>> {
    let fold = connection.state.fold();
    let there = fold.refs.keys().chain(fold.conflicts.keys()).cloned();
    let gone = Past::load(&connection.directory());
    let all: BTreeSet<RefName> = there.chain(gone.deleted_there().cloned()).collect();
    if words.is_empty() {
        return Ok(all.into_iter().collect());
    }
    words.iter().map(|word| find_there(repo, connection, word, &all)).collect()
}

/// Finds the ref that `word` names among `all` refs of the remote.
fn find_there(
    repo: &Repository,
    connection: &Connection<'_>,
    word: &str,
    all: &BTreeSet<RefName>,
) -> Result<RefName> {
    let remote = &connection.remote.name;
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
pub(super) fn join(
    repo: &Repository,
    connection: &Connection<'_>,
    names: &[RefName],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PullOutcome> {
    progress.begin("joining", Some(names.len() as u64), Unit::Items);
    let changed = change_records(repo, &options.command, |change| {
        let past = Past::load(&connection.directory());
        let mut join = Join {
            repo,
            connection,
            is_named: !options.refs.is_empty(),
            past: past.clone(),
            refs: Vec::new(),
            conflicts: Vec::new(),
            ahead: 0,
        };
        join.all(change, names, progress)?;
        Ok((join.refs, join.conflicts, join.ahead, past, join.past))
    })?;
    let (refs, conflicts, ahead, past, now) = changed.value;
    if now != past {
        now.save(&connection.directory(), &repo.content().tmp_dir())?;
    }
    Ok(PullOutcome {
        remote: connection.remote.name.clone(),
        fetched: TakenIn::default(),
        refs,
        ahead,
        conflicts,
        content: Brought::default(),
        written: None,
        traffic: TrafficCount::default(),
    })
}

/// Finds the new name of the current run, if this pull renamed it.
fn find_current(
    repo: &Repository,
    both: &Both<'_>,
    moved: &[PulledRef],
) -> Result<Option<RefName>> {
    let Some(current) = repo.history().head()? else { return Ok(None) };
    let is_gone = |one: &PulledRef| one.name == current && one.new.is_none();
    let Some(old) = moved.iter().find(|one| is_gone(one)).and_then(|one| one.old) else {
        return Ok(None);
    };
    let to = renamed_there(repo, both, current.kind(), &old)?;
    Ok(to.filter(|to| moved.iter().any(|one| one.name == *to && one.new.is_some())))
}

/// A merge of refs in progress, with all of them locked.
struct Join<'a> {
    repo: &'a Repository,
    connection: &'a Connection<'a>,
    is_named: bool,
    past: Past,
    refs: Vec<PulledRef>,
    conflicts: Vec<PullConflict>,
    ahead: u64,
}

impl Join<'_> {
    fn all(
        &mut self,
        change: &mut RecordChange<'_>,
        names: &[RefName],
        progress: &dyn Progress,
    ) -> Result<()> {
        let repo = self.repo;
        // Only fetched refs are merged: the tracking refs show which were complete.
        let there = tracked(repo, self.connection)?;
        let here: BTreeMap<RefName, Id> = repo.history().refs("refs/")?.into_iter().collect();
        let wanted: BTreeSet<&RefName> = names.iter().collect();
        // The earlier names of a ref identify it.
        let past = self.past.clone();
        let all: BTreeSet<&RefName> = names.iter().chain(past.deleted_there()).collect();
        let sides = |name: &RefName| -> Sides {
            (name.clone(), here.get(name).copied(), there.get(name).copied())
        };
        let sides: Vec<Sides> = all.into_iter().map(sides).collect();
        let (compared, removed) = standings(repo, &past, &sides)?;
        let both = Both { here: &here, there: &there, past: &past, removed: &removed };
        let mut ties = find_ties(repo, &both, &compared)?;
        ties.retain(|tie| tie.names().any(|name| wanted.contains(name)));
        for tie in &ties {
            self.tie(change, tie)?;
        }
        let joined: BTreeSet<&RefName> = ties.iter().flat_map(Tie::names).collect();
        for ((name, here, there), (_, stands)) in sides.iter().zip(&compared) {
            if wanted.contains(name) && !joined.contains(name) {
                self.one(change, name, *stands, (*here, *there))?;
                progress.advance(1);
            }
        }
        if let Some(run) = find_current(repo, &both, &self.refs)? {
            change.transaction().set_head(Some(run));
        }
        Ok(())
    }

    fn one(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        stands: Standing,
        (here, there): (Option<Id>, Option<Id>),
    ) -> Result<()> {
        let mut now = here;
        let mut how = None;
        match stands {
            Standing::Same => self.past.note_agreed(name, here),
            Standing::OnlyThere => (now, how) = (there, Some(Joined::Created)),
            Standing::DeletedHere if self.is_named => (now, how) = (there, Some(Joined::Created)),
            Standing::Behind => (now, how) = (there, Some(Joined::FastForward)),
            Standing::Replaced => (now, how) = (there, Some(Joined::Replaced)),
            Standing::DeletedThere => (now, how) = (None, Some(Joined::Deleted)),
            Standing::Ahead | Standing::OnlyHere | Standing::DeletedHere => self.ahead += 1,
            Standing::Diverged => {
                if let (Some(ours), Some(theirs)) = (here, there) {
                    (now, how) = self.merge(change, name, ours, theirs)?;
                    self.ahead += u64::from(how == Some(Joined::Merged));
                }
            }
            Standing::DeletedHereChangedThere | Standing::DeletedThereChangedHere => {
                let fields = vec![FieldConflict::deletion(None, here, there)];
                self.conflict(name, here, there, fields);
            }
        }
        if how.is_some_and(|how| how != Joined::Merged) {
            self.past.note_agreed(name, now);
        }
        let merged = self.other_sides(change, name, now)?;
        if merged.is_some() {
            (now, how) = (merged, Some(Joined::Merged));
        }
        if let Some(how) = how {
            let subject = match how {
                Joined::Created | Joined::FastForward => "pull",
                Joined::Merged => "pull: merge",
                Joined::Replaced => "pull: recreated on the remote",
                Joined::Deleted => "pull: deleted on the remote",
            };
            change.move_ref(name.clone(), here, now, subject);
            self.refs.push(PulledRef { name: name.clone(), old: here, new: now, how });
        }
        Ok(())
    }

    /// Merges a ref that has different names on the two sides.
    fn tie(&mut self, change: &mut RecordChange<'_>, tie: &Tie) -> Result<()> {
        let who = self.repo.signature();
        let remote = &self.connection.remote.name;
        let message = format!("Merge {} of '{remote}'", tie.was.kind().as_str());
        let options = MergeOptions { choice: &Choice::None, who: &who, message: &message };
        match join_tie(self.repo, change.writer(), tie, &options, &mut self.past)? {
            Tied::Moves(moves) => {
                for (name, old, new) in moves {
                    let how = if new.is_none() { Joined::Deleted } else { Joined::Merged };
                    self.ahead += u64::from(how == Joined::Merged);
                    change.move_ref(name.clone(), old, new, "pull: renamed");
                    self.refs.push(PulledRef { name, old, new, how });
                }
            }
            Tied::Conflict(fields) => {
                let commit = |side: &Option<(RefName, Id)>| side.as_ref().map(|(_, id)| *id);
                let (ours, theirs) = (commit(&tie.ours), commit(&tie.theirs));
                self.conflict(tie.name(), ours, theirs, fields);
                if let Some(conflict) = self.conflicts.last_mut() {
                    conflict.was = Some(tie.was.clone()).filter(|was| was != tie.name());
                }
            }
        }
        Ok(())
    }

    fn merge(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        ours: Id,
        theirs: Id,
    ) -> Result<(Option<Id>, Option<Joined>)> {
        let who = self.repo.signature();
        let remote = &self.connection.remote.name;
        let message = format!("Merge {} of '{remote}'", name.kind().as_str());
        let options = MergeOptions { choice: &Choice::None, who: &who, message: &message };
        let merged = merge_ref(self.repo, change.writer(), name, (ours, theirs), &options)?;
        Ok(match merged {
            Merged::Same => (Some(ours), None),
            Merged::FastForward(commit) => (Some(commit), Some(Joined::FastForward)),
            Merged::Merge(commit) => (Some(commit), Some(Joined::Merged)),
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
        for side in connection.state.fold().conflicts.get(name).into_iter().flatten() {
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
