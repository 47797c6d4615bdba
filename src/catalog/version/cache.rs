//! Caches the summaries of version records, so that a list of ten thousand versions takes
//! milliseconds.
//!
//! A row belongs to a commit, and commits never change, so no row is ever outdated. The file can be
//! deleted at any time. Rows that are torn, damaged or in another format are ignored, and a failed
//! write is not an error.
//!
//! `cache/versions` consists of [`MAGIC`] and rows. A row has the length of its body (4 bytes), a
//! checksum of the rest (8 bytes), the commit, and the body (see `row.rs`). Each write appends its
//! rows in one step. When most rows belong to commits without a version, the file is rewritten.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use super::row;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::read;
use crate::id::Id;
use crate::record::VersionSummary;
use crate::repo::Repository;

/// The format of the rows. Another format needs another value.
const MAGIC: &[u8; 8] = b"ARTVERS1";

/// The number of bytes before the commit of a row: its length and its checksum.
const HEAD: usize = 4 + 8;

/// The maximum size of the file: 512 MiB. A larger file is ignored.
const MAX_LEN: u64 = 512 << 20;

/// The number of stale rows that are tolerated before a rewrite.
const SLACK: usize = 1000;

/// The rows of a repository when the cache was opened.
#[derive(Debug)]
pub(super) struct VersionCache {
    path: PathBuf,
    bytes: Vec<u8>,
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
        let (mut rows, mut count, mut is_whole) = (HashMap::new(), 0, false);
        if bytes.starts_with(MAGIC) {
            let mut at = MAGIC.len();
            while let Some((commit, end)) = row_at(&bytes, at) {
                rows.insert(commit, at..end);
                (at, count) = (end, count + 1);
            }
            is_whole = at == bytes.len();
        }
        VersionCache { path, bytes, rows, count, is_whole }
    }

    /// Returns the summary of the version at `commit`, if cached.
    pub(super) fn find(&self, commit: &Id) -> Option<VersionSummary> {
        let row = &self.bytes[self.rows.get(commit)?.clone()];
        let check = u64::from_le_bytes(row[4..HEAD].try_into().ok()?);
        if check != check_of(&row[HEAD..]) {
            return None;
        }
        row::decode(&row[HEAD + Id::LEN..])
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
        let mut bytes = MAGIC.to_vec();
        for (commit, row) in &self.rows {
            if keep(commit) && self.find(commit).is_some() {
                bytes.extend_from_slice(&self.bytes[row.clone()]);
            }
        }
        bytes.extend_from_slice(added);
        let mut file = TempFile::new_in(&repo.content().tmp_dir())?;
        file.write_all(&bytes).on("write", &self.path)?;
        file.rename_to(&self.path)
    }
}

/// Returns the commit and the end of the row at `at`. Returns `None` if the row is incomplete.
fn row_at(bytes: &[u8], at: usize) -> Option<(Id, usize)> {
    let head = bytes.get(at..at + HEAD + Id::LEN)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?);
    let end = (at + HEAD + Id::LEN).checked_add(usize::try_from(length).ok()?)?;
    // No row is empty, but a power cut can leave zeros.
    let is_row = length > 0 && end <= bytes.len();
    Id::from_slice(&head[HEAD..]).filter(|_| is_row).map(|commit| (commit, end))
}

fn row_of(commit: &Id, version: &VersionSummary) -> Option<Vec<u8>> {
    let body = row::encode(version)?;
    let rest = [&commit.as_bytes()[..], &body].concat();
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    Some([&length[..], &check_of(&rest).to_le_bytes(), &rest].concat())
}

/// FNV-1a over words, to detect damaged bytes.
fn check_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    words.fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |hash, word| {
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::version;
    use super::*;
    use crate::repo::Settings;

    struct Place {
        _directory: tempfile::TempDir,
        repo: Repository,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let repo = Repository::create(directory.path(), Settings::default()).unwrap();
            Place { _directory: directory, repo }
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

    fn id(name: &str) -> Id {
        Id::of_blob(name.as_bytes())
    }

    #[test]
    fn rows_are_added_and_found() {
        let place = Place::new();
        assert_eq!(place.found(&["a"]), [false]);
        place.add(&["a", "b"]);
        place.add(&["c"]);
        place.add(&[]);
        assert_eq!(place.found(&["a", "b", "c", "d"]), [true, true, true, false]);
    }

    #[test]
    fn damaged_rows_are_ignored_and_later_rows_are_found() {
        let place = Place::new();
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
        let place = Place::new();
        place.add(&["a"]);
        let mut bytes = read::read_bounded(&place.path(), MAX_LEN).unwrap();
        let at = MAGIC.len() + HEAD;
        bytes[at..at + Id::LEN].copy_from_slice(id("b").as_bytes());
        place.write(&bytes);
        assert_eq!(place.open().find(&id("b")), None);
    }

    #[test]
    fn stale_rows_are_dropped_when_most_rows_are_stale() {
        let place = Place::new();
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
        let place = Place::new();
        atomic::create_dir_all(&place.path()).unwrap();
        place.add(&["a"]);
        assert_eq!(place.found(&["a"]), [false]);
    }
}
