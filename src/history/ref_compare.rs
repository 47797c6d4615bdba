//! Compares all refs with their reflogs and with the operation log, and restores the value that two
//! of the three agree on.
//!
//! Git moves refs without the operation log, but the reflog always has the newest move. A ref is
//! therefore damaged if its reflog contradicts it. A reflog is damaged if it lacks the newest
//! operation that moved its ref.

use std::collections::BTreeMap;

use super::head::HeadName;
use super::ref_check::{RefSurvey, RestoredRef};
use super::ref_lock::RefsLock;
use super::ref_verify::{LastMove, wrong_value};
use super::reflog::{self, ReflogEntry};
use super::refs::is_recorded;
use super::{History, Operation, operations};
use crate::error::{Error, Result};
use crate::fs::{atomic, read};
use crate::id::{Id, ObjectKind};
use crate::name::RefName;

/// The state of refs and of `HEAD` according to the operation log.
#[derive(Debug, Default)]
struct Recorded {
    moves: BTreeMap<String, LastMove>,
    /// The run that the newest change of `HEAD` made current.
    #[expect(
        clippy::option_option,
        reason = "the outer level means no operation, the inner level no current run"
    )]
    head: Option<Option<RefName>>,
}

/// A disagreement between a ref and its logs.
#[derive(Debug)]
enum RefConflict {
    /// The ref does not have this value, which its logs record.
    Ref(Option<Id>),
    /// The reflog lacks the newest operation that moved the ref.
    Log,
}

/// A disagreement, with its ref.
#[derive(Debug)]
struct Finding {
    name: String,
    conflict: RefConflict,
    error: Error,
}

impl History {
    /// Adds contradictions between refs, reflogs and the operation log to `survey`.
    pub(super) fn survey_conflicts(&self, survey: &mut RefSurvey) -> Result<()> {
        let recorded = self.recorded();
        let known = |name: &str| survey.damaged.iter().any(|damaged| damaged == name);
        let mut findings = self.conflicts(&survey.refs, &recorded)?;
        findings.retain(|finding| !known(&finding.name));
        // A damaged ref explains what its HEAD leads to: that is one fault, not two.
        let is_named = |run: &RefName| {
            let run = run.to_string();
            known(&run)
                || findings.iter().any(|finding| {
                    finding.name == run && matches!(finding.conflict, RefConflict::Ref(_))
                })
        };
        let head = self.head_target(&HeadName::default()).ok();
        let head = head.filter(|head| !head.run.as_ref().is_some_and(is_named));
        survey.damage.extend(findings.into_iter().map(|finding| finding.error));
        if let Some(head) = head {
            let error = match self.head_conflict(head.run.as_ref(), &recorded)? {
                None => self.lost_head_moves()?,
                some => some,
            };
            survey.damage.extend(error);
        }
        survey.damage.extend(self.lost_operations());
        Ok(())
    }

    /// Reads the whole operation log, up to the first unreadable line.
    fn recorded(&self) -> Recorded {
        let mut recorded = Recorded::default();
        let Ok(operations) = self.operations() else { return recorded };
        for operation in operations.map_while(Result::ok) {
            for change in &operation.changes {
                let last = LastMove { new: change.new, time: operation.time };
                recorded.moves.entry(change.name.to_string()).or_insert(last);
            }
            if recorded.head.is_none() {
                let head = operation.head.filter(|head| head.project.is_none());
                recorded.head = head.map(|head| head.new);
            }
        }
        recorded
    }

    fn conflicts(&self, refs: &BTreeMap<String, Id>, recorded: &Recorded) -> Result<Vec<Finding>> {
        let mut names: Vec<String> = refs.keys().cloned().collect();
        names.extend(self.logs()?);
        names.extend(recorded.moves.keys().cloned());
        names.retain(|name| is_recorded(name));
        names.sort_unstable();
        names.dedup();
        let mut findings = Vec::new();
        for name in names {
            let found = refs.get(&name).copied();
            let recorded = recorded.moves.get(&name).copied();
            if let Some((conflict, error)) = self.conflict(&name, found, recorded)? {
                // A writer may have moved the ref since it was read. A move that has ended shows in
                // the ref, so the ref is read last.
                let is_under_way = self.is_under_way(&name);
                let now = self.try_find_id(&name).unwrap_or(found);
                if now == found && !is_under_way {
                    findings.push(Finding { name, conflict, error });
                }
            }
        }
        Ok(findings)
    }

