//! Moves refs in transactions: all refs or none, with reflogs and an operation that can be undone,
//! even if the process is killed or the disk is full at any moment.
//!
//! The order of writes, under the lock on all refs, after every old value was checked:
//!
//! 1. `HEAD.next`, if the current run changes
//! 2. the line in the operation log
//! 3. the line in each ref's log
//! 4. the refs: one rename moves all of them (see `ref_write.rs`); this is the commit point
//! 5. `HEAD.next` becomes `HEAD`
//! 6. loose refs are packed if there are many
//!
//! Readers need nothing after step 4. After a crash during steps 1 to 3, readers ignore the
//! remains, and the next transaction removes them.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::head::{HeadName, HeadTarget, NEXT_HEAD};
use super::operations::{self, HeadChange, Operation, RefChange, Rename};
use super::ref_lock::RefsLock;
use super::ref_write::Move;
use super::reflog::{self, ReflogEntry, Sync, identity};
use super::{History, Signature};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::fs::atomic;
use crate::id::{Id, ObjectKind};
use crate::name::{RefKind, RefName};

/// The number of refs from which their logs are synced by one call for the whole file system.
const MANY: usize = 32;

/// Each time the size of the operation log passes a multiple of this, all loose refs are counted.
const COUNT_EVERY: u64 = 1 << 17;

/// The required old value of a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The ref must not exist.
    Absent,
    /// The ref must point to this object.
    Id(Id),
    /// Any value, or none.
    Any,
}

/// Refs to move together. Nothing happens before [`Transaction::commit`].
#[derive(Debug)]
pub struct Transaction<'h> {
    pub(super) history: &'h History,
    who: Signature,
    command: String,
    pub(super) updates: Vec<Update>,
    renamed: Vec<Rename>,
    head_name: HeadName,
    expected_head: Option<HeadTarget>,
    head: Option<HeadTarget>,
    undoes: Option<String>,
    is_unrecorded: bool,
}

#[derive(Debug)]
pub(super) struct Update {
    pub(super) name: RefName,
    pub(super) expected: Expected,
    pub(super) new: Option<Id>,
    message: String,
}

/// The writes of a transaction, after all checks and locks.
struct Plan {
    operation: Operation,
    moves: Vec<Move>,
    /// For each log to write: the ref's full name or `HEAD`, and the line.
    log_entries: Vec<(String, ReflogEntry)>,
    head: Option<HeadTarget>,
}

/// The lock on refs, held from reading them to moving them. No other process moves refs in between.
/// Dropping it releases the lock.
#[derive(Debug)]
pub struct RefsGuard<'h>(pub(super) RefsLock<'h>);

impl History {
    /// Waits up to `timeout` for other writers of refs, then locks them out.
    ///
    /// Hold the lock only briefly, and never while waiting for anything else. A transaction under
    /// this lock ends with [`Transaction::commit_holding`]. Any other transaction would wait for
    /// this lock.
    pub fn lock_refs(&self, timeout: Duration) -> Result<RefsGuard<'_>> {
        RefsLock::acquire(self, timeout).map(RefsGuard)
    }

    /// Starts a transaction for `who`, who typed `command`.
    pub fn transaction(&self, who: &Signature, command: &str) -> Transaction<'_> {
        Transaction {
            history: self,
            who: who.clone(),
            command: command.to_owned(),
            updates: Vec::new(),
            renamed: Vec::new(),
            head_name: self.viewed_head(),
            expected_head: None,
            head: None,
            undoes: None,
            is_unrecorded: false,
        }
    }
}

