//! The records of a repository as TOML: projects, runs, versions; and queries over them.
//!
//! A record is one TOML file in the tree of a commit: `project.toml` ([`ProjectRecord`]),
//! `run.toml` ([`RunRecord`]) or `version.toml` ([`VersionRecord`]). To change a record, read it,
//! set fields, and write it back. Keys that this program does not know are kept, in every table.
//!
//! * `format = 1` is the first key of every record. A larger number marks a record of a newer
//!   program with a different meaning, and is refused. A new key alone does not raise the number.
//! * Times are text such as `"2026-11-21T08:30:00Z"`. Ids are 64 hexadecimal digits. UUIDs are
//!   written with hyphens.
//! * Empty and unknown values are omitted.
//! * Equal records are written as equal bytes, so an unchanged record is the same blob.
//!
//! ```
//! use artifacts::record::{ProjectRecord, Record, Tags};
//!
//! let file = br#"
//! format = 1
//! uuid = "0b4c6d2e-8f1a-4c3b-9d5e-7a6f5e4d3c2b"
//! name = "ada/digits"
//! created_at = "2026-11-21T08:30:00Z"
//! team = "vision"
//! "#;
//! let mut record = ProjectRecord::decode(file)?;
//! record.tags = Tags::parse("mnist")?;
//! let text = String::from_utf8(record.encode()?)?;
//! assert!(text.contains("team = \"vision\""), "an unknown key is kept");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod expiration;
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
pub use expiration::Expiration;
pub use fields::{RUN_FIELDS, RunFields};
pub use lineage::{LineageEntry, Origin};
pub use project::ProjectRecord;
pub use run::{RunRecord, RunStatus};
pub use source::SourceRecord;
pub use tags::Tags;
pub use version::{CREATED, RunReference, StageCondition, StageReason, VersionKind, VersionRecord};
pub use version_brief::VersionBrief;
pub use version_fields::{
    IndexedVersion, VERSION_FIELDS, VERSION_TABLE, VersionField, VersionSummary,
};

/// The format number that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The longest record that is read or written, in bytes.
///
/// This leaves room for thousands of lineage entries and bounds the memory that a hostile record
/// can use. A parsed array of small numbers is about a hundred times as large as its text.
pub const MAX_LEN: usize = 1 << 20;

/// Keys that this program does not know, kept unchanged.
pub type Extra = toml::Table;

/// A record that is stored as a TOML file.
pub trait Record: Serialize + DeserializeOwned {
    /// The name of the record's file in the tree of its commit, such as `run.toml`.
    const FILE: &'static str;

    /// The format number stored in the record.
    fn format(&self) -> u32;

    /// Fails if parts of the record contradict each other. Runs on every read and write.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Reads a record from the bytes of its file.
    ///
    /// Fails with [`ErrorKind::Unsupported`] for the format of a newer program and with
    /// [`ErrorKind::Corrupt`] for all other bytes that are not a record.
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

    /// Encodes the record as the bytes of its file.
    ///
    /// Fails with [`ErrorKind::Invalid`] if the record could not be read back.
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

    /// The record for `--json`: the same keys, with TOML's dates and times as text.
    fn to_json(&self) -> Result<serde_json::Value> {
        to_json(self, Self::FILE)
    }
}

/// Converts a record, or a part of one, for `--json`.
fn to_json<T: Serialize>(record: &T, name: &str) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(record).map_err(|error| {
        Error::internal(format!("cannot write {name} as JSON")).with_source(error)
    })?;
    flatten_dates(&mut value);
    Ok(value)
}

/// Explains why `text` is not a record: a newer format, or damage.
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
        Error::corrupt(format!("{file} has format {format}, which does not exist"))
    }
}

/// The line and the reason of a TOML error, as one short line for any text.
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

/// Replaces each date with its text. Serde represents a TOML date as a map with one private key.
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

/// The key under which `toml` passes a date to serde.
fn toml_date_key() -> &'static str {
    "$__toml_private_datetime"
}

#[cfg(test)]
mod tests;
