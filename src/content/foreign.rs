//! Content stored elsewhere: local copies of another store's index segments, and look-ups in
//! segments without a local copy.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::map::map;
use super::segment_check::checked;
use super::segments::{Segment, count_to_merge};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::read;
use crate::id::{Digest, Id};
use crate::pack::{
    FormatError, Keep, Location, Lookup, MemberKind, MergeError, SegmentView, merge,
};

/// The most bytes that one batch of ranged reads may fetch.
const AT_ONCE: u64 = 64 << 20;

/// The form in which a store needs an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The file: either its bytes, or a manifest and all its chunks.
    File,
    /// The bytes themselves, as a blob or a chunk. A part of a chunked file needs this form.
    Bytes,
}

/// A table on disk: a segment of the other store, or several segments merged.
struct ForeignTable {
    segment: Segment,
    /// The ids of the segments that the table contains, sorted.
    covers: Vec<Id>,
}

/// Local copies of the index segments of another store, in a directory that is safe to delete.
///
/// A segment's name is the SHA-256 of all its bytes: `ID.idx`. Many small segments are merged into
/// one table `NAME.idx`. The file `NAME.of` lists the ids of the merged segments.
pub struct ForeignIndex {
    directory: PathBuf,
    /// Sorted from largest to smallest.
    tables: Vec<ForeignTable>,
}

impl fmt::Debug for ForeignIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.len();
        f.debug_struct("ForeignIndex")
            .field("directory", &self.directory)
            .field("tables", &tables)
            .finish()
    }
}

impl ForeignIndex {
    /// Opens the copies in `directory`, which need not exist. Only copies of the other store's
    /// `segments` are used. An unreadable copy counts as missing.
    pub fn open(directory: &Path, segments: &[Id]) -> Result<Self> {
        let mut listed = segments.to_vec();
        listed.sort_unstable();
        listed.dedup();
        let mut index = ForeignIndex { directory: directory.to_owned(), tables: Vec::new() };
        let (mut compacted, mut copies) = (Vec::new(), Vec::new());
        for (name, extension) in index.files()? {
            match extension.as_str() {
                "of" => compacted.push(name),
                _ if listed.binary_search(&name).is_ok() => copies.push(name),
                _ => {}
            }
        }
        for name in compacted {
            let Ok(bytes) = read::read_bounded(&index.path(&name, "of"), read::LARGE) else {
                continue;
            };
            let covers: Vec<Id> = bytes.chunks_exact(Id::LEN).filter_map(Id::from_slice).collect();
            // A merged table is unusable if it contains a segment that the other store no longer
            // has.
            let is_listed = |id: &Id| listed.binary_search(id).is_ok();
            if covers.is_sorted() && covers.iter().all(is_listed) {
                index.map(&name, covers);
            }
        }
        index.tables.sort_by_key(|table| std::cmp::Reverse(table.covers.len()));
        // A killed merge leaves duplicate tables. Keep only tables that add segments.
        let mut had: HashSet<Id> = HashSet::new();
        index.tables.retain(|table| {
            let before = had.len();
            had.extend(&table.covers);
            had.len() > before
        });
        for name in copies {
            if !index.has_segment(&name) {
                index.map(&name, vec![name]);
            }
        }
        index.sort();
        Ok(index)
    }

    /// Lists the files that may belong to the index: names and extensions.
    fn files(&self) -> Result<Vec<(Id, String)>> {
        let entries = match std::fs::read_dir(&self.directory).on("read directory", &self.directory)
        {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.on("read directory", &self.directory)?.file_name();
            let parts = name.to_str().and_then(|name| name.split_once('.'));
            let Some((stem, extension @ ("of" | "idx"))) = parts else { continue };
            files.extend(Id::from_hex(stem.as_bytes()).map(|id| (id, extension.to_owned())));
        }
        files.sort_unstable();
        Ok(files)
    }

    fn path(&self, name: &Id, extension: &str) -> PathBuf {
        self.directory.join(format!("{name}.{extension}"))
    }

    fn map(&mut self, name: &Id, covers: Vec<Id>) {
        if let Ok(segment) = Segment::open(self.path(name, "idx")) {
            self.tables.push(ForeignTable { segment, covers });
        }
    }

    fn sort(&mut self) {
        self.tables.sort_by_key(|table| std::cmp::Reverse(table.segment.view().len()));
    }