impl Transaction<'_> {
    /// Returns the author of the moves.
    pub(crate) fn who(&self) -> &Signature {
        &self.who
    }

    /// Returns the command to record.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// Records the operation as made by `command`.
    pub(crate) fn record_as(&mut self, command: &str) {
        command.clone_into(&mut self.command);
    }

    /// Records that the command changed nothing.
    pub(crate) fn note_unchanged(&self) {
        self.history.note_unchanged(&self.command);
    }

    /// Points the ref `name` to the commit `new`, or deletes it, if its old value is `expected`.
    /// `message` is written to its reflog.
    pub fn update(
        &mut self,
        name: RefName,
        expected: Expected,
        new: Option<Id>,
        message: &str,
    ) -> &mut Self {
        self.updates.push(Update { name, expected, new, message: message.to_owned() });
        self
    }

    /// Moves a run or version from the ref `from` (its name and commit) to the ref `to` (its name
    /// and new commit). Several records can swap their names in one transaction.
    pub fn rename(&mut self, from: (RefName, Id), to: (RefName, Id), message: &str) -> &mut Self {
        let rename = Rename { from: from.0.clone(), to: to.0.clone() };
        match self.update_of(&from.0) {
            Some(update) => update.expected = Expected::Id(from.1),
            None => drop(self.update(from.0, Expected::Id(from.1), None, message)),
        }
        match self.update_of(&to.0) {
            Some(update) => update.new = Some(to.1),
            None => drop(self.update(to.0, Expected::Absent, Some(to.1), message)),
        }
        self.note_rename(rename)
    }

    /// Records a rename without moving its refs: only a remote has the old one.
    pub fn note_rename(&mut self, rename: Rename) -> &mut Self {
        self.renamed.push(rename);
        self
    }

    fn update_of(&mut self, name: &RefName) -> Option<&mut Update> {
        self.updates.iter_mut().find(|update| update.name == *name)
    }

    /// Makes `run` the current run of its project. `None` clears the current run of the viewed
    /// project.
    pub fn set_head(&mut self, run: Option<RefName>) -> &mut Self {
        if let Some(run) = &run {
            self.head_name = self.history.head_name(run.project());
        }
        self.head = Some(HeadTarget { run });
        self
    }

    /// Reverts `change`, if it was the last change of the head.
    pub fn restore_head(&mut self, change: &HeadChange) -> &mut Self {
        self.head_name = change.name();
        self.expected_head = Some(HeadTarget { run: change.new.clone() });
        self.head = Some(HeadTarget { run: change.old.clone() });
        self
    }

    /// Requires `run` to be the current run of the viewed project.
    pub fn expect_head(&mut self, run: Option<RefName>) -> &mut Self {
        self.expected_head = Some(HeadTarget { run });
        self
    }

    /// Marks this transaction as the undo of the operation `id`.
    pub fn undoes(&mut self, id: &str) -> &mut Self {
        self.undoes = Some(id.to_owned());
        self
    }

    /// Marks this transaction as moving only tracking refs, which have no logs. It is not an
    /// operation that can be undone.
    pub fn unrecorded(&mut self) -> &mut Self {
        self.is_unrecorded = true;
        self
    }

    /// Moves the refs, waiting up to `timeout` for other writers. Returns the recorded operation.
    /// If nothing changes, nothing is recorded and `changes` is empty.
    ///
    /// Fails with [`Moved`](crate::ErrorKind::Moved) if a ref does not have the expected value, and
    /// with [`Locked`](crate::ErrorKind::Locked) if another writer takes too long. In both cases,
    /// nothing moved.
    pub fn commit(&mut self, timeout: Duration) -> Result<Operation> {
        let lock = RefsLock::acquire(self.history, timeout)?;
        self.commit_under(lock)
    }

    /// Like [`Transaction::commit`], under a lock that has been held since the refs were read.
    pub fn commit_holding(&mut self, guard: RefsGuard<'_>) -> Result<Operation> {
        self.commit_under(guard.0)
    }

    fn commit_under(&mut self, mut lock: RefsLock<'_>) -> Result<Operation> {
        self.check()?;
        if self.is_unrecorded {
            let changes = self.move_tracking(&mut lock)?;
            return Ok(self.operation(changes, None));
        }
        let plan = self.plan(&mut lock)?;
        if plan.moves.is_empty() && plan.head.is_none() {
            self.note_unchanged();
            return Ok(plan.operation);
        }
        let git_dir = self.history.git_dir();
        if let Some(head) = &plan.head {
            let line = head.to_line();
            atomic::write(&git_dir.join(NEXT_HEAD), &self.history.tmp_dir(), line.as_bytes())?;
        }
        let written = operations::record(git_dir, &plan.operation)?;
        self.write_logs(&plan)?;
        if plan.moves.is_empty() {
            lock.move_head(&self.head_name)?;
            operations::note(git_dir, &plan.operation.id);
            return Ok(plan.operation);
        }
        lock.move_refs(&plan.moves).map_err(|error| self.say_if_moved(&plan, error))?;
        operations::note(git_dir, &plan.operation.id);
        // The refs have moved. The next transaction completes any step that fails from here on.
        if plan.head.is_some() {
            let _ = lock.move_head(&self.head_name);
        }
        let loose = match plan.moves.as_slice() {
            [Move { name, new: Some(_), .. }] => Some(name.as_str()),
            _ => None,
        };
        let count_all = written.start / COUNT_EVERY != written.end / COUNT_EVERY;
        let _ = lock.pack_if_many(loose, count_all);
        Ok(plan.operation)
    }

    /// If the refs have moved and only a later step failed, changes the error to say so. Otherwise,
    /// a hint to try again would make the user repeat the change.
    fn say_if_moved(&self, plan: &Plan, error: Error) -> Error {
        let has_moved = |change: &RefChange| {
            self.history.try_find_ref(&change.name).is_ok_and(|now| now == change.new)
        };
        if !plan.operation.changes.iter().all(has_moved) {
            return error;
        }
        let message = format!(
            "the change is made (operation {}), but the disk did not confirm it",
            plan.operation.id
        );
        error
            .context(message)
            .with_hint("do not repeat the command; check the repository: art fsck")
    }

    /// Checks the parts that need no disk access.
    fn check(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for update in &self.updates {
            if !names.insert(&update.name) {
                let message = format!("'{}' is updated twice in one transaction", update.name);
                return Err(Error::internal(message));
            }
            if update.name.remote().is_some() != self.is_unrecorded {
                let message = format!(
                    "'{}' is in the wrong transaction: only moves of tracking refs are not recorded",
                    update.name
                );
                return Err(Error::internal(message));
            }
        }
        if self.is_unrecorded && (self.head.is_some() || self.expected_head.is_some()) {
            return Err(Error::internal("a transaction of tracking refs cannot change HEAD"));
        }
        match &self.head {
            Some(HeadTarget { run: Some(name) })
                if name.kind() != RefKind::Run || name.remote().is_some() =>
            {
                Err(Error::internal(format!(
                    "'{name}' is not a run, so it cannot be the current run"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Locks the files to change, compares their values with the expected ones, and plans the
    /// writes.
    fn plan(&self, lock: &mut RefsLock<'_>) -> Result<Plan> {
        let mut changes = Vec::new();
        let mut moves = Vec::new();
        let mut log_entries = Vec::new();
        let names: Vec<String> =
            self.updates.iter().map(|update| update.name.to_string()).collect();
        names.iter().try_for_each(|name| lock.lock_file(name))?;
        let found = self.history.verified_locked(&names)?;
        let mut sound = HashSet::new();
        for ((update, full_name), old) in self.updates.iter().zip(names).zip(found) {
            update.check(old)?;
            let new = update.new;
            if old == new {
                continue;
            }
            if let Some(id) = new.filter(|id| !sound.contains(id)) {
                self.check_target(id)?;
                sound.insert(id);
            }
            let entry = ReflogEntry::new((old, new), &self.who, &update.message);
            log_entries.push((full_name.clone(), entry));
            changes.push(RefChange { name: update.name.clone(), old, new });
            moves.push(Move { name: full_name, old, new });
        }
        let head = self.plan_head(lock, &changes, &mut log_entries)?;
        self.log_other_heads(lock, &changes, &mut log_entries)?;
        let project = self.head_name.project();
        let change = head.clone().map(|(old, new)| HeadChange {
            project: project.cloned(),
            old: old.run,
            new: new.run,
        });
        let operation = self.operation(changes, change);
        Ok(Plan { operation, moves, log_entries, head: head.map(|(_, new)| new) })
    }

    /// Returns the command. A program that uses the library may have none: then the message of the
    /// first ref describes the operation.
    fn described(&self) -> &str {
        match self.updates.first() {
            Some(first) if self.command.is_empty() => &first.message,
            _ => &self.command,
        }
    }

    fn operation(&self, changes: Vec<RefChange>, head: Option<HeadChange>) -> Operation {
        Operation {
            id: uuid::Uuid::new_v4().to_string(),
            time: Timestamp::from_seconds(self.who.time.seconds().max(0)),
            who: identity(&self.who),
            command: self.described().to_owned(),
            changes,
            renamed: self.renamed.clone(),
            head,
            undoes: self.undoes.clone(),
        }
    }

    /// Returns the old and new target of `HEAD`, if they differ. Also adds the line for its log,
    /// which is also written when the current run moves.
    fn plan_head(
        &self,
        lock: &mut RefsLock<'_>,
        changes: &[RefChange],
        log_entries: &mut Vec<(String, ReflogEntry)>,
    ) -> Result<Option<(HeadTarget, HeadTarget)>> {
        let old = self.history.head_target(&self.head_name)?;
        if self.expected_head.as_ref().is_some_and(|expected| *expected != old) {
            return Err(RefsLock::moved("the current run has changed in the meantime".to_owned()));
        }
        let new = self.head.clone().unwrap_or_else(|| old.clone());
        let is_switch = new != old;
        let touched = |run: &RefName| changes.iter().position(|change| change.name == *run);
        let moved = new.run.as_ref().and_then(touched);
        if !is_switch && moved.is_none() {
            return Ok(None);
        }
        let file = self.head_name.file();
        lock.lock_file(&file)?;
        let old_id = self.history.head_value(&self.head_name)?;
        let new_id = match (moved, &new.run) {
            (Some(index), _) => changes[index].new,
            (None, Some(run)) => self.history.try_find_ref(run)?,
            (None, None) => None,
        };
        let message = match moved {
            Some(index) => log_entries[index].1.message.clone(),
            None => self.command.clone(),
        };
        if old_id.is_some() || new_id.is_some() {
            let entry = ReflogEntry::new((old_id, new_id), &self.who, &message);
            log_entries.push((file, entry));
        }
        Ok(is_switch.then_some((old, new)))
    }

    /// Adds lines to the logs of other heads whose run moves, because an undo can move runs of any
    /// project.
    fn log_other_heads(
        &self,
        lock: &mut RefsLock<'_>,
        changes: &[RefChange],
        log_entries: &mut Vec<(String, ReflogEntry)>,
    ) -> Result<()> {
        for name in self.history.heads_of(changes) {
            let Some(run) = self.history.head_target(&name)?.run else { continue };
            let moved = changes.iter().position(|change| change.name == run);
            if let Some(index) = moved.filter(|_| name != self.head_name) {
                lock.lock_file(&name.file())?;
                let entry = log_entries[index].1.clone();
                log_entries.push((name.file(), entry));
            }
        }
        Ok(())
    }

    /// Fails unless `id` is an existing commit or tag.
    fn check_target(&self, id: Id) -> Result<()> {
        match self.history.try_kind(&id)? {
            Some(ObjectKind::Commit | ObjectKind::Tag) => Ok(()),
            Some(kind) => {
                let message =
                    format!("{id} is a {}, but a ref must point to a commit", kind.as_str());
                Err(Error::internal(message))
            }
            None => Err(Error::not_found(format!("there is no commit {id}"))
                .with_hint("find all missing objects: art fsck")),
        }
    }

    fn write_logs(&self, plan: &Plan) -> Result<()> {
        let git_dir = self.history.git_dir();
        let is_batch = cfg!(target_os = "linux") && plan.log_entries.len() >= MANY;
        let sync = if is_batch { Sync::Later } else { Sync::Now };
        for (name, entry) in &plan.log_entries {
            reflog::record(git_dir, name, entry, sync)?;
        }
        if is_batch {
            atomic::sync_file_system(git_dir)?;
        }
        Ok(())
    }
}

impl Update {
    pub(super) fn check(&self, old: Option<Id>) -> Result<()> {
        let name = &self.name;
        let message = match (self.expected, old) {
            (Expected::Any, _) | (Expected::Absent, None) => return Ok(()),
            (Expected::Id(id), Some(old)) if id == old => return Ok(()),
            (Expected::Absent, Some(_)) => format!("'{name}' was created in the meantime"),
            (Expected::Id(_), None) => format!("'{name}' was deleted in the meantime"),
            (Expected::Id(id), Some(old)) => {
                format!("'{name}' has moved: it is at {}, not at {}", old.short(), id.short())
            }
        };
        Err(RefsLock::moved(message))
    }
}
