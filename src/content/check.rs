//! Checks the whole store: segments, packs, manifests. Damaged parts are reported and ignored, so
//! that the rest stays readable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::ContentStore;
use super::segment_check::damaged;
use super::segments::{SegmentSet, segment_files};
use super::verify::{PackCheck, PackReport, reason};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::pack::{Location, SegmentView};
use crate::progress::{Progress, Unit};

/// A part of a content store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentPart {
    /// An index segment, by its file name.
    Segment(String),
    /// A pack.
    Pack(Id),
    /// A file's content.
    Content(Id),
}

/// A defect in a content store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentDefect {
    /// The damaged part.
    pub part: ContentPart,
    /// A description of the defect.
    pub problem: String,
    /// Number of contents (blobs, chunks, manifests) known to be unreadable because of this defect.
    pub lost: u64,
}

/// Totals of the checked parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ContentTotals {
    /// Index segments.
    pub segments: u64,
    /// Entries in the segments.
    pub entries: u64,
    /// Packs in the index.
    pub packs: u64,
    /// Total size of those packs in bytes.
    pub pack_bytes: u64,
    /// Packs that are missing from the index.
    pub orphans: u64,
    /// Total size of the orphans in bytes.
    pub orphan_bytes: u64,
}

/// The state of a check of a content store.
///
/// [`ContentStore::check`] reads the segments. Then [`ContentCheck::check_packs`] and
/// [`ContentCheck::check_manifests`] find unreadable content, and [`ContentCheck::has`] reports
/// whether a given content is readable.
#[derive(Debug)]
pub struct ContentCheck {
    pub(super) store: ContentStore,
    pub(super) segments: Arc<SegmentSet>,
    /// The packs that exist, with their sizes in bytes.
    pub(super) present: HashMap<Id, u64>,
    /// The number of entries for each pack in the undamaged segments.
    pub(super) entries: BTreeMap<Id, u64>,
    lost_frames: HashSet<(Id, u64)>,
    pub(super) lost: HashSet<Id>,
    pub(super) damaged_segments: Vec<PathBuf>,
    /// Packs to rewrite.
    pub(super) damaged_packs: Vec<Id>,
    /// Manifests with false statements; their packs count as damaged.
    pub(super) wrong_manifests: HashSet<Id>,
    /// Packs stored under a wrong file name: the current name and the correct name.
    pub(super) misnamed: Vec<(Id, Id)>,
    /// True if the segments contradict the packs.
    pub(super) is_contradicted: bool,
    pub(super) defects: Vec<ContentDefect>,
}

impl ContentStore {
    /// Begins a check: reads every byte of the segments.
    pub fn check(&self) -> Result<ContentCheck> {
        let defects = self.check_segments()?;
        let damaged_segments: Vec<PathBuf> = defects.iter().map(|(path, _)| path.clone()).collect();
        let store = self.without(damaged_segments.clone());
        let segments = store.refresh()?;
        // List the packs after the segments, because a pack exists before a segment names it.
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

    /// Finds the damaged segments and the reasons.
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
                    return Err(Error::corrupt("its bytes do not match its name"));
                }
                Ok(())
            });
            match checked {
                Ok(()) => {}
                // Another process merged this segment meanwhile.
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

    /// Counts the segments and packs of the store.
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

    /// Returns the defects found so far.
    pub fn defects(&self) -> &[ContentDefect] {
        &self.defects
    }

    /// Returns true if the content with `id` exists and has no known defect.
    pub fn has(&self, id: &Id) -> bool {
        let place = self.segments.locate(id, false).ok().flatten();
        !self.lost.contains(id) && place.is_some_and(|place| self.is_readable(&place))
    }

    /// Returns true if the index has `id`, readable or not.
    pub fn is_indexed(&self, id: &Id) -> bool {
        self.segments.locations(id).next().is_some()
    }

    /// Returns true if some packs are named by no segment. A pack that a segment names without
    /// entries was already checked and holds nothing useful.
    pub fn has_unseen_packs(&self) -> bool {
        let seen = self.segments.packs();
        self.present.keys().any(|pack| !seen.contains(pack))
    }

    pub(super) fn is_readable(&self, place: &Location) -> bool {
        let end = place.frame.offset.checked_add(u64::from(place.frame.stored));
        let is_inside = |length: &u64| end.is_some_and(|end| end <= *length);
        self.present.get(&place.pack).is_some_and(is_inside)
            && !self.lost_frames.contains(&(place.pack, place.frame.offset))
    }

    /// Checks the packs with `threads` threads: each pack must agree with the index. With `full`,
    /// also checks every byte of every pack, including packs that are missing from the index.
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
        let reports = crate::threads::map(threads, &packs, &|(pack, length)| {
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
