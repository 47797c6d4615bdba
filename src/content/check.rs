//! Checks the whole store: segments, packs, manifests. What is damaged is named, and left aside so
//! that the rest can be asked for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use super::ContentStore;
use super::segments::{SegmentSet, damaged, segment_files};
use super::verify::{PackCheck, PackReport, reason};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::pack::{Location, SegmentView};
use crate::progress::{Progress, Unit};

/// A part of a content store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentPart {
    /// An index segment, by its file's name.
    Segment(String),
    /// A pack.
    Pack(Id),
    /// A file's content.
    Content(Id),
}

/// Something wrong with a content store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentDefect {
    /// Where.
    pub part: ContentPart,
    /// What.
    pub problem: String,
    /// How many contents (blobs, chunks, manifests) can't be read for it, as far as known.
    pub lost: u64,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ContentTotals {
    /// Index segments.
    pub segments: u64,
    /// Entries in them.
    pub entries: u64,
    /// Packs that are in the index.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Packs that are not in the index.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
}

/// A content store under check.
///
/// First the segments are read ([`ContentStore::check`]), then [`ContentCheck::check_packs`] and
/// [`ContentCheck::check_manifests`] find what can't be read; [`ContentCheck::has`] tells of any
/// content whether it can be.
#[derive(Debug)]
pub struct ContentCheck {
    pub(super) store: ContentStore,
    pub(super) segments: Arc<SegmentSet>,
    /// The packs that are there, and their bytes.
    pub(super) present: HashMap<Id, u64>,
    /// Entries that the sound segments have for each pack.
    pub(super) entries: BTreeMap<Id, u64>,
    lost_frames: HashSet<(Id, u64)>,
    pub(super) lost: HashSet<Id>,
    pub(super) damaged_segments: Vec<PathBuf>,
    /// Packs that are to be written anew.
    pub(super) damaged_packs: Vec<Id>,
    /// Lists of chunks that say what is not so; their packs count as damaged.
    pub(super) wrong_manifests: HashSet<Id>,
    /// Packs whose file has another name: the name it has and the one it should have.
    pub(super) misnamed: Vec<(Id, Id)>,
    /// Whether the segments say what the packs do not.
    pub(super) is_contradicted: bool,
    pub(super) defects: Vec<ContentDefect>,
}

impl ContentStore {
    /// Begins a check: reads the segments, every byte of them.
    pub fn check(&self) -> Result<ContentCheck> {
        let defects = self.check_segments()?;
        let damaged_segments: Vec<PathBuf> = defects.iter().map(|(path, _)| path.clone()).collect();
        let store = self.without(damaged_segments.clone());
        let segments = store.refresh()?;
        // After the segments, because a pack is there before a segment names it.
        let present: HashMap<Id, u64> = self.packs()?.into_iter().collect();
        let mut entries = BTreeMap::new();
        for (_, location) in segments.entries() {
            *entries.entry(location.pack).or_insert(0) += 1;
        }
        let defects = defects.into_iter().map(|(path, error)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ContentDefect { part: ContentPart::Segment(name), problem: reason(&error), lost: 0 }
        });
        let mut check = ContentCheck {
            defects: defects.collect(),
            store,
            segments,
            present,
            entries,
            lost_frames: HashSet::new(),
            lost: HashSet::new(),
            damaged_segments,
            damaged_packs: Vec::new(),
            wrong_manifests: HashSet::new(),
            misnamed: Vec::new(),
            is_contradicted: false,
        };
        check.find_missing_packs();
        Ok(check)
    }

    /// The segments that are not whole, and why.
    fn check_segments(&self) -> Result<Vec<(PathBuf, Error)>> {
        let mut defects = Vec::new();
        for path in segment_files(&self.index_dir())? {
            let checked = super::map::map(&path).and_then(|bytes| {
                let verified = SegmentView::open(&bytes).and_then(|view| view.verify());
                verified.map_err(|defect| damaged(&path, defect))?;
                let name = Id::from_slice(&bytes[bytes.len() - Id::LEN..]);
                if path.file_stem().and_then(|stem| stem.to_str())
                    != name.map(|n| n.to_hex()).as_deref()
                {
                    return Err(Error::corrupt("its bytes are not those it is named after"));
                }
                Ok(())
            });
            match checked {
                Ok(()) => {}
                // Merged into another one meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => defects.push((path, error)),
            }
        }
        Ok(defects)
    }
}

impl ContentCheck {
    fn find_missing_packs(&mut self) {
        for (pack, entries) in &self.entries {
            if !self.present.contains_key(pack) {
                self.defects.push(ContentDefect {
                    part: ContentPart::Pack(*pack),
                    problem: "it is missing".to_owned(),
                    lost: *entries,
                });
            }
        }
    }

