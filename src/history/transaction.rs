//! Moving refs: all of a transaction or none, with reflogs and an operation to undo, also if the
//! process is killed or the disk is full at any moment.
//!
//! The order of writes, under the lock on all refs, after every old value was checked:
//!
//! 1. `HEAD.next`, if the current run changes;
//! 2. the line in the operation log; 3. the line in each ref's log;
//! 4. the refs: one rename moves them all (see `ref_write.rs`), and this is the commit;
//! 5. `HEAD.next` becomes `HEAD`; 6. loose refs are packed when there are many.
//!
//! A reader needs none of what comes after 4. What a crash left of 1 to 3 is passed over by readers
//! and taken back by the next transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use super::head::{HeadName, HeadTarget, NEXT_HEAD};
use super::operations::{self, HeadChange, Operation, RefChange};
use super::ref_lock::RefsLock;
use super::ref_write::Move;
use super::reflog::{self, ReflogEntry, Sync, identity};
use super::{History, Signature};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::fs::atomic;
use crate::id::{Id, ObjectKind};
use crate::name::{RefKind, RefName};

/// From so many refs on, their logs are synced by one call for the whole file system.
const MANY: usize = 32;

/// Each time the operation log passes a multiple of this, loose refs are counted everywhere.
const COUNT_EVERY: u64 = 1 << 17;

/// What a ref must be for its update to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no such ref.
    Absent,
    /// It points at this.
    Id(Id),
    /// Whatever it is.
    Any,
}

/// Refs to be moved together. Nothing happens before [`Transaction::commit`].
#[derive(Debug)]
pub struct Transaction<'h> {
    pub(super) history: &'h History,
    who: Signature,
    command: String,
    pub(super) updates: Vec<Update>,
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

/// What a transaction will do, after everything was checked and locked.
struct Plan {
    operation: Operation,
    moves: Vec<Move>,
    /// For each log to be written: the ref's full name or `HEAD`, and the line.
    log_entries: Vec<(String, ReflogEntry)>,
    head: Option<HeadTarget>,
}

/// The right to move refs, held from reading them to moving them: nobody else moves any meanwhile,
/// so what was read is what is changed. Given up when it is dropped.
#[derive(Debug)]
pub struct RefsGuard<'h>(RefsLock<'h>);

impl History {
    /// Waits up to `timeout` for other writers of refs, then keeps them out.
    ///
    /// For a short time only, and never while something else is waited for. A transaction begun
    /// under it ends with [`Transaction::commit_holding`]; any other would wait for this one.
    pub fn lock_refs(&self, timeout: Duration) -> Result<RefsGuard<'_>> {
        RefsLock::acquire(self, timeout).map(RefsGuard)
    }

    /// Begins to move refs on behalf of `who`, who typed `command`.
    pub fn transaction(&self, who: &Signature, command: &str) -> Transaction<'_> {
        Transaction {
            history: self,
            who: who.clone(),
            command: command.to_owned(),
            updates: Vec::new(),
            head_name: self.viewed_head(),
            expected_head: None,
            head: None,
            undoes: None,
            is_unrecorded: false,
        }
    }
}

