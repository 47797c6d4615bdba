//! Commits: who changed the tree, when and why. Converts to and from Git's bytes.

use std::io::Write as _;

use bstr::ByteSlice;

use super::{History, from_oid};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{Id, ObjectKind};

/// The author of an action, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name. Characters that Git cannot store in a name (`<`, `>`, line feed, NUL) are dropped
    /// when it is written.
    pub name: String,
    /// The mail address, under the same rule.
    pub email: String,
    /// The time, in UTC.
    pub time: Timestamp,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The tree it records.
    pub tree: Id,
    /// The parent commits. The previous commit of the same record comes first.
    pub parents: Vec<Id>,
    /// The author of the change.
    pub author: Signature,
    /// The person who recorded the change.
    pub committer: Signature,
    /// A subject line, optionally followed by an empty line and a body, without trailing line
    /// feeds. Invalid UTF-8 is read with replacement characters.
    pub message: String,
}

impl Signature {
    /// Formats the signature as `NAME <EMAIL> SECONDS +0000`, as in commits and reflogs. An empty
    /// name becomes `unknown`, and a time before 1970 becomes 1970, because Git supports neither.
    pub fn to_line(&self) -> String {
        let name = clean(&self.name);
        let name = if name.is_empty() { "unknown" } else { &name };
        format!("{name} <{}> {} +0000", clean(&self.email), self.time.seconds().max(0))
    }

    /// Parses a signature that [`Signature::to_line`] or Git wrote.
    pub(crate) fn from_line(line: &[u8]) -> Option<Self> {
        let parsed = gix::actor::SignatureRef::from_bytes(line).ok()?.trim();
        Some(Signature {
            name: parsed.name.to_str_lossy().into_owned(),
            email: parsed.email.to_str_lossy().into_owned(),
            time: Timestamp::from_seconds(parsed.seconds()),
        })
    }
}

/// Removes characters that would end a name or an address early.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\0')).collect::<String>().trim().into()
}

impl Commit {
    /// Returns the first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// Encodes the commit as Git's bytes, without the object header.
    #[doc(hidden)]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            bytes.write_fmt(arguments).expect("because writing to memory never fails");
        };
        line(format_args!("tree {}\n", self.tree));
        for parent in &self.parents {
            line(format_args!("parent {parent}\n"));
        }
        line(format_args!("author {}\n", self.author.to_line()));
        line(format_args!("committer {}\n", self.committer.to_line()));
        line(format_args!("\n{}\n", self.message.replace('\0', "").trim_end_matches('\n')));
        bytes
    }

    /// Decodes the commit `id` from Git's bytes, without the object header.
    #[doc(hidden)]
    pub fn decode(id: &Id, bytes: &[u8]) -> Result<Self> {
        let corrupt = |what: &str| Error::corrupt(format!("commit {id} is damaged: {what}"));
        let commit = gix::objs::CommitRef::from_bytes(bytes, gix::hash::Kind::Sha256)
            .map_err(|error| corrupt("its headers can't be read").with_source(error))?;
        let signature =
            |line: &[u8], what: &str| Signature::from_line(line).ok_or_else(|| corrupt(what));
        Ok(Commit {
            tree: from_oid(&commit.tree())?,
            parents: commit.parents().map(|parent| from_oid(&parent)).collect::<Result<_>>()?,
            author: signature(commit.author, "its author can't be read")?,
            committer: signature(commit.committer, "its committer can't be read")?,
            message: commit.message.to_str_lossy().trim_end_matches('\n').to_owned(),
        })
    }
}

impl History {
    /// Returns the defect of the times of the commit `id`, if it has one: a time that is out of
    /// range, or a time zone that does not exist.
    pub(crate) fn find_time_defect(&self, id: &Id) -> Result<Option<&'static str>> {
        let bytes = self.read(id, ObjectKind::Commit)?;
        Ok(find_time_defect(&bytes))
    }

    /// Reads the commit `id`.
    pub fn read_commit(&self, id: &Id) -> Result<Commit> {
        Commit::decode(id, &self.read(id, ObjectKind::Commit)?)
    }
}

