//! A log entry: the changes of one push, as a TOML file that never changes.
//!
//! ```toml
//! format = 1
//! number = 12
//! write = "5b0d…"                     # unique for each push
//! who = "Ada <ada@example.com>"
//! when = "2026-11-21T08:30:00Z"
//! message = "push"
//! seen = ["WRITE DIGEST"]             # the newest entries that the writer knew: write id, SHA-256
//! refs = ["OLD NEW refs/runs/o/p/r"]  # moved refs: commits, or `-` for none
//! renamed = ["UUID FROM TO"]          # renamed records; `refs` moves both refs
//! settled = ["COMMIT refs/…"]         # conflict sides that this entry settles
//! packs = ["ID SIZE"]                 # added files: content packs, Git packs, index segments
//! meta = ["ID SIZE"]
//! segments = ["ID SIZE"]
//! retired = ["ID"]                    # files to delete after a while
//! again = ["ID WRITE"]                # the entry that added a retired file again, or that retired a deleted one
//! deleted = ["ID"]                    # dead names: the files are deleted, nobody adds them again
//! gone = ["WRITE"]                    # all files that this entry named as deleted are gone
//! forgotten = ["COMMIT refs/…"]       # replaced commits whose content is no longer kept
//! gc = "grace=14d prune=90d"          # how long files and replaced commits are kept
//! restored = true                     # a repair derived the entry; its file is another one
//! joined = true                       # each added file is a compaction of the retired files
//! log = "siblings"                    # several later entries may have the same number
//! needed_to_read = ["WORD"]           # features that a program must know to read the remote
//! needed_to_write = ["WORD"]          # features that a program must know to write to the remote
//! # sha256 64 digits                  # of all preceding bytes: detects an incomplete entry
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::super::features::Features;
use super::super::layout::{EntryName, FORMAT, MAX_NUMBER, Protocol, damaged, decode_toml};
use super::super::limits;
use super::super::store::Store;
use super::super::stored_kind::StoredKind;
use super::gc_times::GcTimes;
use super::plain_array;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::name::{RefKind, RefName};

/// The maximum size of an entry in bytes.
pub(super) const MAX_LEN: u64 = limits::ENTRY;
/// The number of bytes at the start of an entry that contain its number and its write id.
pub(super) const HEAD_LEN: u64 = 4 << 10;
/// The minimum number of bytes of a moved ref: its name, one commit and some punctuation.
const LEAST_MOVE: usize = Id::HEX_LEN + 8;
/// The maximum number of values in an entry, which bounds the memory for a hostile one.
const MAX_VALUES: usize = 400_000;

/// A moved ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMove {
    /// The ref.
    pub name: RefName,
    /// The commit before the move; `None` if the ref did not exist.
    pub old: Option<Id>,
    /// The commit after the move; `None` if the ref is deleted.
    pub new: Option<Id>,
}

/// A renamed or transferred run or version. The same entry moves both refs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The UUID of the record.
    pub uuid: Uuid,
    /// The old ref.
    pub from: RefName,
    /// The new ref.
    pub to: RefName,
}

/// A file on the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// The id that names the file.
    pub id: Id,
    /// The size in bytes.
    pub size: u64,
}

/// An entry that a writer had read: its write id and the SHA-256 of its whole file.
///
/// An entry thus vouches for all entries before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The write id.
    pub write: Uuid,
    /// The digest of the entry's file.
    pub digest: Id,
}

/// A replaced commit that a garbage collection let go of: its content is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The commit.
    pub commit: Id,
    /// The ref that had the commit.
    pub name: RefName,
}

/// The digest of an entry's file. It is not part of the entry's changes: entries that differ only
/// in it are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileDigest(Option<Id>);

impl PartialEq for FileDigest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl FileDigest {
    /// The digest of a file with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        FileDigest(Some(Digest::of(bytes)))
    }

    /// Returns the digest, if the entry was read from a file or written to one.
    pub fn get(self) -> Option<Id> {
        self.0
    }
}

/// A settled side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The ref.
    pub name: RefName,
    /// The commit that lost; `None` for a deletion that lost.
    pub commit: Option<Id>,
}

