//! The keys of the files on a remote, and `art.toml`, which marks a store as a remote.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::features::Features;
use super::limits;
use crate::error::{Error, ErrorKind, Result};

/// The format number of all files on a remote that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The largest number of a log entry: enough for one push a minute for seven years. Readers never
/// count up to a number that only a file name states.
pub const MAX_NUMBER: u64 = 4_000_000;

/// The key of the file that marks a store as a remote.
pub const ART_TOML: &str = "art.toml";
/// The directory of the log.
pub const LOG: &str = "log/";
/// The directory of the checkpoints.
pub const CHECKPOINT: &str = "checkpoint/";
/// The key of the file that names a recent checkpoint.
pub const LATEST: &str = "checkpoint/latest.toml";

/// The way in which writers take turns on a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One entry for each number: the store can create objects exclusively.
    Linear,
    /// Several entries may have one number; they are applied in the order of their write ids.
    Siblings,
}

/// The name of an entry in the log. Entries are applied in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// The entry's number, from 1.
    pub number: u64,
    /// The entry's write id, in a log with siblings.
    pub write: Option<Uuid>,
}

impl EntryName {
    /// The key of the entry.
    pub fn key(&self) -> String {
        match &self.write {
            None => format!("{LOG}{:020}.toml", self.number),
            Some(write) => format!("{LOG}{:020}.{write}.toml", self.number),
        }
    }

    /// Returns true if a log can have an entry with this number.
    pub fn is_plausible(&self) -> bool {
        self.number <= MAX_NUMBER
    }

    /// The error for a file in the log with an implausible number.
    pub(super) fn implausible(&self) -> Error {
        let why = "its number is too large for a log: no push wrote it";
        damaged(&self.key(), why.to_owned())
            .with_hint("remove this file from the store, then run art fsck --remote NAME")
    }

    /// Parses the key of an entry. Returns `None` for other keys.
    pub fn of_key(key: &str) -> Option<Self> {
        let stem = key.strip_prefix(LOG)?.strip_suffix(".toml")?;
        let (number, write) = match stem.split_once('.') {
            None => (stem, None),
            Some((number, write)) => (number, Some(write.parse().ok()?)),
        };
        let name = EntryName { number: number.parse().ok().filter(|number| *number > 0)?, write };
        // Each entry has one name: other spellings of a number or a write id are invalid.
        (name.key() == key).then_some(name)
    }
}

/// The contents of `art.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtToml {
    /// [`FORMAT`]
    pub format: u32,
    /// The hash that names objects: `sha256`.
    pub objects: String,
    /// The way in which writers take turns, until a log entry changes it.
    pub log: Protocol,
    /// The identity of the remote, from its creation on. A copy of a remote has the same id.
    pub id: Uuid,
    /// The features that a program must know to use the remote.
    #[serde(flatten)]
    pub features: Features,
    /// Unknown keys.
    #[serde(flatten)]
    pub extra: toml::Table,
}

impl ArtToml {
    /// The maximum size in bytes.
    pub const MAX_LEN: u64 = limits::ART_TOML;

    /// The contents for a new remote, with a new id.
    pub fn new(log: Protocol) -> Self {
        ArtToml {
            format: FORMAT,
            objects: "sha256".to_owned(),
            log,
            id: Uuid::new_v4(),
            features: Features::default(),
            extra: toml::Table::new(),
        }
    }

    /// Encodes the contents of the file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        toml::to_string(self)
            .map(String::into_bytes)
            .map_err(|error| Error::internal(format!("cannot write {ART_TOML}")).with_source(error))
    }

    /// Decodes the contents of the file.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let read: Self = decode_toml(ART_TOML, bytes)?;
        if read.objects != "sha256" {
            let message = "this version of art does not support the remote's object names";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("install the newest art and try again"));
        }
        read.features.check_readable(ART_TOML)?;
        Ok(read)
    }
}

/// Decodes a TOML file of a remote. A newer format has a different error than a damaged file.
pub(super) fn decode_toml<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    #[derive(Deserialize)]
    struct Head {
        format: i64,
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| damaged(key, "it is not UTF-8".to_owned()))?;
    let head: Head = toml::from_str(text).map_err(|error| damaged(key, short(&error)))?;
    match head.format {
        format if format == i64::from(FORMAT) => {
            toml::from_str(text).map_err(|error| damaged(key, short(&error)))
        }
        format if format > i64::from(FORMAT) => Err(newer(key, format)),
        format => Err(damaged(key, format!("it has the invalid format {format}"))),
    }
}

fn newer(key: &str, format: i64) -> Error {
    let message = format!("'{key}' on the remote has format {format}: it was made by a newer art");
    Error::new(ErrorKind::Unsupported, message).with_hint("install the newest art and try again")
}

/// The error for a damaged file of a remote.
pub(super) fn damaged(key: &str, why: String) -> Error {
    Error::corrupt(format!("'{key}' on the remote is damaged"))
        .with_source(Error::corrupt(why))
        .with_hint("see what is damaged: art fsck --remote NAME")
}

fn short(error: &toml::de::Error) -> String {
    let text = error.message().escape_debug().to_string();
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_follow_the_format() {
        let name = EntryName { number: 12, write: None };
        assert_eq!(name.key(), "log/00000000000000000012.toml");
        let name = EntryName { number: 12, write: Some(Uuid::nil()) };
        assert_eq!(
            name.key(),
            "log/00000000000000000012.00000000-0000-0000-0000-000000000000.toml"
        );
    }

    #[test]
    fn a_newer_remote_is_not_reported_as_damaged() {
        let new = ArtToml::new(Protocol::Linear);
        let bytes = new.encode().unwrap();
        let text =
            format!("format = 1\nobjects = \"sha256\"\nlog = \"linear\"\nid = \"{}\"\n", new.id);
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(ArtToml::decode(&bytes).unwrap(), new);
        let newer = ArtToml::decode(b"format = 2\nobjects = 5\n").unwrap_err();
        assert_eq!(newer.kind(), ErrorKind::Unsupported);
        assert!(newer.message().contains("made by a newer art"));
        for damaged in [&b"format = 0"[..], b"", b"format = 1", b"\xff", b"format = \"x\""] {
            assert_eq!(ArtToml::decode(damaged).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_remote_with_an_unknown_feature_is_not_read() {
        let mut new = ArtToml::new(Protocol::Linear);
        new.features.needed_to_write.insert("later".to_owned());
        assert_eq!(ArtToml::decode(&new.encode().unwrap()).unwrap(), new);
        new.features.needed_to_read.insert("later".to_owned());
        let error = ArtToml::decode(&new.encode().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    proptest! {
        #[test]
        fn names_of_entries_are_read_back(number in 1u64.., write in any::<Option<u128>>()) {
            let name = EntryName { number, write: write.map(Uuid::from_u128) };
            prop_assert_eq!(EntryName::of_key(&name.key()), Some(name));
        }

        #[test]
        fn names_sort_in_the_order_of_entries(
            a in (1u64..9, any::<Option<u128>>()),
            b in (1u64..9, any::<Option<u128>>()),
        ) {
            let name = |(number, write): (u64, Option<u128>)| EntryName {
                number,
                write: write.map(Uuid::from_u128),
            };
            let (a, b) = (name(a), name(b));
            if a.number != b.number || a.write.is_some() == b.write.is_some() {
                prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
            }
        }

        #[test]
        fn other_names_are_not_parsed(text in "log/[0-9a-f.]{1,30}.toml") {
            if let Some(name) = EntryName::of_key(&text) {
                prop_assert_eq!(name.key(), text);
            }
        }
    }
}
