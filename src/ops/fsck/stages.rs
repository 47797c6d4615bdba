//! Finds versions whose history lacks a commit.
//!
//! Each commit of a version keeps the stage conditions of the commit before it, and adds those of
//! one command, which have one time. A commit that adds conditions of several times follows a
//! commit that is lost.

use super::defect::DamagedPart;
use super::walk::Walk;
use crate::error::Result;
use crate::history::{Commit, History, RefSurvey};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{Record, StageCondition, VersionRecord};

/// A commit of a version, with its record.
struct VersionCommit {
    id: Id,
    commit: Commit,
    record: VersionRecord,
}

impl VersionCommit {
    /// Reads a commit. Returns `None` if it is not the commit of a version.
    fn try_read(history: &History, id: Id) -> Result<Option<Self>> {
        let commit = history.read_commit(&id)?;
        let entries = history.read_tree(&commit.tree)?;
        let Some(entry) = entries.iter().find(|entry| entry.name == VersionRecord::FILE) else {
            return Ok(None);
        };
        let record = VersionRecord::decode(&history.read_blob(&entry.id)?)?;
        Ok(Some(VersionCommit { id, commit, record }))
    }

    /// The parents that are commits of the same version.
    fn parents(&self, history: &History) -> Result<Vec<VersionCommit>> {
        let mut parents = Vec::new();
        for parent in &self.commit.parents {
            let step = VersionCommit::try_read(history, *parent)?;
            parents.extend(step.filter(|step| step.record.uuid == self.record.uuid));
        }
        Ok(parents)
    }
}

fn have_several_times(conditions: &[StageCondition]) -> bool {
    conditions.windows(2).any(|two| two[0].last_update_time != two[1].last_update_time)
}

/// Returns the commit that follows a lost commit in the history of the version at `tip`.
fn find_gap(history: &History, tip: &Id) -> Result<Option<Id>> {
    let mut next = VersionCommit::try_read(history, history.peel(tip)?)?;
    while let Some(step) = next {
        // Earlier commits have fewer conditions.
        if !have_several_times(&step.record.stage_conditions) {
            return Ok(None);
        }
        let mut parents = step.parents(history)?;
        // A merge adds the conditions of the other side.
        if parents.len() < 2 {
            let known = parents.first().map_or(0, |parent| parent.record.stage_conditions.len());
            let added = step.record.stage_conditions.get(known..).unwrap_or_default();
            if have_several_times(added) {
                return Ok(Some(step.id));
            }
        }
        next = if parents.is_empty() { None } else { Some(parents.swap_remove(0)) };
    }
    Ok(None)
}

impl Walk<'_> {
    /// Records the versions whose history lacks a commit.
    pub(super) fn gaps(&mut self, survey: &RefSurvey) {
        for (text, id) in &survey.refs {
            let Ok(name) = text.parse::<RefName>() else { continue };
            if name.kind() != RefKind::Version {
                continue;
            }
            // Unreadable commits and records are already reported.
            if let Ok(Some(commit)) = find_gap(self.history, id) {
                let problem = format!(
                    "its record has stage changes that no earlier commit has: a commit before it is \
                     lost (the history of {text})"
                );
                self.defects.object(DamagedPart::Commit, &commit, problem);
            }
        }
    }
}
