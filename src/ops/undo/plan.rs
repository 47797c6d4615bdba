//! The plan of an undo: its effect on each ref of the operation.

use super::record::{ProjectRevert, VersionRevert};
use super::window::check_not_collected;
use super::{RecordChange, UndoEffect, UndoneRecord, shown};
use crate::catalog::version::LoadedVersion;
use crate::error::{Error, Result};
use crate::history::{Expected, Operation, Rename, Undoing};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::repo::Repository;

/// The planned changes.
pub(super) struct Plan {
    /// The operation to revert.
    pub(super) operation: Operation,
    /// `undo` or `redo`.
    verb: &'static str,
    steps: Vec<Step>,
}

/// The planned change of a ref.
enum Step {
    /// The ref goes back to its old commit.
    Back { name: RefName, now: Option<Id>, then: Option<Id> },
    /// A new commit restores the earlier contents of a version.
    Version(Box<VersionRevert>),
    /// A new commit restores the earlier contents of a project record.
    Project(Box<ProjectRevert>),
}

/// A ref of the operation: its commit before the operation, after the operation, and now.
struct Moved<'o> {
    name: &'o RefName,
    then: Option<Id>,
    done: Option<Id>,
    now: Option<Id>,
}

impl Plan {
    /// Finds the operation to revert and plans the changes.
    pub(super) fn make(repo: &Repository, wanted: Undoing<'_>, verb: &'static str) -> Result<Plan> {
        let history = repo.history();
        let Some(undoable) = history.find_undoable(wanted)? else {
            return Err(Error::not_found(format!("there is nothing to {verb}"))
                .with_hint("list the operations: art operations"));
        };
        check_not_collected(repo, &undoable.operation)?;
        let states = undoable.check(history)?;
        let operation = undoable.operation;
        let moved: Vec<Moved<'_>> = operation
            .changes
            .iter()
            .zip(states)
            .map(|(change, now)| Moved {
                name: &change.name,
                then: change.old,
                done: change.new,
                now,
            })
            .collect();
        let relocations = relocations(repo, &operation, &moved)?;
        let mut steps: Vec<Option<Step>> = Vec::new();
        for Relocation { then, other, .. } in &relocations {
            let name = then.reference.clone();
            steps.push(other.map(|now| Step::Back { name, now: Some(now), then: None }));
        }
        for change in &moved {
            steps.push(step(repo, change, &relocations)?);
        }
        Ok(Plan { steps: steps.into_iter().flatten().collect(), operation, verb })
    }

    /// The effects on versions and project records.
    pub(super) fn records(&self) -> Vec<UndoneRecord> {
        let record = |step: &Step| match step {
            Step::Back { name, now, .. } => {
                let is_record = matches!(name.kind(), RefKind::Version | RefKind::Project);
                let effect = if now.is_some() { UndoEffect::Removed } else { UndoEffect::Restored };
                is_record.then(|| UndoneRecord {
                    reference: name.clone(),
                    effect,
                    previous_ref: None,
                    from_stage: None,
                    to_stage: None,
                    fields: Vec::new(),
                })
            }
            Step::Version(revert) => Some(revert.record()),
            Step::Project(revert) => Some(revert.record()),
        };
        self.steps.iter().filter_map(record).collect()
    }

    /// Applies the plan, under the lock that `change` holds.
    pub(super) fn apply(&self, change: &mut RecordChange<'_>) -> Result<()> {
        let command = shown(&self.operation.command);
        let verb = self.verb;
        let subject = format!("{verb}: {command}");
        change.record_as(verb);
        for step in &self.steps {
            match step {
                Step::Back { name, now, then } => {
                    let expected = now.map_or(Expected::Absent, Expected::Id);
                    change.transaction().update(name.clone(), expected, *then, &subject);
                }
                Step::Version(revert) => revert.apply(change, verb, &command, &subject)?,
                Step::Project(revert) => revert.apply(change, &subject)?,
            }
        }
        let transaction = change.transaction();
        transaction.undoes(&self.operation.id);
        if let Some(head) = &self.operation.head {
            transaction.restore_head(head);
        }
        Ok(())
    }
}

/// A version that the operation moved from one ref to another.
struct Relocation {
    /// The version before the operation, at its old ref.
    then: LoadedVersion,
    /// The current version, at its current ref.
    now: LoadedVersion,
    /// The commit of the version after the operation.
    done: Id,
    /// The commit of another version that has the old ref now, and stays there until the undo.
    other: Option<Id>,
}

fn relocations(
    repo: &Repository,
    operation: &Operation,
    moved: &[Moved<'_>],
) -> Result<Vec<Relocation>> {
    let moved_of = |name: &RefName| moved.iter().find(|change| change.name == name);
    let mut relocations = Vec::new();
    for Rename { from, to } in
        operation.renamed.iter().filter(|it| it.to.kind() == RefKind::Version)
    {
        let (Some(left), Some(reached)) = (moved_of(from), moved_of(to)) else { continue };
        let (Some(then), Some(done), Some(now)) = (left.then, reached.done, reached.now) else {
            continue;
        };
        let (then, now) =
            (LoadedVersion::read(repo, from, then)?, LoadedVersion::read(repo, to, now)?);
        relocations.push(Relocation { then, now, done, other: left.now });
    }
    let leaving: Vec<RefName> = relocations.iter().map(|it| it.now.reference.clone()).collect();
    for relocation in &mut relocations {
        relocation.other.take_if(|_| leaving.contains(&relocation.then.reference));
    }
    Ok(relocations)
}

/// Plans the change of one ref; `None` if the plan of another ref covers it.
fn step(repo: &Repository, change: &Moved<'_>, relocations: &[Relocation]) -> Result<Option<Step>> {
    let Moved { name, then, done, now } = *change;
    if let Some(relocation) = relocations.iter().find(|it| it.then.reference == *name) {
        let Relocation { then, now, done, .. } = relocation;
        let revert = VersionRevert::plan(repo, now.clone(), then.clone(), *done)?;
        return Ok(Some(Step::Version(Box::new(revert))));
    }
    if relocations.iter().any(|it| it.now.reference == *name) {
        return Ok(None);
    }
    let (Some(was), Some(is)) = (then, now) else {
        return Ok(Some(Step::Back { name: name.clone(), now, then }));
    };
    Ok(Some(match name.kind() {
        RefKind::Run | RefKind::Tag => Step::Back { name: name.clone(), now, then },
        RefKind::Project => Step::Project(Box::new(ProjectRevert::plan(repo, name, was, is)?)),
        RefKind::Version => {
            let was = LoadedVersion::read(repo, name, was)?;
            let is = LoadedVersion::read(repo, name, is)?;
            if was.record().uuid != is.record().uuid {
                // Another version has the name now; the old commit is not part of its history.
                return Ok(Some(Step::Back { name: name.clone(), now, then }));
            }
            let done = done.unwrap_or(is.commit);
            Step::Version(Box::new(VersionRevert::plan(repo, is, was, done)?))
        }
    }))
}
