//! Merges two records as tables, so that unknown keys are kept.

use toml::Table;
use uuid::Uuid;

use super::conflict::{FieldConflict, Judge, MergeSide, cut};
use super::expired::Later;
use super::table::Three;
use super::tree::Node;
use super::{project, record_file, run, version};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Signature;
use crate::name::RefKind;
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};

/// A merged record.
pub(super) struct RecordMerge {
    /// The bytes of the record file.
    pub(super) bytes: Vec<u8>,
    /// The side whose artifacts come with the record, for records that pin artifacts.
    pub(super) pin: Option<MergeSide>,
}

/// Reads the UUID of a record. Fails if this program cannot read the record.
pub(super) fn read_uuid(file: &str, bytes: &[u8]) -> Result<Uuid> {
    Ok(match file {
        RunRecord::FILE => RunRecord::decode(bytes)?.uuid,
        VersionRecord::FILE => VersionRecord::decode(bytes)?.uuid,
        _ => ProjectRecord::decode(bytes)?.uuid,
    })
}

/// The record and the tree of its artifacts: in the base, ours and theirs.
pub(super) type Records<'a> = ([Option<&'a [u8]>; 3], [Option<Node>; 3]);

/// Merges records of one kind. `judge` collects the conflicts.
pub(super) fn merge(
    judge: &mut Judge<'_>,
    kind: RefKind,
    (records, trees): Records<'_>,
    who: &Signature,
    is_later: Later<'_>,
) -> Result<RecordMerge> {
    let file = record_file(kind);
    let [base, ours, theirs] = records.map(|record| match record {
        Some(bytes) => plain_table(file, bytes),
        None => Ok(Table::new()),
    });
    let (base, ours, theirs) = (base?, ours?, theirs?);
    let three = Three { base: &base, ours: &ours, theirs: &theirs };
    let merged = match kind {
        RefKind::Project | RefKind::Tag => {
            encode::<ProjectRecord>(&project::merge(judge, &three)).map(|bytes| (bytes, None))
        }
        RefKind::Run => {
            encode::<RunRecord>(&run::merge(judge, &three, is_later)).map(|bytes| (bytes, None))
        }
        RefKind::Version => {
            let (table, pin, stage) = version::merge(judge, &three, trees);
            decode(&table)
                .and_then(|record| Ok((version::settle(record, stage, who).encode()?, Some(pin))))
        }
    };
    match merged {
        Ok((bytes, pin)) => Ok(RecordMerge { bytes, pin }),
        // Each side is valid, but the combination is not: no choice can help.
        Err(error) if error.kind() != ErrorKind::Internal => {
            let causes = error.causes().into_iter().map(|cause| format!(": {cause}"));
            let reason = format!("combined: {}{}", error.message(), causes.collect::<String>());
            judge.open.insert(file.to_owned());
            judge.conflicts.push(FieldConflict {
                what: file.to_owned(),
                base: None,
                ours: None,
                theirs: Some(cut(&reason)),
            });
            Ok(RecordMerge { bytes: Vec::new(), pin: None })
        }
        Err(error) => Err(error),
    }
}

/// Parses a record as a table, with each value in its canonical form.
fn plain_table(file: &str, bytes: &[u8]) -> Result<Table> {
    let plain = match file {
        RunRecord::FILE => RunRecord::decode(bytes)?.encode()?,
        VersionRecord::FILE => VersionRecord::decode(bytes)?.encode()?,
        _ => ProjectRecord::decode(bytes)?.encode()?,
    };
    let text = String::from_utf8(plain).map_err(|error| wrong(file).with_source(error))?;
    toml::from_str(&text).map_err(|error| wrong(file).with_source(error))
}

fn wrong(file: &str) -> Error {
    Error::internal(format!("{file} was written in an unreadable way"))
}

fn decode<R: Record>(table: &Table) -> Result<R> {
    let text = toml::to_string(table).map_err(|error| {
        Error::invalid(format!("{} cannot be written", R::FILE)).with_source(error)
    })?;
    R::decode(text.as_bytes())
}

fn encode<R: Record>(table: &Table) -> Result<Vec<u8>> {
    decode::<R>(table)?.encode()
}
