//! What is elsewhere: copies of index segments of another place, and look-ups in those of which there
//! is no copy.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Need;
use super::map::map;
use super::segments::Segment;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::read;
use crate::id::{Digest, Id};
use crate::pack::{
    FormatError, Keep, Location, Lookup, MemberKind, MergeError, SegmentView, merge,
};

/// Tables are put together when there are more than this many.
const MANY: usize = 8;

/// What ranged reads may bring at once, in bytes.
const AT_ONCE: u64 = 64 << 20;

/// A table on disk: a segment of the other place, or the union of some.
struct Table {
    segment: Segment,
    /// The segments that it has, sorted.
    covers: Vec<Id>,
}

/// Copies of index segments of another place, in a directory that can be thrown away.
///
/// A segment is named by the SHA-256 of all its bytes, `ID.idx`. Many small ones are kept as one,
/// whose ids stand in `NAME.of` beside the union `NAME.idx`.
pub struct ForeignIndex {
    directory: PathBuf,
    /// The largest first.
    tables: Vec<Table>,
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
    /// Opens the copies that are in `directory`, which need not be there: of the `segments` of the
    /// other place only. A copy that can't be read counts as none.
    pub fn open(directory: &Path, segments: &[Id]) -> Result<Self> {
        let mut listed = segments.to_vec();
        listed.sort_unstable();
        listed.dedup();
        let mut index = ForeignIndex { directory: directory.to_owned(), tables: Vec::new() };
        let (mut unions, mut copies) = (Vec::new(), Vec::new());
        for (name, extension) in index.files()? {
            match extension.as_str() {
                "of" => unions.push(name),
                _ if listed.binary_search(&name).is_ok() => copies.push(name),
                _ => {}
            }
        }
        for name in unions {
            let Ok(bytes) = read::read_bounded(&index.path(&name, "of"), read::LARGE) else {
                continue;
            };
            let covers: Vec<Id> = bytes.chunks_exact(Id::LEN).filter_map(Id::from_slice).collect();
            // A union with what the other place has no more can't be used in part.
            let is_listed = |id: &Id| listed.binary_search(id).is_ok();
            if covers.is_sorted() && covers.iter().all(is_listed) {
                index.map(&name, covers);
            }
        }
        index.tables.sort_by_key(|table| std::cmp::Reverse(table.covers.len()));
        // Of what is there twice, for a merge was killed, once is enough.
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

    /// The files that may be its own: names and extensions.
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
            self.tables.push(Table { segment, covers });
        }
    }

    fn sort(&mut self) {
        self.tables.sort_by_key(|table| std::cmp::Reverse(table.segment.view().len()));
    }

    /// Whether there is a copy of the segment `id`.
    pub fn has_segment(&self, id: &Id) -> bool {
        self.tables.iter().any(|table| table.covers.binary_search(id).is_ok())
    }

    /// Where `id` is elsewhere: as bytes where possible, else, for a file, as a manifest.
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

    /// All places of `id` elsewhere. What a damaged copy says is passed over.
    pub fn locations(&self, id: &Id) -> Vec<Location> {
        let tables = self.tables.iter();
        tables
            .flat_map(|table| table.segment.view().locations(id).flatten().collect::<Vec<_>>())
            .collect()
    }

    /// Shows every entry of the copies, each once. What a damaged copy says is passed over.
    pub fn visit(&self, each: &mut dyn FnMut(&Id, &Location)) {
        for (number, table) in self.tables.iter().enumerate() {
            let view = table.segment.view();
            for at in 0..view.len() {
                let (id, Ok(place)) = (view.id(at), view.location(at)) else { continue };
                let is_there = |before: &Table| {
                    before.segment.view().locations(&id).flatten().any(|other| other == place)
                };
                if !self.tables[..number].iter().any(is_there) {
                    each(&id, &place);
                }
            }
        }
    }

    /// Whether what is needed of `id` is elsewhere.
    pub fn contains(&self, id: &Id, need: Need) -> Result<bool> {
        Ok(self.locate(id, need)?.is_some())
    }

    /// Entries in the copies, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let sizes = self.tables.iter().map(|table| table.segment.size());
        sizes.fold((0, 0), |(entries, bytes), (more, size)| (entries + more, bytes + size))
    }

    /// Takes copies of segments in, each with its id, after every byte was checked. Several at once
    /// become one file.
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
                self.add_union(&bytes, fresh.iter().map(|(id, _)| *id).collect())?;
            }
        }
        self.sort();
        self.put_together()
    }

    /// As [`ForeignIndex::add_segments`] for one that is in a file.
    pub fn add_file(&mut self, id: &Id, file: &Path) -> Result<()> {
        let bytes = map(file)?;
        self.add_segments(&[(*id, &bytes[..])])
    }

    /// Writes and uses the union of segments; `covers` are their ids.
    fn add_union(&mut self, segments: &[&[u8]], mut covers: Vec<Id>) -> Result<()> {
        covers.sort_unstable();
        covers.dedup();
        let views: Result<Vec<_>, _> =
            segments.iter().map(|bytes| SegmentView::open(bytes)).collect();
        let views = views.map_err(|defect| damaged_copy(&self.directory, defect))?;
        // A name for what has this content; no segment of a place has it.
        let mut digest = Digest::default();
        for id in &covers {
            digest.update(id.as_bytes());
        }
        let name = digest.finish();
        write(&self.path(&name, "idx"), |out| merge(&views, Keep::AllPlaces, out).map(drop))?;
        write(&self.path(&name, "of"), |out| {
            Ok(covers.iter().try_for_each(|id| out.write_all(id.as_bytes()))?)
        })?;
        self.map(&name, covers);
        Ok(())
    }

    /// Notes that the segment `union` says what `parts` say, of all of which there are copies: it need
    /// not be fetched.
    pub fn stand_for(&mut self, union: &Id, parts: &[Id]) -> Result<()> {
        let has_part =
            |table: &Table| parts.iter().any(|part| table.covers.binary_search(part).is_ok());
        let tables = std::mem::take(&mut self.tables).into_iter();
        let (with_parts, others): (Vec<Table>, Vec<Table>) = tables.partition(has_part);
        self.tables = others;
        let bytes: Vec<&[u8]> = with_parts.iter().map(|table| table.segment.bytes()).collect();
        let covered = with_parts.iter().flat_map(|table| table.covers.iter().copied());
        let mut covers: Vec<Id> = covered.filter(|id| !parts.contains(id)).collect();
        covers.push(*union);
        let added = self.add_union(&bytes, covers);
        if added.is_err() {
            self.tables.extend(with_parts);
        }
        self.sort();
        added.and_then(|()| self.remove_unused())
    }

    /// Makes one of the small tables where there are many.
    fn put_together(&mut self) -> Result<()> {
        if self.tables.len() <= MANY {
            return Ok(());
        }
        let (mut chosen, mut sum) = (0, 0);
        for table in self.tables.iter().rev() {
            let size = table.segment.view().len();
            if chosen >= 2 && size > 2 * sum && self.tables.len() - chosen < MANY {
                break;
            }
            sum += size;
            chosen += 1;
        }
        let small = self.tables.split_off(self.tables.len() - chosen);
        let bytes: Vec<&[u8]> = small.iter().map(|table| table.segment.bytes()).collect();
        let covers = small.iter().flat_map(|table| table.covers.iter().copied()).collect();
        self.add_union(&bytes, covers)?;
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

/// The segment `id`, once it was checked that `bytes` are its.
pub(super) fn checked<'b>(id: &Id, bytes: &'b [u8]) -> Result<SegmentView<'b>> {
    if Digest::of(bytes) != *id {
        return Err(damaged_segment(id, "its bytes are not those it is named after"));
    }
    let verified = SegmentView::open(bytes).and_then(|view| view.verify().map(|()| view));
    verified.map_err(|defect| damaged_segment(id, &defect.to_string()))
}

