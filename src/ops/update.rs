//! `art update`: changes what is said about a version, its name too.

use serde::Serialize;
use uuid::Uuid;

use super::version::{
    LoadedVersion, RecordChange, VersionDraft, change_records, check_readme, find_moved,
    load_version, name_version, try_load_version,
};
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Tags, VersionKind};
use crate::repo::Repository;

pub use super::version::ContentChange;

/// What to change about a version; `None` leaves as it is.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// What it is called.
    pub name: Option<Name>,
    /// What it is for; empty clears it.
    pub description: Option<String>,
    /// Its tags, in place of all that it has; none clears them.
    pub tags: Option<Tags>,
    /// Tags that it gets.
    pub add_tags: Tags,
    /// Tags that it loses.
    pub remove_tags: Tags,
    /// JSON or YAML on it.
    pub content: ContentChange,
    /// The text that people read first, at most 1 MiB; empty clears it.
    pub readme: Option<String>,
    /// What it is.
    pub kind: Option<VersionKind>,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// What became of a version.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateOutcome {
    /// The version, as it is called now.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// What stays the same when its name changes.
    pub uuid: Uuid,
    /// What it was called before, if that was changed.
    pub previous_name: Option<Name>,
    /// What was changed: `name`, `description`, `tags`, `kind`, `content`, `readme`; nothing if all
    /// was so already.
    pub changed: Vec<&'static str>,
    /// The version's newest commit.
    pub commit: Id,
    /// The operation, to be undone; `None` if nothing had to change.
    pub operation: Option<String>,
}

/// Changes what is said about a version. That all is so already is fine, also its new name: a
/// version that was renamed so before is found under it.
///
/// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if another version has the new
/// name, and with [`Invalid`](crate::ErrorKind::Invalid) if nothing is to be changed.
pub fn update(repo: &Repository, options: &UpdateOptions) -> Result<UpdateOutcome> {
    if options.is_empty() {
        return Err(Error::invalid("nothing to change was given"));
    }
    if let Some(readme) = &options.readme {
        check_readme(readme)?;
    }
    let changed = change_records(repo, &options.command, |change| {
        let version = find(repo, options)?;
        apply(change, &version, options)
    })?;
    let operation = changed.operation.map(|operation| operation.id);
    Ok(UpdateOutcome { operation, ..changed.value })
}

/// The version as it is named, or under the new name if it has that already.
fn find(repo: &Repository, options: &UpdateOptions) -> Result<LoadedVersion> {
    let reference = name_version(repo, &options.version)?;
    if let Some(version) = try_load_version(repo, &reference)? {
        return Ok(version);
    }
    if let Some(name) = &options.name {
        let renamed = RefName::version(reference.project().clone(), name.clone());
        if find_moved(repo, &reference)? == Some(renamed.clone()) {
            return load_version(repo, &renamed);
        }
    }
    load_version(repo, &reference)
}

fn apply(
    change: &mut RecordChange<'_>,
    version: &LoadedVersion,
    options: &UpdateOptions,
) -> Result<UpdateOutcome> {
    let mut draft = version.draft.clone();
    options.describe(change, &mut draft)?;
    let changed = version.draft.differences(&draft);
    let (before, after) = (&version.record().name, &draft.record.name);
    let mut subject = format!("update: {}", changed.join(", "));
    let is_renamed = before != after;
    let commit = if is_renamed {
        subject.push_str(&format!(" (was {before})"));
        let to = RefName::version(version.reference.project().clone(), after.clone());
        change.relocate_version(version, &to, &draft, &subject)?
    } else {
        change.update_version(version, &draft, &subject)?.unwrap_or(version.commit)
    };
    Ok(UpdateOutcome {
        version: after.clone(),
        project: version.reference.project().clone(),
        uuid: draft.record.uuid,
        previous_name: is_renamed.then(|| before.clone()),
        changed,
        commit,
        operation: None,
    })
}

impl UpdateOptions {
    /// Changes nothing about `version` yet.
    pub fn new(version: Revision) -> Self {
        UpdateOptions {
            version,
            name: None,
            description: None,
            tags: None,
            add_tags: Tags::default(),
            remove_tags: Tags::default(),
            content: ContentChange::Keep,
            readme: None,
            kind: None,
            command: String::new(),
        }
    }

    /// Whether nothing would be changed.
    pub fn is_empty(&self) -> bool {
        let tags = self.tags.is_none() && self.add_tags.is_empty() && self.remove_tags.is_empty();
        let texts = self.description.is_none()
            && self.content == ContentChange::Keep
            && self.readme.is_none();
        tags && texts && self.name.is_none() && self.kind.is_none()
    }

    /// Puts what was said about the version into `draft`.
    fn describe(&self, change: &mut RecordChange<'_>, draft: &mut VersionDraft) -> Result<()> {
        let record = &mut draft.record;
        if let Some(name) = &self.name {
            record.name = name.clone();
        }
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            record.tags = tags.clone();
        }
        record.tags.add(&self.add_tags);
        record.tags.remove(&self.remove_tags);
        record.kind = self.kind.unwrap_or(record.kind);
        draft.set_content(change.writer(), &self.content)?;
        if let Some(readme) = &self.readme {
            draft.set_readme(change.writer(), readme)?;
        }
        Ok(())
    }
}
