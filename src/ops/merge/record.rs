//! The records of both sides in one: as tables, so that keys which nobody here knows come along.

use toml::Table;
use uuid::Uuid;

use super::conflict::{FieldConflict, Judge, Side, cut};
use super::table::Three;
use super::tree::Node;
use super::{project, record_file, run, version};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Signature;
use crate::name::RefKind;
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};

/// A merged record.
pub(super) struct RecordMerge {
    /// Its file.
    pub(super) bytes: Vec<u8>,
    /// Whose artifacts come with it, where they are its record's to say.
    pub(super) pin: Option<Side>,
}

/// What says that two records are about one thing. Fails if this program can't read the record.
pub(super) fn read_uuid(file: &str, bytes: &[u8]) -> Result<Uuid> {
    Ok(match file {
        RunRecord::FILE => RunRecord::decode(bytes)?.uuid,
        VersionRecord::FILE => VersionRecord::decode(bytes)?.uuid,
        _ => ProjectRecord::decode(bytes)?.uuid,
    })
}

/// A record and the tree of its artifacts: before, as ours and as theirs has them.
pub(super) type Records<'a> = ([Option<&'a [u8]>; 3], [Option<Node>; 3]);

/// Merges records of one kind. Where that is a conflict, `judge` has it.
pub(super) fn merge(
    judge: &mut Judge<'_>,
    kind: RefKind,
    (records, trees): Records<'_>,
    who: &Signature,
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
        RefKind::Run => encode::<RunRecord>(&run::merge(judge, &three)).map(|bytes| (bytes, None)),
        RefKind::Version => {
            let (table, pin, stage) = version::merge(judge, &three, trees);
            decode(&table)
                .and_then(|record| Ok((version::settle(record, stage, who).encode()?, Some(pin))))
        }
    };
    match merged {
        Ok((bytes, pin)) => Ok(RecordMerge { bytes, pin }),
        // Each side is right by itself, and both together are not: whoever chooses can't help.
        Err(error) if error.kind() != ErrorKind::Internal => {
            let causes = error.causes().into_iter().map(|cause| format!(": {cause}"));
            let reason =
                format!("both together: {}{}", error.message(), causes.collect::<String>());
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

/// A record as a table, each value in the one way in which it is written.
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
    Error::internal(format!("{file} was written in a way that can't be read"))
}

fn decode<R: Record>(table: &Table) -> Result<R> {
    let text = toml::to_string(table).map_err(|error| {
        Error::invalid(format!("{} can't be written", R::FILE)).with_source(error)
    })?;
    R::decode(text.as_bytes())
}

fn encode<R: Record>(table: &Table) -> Result<Vec<u8>> {
    decode::<R>(table)?.encode()
}
