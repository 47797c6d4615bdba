//! The fields of runs for queries and sorting.

use std::borrow::Cow;

use super::query::{Field, FieldKind, Fields, Value};
use super::run::{RunRecord, RunStatus};
use crate::clock::Timestamp;

/// The fields of a run.
pub const RUN_FIELDS: &[Field] = &[
    field("name", FieldKind::Text, "the name of the run"),
    field("uuid", FieldKind::Text, "the id that a rename does not change"),
    field("description", FieldKind::Text, "the description"),
    field("tags", FieldKind::Set, "the tags"),
    field("status", FieldKind::Word(&RunStatus::WORDS), "the status of the run"),
    field("author", FieldKind::Text, "the author of the newest commit: name and address"),
    field("created_at", FieldKind::Time, "when the run was created"),
    field("updated_at", FieldKind::Time, "when the newest commit was created"),
    field("started_at", FieldKind::Time, "when the command started"),
    field("finished_at", FieldKind::Time, "when the run finished"),
    field("command", FieldKind::Text, "the command, words separated by spaces"),
    field("exit_code", FieldKind::Number, "the exit code of the command"),
    field("signal", FieldKind::Text, "the signal that ended the command"),
    field("user", FieldKind::Text, "the user account that the run used"),
    field("host", FieldKind::Text, "the machine that the run used"),
    field("source.commit", FieldKind::Text, "the commit of the source code"),
    field("source.branch", FieldKind::Text, "the branch of the source code"),
    field("source.remote", FieldKind::Text, "the remote of the source code"),
    field("source.dirty", FieldKind::Bool, "true if the source code had uncommitted changes"),
    field("lineage", FieldKind::Set, "the names of the artifacts"),
    field("kind", FieldKind::Set, "the kinds of the artifacts"),
    field("versions", FieldKind::Set, "the versions of the run"),
    field("expired", FieldKind::Bool, "true if the content of the newest upload expired"),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// The queryable fields of a run: its record, and facts that the record lacks.
#[derive(Debug, Clone, Copy)]
pub struct RunFields<'a> {
    /// The record.
    pub record: &'a RunRecord,
    /// The author of the newest commit, as `NAME <EMAIL>`.
    pub author: Option<&'a str>,
    /// When the newest commit was made.
    pub updated_at: Option<Timestamp>,
    /// The versions that pin a commit of the run.
    pub versions: &'a [String],
}

impl Fields for RunFields<'_> {
    fn get(&self, field: &str) -> Option<Value<'_>> {
        let run = self.record;
        let source = run.source.as_ref();
        match field {
            "name" => Some(run.name.as_str().into()),
            "uuid" => Some(Value::Text(Cow::Owned(run.uuid.to_string()))),
            "description" => Some(run.description.as_str().into()),
            "tags" => Some(Value::Set(run.tags.iter().map(Cow::Borrowed).collect())),
            "status" => Some(run.status.as_str().into()),
            "author" => self.author.map(Value::from),
            "created_at" => Some(Value::Time(run.created_at)),
            "updated_at" => self.updated_at.map(Value::Time),
            "started_at" => run.started_at.map(Value::Time),
            "finished_at" => run.finished_at.map(Value::Time),
            "command" => Some(Value::Text(Cow::Owned(run.command.join(" ")))),
            "exit_code" => run.exit_code.map(|code| Value::Number(f64::from(code))),
            "signal" => run.signal.as_deref().map(Value::from),
            "user" => run.user.as_deref().map(Value::from),
            "host" => run.host.as_deref().map(Value::from),
            "source.commit" => source?.commit.as_deref().map(Value::from),
            "source.branch" => source?.branch.as_deref().map(Value::from),
            "source.remote" => source?.remote.as_deref().map(Value::from),
            "source.dirty" => source?.dirty.map(Value::Bool),
            "lineage" => Some(set(run.lineage.iter().map(|entry| entry.name.as_str()))),
            "versions" => Some(set(self.versions.iter().map(String::as_str))),
            "expired" => Some(Value::Bool(run.expired.as_ref().is_some_and(|expired| expired.own))),
            "kind" => Some(set(run.lineage.iter().map(|entry| entry.kind.as_str()))),
            _ => None,
        }
    }
}

fn set<'a>(texts: impl Iterator<Item = &'a str>) -> Value<'a> {
    Value::Set(texts.map(Cow::Borrowed).collect())
}
