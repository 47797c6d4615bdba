//! The only way to change the records of runs, versions and projects.
//!
//! A writer holds the lock on all refs from reading the records to moving the refs. The records it
//! read are therefore still current when it writes, without retries and without lost updates. It
//! holds the lock for milliseconds, and waits for nothing while holding it: content is stored and
//! hooks run before.

use uuid::Uuid;

use super::hook::StageEvent;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::edit::{self, Edit};
use crate::history::{Commit, EntryMode, Expected, ObjectWriter, Operation, Transaction};
use crate::id::Id;
use crate::name::RefName;
use crate::record::Record;
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// The result of a change.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    /// The value that the change returned.
    pub(crate) value: T,
    /// The recorded operation; `None` if nothing changed.
    pub(crate) operation: Option<Operation>,
}

/// A change of records under the lock on all refs.
pub(crate) struct RecordChange<'r> {
    repo: &'r Repository,
    writer: ObjectWriter<'r>,
    transaction: Transaction<'r>,
    moves: usize,
    stage_moves: Vec<StageMove>,
}

/// A version that moves to another stage in a change.
#[derive(Debug)]
pub(super) struct StageMove {
    /// The event before the change.
    pub(super) event: StageEvent,
    /// The commit that records the move.
    pub(super) commit: Option<Id>,
}

/// Runs `body` under the lock on all refs, and moves the refs that it names, all or none.
///
/// If `body` fails, nothing changes. A change that moves versions to other stages must use
/// [`change_stages`](super::version::change_stages) instead.
pub(crate) fn change_records<T>(
    repo: &Repository,
    body: impl FnOnce(&mut RecordChange<'_>) -> Result<T>,
) -> Result<Changed<T>> {
    let done = change_if(repo, body, <[StageMove]>::is_empty)?;
    let (changed, _) =
        done.ok_or_else(|| Error::internal("a stage change did not run its hooks"))?;
    Ok(changed)
}

/// Like [`change_records`], but applies the change only if `is_approved` accepts its stage moves.
/// Otherwise, nothing changes and the result is `None`.
pub(super) fn change_if<T>(
    repo: &Repository,
    body: impl FnOnce(&mut RecordChange<'_>) -> Result<T>,
    is_approved: impl FnOnce(&[StageMove]) -> bool,
) -> Result<Option<(Changed<T>, Vec<StageMove>)>> {
    let _lock = repo.lock_shared()?;
    let guard = repo.history().lock_refs(repo.settings().lock_timeout)?;
    let mut change = RecordChange::begin(repo, repo.history().writer()?);
    let value = body(&mut change)?;
    if !is_approved(&change.stage_moves) {
        return Ok(None);
    }
    let RecordChange { writer, mut transaction, moves, stage_moves, .. } = change;
    if moves == 0 {
        transaction.note_unchanged();
        return Ok(Some((Changed { value, operation: None }, stage_moves)));
    }
    writer.flush()?;
    let operation = transaction.commit_holding(guard)?;
    Ok(Some((Changed { value, operation: Some(operation) }, stage_moves)))
}

/// Runs `body` without writing or locking anything. Returns the stage moves that it would make.
pub(super) fn rehearse<T>(
    repo: &Repository,
    body: impl FnOnce(&mut RecordChange<'_>) -> Result<T>,
) -> Result<Vec<StageMove>> {
    let mut change = RecordChange::begin(repo, repo.history().trial_writer()?);
    body(&mut change)?;
    Ok(change.stage_moves)
}

impl<'r> RecordChange<'r> {
    fn begin(repo: &'r Repository, writer: ObjectWriter<'r>) -> Self {
        let transaction = repo.transaction();
        RecordChange { repo, writer, transaction, moves: 0, stage_moves: Vec::new() }
    }

    /// The repository.
    pub(crate) fn repo(&self) -> &'r Repository {
        self.repo
    }

    /// The time of the change.
    pub(crate) fn now(&self) -> Timestamp {
        self.transaction.who().time
    }

    /// The author of the change: `NAME <EMAIL>`.
    pub(crate) fn author(&self) -> String {
        let who = self.transaction.who();
        format!("{} <{}>", who.name, who.email)
    }

    /// The command to record.
    pub(super) fn command(&self) -> &str {
        self.transaction.command()
    }

    /// Records the change as made by `command` instead of the command of the settings.
    pub(crate) fn record_as(&mut self, command: &str) {
        self.transaction.record_as(command);
    }

    /// Announces that a version moves to another stage, so that its hooks run. The same change must
    /// write its record.
    pub(super) fn announce(&mut self, event: StageEvent) {
        self.stage_moves.push(StageMove { event, commit: None });
    }

    /// The writer for new objects.
    pub(crate) fn writer(&mut self) -> &mut ObjectWriter<'r> {
        &mut self.writer
    }

    /// The transaction, for changes of refs without records.
    pub(crate) fn transaction(&mut self) -> &mut Transaction<'r> {
        self.moves += 1;
        &mut self.transaction
    }

    /// Points `name` at `commit`. Without a commit, deletes `name`.
    pub(crate) fn move_ref(
        &mut self,
        name: RefName,
        expected: Option<Id>,
        commit: Option<Id>,
        subject: &str,
    ) {
        let expected = expected.map_or(Expected::Absent, Expected::Id);
        self.transaction().update(name, expected, commit, subject);
    }

    /// Moves a run or version from the ref `from` (its name and commit) to the ref `to` (its name
    /// and new commit).
    pub(crate) fn rename(&mut self, from: (RefName, Id), to: (RefName, Id), subject: &str) {
        self.transaction().rename(from, to, subject);
    }

    /// Records the commits before and after the change of the version `uuid` in its stage moves, for
    /// the hooks.
    pub(super) fn note_commit(&mut self, uuid: Uuid, before: Option<Id>, after: Id) {
        let moves = self.stage_moves.iter_mut().filter(|moved| moved.event.uuid == uuid);
        moves.for_each(|moved| {
            moved.event.commit = before;
            moved.commit = Some(after);
        });
    }

    /// Adds the tree `base` with `record` as its record. Other entries, which a newer program may
    /// have written, stay.
    pub(super) fn write_record<R: Record>(&mut self, base: Option<Id>, record: &R) -> Result<Id> {
        let id = self.writer.blob(&record.encode()?)?;
        let put = Edit::Put { mode: EntryMode::File, id };
        edit::apply(&mut self.writer, base, &[(TreePath::parse(R::FILE)?, put)])
    }

    /// Adds a commit by the current author, with the time of the change.
    pub(crate) fn commit(&mut self, tree: Id, parents: Vec<Id>, subject: &str) -> Result<Id> {
        let who = self.transaction.who().clone();
        let (author, committer) = (who.clone(), who);
        let message = subject.to_owned();
        self.writer.commit(&Commit { tree, parents, author, committer, message })
    }
}
