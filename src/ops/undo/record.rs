//! Restores the earlier contents of a record, in a new commit on top of the current one.

use super::{RecordChange, UndoEffect, UndoneRecord};
use crate::catalog::project::LoadedProject;
use crate::catalog::version::{LoadedVersion, VersionDraft, announce, project_policy};
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;
use crate::record::{ProjectRecord, StageReason};
use crate::repo::Repository;

/// The reason and the verdict of the stage entry that an undo records.
const UNDO: (&str, &str) = ("Undo", "undo");
/// The reason and the verdict of the stage entry that a redo records.
const REDO: (&str, &str) = ("Redo", "redo");

/// The planned restoration of a version.
pub(super) struct VersionRevert {
    /// The current version.
    now: LoadedVersion,
    /// The version to restore, at its ref of that time.
    then: LoadedVersion,
    /// True if the operation set a stage: another one, or the same one with a new reason.
    was_staged: bool,
}

impl VersionRevert {
    /// Plans the restoration. `done` is the version's commit after the operation.
    pub(super) fn plan(
        repo: &Repository,
        now: LoadedVersion,
        then: LoadedVersion,
        done: Id,
    ) -> Result<Self> {
        let conditions = |version: &LoadedVersion| version.record().stage_conditions.len();
        let done = LoadedVersion::read(repo, &now.reference, done)?;
        let was_staged =
            conditions(&done) != conditions(&then) || now.record().stage != then.record().stage;
        Ok(VersionRevert { now, then, was_staged })
    }

    pub(super) fn record(&self) -> UndoneRecord {
        let (now, then) = (&self.now, &self.then);
        let differences = now.draft.differences(&then.draft).into_iter();
        UndoneRecord {
            reference: then.reference.clone(),
            effect: UndoEffect::Reverted,
            previous_ref: (now.reference != then.reference).then(|| now.reference.clone()),
            from_stage: Some(now.record().stage.clone()),
            to_stage: Some(then.record().stage.clone()),
            fields: differences.filter(|what| *what != "name").collect(),
        }
    }

    /// Writes the commit. Every stage that the version had stays recorded; a return to an earlier
    /// stage adds an entry.
    pub(super) fn apply(
        &self,
        change: &mut RecordChange<'_>,
        verb: &str,
        command: &str,
        subject: &str,
    ) -> Result<()> {
        let (reason, verdict) = if verb == REDO.1 { REDO } else { UNDO };
        let (now, then) = (&self.now, &self.then);
        let mut draft: VersionDraft = then.draft.clone();
        let record = &mut draft.record;
        record.stage_conditions.clone_from(&now.record().stage_conditions);
        record.stage = now.record().stage.clone();
        if self.was_staged {
            let to = then.record().stage.clone();
            let message = format!("reverted: {command}");
            announce(change, then.reference.project(), record, &to, Some(reason), &message);
            let (reason, verdict) = (reason.to_owned(), verdict.to_owned());
            let why = StageReason { reason, message, author: change.author(), verdict };
            record.enter(to, why, change.now());
        }
        // Files of a version in a later stage never expire.
        let rules = project_policy(change.repo(), then.reference.project())?;
        if !rules.policy.lets_expire(&record.stage) {
            record.expired.clone_from(&now.record().expired);
        }
        if now.reference != then.reference {
            return change.relocate_version(now, &then.reference, &draft, subject).map(|_| ());
        }
        change.replace_version(now, &draft, subject).map(|_| ())
    }
}

/// The planned restoration of a project record.
pub(super) struct ProjectRevert {
    reference: RefName,
    commit: Id,
    now: ProjectRecord,
    then: ProjectRecord,
}

impl ProjectRevert {
    pub(super) fn plan(repo: &Repository, reference: &RefName, then: Id, now: Id) -> Result<Self> {
        Ok(ProjectRevert {
            reference: reference.clone(),
            commit: now,
            now: LoadedProject::read(repo, reference.project(), now)?.record,
            then: LoadedProject::read(repo, reference.project(), then)?.record,
        })
    }

    pub(super) fn record(&self) -> UndoneRecord {
        let (now, then) = (&self.now, &self.then);
        let all = [
            (now.description != then.description, "description"),
            (now.tags != then.tags, "tags"),
            (now.policy != then.policy, "policy"),
            (now.retention != then.retention, "retention"),
        ];
        UndoneRecord {
            reference: self.reference.clone(),
            effect: UndoEffect::Reverted,
            previous_ref: None,
            from_stage: None,
            to_stage: None,
            fields: all.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect(),
        }
    }

    pub(super) fn apply(&self, change: &mut RecordChange<'_>, subject: &str) -> Result<()> {
        change.write_project(&self.then, Some(self.commit), subject).map(|_| ())
    }
}
