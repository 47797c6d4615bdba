//! `art update`: changes the fields of a version, including its name.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::version::{
    LoadedVersion, VersionDraft, check_readme, find_moved, load_version, name_version,
    try_load_version,
};
use crate::catalog::{RecordChange, change_records};
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Tags, VersionKind};
use crate::repo::Repository;

pub use crate::catalog::version::ContentChange;

/// The changes of a version. `None` keeps a field.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct UpdateOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The new name.
    #[setters(into)]
    pub name: Option<Name>,
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
    /// The JSON or YAML content.
    pub content: ContentChange,
    /// The readme, at most 1 MiB. An empty text removes it.
    #[setters(into)]
    pub readme: Option<String>,
    /// The kind.
    #[setters(into)]
    pub kind: Option<VersionKind>,
}

/// The result of an update.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateOutcome {
    /// The version's current name.
    pub version: Name,
    /// The version's project.
    pub project: ProjectName,
    /// The version's id, which a rename does not change.
    pub uuid: Uuid,
    /// The previous name, if it changed.
    pub previous_name: Option<Name>,
    /// The changed fields: `name`, `description`, `tags`, `kind`, `content`, `readme`. Empty if
    /// nothing changed.
    pub changed: Vec<&'static str>,
    /// The newest commit.
    pub commit: Id,
    /// The id of the operation, for undo. `None` if nothing changed.
    pub operation: Option<String>,
}

/// Changes the fields of a version. Equal values change nothing. If the version already has the new
/// name, it is found under that name.
///
/// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if another version has the new
/// name, and with [`Invalid`](crate::ErrorKind::Invalid) if the options contain no change.
pub fn update(repo: &Repository, options: &UpdateOptions) -> Result<UpdateOutcome> {
    if options.is_empty() {
        return Err(Error::invalid("no change given"));
    }
    if let Some(readme) = &options.readme {
        check_readme(readme)?;
    }
    let changed = change_records(repo, |change| {
        let version = find(repo, options)?;
        apply(change, &version, options)
    })?;
    let operation = changed.operation.map(|operation| operation.id);
    Ok(UpdateOutcome { operation, ..changed.value })
}

/// Finds the version under the given name, or under the new name if it was already renamed.
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
        change.require_absent(&to)?;
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
    /// Creates options that change nothing.
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
        }
    }

    /// Returns true if the options contain no change.
    pub fn is_empty(&self) -> bool {
        let tags = self.tags.is_none() && self.add_tags.is_empty() && self.remove_tags.is_empty();
        let texts = self.description.is_none()
            && self.content == ContentChange::Keep
            && self.readme.is_none();
        tags && texts && self.name.is_none() && self.kind.is_none()
    }

    /// Sets the given fields in `draft`.
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
