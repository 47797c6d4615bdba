//! `art project update`: changes what the record of a project says, and makes the record.

use serde::Serialize;
use uuid::Uuid;

use super::load::{LoadedProject, try_load_project};
use crate::error::Result;
use crate::id::Id;
use crate::name::ProjectName;
use crate::ops::version::{RecordChange, change_records};
use crate::record::{ProjectRecord, Tags};
use crate::repo::Repository;

/// What to change in a project's record; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct UpdateOptions {
    /// The project, if not the default.
    pub project: Option<ProjectName>,
    /// What it is for; empty clears it.
    pub description: Option<String>,
    /// Its tags, in place of all that it has; none clears them.
    pub tags: Option<Tags>,
    /// Tags that it gets.
    pub add_tags: Tags,
    /// Tags that it loses.
    pub remove_tags: Tags,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// What became of a project's record.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateOutcome {
    /// `OWNER/PROJECT`.
    pub project: ProjectName,
    /// Whether there was no record before.
    pub created: bool,
    /// Whether anything had to change.
    pub changed: bool,
    /// What it is for.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// The last commit of the record.
    pub commit: Option<Id>,
    /// The operation, to be undone; `None` if nothing had to change.
    pub operation: Option<String>,
}

/// Changes the record of a project, or makes it where there is none. That all is so already is
/// fine.
pub fn update(repo: &Repository, options: &UpdateOptions) -> Result<UpdateOutcome> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let changed = change_records(repo, &options.command, |change| {
        change_project(change, project, |record| Ok(options.apply(record)))
    })?;
    let ChangedProject { record, commit, created } = changed.value;
    Ok(UpdateOutcome {
        project: project.clone(),
        created,
        changed: changed.operation.is_some(),
        description: record.description,
        tags: record.tags,
        commit,
        operation: changed.operation.map(|operation| operation.id),
    })
}

impl UpdateOptions {
    /// Changes the record; says what was changed.
    fn apply(&self, record: &mut ProjectRecord) -> String {
        let before = record.clone();
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            record.tags = tags.clone();
        }
        record.tags.add(&self.add_tags);
        record.tags.remove(&self.remove_tags);
        let changes = [
            (record.description != before.description, "description"),
            (record.tags != before.tags, "tags"),
        ];
        let words: Vec<&str> =
            changes.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect();
        if words.is_empty() {
            "project: made".to_owned()
        } else {
            format!("project: {}", words.join(", "))
        }
    }
}

/// A project's record after a change.
#[derive(Debug)]
pub(crate) struct ChangedProject {
    /// As it is now.
    pub(crate) record: ProjectRecord,
    /// Its last commit.
    pub(crate) commit: Option<Id>,
    /// Whether there was none before.
    pub(crate) created: bool,
}

/// Changes the record of `project` under the lock that `change` holds; where there is none, one is
/// made. `edit` returns the subject of the commit.
pub(crate) fn change_project(
    change: &mut RecordChange<'_>,
    project: &ProjectName,
    edit: impl FnOnce(&mut ProjectRecord) -> Result<String>,
) -> Result<ChangedProject> {
    let before = try_load_project(change.repo(), project)?;
    let new = || ProjectRecord::new(Uuid::new_v4(), project.clone(), change.now());
    let mut record = before.as_ref().map_or_else(new, |before| before.record.clone());
    let subject = edit(&mut record)?;
    let commit = match &before {
        Some(LoadedProject { record: same, commit, .. }) if *same == record => Some(*commit),
        _ => {
            let before = before.as_ref().map(|before| before.commit);
            Some(change.write_project(&record, before, &subject)?)
        }
    };
    Ok(ChangedProject { record, commit, created: before.is_none() })
}