/// A file that an entry added although the file was already on the remote, or had been before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The file.
    pub id: Id,
    /// The write id of the entry that added it.
    pub write: Uuid,
}

/// The changes of one push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// [`FORMAT`]
    pub format: u32,
    /// The position in the log, from 1.
    pub number: u64,
    /// An id that distinguishes the entry from all others, including those with the same number.
    pub write: Uuid,
    /// The author, as `NAME <ADDRESS>`.
    pub who: String,
    /// The time of the push, by the author's clock.
    pub when: Timestamp,
    /// The reason, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The newest entries that the writer had read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
    /// Changes how writers take turns from the next number on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Protocol>,
    /// The moved refs (all or nothing).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<RefMove>,
    /// The renamed and transferred records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Renamed>,
    /// The conflict sides that the entry settles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Settled>,
    /// The added content packs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Stored>,
    /// The added Git packs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<Stored>,
    /// The added index segments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Stored>,
    /// The retired files: nobody may rely on them any longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Id>,
    /// The retired files that another entry had added again, each with the newest such entry that
    /// the writer knew. A file added again without the writer's knowledge is not retired. Also the
    /// deleted files that were retired, each with the entry that retired it. A file that was retired
    /// again without the writer's knowledge is not deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Again>,
    /// Names of files that are dead: the files are deleted, and nobody adds a file with this name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<Id>,
    /// The write ids of entries whose deleted files are all gone. Their names are forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Uuid>,
    /// The replaced commits whose content is no longer kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<Forgotten>,
    /// How long retired files and replaced commits are kept from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc: Option<GcTimes>,
    /// True if a repair derived the entry from others, so that its file is not the original one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
    /// True if each added file is a compaction of the retired files of its kind: it has exactly
    /// their contents. At most one file of each kind is added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// The features that a program must know to use the remote from this entry on.
    #[serde(flatten)]
    pub features: Features,
    /// Unknown keys.
    #[serde(flatten)]
    pub extra: toml::Table,
    /// The digest of the file that the entry was read from.
    #[serde(skip)]
    pub digest: FileDigest,
}

/// The start of the last line.
const CHECKSUM: &str = "# sha256 ";
/// The length of the last line, with the digits and the line feed.
const CHECKSUM_LEN: usize = CHECKSUM.len() + Id::HEX_LEN + 1;

