//! Caches the summaries of version records, so that a list of ten thousand versions takes
//! milliseconds.
//!
//! A row belongs to a commit, and commits never change, so no row is ever outdated. The file can be
//! deleted at any time. Rows that are torn, damaged or in another format are ignored, and a failed
//! write is not an error.
//!
//! `cache/versions` has one line for each row: a checksum of the rest of the line (CRC-32, 8
//! digits), the commit, the time of the version's creation in seconds since 1970, the name, and the
//! summary as JSON. A list of the newest versions orders all rows by time and name, and decodes the
//! JSON of those that it shows. Each write appends its rows in one step. When most rows belong to
//! commits without a version, the file is rewritten.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use bstr::ByteSlice;
use flate2::Crc;

use crate::clock::Timestamp;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::read;
use crate::id::Id;
use crate::name::Name;
use crate::record::VersionSummary;
use crate::repo::Repository;

/// The length of the checksum and the space after it.
const CHECK_LEN: usize = 8 + 1;

/// The length of the text before the time: the checksum, the commit and two spaces.
const HEAD_LEN: usize = CHECK_LEN + Id::HEX_LEN + 1;

/// The maximum size of the file: 512 MiB. A larger file is ignored.
const MAX_LEN: u64 = 512 << 20;

/// The number of stale rows that are tolerated before a rewrite.
const SLACK: usize = 1000;

