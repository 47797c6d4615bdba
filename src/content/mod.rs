//! The content store: the uploaded files as chunks in packs, and the index of the packs.
//!
//! The store owns the directories `packs/`, `index/`, `cache/` and `tmp/` of a repository; no other
//! module writes to them. Packs and segments never change after they get their names.

mod assemble;
mod batch;
mod buffers;
mod check;
mod compact;
mod copy;
mod drop;
mod entries;
mod extract;
mod file_cache;
mod foreign;
mod frame;
mod frame_check;
mod ingest;
mod large;
mod large_frame;
mod large_queue;
mod manifests;
mod map;
mod merge_policy;
mod needed_places;
mod other_name;
mod outgoing;
mod outgoing_file;
mod pack_stream;
mod packer;
mod prepared_drop;
mod read;
mod rebuild;
mod receive;
mod repair;
mod salvage;
mod segment_check;
mod segments;
mod send;
mod session;
mod spill;
mod stat_cache;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic;
use crate::id::Id;
use crate::pack::{Location, MemberKind};

pub use check::{ContentCheck, ContentDefect, ContentPart, ContentTotals};
pub use compact::{CompactedPack, PackCompactor};
pub use drop::RewriteRule;
pub use entries::IndexEntries;
pub use extract::{Extract, Target};
pub use file_cache::{CachedFile, FetchContent, FileCache, Sharing, TrimmedFiles, trim_file_cache};
pub use foreign::{ForeignIndex, Need, ReadRanges, find_remotely};
pub use ingest::{IngestItem, Ingested, ItemKind, Stored};
pub(crate) use map::map as map_file;
pub use merge_policy::MergePolicy;
pub use outgoing::NewSegment;
pub use outgoing_file::{OutgoingPack, OutgoingSegment};
pub use pack_stream::verify_pack;
pub use prepared_drop::{Dropped, PreparedDrop};
pub use read::{Reader, Supply};
pub use rebuild::{Rebuilt, read_pack_index_at};
pub use receive::{Received, Receiver, check_frame, visit_manifests};
pub use repair::{ContentRepair, Salvaged};
use segments::SegmentSet;
pub use send::{HasContent, SendPlan};
pub use session::Session;
pub use spill::{filter_segments, merge_segments, visit_segment};
pub use stat_cache::{CacheEntry, StatCache};

/// Parameters for cutting, compressing and grouping content; fixed when a repository is created.
///
/// The parameters do not affect a file's id. The defaults were chosen by measurement; see the
/// book's decision page on chunk parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// The shortest chunk, in bytes; a file of at most this size is one blob.
    pub chunk_min: u32,
    /// The average length of a chunk, in bytes.
    pub chunk_avg: u32,
    /// The longest chunk, in bytes.
    pub chunk_max: u32,
    /// The size in bytes at which a frame is closed.
    pub frame_size: u32,
    /// The size in bytes at which a pack is closed.
    pub pack_size: u64,
    /// The zstd level for content that compresses well.
    pub level: i32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            chunk_min: 32 << 10,
            chunk_avg: 128 << 10,
            chunk_max: 512 << 10,
            frame_size: 1 << 20,
            pack_size: 64 << 20,
            level: 3,
        }
    }
}

impl Params {
    /// Returns the minimum, average and maximum size of a chunk, in bytes.
    pub fn chunk_sizes(&self) -> [u32; 3] {
        [self.chunk_min, self.chunk_avg, self.chunk_max]
    }

    /// The maximum size in bytes of a frame with blobs and chunks. A frame that states a larger
    /// size is refused before memory is reserved.
    pub const MAX_FRAME: u64 = 64 << 20;

    /// Checks that the parameters are within the bounds of the chunker and of the formats.
    pub fn validate(&self) -> Result<()> {
        use fastcdc::v2020 as cdc;
        let fits = |value: u32, low: usize, high: usize| (low..=high).contains(&(value as usize));
        let ok = fits(self.chunk_min, cdc::MINIMUM_MIN, cdc::MINIMUM_MAX)
            && fits(self.chunk_avg, cdc::AVERAGE_MIN, cdc::AVERAGE_MAX)
            && fits(self.chunk_max, cdc::MAXIMUM_MIN, cdc::MAXIMUM_MAX)
            && self.chunk_min <= self.chunk_avg
            && self.chunk_avg <= self.chunk_max
            && fits(self.frame_size, 4 << 10, 16 << 20)
            && (1 << 20..=4 << 30).contains(&self.pack_size)
            && (1..=19).contains(&self.level);
        if ok {
            return Ok(());
        }
        Err(Error::invalid(format!("the content parameters are out of bounds: {self:?}")).with_hint(
            "need 64 <= chunk_min <= chunk_avg <= chunk_max <= 16 MiB, 4 KiB <= frame_size <= 16 MiB, \
             1 MiB <= pack_size <= 4 GiB, 1 <= compression <= 19",
        ))
    }
}

