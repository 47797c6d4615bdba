//! The records of a repository as TOML: projects, runs, versions; and queries over them.
//!
//! A record is one TOML file in the tree of a commit: `project.toml` ([`ProjectRecord`]),
//! `run.toml` ([`RunRecord`]) or `version.toml` ([`VersionRecord`]). Changing one is reading it, changing fields and writing it back:
//! keys that this program does not know survive that, at the top and in every table below.
//!
//! * `format = 1` is the first key of every record. A larger number means a newer program wrote it
//!   with another meaning, and is refused; new keys alone do not raise it.
//! * Times are texts such as `"2026-11-21T08:30:00Z"`, ids are 64 hexadecimal digits, uuids have
//!   their usual form with hyphens.
//! * What is empty or unknown is left out.
//! * The same record is always written as the same bytes, so an unchanged record is the same blob.

mod content;
mod fields;
mod lineage;
pub mod policy;
mod project;
pub mod query;
mod run;
pub mod run_name;
mod source;
mod tags;
mod version;
mod version_brief;
mod version_fields;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::tree_path::escaped;

pub use content::{Content, ContentFormat};
pub use fields::{RUN_FIELDS, RunFields};
pub use lineage::{LineageEntry, Origin};
pub use project::ProjectRecord;
pub use run::{RunRecord, RunStatus};
pub use source::SourceRecord;
pub use tags::Tags;
pub use version::{CREATED, RunReference, StageCondition, StageReason, VersionKind, VersionRecord};
pub use version_brief::VersionBrief;
pub use version_fields::{VERSION_FIELDS, VersionSummary};

/// The number of the format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The longest record that is read or written, in bytes.
///
/// Room for some thousand lineage entries; a bound on the memory that a hostile one takes (a parsed
/// array of small numbers has about a hundred times the size of its text).
pub const MAX_LEN: usize = 1 << 20;

/// Keys that this program does not know, kept as they were.
pub type Extra = toml::Table;

/// A record that is stored as a TOML file.
pub trait Record: Serialize + DeserializeOwned {
    /// The name of its file in the tree of its commit, such as `run.toml`.
    const FILE: &'static str;

    /// The number of its format, as it stands in the record.
    fn format(&self) -> u32;

    /// Fails where its parts contradict each other, when it is read or written.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Reads a record from the bytes of its file.
    ///
    /// Fails with [`ErrorKind::Unsupported`] for the format of a newer program and with
    /// [`ErrorKind::Corrupt`] for everything that is no record.
    fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_LEN {
            return Err(Error::corrupt(format!(
                "{} has {} bytes; a record has at most {MAX_LEN}",
                Self::FILE,
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Error::corrupt(format!("{} is not UTF-8", Self::FILE)).with_source(error)
        })?;
        match toml::from_str::<Self>(text) {
            Ok(record) if record.format() == FORMAT => record.check().map(|()| record),
            Ok(record) => Err(wrong_format(Self::FILE, i64::from(record.format()))),
            Err(error) => Err(undecodable(Self::FILE, text, &error)),
        }
    }

    /// The bytes of the record's file.
    ///
    /// Fails with [`ErrorKind::Invalid`] for a record that could not be read again.
    fn encode(&self) -> Result<Vec<u8>> {
        if self.format() != FORMAT {
            return Err(wrong_format(Self::FILE, i64::from(self.format())));
        }
        self.check()?;
        let text = toml::to_string(self).map_err(|error| {
            Error::internal(format!("cannot write {}", Self::FILE)).with_source(error)
        })?;
        if text.len() > MAX_LEN {
            return Err(Error::invalid(format!(
                "{} would have {} bytes; a record has at most {MAX_LEN}",
                Self::FILE,
                text.len()
            ))
            .with_hint("put long texts into files and upload those"));
        }
        Ok(text.into_bytes())
    }

    /// The record for `--json`: the same keys; TOML's dates and times as text.
    fn to_json(&self) -> Result<serde_json::Value> {
        to_json(self, Self::FILE)
    }
}

/// A record or a part of one for `--json`.
fn to_json<T: Serialize>(record: &T, name: &str) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(record).map_err(|error| {
        Error::internal(format!("cannot write {name} as JSON")).with_source(error)
    })?;
    flatten_dates(&mut value);
    Ok(value)
}

/// Why `text` is no record: a newer program's, or damage.
fn undecodable(file: &str, text: &str, error: &toml::de::Error) -> Error {
    #[derive(serde::Deserialize)]
    struct Head {
        format: i64,
    }
    match toml::from_str::<Head>(text) {
        Ok(head) if head.format != i64::from(FORMAT) => wrong_format(file, head.format),
        _ => Error::corrupt(format!("{file} is damaged"))
            .with_source(toml_problem(text, error))
            .with_hint("art fsck"),
    }
}

fn wrong_format(file: &str, format: i64) -> Error {
    if format > i64::from(FORMAT) {
        Error::new(
            ErrorKind::Unsupported,
            format!("{file} has format {format}: it was made by a newer art"),
        )
        .with_hint("install the newest art and try again")
    } else {
        Error::corrupt(format!("{file} says format {format}, which never was"))
    }
}

/// The place and the reason of a TOML error in one short line, whatever the text holds.
fn toml_problem(text: &str, error: &toml::de::Error) -> String {
    let reason: String = escaped(error.message().as_bytes()).chars().take(200).collect();
    match error.span() {
        Some(span) => {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            let line = 1 + bstr::ByteSlice::find_iter(before, "\n").count();
            format!("line {line}: {reason}")
        }
        None => reason,
    }
}

/// Replaces what serde makes of a TOML date, a map of one private key, by the date's text.
fn flatten_dates(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            if let (1, Some(Value::String(date))) = (map.len(), map.get(toml_date_key())) {
                *value = Value::String(date.clone());
                return;
            }
            map.values_mut().for_each(flatten_dates);
        }
        Value::Array(values) => values.iter_mut().for_each(flatten_dates),
        _ => {}
    }
}

/// The key under which `toml` hands a date to serde.
fn toml_date_key() -> &'static str {
    "$__toml_private_datetime"
}

#[cfg(test)]
mod tests;