    /// How much there is.
    pub fn totals(&self) -> ContentTotals {
        let mut totals = ContentTotals {
            segments: self.segments.all().len() as u64,
            entries: self.entries.values().sum(),
            ..ContentTotals::default()
        };
        for (pack, length) in &self.present {
            let (packs, bytes) = if self.entries.contains_key(pack) {
                (&mut totals.packs, &mut totals.pack_bytes)
            } else {
                (&mut totals.orphans, &mut totals.orphan_bytes)
            };
            *packs += 1;
            *bytes += length;
        }
        totals
    }

    /// What is wrong, as far as it was looked for.
    pub fn defects(&self) -> &[ContentDefect] {
        &self.defects
    }

    /// Whether the content with `id` is there and nothing is known against it.
    pub fn has(&self, id: &Id) -> bool {
        let place = self.segments.locate(id, false).ok().flatten();
        !self.lost.contains(id) && place.is_some_and(|place| self.is_readable(&place))
    }

    /// Whether the index knows of `id`, readable or not.
    pub fn is_indexed(&self, id: &Id) -> bool {
        self.segments.locations(id).next().is_some()
    }

    /// Whether there are packs that no segment speaks of. One that is spoken of and has no entry
    /// was looked at: it holds nothing that is of use.
    pub fn has_unseen_packs(&self) -> bool {
        let seen = self.segments.packs();
        self.present.keys().any(|pack| !seen.contains(pack))
    }

    pub(super) fn is_readable(&self, place: &Location) -> bool {
        let end = place.frame.offset.checked_add(u64::from(place.frame.stored));
        let is_there = |length: &u64| end.is_some_and(|end| end <= *length);
        self.present.get(&place.pack).is_some_and(is_there)
            && !self.lost_frames.contains(&(place.pack, place.frame.offset))
    }

    /// Checks the packs with so many threads: that each agrees with the index, and with `full` all
    /// their bytes, also of packs that the index does not know.
    pub fn check_packs(
        &mut self,
        full: bool,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut packs: Vec<(Id, u64)> = self.present.iter().map(|(id, len)| (*id, *len)).collect();
        packs.retain(|(pack, _)| full || self.entries.contains_key(pack));
        packs.sort_unstable();
        let total = if full { packs.iter().map(|(_, len)| len).sum() } else { packs.len() as u64 };
        let unit = if full { Unit::Bytes } else { Unit::Items };
        progress.begin("checking packs", Some(total), unit);
        let reports = in_parallel(&packs, threads, |(pack, length)| {
            let check = PackCheck {
                store: &self.store,
                segments: &self.segments,
                pack: *pack,
                length: *length,
                entries: self.entries.get(pack).copied().unwrap_or_default(),
            };
            let report = check.run(full, progress)?;
            if !full {
                progress.advance(1);
            }
            Ok(report)
        })?;
        for ((pack, _), report) in packs.iter().zip(reports) {
            self.take_report(*pack, report);
        }
        Ok(())
    }

    fn take_report(&mut self, pack: Id, report: PackReport) {
        let missing =
            |name: &Id| self.entries.contains_key(name) && !self.present.contains_key(name);
        self.lost_frames.extend(report.lost_frames.iter().map(|offset| (pack, *offset)));
        self.lost.extend(report.misplaced);
        self.lost.extend(report.wrong);
        self.is_contradicted |= report.is_contradicted;
        let part = ContentPart::Pack(pack);
        if let Some(name) = report.true_name.filter(missing) {
            let problem = format!("it is the pack {name} under another name");
            self.defects.push(ContentDefect { part, problem, lost: 0 });
            self.misnamed.push((pack, name));
            return;
        }
        if report.is_damaged {
            self.damaged_packs.push(pack);
        }
        self.defects.extend(report.problems.into_iter().map(|(problem, lost)| {
            let part = part.clone();
            ContentDefect { part, problem, lost }
        }));
    }
}

/// What `work` makes of each of `items`, in their order, by so many threads.
pub(super) fn in_parallel<I: Sync, O: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> Result<O> + Sync,
) -> Result<Vec<O>> {
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, O)>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return Ok(done) };
            // Whoever fails leaves nothing to do for the others.
            let made = work(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?;
            done.push((at, made));
        }
    };
    let done = crate::threads::together(threads.min(items.len()), &run);
    let done = done.into_iter().collect::<Result<Vec<_>>>()?;
    let mut done: Vec<(usize, O)> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, made)| made).collect())
}