/// The content store of one repository.
#[derive(Debug)]
pub struct ContentStore {
    root: PathBuf,
    params: Params,
    segments: RwLock<Arc<SegmentSet>>,
    /// Damaged segments, which are ignored.
    ignored: Vec<PathBuf>,
}

impl ContentStore {
    /// Creates the directories of a new store in the repository directory `root`.
    pub fn init(root: &Path) -> Result<()> {
        for name in ["packs", "index", "cache", "tmp"] {
            atomic::create_dir_all(&root.join(name))?;
        }
        for name in ["cache", "tmp"] {
            let tag = root.join(name).join("CACHEDIR.TAG");
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n\
                        # It is safe to delete this directory; art creates it again.\n";
            atomic::write(&tag, &root.join("tmp"), text.as_bytes())?;
        }
        atomic::sync_dir(root)
    }

    /// Opens the store in the repository directory `root`. The segments are read when first needed.
    pub fn open(root: &Path, params: Params) -> Result<Self> {
        params.validate()?;
        let segments = RwLock::new(Arc::new(SegmentSet::unread()));
        Ok(ContentStore { root: root.to_owned(), params, segments, ignored: Vec::new() })
    }

    /// The parameters for cutting, compressing and grouping content.
    pub fn params(&self) -> Params {
        self.params
    }

    pub(crate) fn packs_dir(&self) -> PathBuf {
        self.root.join("packs")
    }

    pub(crate) fn index_dir(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Opens the stat cache of this repository.
    pub fn stat_cache(&self) -> StatCache {
        StatCache::open(&self.root.join("cache"))
    }

    /// The directory for files that have no final name yet.
    pub fn tmp_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The path of a pack.
    pub fn pack_path(&self, pack: &Id) -> PathBuf {
        self.packs_dir().join(format!("{pack}.tar.zst"))
    }

    /// Lists the packs, sorted by id, with their sizes in bytes.
    pub fn packs(&self) -> Result<Vec<(Id, u64)>> {
        let directory = self.packs_dir();
        let mut packs = Vec::new();
        for entry in std::fs::read_dir(&directory).on("read directory", &directory)? {
            let entry = entry.on("read directory", &directory)?;
            let name = entry.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".tar.zst")) else {
                continue;
            };
            if let Some(id) = Id::from_hex(stem.as_bytes()) {
                let metadata = entry.metadata().on("read", entry.path())?;
                // A pack in whose place there is a directory is a missing pack.
                if !metadata.is_dir() {
                    packs.push((id, metadata.len()));
                }
            }
        }
        packs.sort_unstable();
        Ok(packs)
    }

    /// Returns a view of the same store without the segments `ignored`, which are unusable.
    fn without(&self, ignored: Vec<PathBuf>) -> Self {
        let segments = RwLock::new(Arc::new(SegmentSet::unread()));
        ContentStore { root: self.root.clone(), params: self.params, segments, ignored }
    }

    fn segments(&self) -> Result<Arc<SegmentSet>> {
        let current = Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner));
        if current.is_read() {
            return Ok(current);
        }
        self.refresh()
    }

    /// Rereads the segments: another process may have added or merged some.
    pub(crate) fn refresh(&self) -> Result<Arc<SegmentSet>> {
        let previous = Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner));
        let fresh = Arc::new(SegmentSet::read(&self.index_dir(), &previous, &self.ignored)?);
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// Finds the location of the content with `id`: as bytes if possible, otherwise as a manifest.
    pub fn locate(&self, id: &Id) -> Result<Option<Location>> {
        if let Some(found) = self.segments()?.locate(id, false)? {
            return Ok(Some(found));
        }
        self.refresh()?.locate(id, false)
    }

    /// Finds a location as [`ContentStore::locate`] does, for callers that know the segments are
    /// fresh.
    pub(crate) fn locate_known(&self, id: &Id) -> Result<Option<Location>> {
        self.segments()?.locate(id, false)
    }

    /// Returns true if the index, as this process last read it, has the content with `id`.
    pub fn is_indexed(&self, id: &Id) -> Result<bool> {
        Ok(self.segments()?.locate(id, false)?.is_some())
    }

    /// Returns true if the store has bytes with this id as a separate blob or chunk.
    pub(crate) fn has_bytes(&self, id: &Id) -> Result<bool> {
        let found = self.segments()?.locate(id, true)?;
        Ok(found.is_some_and(|location| location.kind != MemberKind::Manifest))
    }

    /// Returns true if the index has the content with `id`.
    pub fn contains(&self, id: &Id) -> Result<bool> {
        Ok(self.locate(id)?.is_some())
    }

    /// The number of entries in the index, and its size in bytes.
    pub fn index_size(&self) -> Result<(u64, u64)> {
        Ok(self.segments()?.size())
    }
}
