//! Joins what the remote has with what is here, ref by ref, all in one operation.

use std::collections::{BTreeMap, BTreeSet};

use super::{Joined, PullConflict, PullOptions, PullOutcome, PulledRef};
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;
use crate::ops::merge::{Choice, FieldConflict, MergeOptions, Merged, merge_ref};
use crate::ops::sync::{
    Brought, Connection, Past, Standing, TakenIn, deleted_here, find_name, standing, tracked,
};
use crate::ops::version::{RecordChange, change_records};
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;

/// The refs that are to be joined: those named, or all that the remote has or had.
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
    let project = &repo.settings().project;
    words.iter().map(|word| find_name(word, project, &all)).collect()
}

/// Joins `names`.
pub(super) fn join(
    repo: &Repository,
    connection: &Connection<'_>,
    names: &[RefName],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PullOutcome> {
    progress.begin("joining", Some(names.len() as u64), Unit::Items);
    // What could not be taken in is not joined: only refs that stand here for the remote's are.
    let there = tracked(repo, connection)?;
    let past = Past::load(&connection.directory());
    let changed = change_records(repo, &options.command, |change| {
        let here: BTreeMap<RefName, Id> = repo.history().refs("refs/")?.into_iter().collect();
        let absent = names.iter().filter(|name| !here.contains_key(*name));
        let deleted = deleted_here(repo.history(), absent.cloned())?;
        let mut join = Join {
            repo,
            connection,
            is_named: !options.refs.is_empty(),
            past: past.clone(),
            deleted,
            refs: Vec::new(),
            conflicts: Vec::new(),
            ahead: 0,
        };
        for name in names {
            let sides = (here.get(name).copied(), there.get(name).copied());
            join.one(change, name, sides)?;
            progress.advance(1);
        }
        Ok((join.refs, join.conflicts, join.ahead, join.past))
    })?;
    let (refs, conflicts, ahead, now) = changed.value;
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

/// A pull that is joining refs, under the lock on all of them.
struct Join<'a> {
    repo: &'a Repository,
    connection: &'a Connection<'a>,
    is_named: bool,
    past: Past,
    deleted: BTreeMap<RefName, Id>,
    refs: Vec<PulledRef>,
    conflicts: Vec<PullConflict>,
    ahead: u64,
}

impl Join<'_> {
    fn one(
        &mut self,
        change: &mut RecordChange<'_>,
        name: &RefName,
        (here, there): (Option<Id>, Option<Id>),
    ) -> Result<()> {
        let history = self.repo.history();
        let stands = standing(history, name, (here, there), &self.past, &self.deleted)?;
        let mut now = here;
        let mut how = None;
        match stands {
            Standing::Same => self.past.note_agreed(name, here),
            Standing::OnlyThere => (now, how) = (there, Some(Joined::Created)),
            Standing::DeletedHere if self.is_named => (now, how) = (there, Some(Joined::Created)),
            Standing::Behind => (now, how) = (there, Some(Joined::FastForward)),
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
        if matches!(how, Some(Joined::Created | Joined::FastForward | Joined::Deleted)) {
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
                Joined::Deleted => "pull: deleted there",
            };
            change.move_ref(name.clone(), here, now, subject);
            self.refs.push(PulledRef { name: name.clone(), old: here, new: now, how });
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

    /// Joins where other writers moved the ref on a store that can't keep writers apart; gives the
    /// commit that comes of it, if one does.
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
                    // Ours may be what was made of the sides before.
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
        self.conflicts.push(PullConflict { name: name.clone(), ours, theirs, fields });
    }
}
