//! The fields of versions in lists: one table for queries, sorting, JSON and columns.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::query::{Field, FieldKind, Fields, Value};
use super::tags::Tags;
use super::version::{RunReference, VersionKind, VersionRecord};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::name::{Name, RefName};

/// A field of a version in a list.
#[derive(Debug, Clone, Copy)]
pub struct VersionField {
    /// The name, kind and description of the field.
    pub field: Field,
    /// True if queries and sort keys can name the field.
    pub is_queryable: bool,
    get: fn(&IndexedVersion) -> Value<'_>,
}

/// The fields of a version, in the order of the JSON keys. A new field needs a row in this table and
/// a place in [`VersionRecord`] and [`VersionSummary`].
pub const VERSION_TABLE: [VersionField; 18] = [
    query("name", FieldKind::Text, "the name of the version", |version| {
        version.reference.name().as_str().into()
    }),
    only_shown("project", |version| text(version.reference.project())),
    query("uuid", FieldKind::Text, "the id that a rename does not change", |version| {
        text(&version.summary.uuid)
    }),
    query("stage", FieldKind::Text, "the current stage", |version| {
        version.summary.stage.as_str().into()
    }),
    query("staged_at", FieldKind::Time, "when the version entered its current stage", |version| {
        Value::Time(version.summary.staged_at)
    }),
    query("created_at", FieldKind::Time, "when the version was created", |version| {
        Value::Time(version.summary.created_at)
    }),
    query("updated_at", FieldKind::Time, "when the version last changed", |version| {
        Value::Time(version.summary.updated_at)
    }),
    query("kind", FieldKind::Word(&VersionKind::WORDS), "artifact or model", |version| {
        version.summary.kind.as_str().into()
    }),
    query("run", FieldKind::Text, "the name of the run that the version came from", |version| {
        version.summary.run.name.as_str().into()
    }),
    only_shown("run_project", |version| text(&version.summary.run.project)),
    only_shown("run_uuid", |version| text(&version.summary.run.uuid)),
    only_shown("run_commit", |version| text(&version.summary.run.commit)),
    query(
        "artifacts",
        FieldKind::Set,
        "the run's artifacts in the version; none means all",
        |version| {
            let names = version.summary.artifacts.iter();
            Value::Set(names.map(|name| Cow::Borrowed(name.as_str())).collect())
        },
    ),
    query("tags", FieldKind::Set, "the tags", |version| {
        Value::Set(version.summary.tags.iter().map(Cow::Borrowed).collect())
    }),
    query("description", FieldKind::Text, "the description", |version| {
        version.summary.description.as_str().into()
    }),
    query("author", FieldKind::Text, "the creator: name and address", |version| {
        version.summary.author.as_str().into()
    }),
    query("expired", FieldKind::Bool, "true if the content of the files expired", |version| {
        Value::Bool(version.summary.expired)
    }),
    only_shown("commit", |version| text(&version.commit)),
];

/// The fields that queries and sort keys can name.
pub const VERSION_FIELDS: &[Field] = &queryable();

const fn query(
    name: &'static str,
    kind: FieldKind,
    doc: &'static str,
    get: fn(&IndexedVersion) -> Value<'_>,
) -> VersionField {
    VersionField { field: Field { name, kind, doc }, is_queryable: true, get }
}

const fn only_shown(name: &'static str, get: fn(&IndexedVersion) -> Value<'_>) -> VersionField {
    let field = Field { name, kind: FieldKind::Text, doc: "" };
    VersionField { field, is_queryable: false, get }
}

fn text(value: &impl ToString) -> Value<'static> {
    Value::Text(Cow::Owned(value.to_string()))
}

const fn queryable() -> [Field; 13] {
    let mut fields = [VERSION_TABLE[0].field; 13];
    let (mut from, mut count) = (0, 0);
    while from < VERSION_TABLE.len() {
        if VERSION_TABLE[from].is_queryable {
            fields[count] = VERSION_TABLE[from].field;
            count += 1;
        }
        from += 1;
    }
    assert!(count == fields.len(), "the table has another number of queryable fields");
    fields
}

/// The summary of a version, with its ref and commit.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedVersion {
    /// Its ref.
    pub reference: RefName,
    /// The commit.
    pub commit: Id,
    /// The summary of its record.
    pub summary: VersionSummary,
}

impl Fields for IndexedVersion {
    fn get(&self, field: &str) -> Option<Value<'_>> {
        let found = VERSION_TABLE.iter().find(|known| known.field.name == field)?;
        Some((found.get)(self))
    }
}

impl Serialize for IndexedVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(VERSION_TABLE.len()))?;
        for VersionField { field, get, .. } in &VERSION_TABLE {
            map.serialize_entry(field.name, &get(self))?;
        }
        map.end()
    }
}

/// The summary of a version: its record without the stage history, and the time of its last change.
/// A cached summary with other keys is not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// True if the content of the files expired.
    pub expired: bool,
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
            expired: record.expired.as_ref().is_some_and(|expired| expired.own),
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