impl Transaction<'_> {
    /// Points the ref `name` at the commit `new`, or deletes it, if it is as `expected`. `message`
    /// goes into its reflog.
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

    /// Makes `run` the current run of its project; `None`: the project that is looked at has none.
    pub fn set_head(&mut self, run: Option<RefName>) -> &mut Self {
        if let Some(run) = &run {
            self.head_name = self.history.head_name(run.project());
        }
        self.head = Some(HeadTarget { run });
        self
    }

    /// Takes `change` back, if it is what changed the head last.
    pub fn restore_head(&mut self, change: &HeadChange) -> &mut Self {
        self.head_name = change.name();
        self.expected_head = Some(HeadTarget { run: change.new.clone() });
        self.head = Some(HeadTarget { run: change.old.clone() });
        self
    }

    /// Only if `run` is the current run of the project that is looked at.
    pub fn expect_head(&mut self, run: Option<RefName>) -> &mut Self {
        self.expected_head = Some(HeadTarget { run });
        self
    }

    /// This takes the operation `id` back.
    pub fn undoes(&mut self, id: &str) -> &mut Self {
        self.undoes = Some(id.to_owned());
        self
    }

    /// This moves tracking refs, and nothing else: it is no operation that can be undone, and they
    /// have no logs.
    pub fn unrecorded(&mut self) -> &mut Self {
        self.is_unrecorded = true;
        self
    }

    /// Moves the refs, waiting up to `timeout` for other writers. Returns what was recorded; its
    /// `changes` are empty, and nothing is recorded, if everything was so already.
    ///
    /// Fails with [`Moved`](crate::ErrorKind::Moved) if a ref is not as expected, with
    /// [`Locked`](crate::ErrorKind::Locked) if another writer takes too long; then nothing moved.
    pub fn commit(&mut self, timeout: Duration) -> Result<Operation> {
        let lock = RefsLock::acquire(self.history, timeout)?;
        self.commit_under(lock)
    }

    /// Moves the refs under a lock that has been held since they were read; else as
    /// [`Transaction::commit`].
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
            self.history.note_unchanged(&self.command);
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
        // The refs have moved. What fails from here on is made up for by the next transaction.
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

    /// Where the refs have moved and only what comes after it failed, says so: who reads "try again"
    /// would do it twice.
    fn say_if_moved(&self, plan: &Plan, error: Error) -> Error {
        let has_moved = |change: &RefChange| {
            self.history.try_find_ref(&change.name).is_ok_and(|now| now == change.new)
        };
        if !plan.operation.changes.iter().all(has_moved) {
            return error;
        }
        let message = format!(
            "the change is made (operation {}), but the disk has not confirmed it",
            plan.operation.id
        );
        error.context(message).with_hint("don't repeat it; see that all is well: art fsck")
    }

    /// Checks what needs no look at the disk.
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
            return Err(Error::internal(
                "a transaction of tracking refs has nothing to do with HEAD",
            ));
        }
        match &self.head {
            Some(HeadTarget { run: Some(name) })
                if name.kind() != RefKind::Run || name.remote().is_some() =>
            {
                Err(Error::internal(format!("'{name}' is no run, so it can't be the current one")))
            }
            _ => Ok(()),
        }
    }

    /// Locks what will change, compares it with what is expected and works out what to write.
    fn plan(&self, lock: &mut RefsLock<'_>) -> Result<Plan> {
        let mut changes = Vec::new();
        let mut moves = Vec::new();
        let mut log_entries = Vec::new();
        for update in &self.updates {
            let full_name = update.name.to_string();
            lock.lock_file(&full_name)?;
            let old = self.history.try_find_ref(&update.name)?;
            update.check(old)?;
            let new = update.new;
            if old == new {
                continue;
            }
            if let Some(id) = new {
                self.check_target(id)?;
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

    fn operation(&self, changes: Vec<RefChange>, head: Option<HeadChange>) -> Operation {
        Operation {
            id: uuid::Uuid::new_v4().to_string(),
            time: Timestamp::from_seconds(self.who.time.seconds().max(0)),
            who: identity(&self.who),
            command: self.command.clone(),
            changes,
            head,
            undoes: self.undoes.clone(),
        }
    }

    /// What `HEAD` names now and shall name, if that differs; and its log's line, which is also
    /// written when the current run moves.
    fn plan_head(
        &self,
        lock: &mut RefsLock<'_>,
        changes: &[RefChange],
        log_entries: &mut Vec<(String, ReflogEntry)>,
    ) -> Result<Option<(HeadTarget, HeadTarget)>> {
        let old = self.history.head_target(&self.head_name)?;
        if self.expected_head.as_ref().is_some_and(|expected| *expected != old) {
            return Err(RefsLock::moved("another run has become the current one".to_owned()));
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

    /// The lines for the logs of other heads whose run moves: an undo may move runs of any project.
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

    /// A ref must lead to a commit that is there.
    fn check_target(&self, id: Id) -> Result<()> {
        match self.history.try_kind(&id)? {
            Some(ObjectKind::Commit | ObjectKind::Tag) => Ok(()),
            Some(kind) => {
                let message = format!("{id} is a {}, and a ref names a commit", kind.as_str());
                Err(Error::internal(message))
            }
            None => Err(Error::not_found(format!("there is no commit {id}"))
                .with_hint("look at what is missing: art fsck")),
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
            (Expected::Absent, Some(_)) => format!("'{name}' has been made meanwhile"),
            (Expected::Id(_), None) => format!("'{name}' has been deleted meanwhile"),
            (Expected::Id(id), Some(old)) => {
                format!("'{name}' has moved: it is at {}, not at {}", old.short(), id.short())
            }
        };
        Err(RefsLock::moved(message))
    }
}