impl Entry {
    /// Encodes the bytes of the entry's file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut text = toml::to_string(self)
            .map_err(|error| Error::internal("cannot write a log entry").with_source(error))?;
        let digest = Digest::of(text.as_bytes());
        text.push_str(&format!("{CHECKSUM}{digest}\n"));
        let files = [self.packs.len(), self.meta.len(), self.segments.len()];
        let dropped = [self.retired.len(), self.deleted.len(), self.forgotten.len()];
        let values = self.refs.len() + files.iter().chain(&dropped).sum::<usize>();
        if text.len() as u64 > MAX_LEN || values > MAX_VALUES / 2 {
            let message = format!("the push moves {} refs: too many for one push", self.refs.len());
            return Err(Error::invalid(message).with_hint("push some refs first: art push REF…"));
        }
        self.check_lengths()?;
        Ok(text.into_bytes())
    }

    /// Returns true if the entry takes files away for good, so that a plan made before it may rest on
    /// content that is no longer kept. A compaction keeps the content of the files that it retires.
    pub(super) fn removes_files(&self) -> bool {
        !self.deleted.is_empty() || !self.joined && !self.retired.is_empty()
    }

    /// A lower bound of the file size; 0 if it is not more than [`HEAD_LEN`].
    pub(super) fn least_len(&self) -> u64 {
        let length = (self.refs.len() * LEAST_MOVE) as u64;
        if length > HEAD_LEN { length } else { 0 }
    }

    /// Decodes the number and the write id of the entry that begins with these bytes.
    pub(super) fn decode_head(head: &[u8]) -> Option<(u64, Uuid)> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.lines().map_while(|line| line.split_once(" = "));
        let (mut number, mut write) = (None, None);
        lines.find(|(key, value)| {
            match *key {
                "number" => number = value.parse().ok(),
                "write" => write = value.trim_matches('"').parse().ok(),
                _ => {}
            }
            number.is_some() && write.is_some()
        })?;
        number.zip(write)
    }

    /// Decodes the bytes of the file `key`.
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self> {
        let body = if is_whole(bytes) {
            &bytes[..bytes.len() - CHECKSUM_LEN]
        } else {
            // A newer program's entry may end differently. Its format number reveals that.
            decode_toml::<toml::Table>(key, bytes)?;
            return Err(damaged(key, "it ends early or was changed".to_owned()));
        };
        let values = body.iter().filter(|byte| matches!(byte, b',' | b'=' | b'[')).count();
        if values > MAX_VALUES || bytes.len() as u64 > MAX_LEN {
            return Err(damaged(
                key,
                format!("it has {values} values; the maximum is {MAX_VALUES}"),
            ));
        }
        let text = std::str::from_utf8(body).ok();
        let entry: Entry = match text.and_then(|text| plain_array::take(text, "refs")) {
            None => decode_toml(key, body)?,
            Some((refs, rest)) => {
                let refs = refs.into_iter().map(str::parse).collect::<Result<Vec<RefMove>>>();
                let refs = refs.map_err(|error| damaged(key, error.to_string()))?;
                let entry: Entry = decode_toml(key, rest.as_bytes())?;
                if !entry.refs.is_empty() {
                    return Err(damaged(key, "it has two lists of refs".to_owned()));
                }
                Entry { refs, ..entry }
            }
        };
        if entry.format != FORMAT || entry.number == 0 || entry.number > MAX_NUMBER {
            return Err(damaged(key, format!("it claims to be entry {}", entry.number)));
        }
        let moved = entry.refs.iter().map(|moved| &moved.name);
        let forgotten = entry.forgotten.iter().map(|forgotten| &forgotten.name);
        let mut names =
            moved.chain(forgotten).chain(entry.settled.iter().map(|settled| &settled.name));
        // Remote-tracking refs are local to a repository.
        if let Some(name) = names.find(|name| name.remote().is_some()) {
            return Err(damaged(key, format!("it names the ref '{name}'")));
        }
        entry.check_lengths().map_err(|error| damaged(key, error.message().to_owned()))?;
        entry.features.check_readable(key)?;
        let entry = Entry { digest: FileDigest::of(bytes), ..entry };
        entry.check_renamed().map_err(|problem| damaged(key, problem))?;
        Ok(entry)
    }

    /// Checks that each renamed record leaves one ref and reaches another one.
    fn check_renamed(&self) -> Result<(), String> {
        let left = self.refs.iter().filter(|moved| moved.old.is_some());
        let mut left: BTreeSet<&RefName> = left.map(|moved| &moved.name).collect();
        let reached = self.refs.iter().filter(|moved| moved.new.is_some());
        let mut reached: BTreeSet<&RefName> = reached.map(|moved| &moved.name).collect();
        for Renamed { from, to, .. } in &self.renamed {
            let can_be = matches!(to.kind(), RefKind::Run | RefKind::Version);
            let is_move = can_be && from != to && from.kind() == to.kind();
            if !is_move || !left.remove(from) || !reached.remove(to) {
                return Err(format!("it cannot rename '{from}' to '{to}'"));
            }
        }
        Ok(())
    }

    /// Checks the sizes of the added files, because readers reserve memory and disk space for them.
    fn check_lengths(&self) -> Result<()> {
        let kinds = [
            (StoredKind::Pack, &self.packs),
            (StoredKind::Meta, &self.meta),
            (StoredKind::Segment, &self.segments),
        ];
        for (kind, files) in kinds {
            files.iter().try_for_each(|file| limits::check(kind, file.size))?;
        }
        Ok(())
    }

    /// Decodes the entry that must have this name; see [`Entry::decode`].
    pub fn decode_named(name: &EntryName, bytes: &[u8]) -> Result<Self> {
        let key = name.key();
        let entry = Self::decode(&key, bytes)?;
        if entry.number != name.number || name.write.is_some_and(|write| write != entry.write) {
            let why = format!("it claims to be entry {} of {}", entry.number, entry.write);
            return Err(damaged(&key, why));
        }
        Ok(entry)
    }
}

