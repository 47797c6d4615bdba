//! Encodes the summary of a version as bytes for the cache. A row is read a hundred times faster
//! than a record.
//!
//! Numbers are little-endian. A text is its length in 4 bytes, followed by its UTF-8. A list is its
//! length in 4 bytes, followed by its texts. The format may change with any release: see `MAGIC` in
//! `cache.rs`.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::name::Name;
use crate::record::{Extra, RunReference, Tags, VersionKind, VersionSummary};

/// Encodes `version`. Returns `None` if the format cannot represent it.
pub(super) fn encode(version: &VersionSummary) -> Option<Vec<u8>> {
    let run = &version.run;
    let extra =
        if run.extra.is_empty() { String::new() } else { toml::to_string(&run.extra).ok()? };
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(version.uuid.as_bytes());
    bytes.extend_from_slice(run.uuid.as_bytes());
    bytes.extend_from_slice(run.commit.as_bytes());
    for time in [version.created_at, version.staged_at, version.updated_at] {
        bytes.extend_from_slice(&time.seconds().to_le_bytes());
    }
    bytes.push(version.kind as u8);
    let project = run.project.to_string();
    let texts = [
        version.name.as_str(),
        version.stage.as_str(),
        &version.description,
        &version.author,
        run.name.as_str(),
        &project,
        &extra,
    ];
    texts.into_iter().try_for_each(|text| put_text(&mut bytes, text))?;
    put_list(&mut bytes, version.tags.len(), version.tags.iter())?;
    put_list(&mut bytes, version.artifacts.len(), version.artifacts.iter().map(Name::as_str))?;
    Some(bytes)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Some(())
}

fn put_list<'a>(
    bytes: &mut Vec<u8>,
    length: usize,
    mut texts: impl Iterator<Item = &'a str>,
) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    texts.try_for_each(|text| put_text(bytes, text))
}

/// Decodes a summary. Returns `None` for bytes that [`encode`] did not produce.
pub(super) fn decode(bytes: &[u8]) -> Option<VersionSummary> {
    let mut row = RowBytes(bytes);
    let uuid = Uuid::from_bytes(row.array()?);
    let run_uuid = Uuid::from_bytes(row.array()?);
    let run_commit = Id::from_bytes(row.array()?);
    let (created_at, staged_at, updated_at) = (row.time()?, row.time()?, row.time()?);
    let kind = *VersionKind::ALL.get(usize::from(row.array::<1>()?[0]))?;
    let name = row.text()?.parse().ok()?;
    let stage = row.text()?.parse().ok()?;
    let description = row.text()?.to_owned();
    let author = row.text()?.to_owned();
    let run = RunReference {
        uuid: run_uuid,
        name: row.text()?.parse().ok()?,
        project: row.text()?.parse().ok()?,
        commit: run_commit,
        extra: row.extra()?,
    };
    let tags = row.list()?.into_iter().map(str::to_owned).collect::<Tags>();
    let artifacts = row.list()?.into_iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    row.0.is_empty().then_some(VersionSummary {
        uuid,
        name,
        kind,
        description,
        tags,
        stage,
        staged_at,
        artifacts,
        run,
        author,
        created_at,
        updated_at,
    })
}

/// The remaining bytes of a row.
struct RowBytes<'a>(&'a [u8]);

impl<'a> RowBytes<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_seconds(i64::from_le_bytes(self.array()?)))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn list(&mut self) -> Option<Vec<&'a str>> {
        (0..self.number()?).map(|_| self.text()).collect()
    }

    fn extra(&mut self) -> Option<Extra> {
        match self.text()? {
            "" => Some(Extra::new()),
            text => text.parse().ok(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Creates a version called `name`.
    pub(in crate::catalog::version) fn version(name: &str) -> VersionSummary {
        let at = Timestamp::from_seconds(1_790_000_000);
        let mut extra = Extra::new();
        extra.insert("later".to_owned(), toml::Value::Integer(1));
        VersionSummary {
            uuid: Uuid::from_u128(7),
            name: name.parse().unwrap(),
            kind: VersionKind::Model,
            description: "a digit\nreader".to_owned(),
            tags: Tags::parse("gpu,best").unwrap(),
            stage: "staging".parse().unwrap(),
            staged_at: at,
            artifacts: vec!["weights".parse().unwrap()],
            run: RunReference {
                uuid: Uuid::from_u128(8),
                name: "train".parse().unwrap(),
                project: "ada/digits".parse().unwrap(),
                commit: Id::of_blob(b"run"),
                extra,
            },
            author: "Ada <ada@example.com>".to_owned(),
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn rows_round_trip_and_truncated_rows_are_refused() {
        let version = version("v1");
        let bytes = encode(&version).unwrap();
        assert_eq!(decode(&bytes), Some(version));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let _ = decode(&bytes);
            bytes = encode(&version("v1")).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = decode(&bytes);
        }
    }
}
