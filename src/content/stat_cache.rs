//! Remembers the id of each uploaded file together with the file's metadata.
//!
//! The second upload of an unchanged tree then needs only a walk. The cache can be deleted at any
//! time; a damaged table or record counts as missing.
//!
//! A file is recorded only if its last change is clearly older than the start of its upload (Git's
//! rule for racy timestamps). A later change then always changes the metadata.
//!
//! A table is a mapped file of fixed-size records, sorted by key; see [`RECORD_LEN`]. Each upload
//! with new entries adds a table; many tables are merged into one.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::map::{Mapped, map};
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::read;
use crate::fs::stat::Stat;
use crate::id::{Digest, Id};

const MAGIC: &[u8; 16] = b"ARTSTAT1\0\0\0\0\0\0\0\0";
/// Key 16, inode 8, device 8, size 8, mtime 8, ctime 8, id 32, check 8.
const RECORD_LEN: usize = 96;
const KEY_LEN: usize = 16;
/// Tables are merged if there are more than this many.
const MANY: usize = 6;
/// A merged cache with more records than this starts empty again.
const MAX_RECORDS: usize = 20_000_000;

/// A file with a known id.
#[derive(Debug, Clone, Copy)]
pub struct CacheEntry {
    key: [u8; KEY_LEN],
    stat: Stat,
    id: Id,
}

impl CacheEntry {
    /// Creates an entry for the file at the absolute `path`. `began` is a time in nanoseconds since
    /// 1970, before the file was read. Returns `None` if the last change is too close to `began` to
    /// distinguish it from a later change.
    pub fn new(path: &[u8], stat: Stat, id: Id, began: i64) -> Option<Self> {
        let coarse = stat.ctime % 1_000_000_000 == 0;
        let slack = if coarse { 2_000_000_000 } else { 50_000_000 };
        let settled = stat.ctime.max(stat.mtime) < began - slack;
        settled.then(|| CacheEntry { key: key_of(path), stat, id })
    }

    fn to_record(self) -> [u8; RECORD_LEN] {
        let mut record = [0; RECORD_LEN];
        record[..16].copy_from_slice(&self.key);
        record[16..24].copy_from_slice(&self.stat.inode.to_le_bytes());
        record[24..32].copy_from_slice(&self.stat.device.to_le_bytes());
        record[32..40].copy_from_slice(&self.stat.size.to_le_bytes());
        record[40..48].copy_from_slice(&self.stat.mtime.to_le_bytes());
        record[48..56].copy_from_slice(&self.stat.ctime.to_le_bytes());
        record[56..88].copy_from_slice(self.id.as_bytes());
        let check = check_of(&record);
        record[88..].copy_from_slice(&check.to_le_bytes());
        record
    }
}

fn key_of(path: &[u8]) -> [u8; KEY_LEN] {
    let digest = Digest::of(path);
    digest.as_bytes()[..KEY_LEN].try_into().expect("because a digest has 32 bytes")
}

/// FNV-1a over the words of a record, to detect damage.
fn check_of(record: &[u8; RECORD_LEN]) -> u64 {
    record[..88].chunks_exact(8).fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        let word = u64::from_le_bytes(word.try_into().expect("because chunks have 8 bytes"));
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

/// One mapped table.
#[derive(Debug)]
struct StatTable {
    path: PathBuf,
    bytes: Mapped,
}

impl StatTable {
    fn open(path: PathBuf) -> Option<Self> {
        let bytes = map(&path).ok()?;
        let whole =
            bytes.starts_with(MAGIC) && (bytes.len() - MAGIC.len()).is_multiple_of(RECORD_LEN);
        whole.then_some(StatTable { path, bytes })
    }

    fn len(&self) -> usize {
        (self.bytes.len() - MAGIC.len()) / RECORD_LEN
    }

    fn record(&self, index: usize) -> &[u8; RECORD_LEN] {
        let at = MAGIC.len() + index * RECORD_LEN;
        self.bytes[at..at + RECORD_LEN].try_into().expect("because a record has that length")
    }

    fn find(&self, key: &[u8; KEY_LEN]) -> Option<&[u8; RECORD_LEN]> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle)[..KEY_LEN] < key[..] {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.len() && self.record(low)[..KEY_LEN] == key[..]).then(|| self.record(low))
    }
}