/// Returns the defect of the times in a commit's bytes.
fn find_time_defect(bytes: &[u8]) -> Option<&'static str> {
    /// The largest distance of a time zone from UTC, as hours and minutes.
    const FARTHEST: u32 = 1400;
    let headers = bytes.lines().take_while(|line| !line.is_empty());
    let mut people =
        headers.filter(|line| line.starts_with(b"author ") || line.starts_with(b"committer "));
    let latest = Timestamp::from_seconds(i64::MAX);
    people.find_map(|line| {
        let end = line.rfind_byte(b'>')?;
        let text = line[end + 1..].to_str().ok()?;
        let (seconds, zone) = text.trim().split_once(' ')?;
        let is_possible = |seconds: i64| seconds >= 0 && Timestamp::from_seconds(seconds) < latest;
        if !seconds.parse().is_ok_and(is_possible) {
            return Some("its time is out of range");
        }
        let digits = zone.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4);
        let is_zone = |zone: u32| zone <= FARTHEST && zone % 100 < 60;
        let exists = digits.and_then(|digits| digits.parse().ok()).is_some_and(is_zone);
        (!exists).then_some("its time zone does not exist")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(name: &str, email: &str, seconds: i64) -> Signature {
        Signature { name: name.into(), email: email.into(), time: Timestamp::from_seconds(seconds) }
    }

    fn commit(message: &str) -> Commit {
        Commit {
            tree: Id::of_blob(b"tree"),
            parents: vec![Id::of_blob(b"1"), Id::of_blob(b"2")],
            author: signature("Ada Lovelace", "ada@example.org", 1_700_000_000),
            committer: signature("Börje", "b@example.org", 5),
            message: message.into(),
        }
    }

    #[test]
    fn commits_round_trip() {
        for message in ["", "subject", "subject\n\nbody\n  and more", "\u{e9}"] {
            let commit = commit(message);
            let id = Id::of_blob(b"c");
            assert_eq!(Commit::decode(&id, &commit.encode()).unwrap(), commit, "{message:?}");
        }
    }

    #[test]
    fn names_that_would_break_a_commit_are_cleaned() {
        let line = signature("a<b>\nauthor x\0", " e>vil\n@x ", -7).to_line();
        assert_eq!(line, "abauthor x <evil@x> 0 +0000");
        assert_eq!(signature("<>", "", 1).to_line(), "unknown <> 1 +0000");
    }

    #[test]
    fn impossible_times_and_time_zones_are_defects() {
        let defect = |when: &str| {
            let text = format!(
                "tree x\nauthor A <a> {when}\ncommitter C <c> 5 +0000\n\nauthor <> -1 +9999\n"
            );
            find_time_defect(text.as_bytes())
        };
        for sound in ["0 +0000", "1700000000 -0930", "5 +1400", "5 +0545"] {
            assert_eq!(defect(sound), None, "{sound}");
        }
        for late in ["-5 +0000", "99999999999999999 +0000", "99999999999999999999999 +0000"] {
            assert_eq!(defect(late), Some("its time is out of range"), "{late}");
        }
        for zone in ["5 +9999", "5 +1401", "5 +0060", "5 0000", "5 +000", "5 +00000"] {
            assert_eq!(defect(zone), Some("its time zone does not exist"), "{zone}");
        }
    }

    #[test]
    fn a_damaged_commit_is_named() {
        let id = Id::of_blob(b"c");
        let good = commit("x").encode();
        for bad in [&b""[..], b"tree", &good[..40], b"tree zz\nauthor a <b> 1 +0000\n"] {
            let error = Commit::decode(&id, bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
            assert!(error.message().contains(&id.to_hex()));
        }
    }
}
