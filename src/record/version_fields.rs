//! The fields by which versions are asked for and sorted.

use std::borrow::Cow;

use super::query::{Field, FieldKind, Fields, Value};
use super::version::{VersionKind, VersionRecord};
use crate::clock::Timestamp;

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

/// A version's record and when it last changed, to be asked.
#[derive(Debug, Clone, Copy)]
pub struct VersionFields<'a> {
    /// The record.
    pub record: &'a VersionRecord,
    /// When its newest commit was made.
    pub updated_at: Timestamp,
}

impl Fields for VersionFields<'_> {
    fn get(&self, field: &str) -> Option<Value<'_>> {
        let version = self.record;
        match field {
            "name" => Some(version.name.as_str().into()),
            "uuid" => Some(Value::Text(Cow::Owned(version.uuid.to_string()))),
            "description" => Some(version.description.as_str().into()),
            "tags" => Some(Value::Set(version.tags.iter().map(Cow::Borrowed).collect())),
            "kind" => Some(version.kind.as_str().into()),
            "stage" => Some(version.stage.as_str().into()),
            "staged_at" => Some(Value::Time(version.in_stage_since())),
            "run" => Some(version.run.name.as_str().into()),
            "artifacts" => {
                let names = version.artifacts.iter();
                Some(Value::Set(names.map(|name| Cow::Borrowed(name.as_str())).collect()))
            }
            "author" => Some(version.author.as_str().into()),
            "created_at" => Some(Value::Time(version.created_at)),
            "updated_at" => Some(Value::Time(self.updated_at)),
            _ => None,
        }
    }
}