/// The stat cache of a repository.
#[derive(Debug)]
pub struct StatCache {
    directory: PathBuf,
    /// Sorted from newest to oldest.
    tables: Vec<StatTable>,
}

impl StatCache {
    /// Maps the tables in `directory`, which may be missing or empty.
    pub fn open(directory: &Path) -> Self {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "stat"));
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let tables = paths.into_iter().filter_map(StatTable::open).collect();
        StatCache { directory: directory.to_owned(), tables }
    }

    /// Returns true if the cache has no tables.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Finds the id of the file at the absolute `path`, if its metadata is unchanged.
    pub fn find(&self, path: &[u8], stat: &Stat) -> Option<Id> {
        let key = key_of(path);
        let record = self.tables.iter().find_map(|table| table.find(&key))?;
        let id = Id::from_slice(&record[56..88])?;
        let expected = CacheEntry { key, stat: *stat, id }.to_record();
        (expected == *record).then_some(id)
    }

    /// Adds entries as a new table. A power cut does no harm: a torn table is ignored.
    pub fn add(&self, tmp: &Path, mut entries: Vec<CacheEntry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort_unstable_by_key(|entry| entry.key);
        atomic::create_dir_all(&self.directory)?;
        if self.tables.len() < MANY {
            let records = entries.iter().map(|entry| entry.to_record());
            return self.write(tmp, records);
        }
        let total: usize = self.tables.iter().map(StatTable::len).sum();
        let (merged, rest) = if total > MAX_RECORDS {
            (&self.tables[..], &[][..])
        } else {
            self.tables.split_at(self.small_ones(entries.len()))
        };
        let fresh: Vec<_> = entries.iter().map(|entry| entry.to_record()).collect();
        if total > MAX_RECORDS {
            self.write(tmp, fresh.into_iter())?;
        } else {
            self.write(tmp, MergedRecords::new(&fresh, merged)?)?;
        }
        debug_assert!(rest.len() + merged.len() == self.tables.len());
        merged.iter().try_for_each(|table| atomic::remove_file(&table.path))
    }

    /// The number of newest tables to merge: up to the first that is much larger than all newer
    /// ones.
    fn small_ones(&self, fresh: usize) -> usize {
        let mut sum = fresh;
        for (index, table) in self.tables.iter().enumerate() {
            if index >= 2 && table.len() > 4 * sum {
                return index;
            }
            sum += table.len();
        }
        self.tables.len()
    }

    fn write(&self, tmp: &Path, records: impl Iterator<Item = [u8; RECORD_LEN]>) -> Result<()> {
        use std::io::Write;
        // The name begins with an increasing number, so that the newest table is the last by name.
        let newest = self.tables.first().and_then(|table| {
            let name = table.path.file_name()?.to_str()?;
            name.split('-').next()?.parse::<u64>().ok()
        });
        let number = newest.map_or(1, |number| number + 1);
        let path = self.directory.join(format!("{number:016}-{}.stat", atomic::unique_name()));
        let file = TempFile::new_in(tmp)?;
        let mut out = std::io::BufWriter::with_capacity(1 << 18, file);
        out.write_all(MAGIC).on("write", &path)?;
        for record in records {
            out.write_all(&record).on("write", &path)?;
        }
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error);
        file.on("write", &path)?.rename_to(&path)
    }
}

/// Iterates over the records of several tables in key order. For equal keys, yields only the
/// newest.
///
/// Tables are read, not mapped: mapped pages would stay in memory until the end.
struct MergedRecords<'a> {
    fresh: &'a [[u8; RECORD_LEN]],
    older: Vec<SortedTable>,
}

/// A table that is read sequentially.
struct SortedTable {
    reader: BufReader<File>,
    next: Option<[u8; RECORD_LEN]>,
}