    fn conflict(
        &self,
        name: &str,
        found: Option<Id>,
        recorded: Option<LastMove>,
    ) -> Result<Option<(RefConflict, Error)>> {
        let logged = match self.last_logged_move(name) {
            Ok(logged) => logged,
            Err(error) if error.kind() == crate::ErrorKind::Corrupt => None,
            Err(error) => return Err(error),
        };
        let has_line = match (logged, recorded) {
            (Some(logged), Some(recorded)) => {
                logged == recorded || self.is_logged(name, recorded)?
            }
            _ => false,
        };
        Ok(match (logged, recorded) {
            // Git deletes the log of a ref together with the ref.
            (None, Some(_)) if found.is_none() => None,
            (None, Some(recorded)) if recorded.new == found => {
                Some((RefConflict::Log, lost_moves(name)))
            }
            (None, Some(recorded)) => {
                let message = wrong_value(name, found, recorded.new);
                Some((RefConflict::Ref(recorded.new), message))
            }
            (Some(logged), Some(recorded)) if !has_line => {
                if found == recorded.new || found == logged.new {
                    Some((RefConflict::Log, lost_moves(name)))
                } else {
                    Some((RefConflict::Ref(recorded.new), wrong_value(name, found, recorded.new)))
                }
            }
            (Some(logged), _) if logged.new != found => {
                Some((RefConflict::Ref(logged.new), wrong_value(name, found, logged.new)))
            }
            (Some(_), _) | (None, None) => None,
        })
    }

    /// Returns the error if the log of `HEAD` does not end at the target of `HEAD`.
    fn lost_head_moves(&self) -> Result<Option<Error>> {
        let value = self.head_value(&HeadName::default())?;
        let logged = self.last_logged_move("HEAD")?.and_then(|last| last.new);
        if logged == value
            || self.is_head_changing()
            || self.head_value(&HeadName::default())? != value
        {
            return Ok(None);
        }
        let message = "the log of HEAD does not end at the target of HEAD";
        Ok(Some(Error::corrupt(message).with_hint("check the repository: art fsck")))
    }

    /// Returns true if an operation that may change `HEAD` is in progress.
    fn is_head_changing(&self) -> bool {
        !self.has_no_next_head() || self.pending_operation().unwrap_or(None).is_some()
    }

    /// Appends the target of `HEAD` to the log of `HEAD`.
    fn complete_head_log(&self, lock: &mut RefsLock<'_>) -> Result<()> {
        let new = self.head_value(&HeadName::default())?;
        let (who, time) = match (self.last_effective_operation()?, new) {
            (Some(operation), _) => (operation.who.clone(), operation.time),
            // The operation log is lost too.
            (None, Some(commit)) => {
                let who = self.read_commit(&commit)?.committer;
                (reflog::identity(&who), who.time)
            }
            (None, None) => return Ok(()),
        };
        let path = reflog::path(self.git_dir(), "HEAD");
        lock.lock_file("HEAD")?;
        let old = self.last_logged_move("HEAD")?.and_then(|last| last.new);
        let entry =
            ReflogEntry { old, new, who, time, message: "fsck: the log was damaged".to_owned() };
        let mut entries = if read::is_file(&path)? { reflog::lines(&path)? } else { Vec::new() };
        entries.insert(0, entry);
        entries.reverse();
        let text: String = entries.iter().map(ReflogEntry::to_line).collect();
        self.keep_log_aside(&path, "HEAD")?;
        atomic::write(&path, &self.tmp_dir(), text.as_bytes())
    }

    /// Returns the error if `HEAD`, which names `run`, is wrong.
    fn head_conflict(&self, run: Option<&RefName>, recorded: &Recorded) -> Result<Option<Error>> {
        if self.is_head_changing() {
            return Ok(None);
        }
        if let Err(error) = self.verify_head(run) {
            return Ok(Some(error));
        }
        let is_other = recorded.head.as_ref().is_some_and(|head| head.as_ref() != run);
        let is_named =
            self.head_target(&HeadName::default()).is_ok_and(|head| head.run.as_ref() == run);
        if is_other && is_named && self.last_logged_move("HEAD")?.is_none() {
            let message = "HEAD names a different run than the operation log";
            return Ok(Some(Error::corrupt(message)));
        }
        let Some(run) = run.filter(|_| is_named) else { return Ok(None) };
        let name = run.to_string();
        if self.try_find_id(&name).is_ok_and(|id| id.is_some()) {
            return Ok(None);
        }
        let existed = self.last_logged_move(&name)?.is_some() || recorded.moves.contains_key(&name);
        let message = format!("HEAD names '{name}', which does not exist");
        Ok((!existed).then(|| Error::corrupt(message)))
    }

    /// Returns the error if the operation log lacks the last operation that happened.
    fn lost_operations(&self) -> Option<Error> {
        let noted = operations::noted(self.git_dir())?;
        let mut operations = self.operations().ok()?;
        if operations.any(|operation| operation.is_ok_and(|operation| operation.id == noted)) {
            return None;
        }
        let message = format!("the operation log has lost its newest operation ({noted})");
        Some(Error::corrupt(message))
    }

