//! `art project update`: creates or changes the record of a project.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::{LoadedProject, try_load_project};
use crate::catalog::{RecordChange, change_records};
use crate::error::Result;
use crate::id::Id;
use crate::name::ProjectName;
use crate::record::{ProjectRecord, Tags};
use crate::repo::Repository;

/// The changes of a project's record. `None` keeps a field.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct UpdateProjectOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The description. An empty text clears it.
    #[setters(into)]
    pub description: Option<String>,
    /// The tags that replace all existing tags. An empty list clears them.
    #[setters(into)]
    pub tags: Option<Tags>,
    /// Tags to add.
    pub add_tags: Tags,
    /// Tags to remove.
    pub remove_tags: Tags,
}

/// The result of an update.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateOutcome {
    /// `OWNER/PROJECT`.
    pub project: ProjectName,
    /// True if the record is new.
    pub created: bool,
    /// True if the record changed.
    pub changed: bool,
    /// The description.
    pub description: String,
    /// The tags.
    pub tags: Tags,
    /// The newest commit of the record.
    pub commit: Option<Id>,
    /// The id of the operation, for undo. `None` if nothing changed.
    pub operation: Option<String>,
}

/// Changes the record of a project, and creates it if necessary. Without differences, nothing
/// changes.
pub fn update(repo: &Repository, options: &UpdateProjectOptions) -> Result<UpdateOutcome> {
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let changed = change_records(repo, |change| {
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

impl UpdateProjectOptions {
    /// Changes the record. Returns the subject of the commit.
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

/// The record of a project after a change.
#[derive(Debug)]
pub(crate) struct ChangedProject {
    /// The current record.
    pub(crate) record: ProjectRecord,
    /// The newest commit.
    pub(crate) commit: Option<Id>,
    /// True if the record is new.
    pub(crate) created: bool,
}

/// Changes the record of `project` under the lock that `change` holds, and creates it if necessary.
/// `edit` returns the subject of the commit.
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
