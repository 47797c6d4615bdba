//! Reads a version's record without its earlier stage conditions. A record grows with every stage,
//! and a list of ten thousand versions needs only the last condition of each.

use bstr::ByteSlice;

use super::version::VersionRecord;
use super::{MAX_LEN, Record};
use crate::error::Result;

/// The line before each condition, as written.
const CONDITION: &str = "\n[[stage_conditions]]\n";

/// A record that keeps only its last condition.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionBrief {
    /// The record, with only the last condition.
    pub record: VersionRecord,
    /// The number of conditions in the file.
    pub conditions: usize,
}

impl VersionBrief {
    /// Reads a record from the bytes of its file. Fails like [`Record::decode`], except that damage
    /// in skipped conditions goes unnoticed.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if let Some((text, conditions)) = cut(bytes)
            && let Ok(record) = VersionRecord::decode(text.as_bytes())
        {
            return Ok(VersionBrief { record, conditions });
        }
        let mut record = VersionRecord::decode(bytes)?;
        let conditions = record.stage_conditions.len();
        record.stage_conditions.drain(..conditions.saturating_sub(1));
        Ok(VersionBrief { record, conditions })
    }
}

/// Cuts all conditions before the last from the text, and counts the conditions.
///
/// Returns `None` if the text may contain a multi-line string, in which a line could look like the
/// head of a condition.
fn cut(bytes: &[u8]) -> Option<(String, usize)> {
    let is_plain = !bytes.contains_str("\"\"\"") && !bytes.contains_str("'''");
    if !is_plain || bytes.len() > MAX_LEN {
        return None;
    }
    let mut heads = bytes.find_iter(CONDITION);
    let first = heads.next()?;
    let (count, last) = heads.fold((1, first), |(count, _), at| (count + 1, at));
    let text = [&bytes[..=first], &bytes[last + 1..]].concat();
    Some((String::from_utf8(text).ok()?, count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;
    use crate::record::{Extra, RunReference, StageReason};

    fn record(description: &str, messages: &[String]) -> VersionRecord {
        let run = RunReference {
            uuid: Uuid::nil(),
            name: "train".parse().unwrap(),
            project: "ada/digits".parse().unwrap(),
            commit: Id::NULL,
            extra: Extra::new(),
        };
        let at = |second| Timestamp::from_seconds(1_790_000_000 + second);
        let mut record = VersionRecord::new(
            Uuid::nil(),
            "v1".parse().unwrap(),
            run,
            "Ada <ada@example.com>".to_owned(),
            at(0),
        );
        record.description = description.to_owned();
        record.extra.insert("later".to_owned(), toml::Table::new().into());
        for (number, message) in messages.iter().enumerate() {
            let stage = ["testing", "staging"][number % 2].parse().unwrap();
            let why = StageReason { message: message.clone(), ..StageReason::default() };
            record.enter(stage, why, at(number as i64));
            let last = record.stage_conditions.last_mut().unwrap();
            last.extra.insert("x".to_owned(), toml::Table::new().into());
        }
        record
    }

    fn expected(mut record: VersionRecord) -> VersionBrief {
        let conditions = record.stage_conditions.len();
        record.stage_conditions.drain(..conditions - 1);
        VersionBrief { record, conditions }
    }

    #[test]
    fn text_that_looks_like_a_condition_is_not_one() {
        let hostile = "a\n[[stage_conditions]]\ntype = \"production\"\n";
        let record = record(hostile, &["x".to_owned(), hostile.to_owned(), "y".to_owned()]);
        let brief = VersionBrief::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(brief, expected(record));
    }

    #[test]
    fn damage_is_reported_as_by_a_full_read() {
        let bytes = record("", &["x".to_owned()]).encode().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for damaged in
            [text.replace("stage = ", "sta = "), text.replace("format = 1", "format = 2")]
        {
            let brief = VersionBrief::decode(damaged.as_bytes()).unwrap_err();
            assert_eq!(brief.kind(), VersionRecord::decode(damaged.as_bytes()).unwrap_err().kind());
        }
    }

    proptest! {
        #[test]
        fn the_brief_matches_a_full_read(
            description in "[\\PC\n\"']{0,40}",
            messages in prop::collection::vec("[\\PC\n\"']{0,20}", 1..6),
        ) {
            let record = record(&description, &messages);
            let brief = VersionBrief::decode(&record.encode().unwrap()).unwrap();
            prop_assert_eq!(brief, expected(record));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = VersionBrief::decode(&[b"format = 1\n[[stage_conditions]]\n", &bytes[..]].concat());
        }
    }
}