    /// Fails if the reflog of `name`, or of `HEAD`, has unreadable lines or lacks the newest move
    /// in the operation log.
    pub fn verify_log(&self, name: &str) -> Result<()> {
        let path = reflog::path(self.git_dir(), name);
        let bad = reflog::survey(&path)?.bad;
        if bad > 0 {
            return Err(
                reflog::unreadable_lines(&path, bad).with_hint("check the repository: art fsck")
            );
        }
        if name == "HEAD" {
            return self.lost_head_moves()?.map_or(Ok(()), Err);
        }
        let Some(recorded) = self.last_recorded_move(name)? else { return Ok(()) };
        // The log is read again last: the move may have ended in between.
        let is_logged = || self.is_logged(name, recorded);
        if is_logged()? || self.is_under_way(name) || is_logged()? {
            return Ok(());
        }
        Err(lost_moves(name).with_hint("check the repository: art fsck"))
    }

    /// Fails if the operation log has unreadable lines or lacks the newest operation.
    pub fn verify_operations(&self) -> Result<()> {
        operations::check(self.git_dir())?;
        let Some(error) = self.lost_operations() else { return Ok(()) };
        // The note is written after the operation. The first check may have run between the two.
        match self.lost_operations() {
            Some(_) => Err(error.with_hint("check the repository: art fsck")),
            None => Ok(()),
        }
    }

    /// Restores refs to the values in their logs, and completes reflogs from the operation log.
    pub(super) fn restore_conflicts(
        &self,
        lock: &mut RefsLock<'_>,
        restored: &mut Vec<RestoredRef>,
    ) -> Result<()> {
        let recorded = self.recorded();
        let mut survey = RefSurvey::default();
        self.survey_values(&mut survey)?;
        for finding in self.conflicts(&survey.refs, &recorded)? {
            let name = finding.name;
            match finding.conflict {
                RefConflict::Log => self.complete_log(lock, &name)?,
                RefConflict::Ref(Some(id)) => {
                    if !matches!(self.try_kind(&id)?, Some(ObjectKind::Commit | ObjectKind::Tag)) {
                        continue;
                    }
                    lock.lock_file(&name)?;
                    lock.write_loose(&name, id)?;
                    self.complete_log(lock, &name)?;
                    restored.push(RestoredRef { name, id: Some(id) });
                }
                RefConflict::Ref(None) => {
                    lock.lock_file(&name)?;
                    lock.delete_one(&name)?;
                    restored.push(RestoredRef { name, id: None });
                }
            }
        }
        if let Ok(head) = self.head_target(&HeadName::default())
            && self.head_conflict(head.run.as_ref(), &recorded)?.is_some()
        {
            lock.write_head(&HeadName::default(), recorded.head.clone().flatten())?;
            restored.push(RestoredRef { name: "HEAD".to_owned(), id: None });
        }
        if self.lost_head_moves()?.is_some() {
            self.complete_head_log(lock)?;
        }
        if self.lost_operations().is_some() {
            operations::forget_note(self.git_dir())?;
        }
        Ok(())
    }

    /// Adds the moves that only the operation log has to the reflog of `name`.
    fn complete_log(&self, lock: &mut RefsLock<'_>, name: &str) -> Result<()> {
        let path = reflog::path(self.git_dir(), name);
        let known = if read::is_file(&path)? { reflog::lines(&path)? } else { Vec::new() };
        let mut lines: Vec<(ReflogEntry, bool)> =
            known.iter().cloned().map(|entry| (entry, true)).collect();
        for operation in self.operations()?.map_while(Result::ok) {
            let Some(entry) = entry_of(&operation, name) else { continue };
            let has = |known: &ReflogEntry| {
                (known.old, known.new, known.time) == (entry.old, entry.new, entry.time)
            };
            // A garbage collection cuts the lines of commits that it removes.
            let is_gone = |id: &Id| matches!(self.try_kind(id), Ok(None));
            let was_cut = entry.old.iter().chain(&entry.new).any(is_gone);
            if !known.iter().any(has) && !was_cut {
                lines.push((entry, false));
            }
        }
        if lines.iter().all(|(_, is_known)| *is_known) {
            return Ok(());
        }
        lines.reverse();
        lines.sort_by_key(|(entry, _)| entry.time);
        lock.lock_file(name)?;
        self.keep_log_aside(&path, name)?;
        let text: String = lines.iter().map(|(entry, _)| entry.to_line()).collect();
        atomic::create_dir_all_durably(path.parent().unwrap_or(&path))?;
        atomic::write(&path, &self.tmp_dir(), text.as_bytes())
    }
}

/// Returns the reflog line of `name` for `operation`, if the operation moved that ref.
fn entry_of(operation: &Operation, name: &str) -> Option<ReflogEntry> {
    let change = operation.changes.iter().find(|change| change.name.to_string() == name)?;
    Some(ReflogEntry {
        old: change.old,
        new: change.new,
        who: operation.who.clone(),
        time: operation.time,
        message: operation.command.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn lost_moves(name: &str) -> Error {
    Error::corrupt(format!("the log of '{name}' lacks moves that the operation log has"))
}