pub(super) fn damaged_segment(id: &Id, why: &str) -> Error {
    Error::corrupt(format!("the index segment {id} is damaged: {why}"))
}

fn damaged_copy(path: &Path, defect: FormatError) -> Error {
    Error::corrupt(format!("the copy '{}' of an index segment is damaged", path.display()))
        .with_source(defect)
        .with_hint("remove it; it can be fetched again")
}

/// Gives the bytes of ranges of one file, in their order.
pub type ReadRanges<'a, B> = dyn Fn(&[Range<u64>]) -> Result<Vec<B>> + 'a;

/// Looks ids up in a segment of `size` bytes of which there is no copy. `read` gives the bytes of
/// ranges, which are in order and apart from each other; it is called up to four times, or a few more
/// for a segment that is very large or odd, and with many ids for each part of them that fits
/// into memory.
///
/// Of each id that is found it gives the first place, which is of bytes if there are some. What is
/// read is checked for what it takes to read on, no more: who reads the content finds out whether it
/// is right.
pub fn find_remotely<B: AsRef<[u8]>>(
    size: u64,
    ids: &[Id],
    read: &ReadRanges<'_, B>,
) -> Result<Vec<(Id, Location)>> {
    let damaged =
        |defect| Error::corrupt("an index segment elsewhere is damaged").with_source(defect);
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
