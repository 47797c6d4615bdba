//! The fields by which runs are asked for and sorted.

use std::borrow::Cow;

use super::query::{Field, FieldKind, Fields, Value};
use super::run::{RunRecord, RunStatus};
use crate::clock::Timestamp;

/// The fields of a run.
pub const RUN_FIELDS: &[Field] = &[
    field("name", FieldKind::Text, "what the run is called"),
    field("uuid", FieldKind::Text, "what stays the same when the name changes"),
    field("description", FieldKind::Text, "what it is for"),
    field("tags", FieldKind::Set, "its tags"),
    field("status", FieldKind::Word(&RunStatus::WORDS), "how far it is"),
    field("author", FieldKind::Text, "who made its newest commit: name and address"),
    field("created_at", FieldKind::Time, "when it was made"),
    field("updated_at", FieldKind::Time, "when its newest commit was made"),
    field("started_at", FieldKind::Time, "when its command began"),
    field("finished_at", FieldKind::Time, "when it was over"),
    field("command", FieldKind::Text, "its command, words joined by blanks"),
    field("exit_code", FieldKind::Number, "what its command ended with"),
    field("signal", FieldKind::Text, "the signal that ended its command"),
    field("user", FieldKind::Text, "the account it ran under"),
    field("host", FieldKind::Text, "the machine it ran on"),
    field("source.commit", FieldKind::Text, "the commit of the code around it"),
    field("source.branch", FieldKind::Text, "the branch of the code around it"),
    field("source.remote", FieldKind::Text, "the remote of the code around it"),
    field("source.dirty", FieldKind::Bool, "whether that code had changes"),
    field("lineage", FieldKind::Set, "the names of its artifacts"),
    field("kind", FieldKind::Set, "the kinds of its artifacts"),
    field("versions", FieldKind::Set, "the versions made from it"),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// A run's record and what is known around it, to be asked.
#[derive(Debug, Clone, Copy)]
pub struct RunFields<'a> {
    /// The record.
    pub record: &'a RunRecord,
    /// Who made the newest commit, as `NAME <EMAIL>`.
    pub author: Option<&'a str>,
    /// When the newest commit was made.
    pub updated_at: Option<Timestamp>,
    /// The versions made from it.
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
            "kind" => Some(set(run.lineage.iter().map(|entry| entry.kind.as_str()))),
            _ => None,
        }
    }
}

fn set<'a>(texts: impl Iterator<Item = &'a str>) -> Value<'a> {
    Value::Set(texts.map(Cow::Borrowed).collect())
}
