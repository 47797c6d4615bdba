//! The index segments of a store: listing, mapping, searching, adding and merging them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::map::{Mapped, map};
use super::merge_policy::MergePolicy;
use super::segment_check::damaged;
use super::{ContentStore, Session};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::pack::{
    Keep, Layout, Location, MemberKind, MergeError, SegmentBuilder, SegmentView, merge,
};

/// Segments are merged if there are more than this many.
const MANY: usize = 8;
/// How segments are merged. The sizes are numbers of entries.
const POLICY: MergePolicy =
    MergePolicy { tiny: 0, times: 2, most: u64::MAX, most_files: usize::MAX, remaining: MANY };

/// Returns how many of the last segments to merge, if these segments are sorted from largest to
/// smallest; 0 if there are few.
pub(super) fn count_to_merge<'s>(segments: impl DoubleEndedIterator<Item = &'s Segment>) -> usize {
    let sizes: Vec<u64> = segments.rev().map(|segment| segment.size().0).collect();
    if sizes.len() > MANY { POLICY.count(&sizes) } else { 0 }
}

/// One mapped segment.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    bytes: Mapped,
    layout: Layout,
}

impl Segment {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let bytes = map(&path)?;
        let layout = SegmentView::open(&bytes).map_err(|defect| damaged(&path, defect))?.layout();
        Ok(Segment { path, bytes, layout })
    }

    pub(crate) fn view(&self) -> SegmentView<'_> {
        SegmentView::trusted(&self.bytes, self.layout)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of entries, and the size in bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.view().len() as u64, self.bytes.len() as u64)
    }
}

/// All segments of a store at one moment, sorted from largest to smallest.
#[derive(Debug, Default)]
pub(crate) struct SegmentSet {
    segments: Vec<Arc<Segment>>,
    read: bool,
}

impl SegmentSet {
    /// Creates a set that was not read yet.
    pub(crate) fn unread() -> Self {
        SegmentSet::default()
    }

    pub(crate) fn is_read(&self) -> bool {
        self.read
    }

    /// Maps the segments in `directory` except `ignored`. Reuses the mappings of `previous`.
    pub(crate) fn read(
        directory: &Path,
        previous: &SegmentSet,
        ignored: &[PathBuf],
    ) -> Result<Self> {
        // A segment that vanishes between listing and opening was merged: list again.
        for _ in 0..100 {
            match Self::read_once(directory, previous, ignored) {
                Err(error) if error.kind() == ErrorKind::NotFound && read::is_dir(directory)? => {}
                other => return other,
            }
        }
        Self::read_once(directory, previous, ignored)
    }

    fn read_once(directory: &Path, previous: &SegmentSet, ignored: &[PathBuf]) -> Result<Self> {
        let mut segments = Vec::new();
        for path in segment_files(directory)? {
            if ignored.contains(&path) {
                continue;
            }
            let known = previous.segments.iter().find(|segment| segment.path == path);
            match known {
                Some(segment) => segments.push(Arc::clone(segment)),
                None => segments.push(Arc::new(Segment::open(path)?)),
            }
        }
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.view().len()));
        Ok(SegmentSet { segments, read: true })
    }

    pub(crate) fn all(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// Finds `id`, preferring bytes to a manifest. With `bytes_only`, ignores manifests.
    pub(crate) fn locate(&self, id: &Id, bytes_only: bool) -> Result<Option<Location>> {
        let mut manifest = None;
        for segment in &self.segments {
            for location in segment.view().locations(id) {
                let location = location.map_err(|defect| damaged(&segment.path, defect))?;
                if location.kind != MemberKind::Manifest {
                    return Ok(Some(location));
                }
                manifest = Some(location);
            }
        }
        Ok(if bytes_only { None } else { manifest })
    }

    /// Finds all locations of `id`. Skips damaged entries.
    pub(crate) fn locations(&self, id: &Id) -> impl Iterator<Item = Location> {
        let places = |segment: &Arc<Segment>| segment.view().locations(id).flatten().collect();
        self.segments.iter().flat_map(move |segment| -> Vec<Location> { places(segment) })
    }

    /// Iterates over every entry: an id and its location. Skips damaged entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Id, Location)> {
        self.segments.iter().flat_map(|segment| {
            let view = segment.view();
            (0..view.len()).filter_map(move |at| Some((view.id(at), view.location(at).ok()?)))
        })
    }

    /// Collects all packs that the segments name.
    pub(crate) fn packs(&self) -> HashSet<Id> {
        self.segments
            .iter()
            .flat_map(|segment| segment.view().packs().collect::<Vec<_>>())
            .collect()
    }

    /// The number of entries, and the size in bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let sizes = self.segments.iter().map(|segment| segment.size());
        sizes.fold((0, 0), |(entries, bytes), (more, size)| (entries + more, bytes + size))
    }
}

/// Lists the files in `directory` that are named as segments.
pub(crate) fn segment_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let path = entry.on("read directory", directory)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "idx")
            && Id::from_hex(stem.as_bytes()).is_some()
        {
            files.push(path);
        }
    }
    Ok(files)
}

impl ContentStore {
    /// Writes a segment durably and uses it. The packs that it names must be durable already.
    pub(crate) fn add_segment(&self, session: &Session, builder: SegmentBuilder) -> Result<()> {
        self.write_fresh(session, builder)?;
        self.refresh()?;
        Ok(())
    }

    /// Writes a segment durably and returns its file, or `None` if the segment is empty.
    pub(super) fn write_fresh(
        &self,
        session: &Session,
        builder: SegmentBuilder,
    ) -> Result<Option<PathBuf>> {
        if builder.is_empty() {
            return Ok(None);
        }
        let write = |out: &mut dyn std::io::Write| builder.write_to(out).map_err(MergeError::from);
        self.write_segment(session, write).map(Some)
    }

    /// Writes a segment durably and returns its file.
    pub(super) fn write_segment(
        &self,
        session: &Session,
        write: impl FnOnce(&mut dyn std::io::Write) -> std::result::Result<Id, MergeError>,
    ) -> Result<PathBuf> {
        let written = super::spill::write(session, write)?;
        let path = self.index_dir().join(format!("{}.idx", written.checksum));
        written.file.persist(&path)?;
        Ok(path)
    }

    /// Merges the small segments if there are too many. The inputs stay until the merged segment is
    /// durable, so a reader always finds everything.
    pub(crate) fn merge_segments(&self, session: &Session) -> Result<()> {
        let set = self.refresh()?;
        let count = count_to_merge(set.all().iter().map(|segment| &**segment));
        if count == 0 {
            return Ok(());
        }
        let chosen = &set.all()[set.all().len() - count..];
        let views: Vec<_> = chosen.iter().map(|segment| segment.view()).collect();
        let merged =
            self.write_segment(session, |out| merge(&views, Keep::OnePlace, &|_| false, out))?;
        for segment in chosen {
            if *segment.path() != merged {
                atomic::remove_file(segment.path())?;
            }
        }
        self.refresh()?;
        Ok(())
    }
}