impl SortedTable {
    fn open(path: &Path) -> Result<Self> {
        let mut file = read::open(path).on("open", path)?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64)).on("read", path)?;
        let mut source =
            SortedTable { reader: BufReader::with_capacity(1 << 17, file), next: None };
        source.advance();
        Ok(source)
    }

    /// Reads the next record. An unreadable record ends the table.
    fn advance(&mut self) {
        let mut record = [0; RECORD_LEN];
        self.next = self.reader.read_exact(&mut record).is_ok().then_some(record);
    }
}

impl<'a> MergedRecords<'a> {
    fn new(fresh: &'a [[u8; RECORD_LEN]], tables: &[StatTable]) -> Result<Self> {
        let older =
            tables.iter().map(|table| SortedTable::open(&table.path)).collect::<Result<_>>()?;
        Ok(MergedRecords { fresh, older })
    }
}

impl Iterator for MergedRecords<'_> {
    type Item = [u8; RECORD_LEN];

    fn next(&mut self) -> Option<Self::Item> {
        // Sources are ordered from newest to oldest, and min_by_key returns the first of equal
        // keys.
        let older = self.older.iter().filter_map(|source| source.next.as_ref());
        let best = *self.fresh.first().into_iter().chain(older).min_by_key(|it| &it[..KEY_LEN])?;
        let is_best = |record: &[u8; RECORD_LEN]| record[..KEY_LEN] == best[..KEY_LEN];
        if let Some((first, rest)) = self.fresh.split_first()
            && is_best(first)
        {
            self.fresh = rest;
        }
        for source in &mut self.older {
            if source.next.as_ref().is_some_and(is_best) {
                source.advance();
            }
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(n: i64) -> Stat {
        Stat {
            size: 5,
            mtime: n + 1,
            ctime: n + 2,
            inode: 7,
            device: 1,
            executable: false,
            linked: false,
        }
    }

    fn entry(n: i64) -> CacheEntry {
        let path = format!("/data/{n}");
        let id = Id::of_blob(&n.to_le_bytes());
        CacheEntry::new(path.as_bytes(), stat(n), id, 1_000_000_000).unwrap()
    }

    #[test]
    fn a_file_changed_just_before_the_upload_is_not_cached() {
        let mut late = stat(0);
        late.ctime = 990_000_001;
        assert!(CacheEntry::new(b"/x", late, Id::NULL, 1_000_000_000).is_none());
        late.ctime = 900_000_001;
        assert!(CacheEntry::new(b"/x", late, Id::NULL, 1_000_000_000).is_some());
    }

    #[test]
    fn entries_survive_many_merges_and_the_newest_wins() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("stat");
        for round in 0..40i64 {
            let entries = (0..50).map(|n| entry(round * 25 + n)).collect();
            StatCache::open(&cache).add(dir.path(), entries).unwrap();
        }
        let changed = CacheEntry { stat: stat(500_000), ..entry(30) };
        StatCache::open(&cache).add(dir.path(), vec![changed]).unwrap();
        let opened = StatCache::open(&cache);
        assert!(opened.tables.len() <= MANY + 1);
        for n in (0..1025).filter(|n| *n != 30) {
            let found = opened.find(format!("/data/{n}").as_bytes(), &stat(n));
            assert_eq!(found, Some(Id::of_blob(&n.to_le_bytes())), "{n}");
        }
        assert_eq!(opened.find(b"/data/30", &stat(30)), None);
        assert!(opened.find(b"/data/30", &stat(500_000)).is_some());
    }

    #[test]
    fn a_damaged_record_counts_as_missing() {
        let dir = tempfile::tempdir().unwrap();
        StatCache::open(dir.path()).add(dir.path(), vec![entry(1)]).unwrap();
        let path = StatCache::open(dir.path()).tables[0].path.clone();
        let mut bytes = read::read_bounded(&path, read::LARGE).unwrap();
        bytes[MAGIC.len() + 60] ^= 1;
        atomic::write(&path, dir.path(), &bytes).unwrap();
        assert_eq!(StatCache::open(dir.path()).find(b"/data/1", &stat(1)), None);
    }
}
