//! The fields by which versions are asked for and sorted.

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
    field("name", FieldKind::Text, "what the version is called"),
    field("uuid", FieldKind::Text, "what stays the same when the name changes"),
    field("description", FieldKind::Text, "what it is for"),
    field("tags", FieldKind::Set, "its tags"),
    field("kind", FieldKind::Word(&VersionKind::WORDS), "artifact or model"),
    field("stage", FieldKind::Text, "the stage it is in"),
    field("staged_at", FieldKind::Time, "since when it has been in that stage"),
    field("run", FieldKind::Text, "the run it was made from: its name"),
    field("artifacts", FieldKind::Set, "the artifacts it took from the run; none: all"),
    field("author", FieldKind::Text, "who made it: name and address"),
    field("created_at", FieldKind::Time, "when it was made"),
    field("updated_at", FieldKind::Time, "when it was last changed"),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// A version in short: its record without the stages it had before, and when it last changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionSummary {
    /// What stays the same when the name or the project changes.
    pub uuid: Uuid,
    /// What it is called in its project.
    pub name: Name,
    /// What it is.
    pub kind: VersionKind,
    /// What it is for; empty if nobody said.
    pub description: String,
    /// Short words on it.
    pub tags: Tags,
    /// The stage it is in.
    pub stage: Name,
    /// Since when it has been in that stage.
    pub staged_at: Timestamp,
    /// The names of the run's artifacts that it took; none means all that the run held.
    pub artifacts: Vec<Name>,
    /// What it was made from.
    pub run: RunReference,
    /// Who made it: `NAME <EMAIL>`.
    pub author: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its newest commit was made.
    pub updated_at: Timestamp,
}

impl VersionSummary {
    /// The summary of a record whose newest commit was made at `updated_at`.
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