    /// Returns true if the index has a copy of the segment `id`.
    pub fn has_segment(&self, id: &Id) -> bool {
        self.tables.iter().any(|table| table.covers.binary_search(id).is_ok())
    }

    /// Finds `id` in the other store: as bytes if possible, otherwise, for a file, as a manifest.
    pub fn locate(&self, id: &Id, need: Need) -> Result<Option<Location>> {
        let mut manifest = None;
        for table in &self.tables {
            for place in table.segment.view().locations(id) {
                let place = place.map_err(|defect| damaged_copy(table.segment.path(), defect))?;
                if place.kind != MemberKind::Manifest {
                    return Ok(Some(place));
                }
                manifest = Some(place);
            }
        }
        Ok(manifest.filter(|_| need == Need::File))
    }

    /// Finds all locations of `id` in the other store. Skips damaged entries.
    pub fn locations(&self, id: &Id) -> Vec<Location> {
        let tables = self.tables.iter();
        tables
            .flat_map(|table| table.segment.view().locations(id).flatten().collect::<Vec<_>>())
            .collect()
    }

    /// Calls `each` once for every distinct entry of the copies. Skips damaged entries.
    pub fn visit(&self, each: &mut dyn FnMut(&Id, &Location)) {
        for (number, table) in self.tables.iter().enumerate() {
            let view = table.segment.view();
            for at in 0..view.len() {
                let (id, Ok(place)) = (view.id(at), view.location(at)) else { continue };
                let has_entry = |before: &ForeignTable| {
                    before.segment.view().locations(&id).flatten().any(|other| other == place)
                };
                if !self.tables[..number].iter().any(has_entry) {
                    each(&id, &place);
                }
            }
        }
    }

    /// Returns true if the other store has the needed form of `id`.
    pub fn contains(&self, id: &Id, need: Need) -> Result<bool> {
        Ok(self.locate(id, need)?.is_some())
    }

    /// The number of entries in the copies, and their size in bytes.
    pub fn size(&self) -> (u64, u64) {
        let sizes = self.tables.iter().map(|table| table.segment.size());
        sizes.fold((0, 0), |(entries, bytes), (more, size)| (entries + more, bytes + size))
    }

    /// Adds copies of segments, each with its id, after checking every byte. Several segments are
    /// merged into one file.
    pub fn add_segments<B: AsRef<[u8]>>(&mut self, segments: &[(Id, B)]) -> Result<()> {
        let mut fresh: Vec<(Id, &[u8])> = Vec::new();
        let mut taken = HashSet::new();
        for (id, bytes) in segments {
            if self.has_segment(id) || !taken.insert(*id) {
                continue;
            }
            checked(id, bytes.as_ref())?;
            fresh.push((*id, bytes.as_ref()));
        }
        atomic::create_dir_all(&self.directory)?;
        match &fresh[..] {
            [] => return Ok(()),
            [(id, bytes)] => {
                write(&self.path(id, "idx"), |out| Ok(out.write_all(bytes)?))?;
                self.map(id, vec![*id]);
            }
            _ => {
                let bytes: Vec<&[u8]> = fresh.iter().map(|(_, bytes)| *bytes).collect();
                self.add_compacted(&bytes, fresh.iter().map(|(id, _)| *id).collect())?;
            }
        }
        self.sort();
        self.merge_small()
    }

    /// Adds one segment from a file, as [`ForeignIndex::add_segments`] does.
    pub fn add_file(&mut self, id: &Id, file: &Path) -> Result<()> {
        let bytes = map(file)?;
        self.add_segments(&[(*id, &bytes[..])])
    }

    /// Writes the merger of several segments and uses it; `covers` are their ids.
    fn add_compacted(&mut self, segments: &[&[u8]], mut covers: Vec<Id>) -> Result<()> {
        covers.sort_unstable();
        covers.dedup();
        let views: Result<Vec<_>, _> =
            segments.iter().map(|bytes| SegmentView::open(bytes)).collect();
        let views = views.map_err(|defect| damaged_copy(&self.directory, defect))?;
        // Derive the name from the ids. No segment of a store has this name.
        let mut digest = Digest::default();
        for id in &covers {
            digest.update(id.as_bytes());
        }
        let name = digest.finish();
        write(&self.path(&name, "idx"), |out| {
            merge(&views, Keep::AllPlaces, &|_| false, out).map(drop)
        })?;
        write(&self.path(&name, "of"), |out| {
            Ok(covers.iter().try_for_each(|id| out.write_all(id.as_bytes()))?)
        })?;
        self.map(&name, covers);
        Ok(())
    }