#[cfg(test)]
thread_local! {
    /// The number of summaries that were looked up in this thread.
    pub(super) static DECODED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The rows of a repository when the cache was opened.
#[derive(Debug)]
pub(super) struct VersionCache {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The place of each row in `bytes`, without the end of the line.
    rows: HashMap<Id, Range<usize>>,
    /// The number of rows, including several rows of one commit.
    count: usize,
    /// True if rows can be appended. False if the file is missing or damaged.
    is_whole: bool,
}

impl VersionCache {
    /// Reads the file. A missing file is an empty cache.
    pub(super) fn open(repo: &Repository) -> Self {
        let path = repo.directory().join("cache/versions");
        let bytes = read::read_bounded(&path, MAX_LEN).unwrap_or_default();
        let (mut rows, mut count, mut at) = (HashMap::new(), 0, 0);
        let mut is_whole = bytes.ends_with(b"\n");
        for line in bytes.lines_with_terminator() {
            let row = at..at + line.len() - 1;
            at += line.len();
            match commit_of(line) {
                Some(commit) => {
                    rows.insert(commit, row);
                    count += 1;
                }
                None => is_whole = false,
            }
        }
        VersionCache { path, bytes, rows, count, is_whole }
    }

    /// Returns the summary of the version at `commit`, if cached.
    pub(super) fn find(&self, commit: &Id) -> Option<VersionSummary> {
        #[cfg(test)]
        DECODED.set(DECODED.get() + 1);
        serde_json::from_slice(self.row(commit)?.2).ok()
    }

    /// Returns the creation time and the name of the version at `commit`, if cached.
    pub(super) fn find_age(&self, commit: &Id) -> Option<(Timestamp, Name)> {
        let (seconds, name, _) = self.row(commit)?;
        Some((Timestamp::from_seconds(seconds.parse().ok()?), name.parse().ok()?))
    }

    /// Returns the time, the name and the summary in the row of `commit`, if the row is intact.
    fn row(&self, commit: &Id) -> Option<(&str, &str, &[u8])> {
        let row = &self.bytes[self.rows.get(commit)?.clone()];
        let check = std::str::from_utf8(&row[..CHECK_LEN]).ok()?.trim_end();
        if u32::from_str_radix(check, 16) != Ok(check_of(&row[CHECK_LEN..])) {
            return None;
        }
        let mut fields = row[HEAD_LEN..].splitn(3, |byte| *byte == b' ');
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (seconds, name) = (text()?, text()?);
        Some((seconds, name, fields.next()?))
    }

    /// Adds rows. If necessary, calls `live` for the commits that currently have versions.
    pub(super) fn add(
        &self,
        repo: &Repository,
        fresh: &[(Id, &VersionSummary)],
        live: impl FnOnce() -> HashSet<Id>,
        asked: usize,
    ) {
        let mut added = Vec::new();
        for (commit, version) in fresh {
            added.extend(row_of(commit, version).unwrap_or_default());
        }
        let is_mostly_dead = |live: usize| self.count + fresh.len() > SLACK + 2 * live;
        // The number of requested versions is a cheap first test. `live` is called only if that
        // test succeeds.
        let live = is_mostly_dead(asked).then(live).filter(|live| is_mostly_dead(live.len()));
        // If the write fails, the records are read again next time.
        let _ = match live {
            None if added.is_empty() => Ok(()),
            None if self.is_whole => atomic::append_throwaway(&self.path, &added),
            None => self.rewrite(repo, &|_| true, &added),
            Some(live) => self.rewrite(repo, &|commit| live.contains(commit), &added),
        };
    }

    /// Rewrites the file with the rows to `keep`, and `added`.
    fn rewrite(&self, repo: &Repository, keep: &dyn Fn(&Id) -> bool, added: &[u8]) -> Result<()> {
        if let Some(directory) = self.path.parent() {
            atomic::create_dir_all(directory)?;
        }
        let mut bytes = Vec::new();
        for (commit, row) in &self.rows {
            if keep(commit) && self.find(commit).is_some() {
                bytes.extend_from_slice(&self.bytes[row.clone()]);
                bytes.push(b'\n');
            }
        }
        bytes.extend_from_slice(added);
        let mut file = TempFile::new_in(&repo.content().tmp_dir())?;
        file.write_all(&bytes).on("write", &self.path)?;
        file.rename_to(&self.path)
    }
}

/// Returns the commit of a line. Returns `None` if the line is not a whole row.
fn commit_of(line: &[u8]) -> Option<Id> {
    let commit = line.strip_suffix(b"\n")?.get(CHECK_LEN..HEAD_LEN)?.strip_suffix(b" ")?;
    Id::from_hex(commit)
}

fn row_of(commit: &Id, version: &VersionSummary) -> Option<Vec<u8>> {
    let (seconds, name) = (version.created_at.seconds(), &version.name);
    let rest = format!("{commit} {seconds} {name} {}", serde_json::to_string(version).ok()?);
    Some(format!("{:08x} {rest}\n", check_of(rest.as_bytes())).into_bytes())
}

/// Returns the checksum of the rest of a row.
fn check_of(rest: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(rest);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::record::{Extra, RunReference, Tags, VersionKind};
    use crate::repo::Settings;

    struct TestCache {
        _directory: tempfile::TempDir,
        repo: Repository,
    }

    impl TestCache {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let repo = Repository::create(directory.path(), Settings::default()).unwrap();
            TestCache { _directory: directory, repo }
        }

        fn path(&self) -> PathBuf {
            self.repo.directory().join("cache/versions")
        }

        fn open(&self) -> VersionCache {
            VersionCache::open(&self.repo)
        }

        fn add(&self, names: &[&str]) {
            let versions: Vec<_> = names.iter().map(|name| (id(name), version(name))).collect();
            let fresh: Vec<_> = versions.iter().map(|(id, version)| (*id, version)).collect();
            self.open().add(&self.repo, &fresh, HashSet::new, usize::MAX / 4);
        }

        fn write(&self, bytes: &[u8]) {
            let mut file = TempFile::new_in(&self.repo.content().tmp_dir()).unwrap();
            file.write_all(bytes).unwrap();
            file.rename_to(&self.path()).unwrap();
        }

        fn found(&self, names: &[&str]) -> Vec<bool> {
            let cache = self.open();
            names.iter().map(|name| cache.find(&id(name)) == Some(version(name))).collect()
        }
    }

    /// Creates a version called `name`, with keys of a newer program in its run.
    fn version(name: &str) -> VersionSummary {
        let at = Timestamp::from_seconds(1_790_000_000);
        let extra = "later = 1\nat = 2026-11-30T08:00:00Z\n[deep]\nlist = [1.5, true, 'a\\n']\n";
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
                extra: extra.parse::<Extra>().unwrap(),
            },
            expired: false,
            author: "Ada <ada@example.com>".to_owned(),
            created_at: at,
            updated_at: at,
        }
    }

    fn id(name: &str) -> Id {
        Id::of_blob(name.as_bytes())
    }

    #[test]
    fn rows_are_added_and_found() {
        let place = TestCache::new();
        assert_eq!(place.found(&["a"]), [false]);
        place.add(&["a", "b"]);
        place.add(&["c"]);
        place.add(&[]);
        assert_eq!(place.found(&["a", "b", "c", "d"]), [true, true, true, false]);
    }

    #[test]
    fn damaged_rows_are_ignored_and_later_rows_are_found() {
        let place = TestCache::new();
        place.add(&["a", "b"]);
        let whole = read::read_bounded(&place.path(), MAX_LEN).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            place.write(&bytes);
            let cache = place.open();
            for name in ["a", "b"] {
                assert!(cache.find(&id(name)).is_none_or(|row| row == version(name)), "{at}");
            }
            place.write(&whole[..at]);
            place.add(&["c"]);
            assert_eq!(place.found(&["c"]), [true], "after a cut at {at}");
        }
        place.write(&[&whole[..], &[0; 100]].concat());
        place.add(&["c"]);
        assert_eq!(place.found(&["a", "b", "c"]), [true; 3], "zeros are ignored");
    }

    #[test]
    fn a_row_of_another_commit_is_ignored() {
        let place = TestCache::new();
        place.add(&["a"]);
        let mut bytes = read::read_bounded(&place.path(), MAX_LEN).unwrap();
        let other = id("b").to_hex();
        bytes[CHECK_LEN..CHECK_LEN + Id::HEX_LEN].copy_from_slice(other.as_bytes());
        place.write(&bytes);
        assert_eq!(place.open().find(&id("b")), None);
    }

    #[test]
    fn stale_rows_are_dropped_when_most_rows_are_stale() {
        let place = TestCache::new();
        let names: Vec<String> = (0..SLACK + 10).map(|number| format!("v{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        place.add(&names);
        let more = version("more");
        let live = || HashSet::from([id("v1"), id("more")]);
        place.open().add(&place.repo, &[(id("more"), &more)], live, 2);
        assert_eq!(place.found(&["v1", "more", "v2"]), [true, true, false]);
    }

    #[test]
    fn a_failed_write_is_not_an_error() {
        let place = TestCache::new();
        atomic::create_dir_all(&place.path()).unwrap();
        place.add(&["a"]);
        assert_eq!(place.found(&["a"]), [false]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let place = TestCache::new();
            place.write(&bytes);
            assert_eq!(place.found(&["a"]), [false]);
            place.write(&[&row_of(&id("a"), &version("a")).unwrap()[..], &bytes].concat());
            assert_eq!(place.found(&["a"]), [true]);
        }
    }
}