/// Reads the bytes of the entry `name`, if it exists. Reads an incomplete entry again, because the
/// bytes may have been damaged in transit.
pub(super) fn try_read_body(store: &Store, name: &EntryName) -> Result<Option<Bytes>> {
    let mut last = None;
    let read = store.read_sound(|| {
        last = None;
        last = store.try_read(&name.key(), MAX_LEN)?;
        match &last {
            Some(bytes) if !is_whole(bytes) => Err(Error::corrupt("an entry is not whole")),
            _ => Ok(()),
        }
    });
    match read {
        // The caller finds the defect when it decodes the bytes.
        Err(error) if last.is_none() => Err(error),
        _ => Ok(last),
    }
}

/// Returns true if the bytes are a complete entry. On a store without atomic writes, a file without
/// its last line is still being written, or its writer was killed. It counts as missing.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some((body, line)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else { return false };
    let digits = line.strip_prefix(CHECKSUM.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
    digits.and_then(Id::from_hex).is_some_and(|digest| digest == Digest::of(body))
}

/// A commit as one word; `-` means none.
pub(super) struct Word(pub(super) Option<Id>);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => id.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for Word {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "-" { Ok(Word(None)) } else { text.parse().map(|id| Word(Some(id))) }
    }
}

/// Splits a line into exactly `N` words.
pub(super) fn words<const N: usize>(line: &str) -> Result<[&str; N]> {
    let all: Vec<&str> = line.splitn(N, ' ').collect();
    all.try_into().map_err(|_| {
        let shown: String = line.chars().take(80).collect();
        Error::corrupt(format!("'{}' does not have {N} words", shown.escape_debug()))
    })
}

/// Parses a decimal number in its canonical spelling.
pub(super) fn number(text: &str) -> Result<u64> {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| Error::corrupt(format!("'{}' is not a number", text.escape_debug())))
}

impl fmt::Display for RefMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", Word(self.old), Word(self.new), self.name)
    }
}

impl FromStr for RefMove {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [old, new, name] = words(line)?;
        let commit = |word: &str| word.parse::<Word>().map(|word| word.0);
        Ok(RefMove { name: name.parse()?, old: commit(old)?, new: commit(new)? })
    }
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.uuid, self.from, self.to)
    }
}

impl FromStr for Renamed {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [uuid, from, to] = words(line)?;
        Ok(Renamed { uuid: uuid_of(uuid)?, from: from.parse()?, to: to.parse()? })
    }
}

/// Parses a UUID.
pub(super) fn uuid_of(word: &str) -> Result<Uuid> {
    word.parse().map_err(|_| Error::corrupt(format!("'{}' is not a UUID", word.escape_debug())))
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.size)
    }
}

impl FromStr for Stored {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [id, size] = words(line)?;
        Ok(Stored { id: id.parse()?, size: number(size)? })
    }
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.write)
    }
}

impl FromStr for Again {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [id, write] = words(line)?;
        Ok(Again { id: id.parse()?, write: uuid_of(write)? })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.write, self.digest)
    }
}

impl FromStr for Seen {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [write, digest] = words(line)?;
        Ok(Seen { write: uuid_of(write)?, digest: digest.parse()? })
    }
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.commit, self.name)
    }
}

impl FromStr for Forgotten {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [commit, name] = words(line)?;
        Ok(Forgotten { commit: commit.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Word(self.commit), self.name)
    }
}

impl FromStr for Settled {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [commit, name] = words(line)?;
        Ok(Settled { name: name.parse()?, commit: commit.parse::<Word>()?.0 })
    }
}

macro_rules! as_line {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let line = String::deserialize(deserializer)?;
                line.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

pub(super) use as_line;

as_line!(RefMove, Renamed, Stored, Settled, Again, Seen, Forgotten, GcTimes);