    /// Records that the segment `compacted` has the same entries as `parts`, so that it need not be
    /// fetched. The index must have copies of all `parts`.
    pub fn stand_for(&mut self, compacted: &Id, parts: &[Id]) -> Result<()> {
        let has_part = |table: &ForeignTable| {
            parts.iter().any(|part| table.covers.binary_search(part).is_ok())
        };
        let tables = std::mem::take(&mut self.tables).into_iter();
        let (with_parts, others): (Vec<ForeignTable>, Vec<ForeignTable>) =
            tables.partition(has_part);
        self.tables = others;
        let bytes: Vec<&[u8]> = with_parts.iter().map(|table| table.segment.bytes()).collect();
        let covered = with_parts.iter().flat_map(|table| table.covers.iter().copied());
        let mut covers: Vec<Id> = covered.filter(|id| !parts.contains(id)).collect();
        covers.push(*compacted);
        let added = self.add_compacted(&bytes, covers);
        if added.is_err() {
            self.tables.extend(with_parts);
        }
        self.sort();
        added.and_then(|()| self.remove_unused())
    }

    /// Merges the small tables if there are too many tables.
    fn merge_small(&mut self) -> Result<()> {
        let count = count_to_merge(self.tables.iter().map(|table| &table.segment));
        if count == 0 {
            return Ok(());
        }
        let small = self.tables.split_off(self.tables.len() - count);
        let bytes: Vec<&[u8]> = small.iter().map(|table| table.segment.bytes()).collect();
        let covers = small.iter().flat_map(|table| table.covers.iter().copied()).collect();
        self.add_compacted(&bytes, covers)?;
        self.sort();
        self.remove_unused()
    }

    fn remove_unused(&self) -> Result<()> {
        for (name, extension) in self.files()? {
            let path = self.path(&name, "idx");
            if !self.tables.iter().any(|table| table.segment.path() == path) {
                atomic::remove_file(&self.path(&name, &extension))?;
            }
        }
        Ok(())
    }
}

/// Writes a file of the index, durably.
fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), MergeError>,
) -> Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 18, TempFile::beside(path)?);
    write(&mut out).map_err(|error| match error {
        MergeError::Io(source) => Error::io("write", path, source),
        MergeError::Format(defect) => damaged_copy(path, defect),
    })?;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error);
    file.on("write", path)?.persist(path)
}

fn damaged_copy(path: &Path, defect: FormatError) -> Error {
    Error::corrupt(format!("the copy '{}' of an index segment is damaged", path.display()))
        .with_source(defect)
        .with_hint("remove the copy; it will be fetched again")
}

/// Reads ranges of one file and returns their bytes in order.
pub type ReadRanges<'a, B> = dyn Fn(&[Range<u64>]) -> Result<Vec<B>> + 'a;

/// Looks ids up in a remote segment of `size` bytes that has no local copy. `read` returns the
/// bytes of ranges, which are sorted and disjoint. It is called up to four times, or a few more
/// times if the segment is very large or unusual. If the ids are too many for memory, `read` is
/// called that often for each part of the ids.
///
/// For each found id, returns the first location, preferring bytes to a manifest. The checks cover
/// only what the look-up itself needs. Reading the content later verifies the content.
pub fn find_remotely<B: AsRef<[u8]>>(
    size: u64,
    ids: &[Id],
    read: &ReadRanges<'_, B>,
) -> Result<Vec<(Id, Location)>> {
    let damaged = |defect| Error::corrupt("a remote index segment is damaged").with_source(defect);
    let mut found = Vec::new();
    let mut parts = vec![Lookup::new(size, ids)];
    while let Some(mut lookup) = parts.pop() {
        loop {
            let ranges = lookup.ranges().map_err(damaged)?;
            if ranges.is_empty() {
                found.extend(lookup.into_found());
                break;
            }
            let sum = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            if sum > AT_ONCE && lookup.ids() > 1 {
                let (middle, end) = (lookup.ids() / 2, lookup.ids());
                parts.push(lookup.part(middle..end));
                parts.push(lookup.part(0..middle));
                break;
            }
            lookup.add(&ranges, &read(&ranges)?).map_err(damaged)?;
        }
    }
    Ok(found)
}
