//! The only way to change the records of versions and projects.
//!
//! A writer holds the lock on all refs from reading the records to moving the refs. The records it
//! read are therefore still current when it writes, without retries and without lost updates. It
//! holds the lock for milliseconds, and waits for nothing while holding it.

use super::find::check_version_name;
use super::load::{LoadedVersion, VersionDraft};
use crate::catalog::hook::StageEvent;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::edit::{self, Edit};
use crate::history::{Commit, EntryMode, Expected, ObjectWriter, Operation, Transaction};
use crate::id::Id;
use crate::name::RefName;
use crate::record::{ProjectRecord, Record};
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
/// [`change_stages`](super::change_stages) instead.
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

    /// Adds the commit of a new version with `parents`, and creates its ref.
    ///
    /// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a reserved name.
    pub(crate) fn create_version(
        &mut self,
        name: RefName,
        draft: &VersionDraft,
        parents: Vec<Id>,
        subject: &str,
    ) -> Result<Id> {
        check_version_name(&name)?;
        let commit = self.commit_version(draft, parents, subject)?;
        self.move_ref(name, None, Some(commit), subject);
        self.note_commit(draft, None, commit);
        Ok(commit)
    }

    /// Adds a commit that changes `version` to `draft`, and moves its ref. Returns `None` if the
    /// version does not differ.
    pub(crate) fn update_version(
        &mut self,
        version: &LoadedVersion,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Option<Id>> {
        if *draft == version.draft {
            return Ok(None);
        }
        self.replace_version(version, draft, subject).map(Some)
    }

    /// Adds a commit that changes `version` to `draft`, even if it does not differ, and moves its
    /// ref.
    pub(crate) fn replace_version(
        &mut self,
        version: &LoadedVersion,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Id> {
        let parents = vec![version.commit, draft.record.run.commit];
        let commit = self.commit_version(draft, parents, subject)?;
        self.move_ref(version.reference.clone(), Some(version.commit), Some(commit), subject);
        self.note_commit(draft, Some(version.commit), commit);
        Ok(commit)
    }

    /// Records the commits before and after the change in the version's stage moves, for the hooks.
    fn note_commit(&mut self, draft: &VersionDraft, before: Option<Id>, after: Id) {
        let uuid = draft.record.uuid;
        let moves = self.stage_moves.iter_mut().filter(|moved| moved.event.uuid == uuid);
        moves.for_each(|moved| {
            moved.event.commit = before;
            moved.commit = Some(after);
        });
    }

    /// Adds a commit that changes `version` to `draft`, and moves it from its ref to the ref `to`,
    /// together with its history.
    ///
    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if `to` exists.
    pub(crate) fn relocate_version(
        &mut self,
        version: &LoadedVersion,
        to: &RefName,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Id> {
        check_version_name(to)?;
        self.require_absent(to)?;
        let parents = vec![version.commit, draft.record.run.commit];
        let commit = self.commit_version(draft, parents, subject)?;
        self.move_ref(version.reference.clone(), Some(version.commit), None, subject);
        self.move_ref(to.clone(), None, Some(commit), subject);
        self.note_commit(draft, Some(version.commit), commit);
        Ok(commit)
    }

    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if the version `name` exists.
    pub(crate) fn require_absent(&self, name: &RefName) -> Result<()> {
        if self.repo.history().try_find_ref(name)?.is_none() {
            return Ok(());
        }
        let (version, project) = (name.name(), name.project());
        let message = format!("the version '{version}' already exists in {project}");
        Err(Error::new(ErrorKind::AlreadyExists, message).with_hint(format!(
            "choose another name, or show the version: art get {project}:{version}"
        )))
    }

    /// Adds a commit of a version without moving a ref.
    pub(crate) fn commit_version(
        &mut self,
        draft: &VersionDraft,
        parents: Vec<Id>,
        subject: &str,
    ) -> Result<Id> {
        let tree = draft.write(&mut self.writer)?;
        self.commit(tree, parents, subject)
    }

    /// Writes the record of a project, whose newest commit is `before`, and moves its ref.
    pub(crate) fn write_project(
        &mut self,
        record: &ProjectRecord,
        before: Option<Id>,
        subject: &str,
    ) -> Result<Id> {
        let blob = self.writer.blob(&record.encode()?)?;
        let put = Edit::Put { mode: EntryMode::File, id: blob };
        // Files that a newer program wrote beside the record stay.
        let base = before.map(|commit| self.repo.history().read_commit(&commit)).transpose()?;
        let base = base.map(|commit| commit.tree);
        let file = TreePath::parse(ProjectRecord::FILE)?;
        let tree = edit::apply(&mut self.writer, base, &[(file, put)])?;
        let commit = self.commit(tree, before.into_iter().collect(), subject)?;
        let reference = RefName::project_record(record.name.clone());
        self.move_ref(reference, before, Some(commit), subject);
        Ok(commit)
    }

    /// Adds a commit by the current author, with the time of the change.
    pub(crate) fn commit(&mut self, tree: Id, parents: Vec<Id>, subject: &str) -> Result<Id> {
        let who = self.transaction.who().clone();
        let (author, committer) = (who.clone(), who);
        let message = subject.to_owned();
        self.writer.commit(&Commit { tree, parents, author, committer, message })
    }
}
