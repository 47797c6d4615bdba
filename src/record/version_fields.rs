//! The fields of versions for queries and sorting.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::query::{Field, FieldKind, Fields, Value};
use super::tags::Tags;
use super::version::{RunReference, VersionKind, VersionRecord};
use crate::clock::Timestamp;
use crate::name::Name;

/// The fields of a version.
pub const VERSION_FIELDS: &[Field] = &[
    field("name", FieldKind::Text, "the name of the version"),
    field("uuid", FieldKind::Text, "the id that a rename does not change"),
    field("description", FieldKind::Text, "the description"),
    field("tags", FieldKind::Set, "the tags"),
    field("kind", FieldKind::Word(&VersionKind::WORDS), "artifact or model"),
    field("stage", FieldKind::Text, "the current stage"),
    field("staged_at", FieldKind::Time, "when the version entered its current stage"),
    field("run", FieldKind::Text, "the name of the run that the version came from"),
    field("artifacts", FieldKind::Set, "the run's artifacts in the version; none means all"),
    field("author", FieldKind::Text, "the creator: name and address"),
    field("created_at", FieldKind::Time, "when the version was created"),
    field("updated_at", FieldKind::Time, "when the version last changed"),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// The summary of a version: its record without the stage history, and the time of its last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionSummary {
    /// The id, which a rename or a transfer does not change.
    pub uuid: Uuid,
    /// The name, unique within the project.
    pub name: Name,
    /// The kind.
    pub kind: VersionKind,
    /// The description; may be empty.
    pub description: String,
    /// The tags.
    pub tags: Tags,
    /// The current stage.
    pub stage: Name,
    /// When the version entered its current stage.
    pub staged_at: Timestamp,
    /// The names of the run's artifacts that the version contains. If empty, the version contains
    /// all of them.
    pub artifacts: Vec<Name>,
    /// The run that the version was created from.
    pub run: RunReference,
    /// The creator: `NAME <EMAIL>`.
    pub author: String,
    /// When the version was created.
    pub created_at: Timestamp,
    /// When the newest commit was created.
    pub updated_at: Timestamp,
}

impl VersionSummary {
    /// Summarizes a record whose newest commit was created at `updated_at`.
    pub fn new(record: VersionRecord, updated_at: Timestamp) -> Self {
        VersionSummary {
            staged_at: record.in_stage_since(),
            uuid: record.uuid,
            name: record.name,
            kind: record.kind,
            description: record.description,
            tags: record.tags,
            stage: record.stage,
            artifacts: record.artifacts,
            run: record.run,
            author: record.author,
            created_at: record.created_at,
            updated_at,
        }
    }
}

impl Fields for VersionSummary {
    fn get(&self, field: &str) -> Option<Value<'_>> {
        match field {
            "name" => Some(self.name.as_str().into()),
            "uuid" => Some(Value::Text(Cow::Owned(self.uuid.to_string()))),
            "description" => Some(self.description.as_str().into()),
            "tags" => Some(Value::Set(self.tags.iter().map(Cow::Borrowed).collect())),
            "kind" => Some(self.kind.as_str().into()),
            "stage" => Some(self.stage.as_str().into()),
            "staged_at" => Some(Value::Time(self.staged_at)),
            "run" => Some(self.run.name.as_str().into()),
            "artifacts" => {
                let names = self.artifacts.iter();
                Some(Value::Set(names.map(|name| Cow::Borrowed(name.as_str())).collect()))
            }
            "author" => Some(self.author.as_str().into()),
            "created_at" => Some(Value::Time(self.created_at)),
            "updated_at" => Some(Value::Time(self.updated_at)),
            _ => None,
        }
    }
}
