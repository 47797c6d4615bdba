//! Checks one pack: its own index, its entries in the store's index, and optionally every byte.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::is_in_bounds;
use super::frame_check::{FrameChecker, FrameDefect};
use super::segments::SegmentSet;
use super::{ContentStore, Reader};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::read;
use crate::id::{Digest, Id};
use crate::pack::{FrameEntry, Location, MemberEntry, MemberKind, PackIndex};
use crate::progress::{Progress, check_interrupt};

/// The block size for hashing bytes outside of frames.
const BLOCK: usize = 1 << 20;

/// A pack to check.
#[derive(Clone, Copy)]
pub(super) struct PackCheck<'a> {
    pub(super) store: &'a ContentStore,
    /// The undamaged segments.
    pub(super) segments: &'a SegmentSet,
    pub(super) pack: Id,
    /// The size of the pack's file in bytes.
    pub(super) length: u64,
    /// The number of entries that the segments have for the pack.
    pub(super) entries: u64,
}

/// The outcome of checking one pack.
#[derive(Default)]
pub(super) struct PackReport {
    /// Each problem, with the number of contents that it makes unreadable.
    pub(super) problems: Vec<(String, u64)>,
    /// The offsets of the unreadable frames.
    pub(super) lost_frames: BTreeSet<u64>,
    /// Contents with a wrong location in the segments.
    pub(super) misplaced: Vec<Id>,
    /// Contents whose bytes do not match their id.
    pub(super) wrong: Vec<Id>,
    /// True if the pack differs from how it was written.
    pub(super) is_damaged: bool,
    /// True if the segments and the pack contradict each other.
    pub(super) is_contradicted: bool,
    /// The SHA-256 of the pack's bytes, if it differs from the pack's name.
    pub(super) true_name: Option<Id>,
}

impl PackReport {
    fn damaged(&mut self, problem: String, lost: u64) {
        self.is_damaged = true;
        self.problems.push((problem, lost));
    }
}

impl PackCheck<'_> {
    /// Checks the pack's own index against the pack's length and against the segments. With `full`,
    /// also checks the pack's name, its frames, its members and their ids.
    pub(super) fn run(&self, full: bool, progress: &dyn Progress) -> Result<PackReport> {
        let mut report = PackReport::default();
        let (index, has_all) = match self.store.pack_index(&self.pack) {
            Ok(index) => {
                self.compare(&index, &mut report);
                (index, true)
            }
            Err(error) => {
                let problem = format!("its own index can't be read: {}", reason(&error));
                report.damaged(problem, 0);
                (indexed_members(self.segments, &self.pack), false)
            }
        };
        self.find_lost_frames(&index, &mut report);
        if full {
            self.read_all(&index, has_all, &mut report, progress)?;
        }
        Ok(report)
    }

    /// Compares the segments with the pack's own index.
    fn compare(&self, index: &PackIndex, report: &mut PackReport) {
        let mut members: Vec<&MemberEntry> = index.members.iter().collect();
        members.sort_unstable_by_key(|member| member.id);
        let (mut agreed, mut unknown) = (0, 0);
        for same_id in members.chunk_by(|a, b| a.id == b.id) {
            let id = same_id[0].id;
            let mut is_known = same_id.iter().all(|member| member.kind == MemberKind::Manifest);
            for location in self.segments.locations(&id) {
                is_known = true;
                if location.pack != self.pack {
                    continue;
                }
                if same_id.iter().any(|member| is_at(index, member, &location)) {
                    agreed += 1;
                } else {
                    report.misplaced.push(id);
                }
            }
            unknown += u64::from(!is_known);
        }
        if agreed + report.misplaced.len() as u64 != self.entries {
            let own: HashSet<Id> = members.iter().map(|member| member.id).collect();
            let ours = self.segments.entries().filter(|(_, place)| place.pack == self.pack);
            report.misplaced.extend(ours.map(|(id, _)| id).filter(|id| !own.contains(id)));
        }
        let misplaced = report.misplaced.len() as u64;
        if misplaced > 0 {
            let problem = format!("the index has a wrong location for {misplaced} of its contents");
            report.problems.push((problem, misplaced));
        }
        // A pack that no segment names is an orphan, which is not a defect.
        if unknown > 0 && self.entries > 0 {
            report.problems.push((format!("{unknown} of its contents are not in the index"), 0));
        }
        report.is_contradicted = misplaced > 0 || (unknown > 0 && self.entries > 0);
    }

    /// Finds the frames that are unreadable according to the index's own numbers.
    fn find_lost_frames(&self, index: &PackIndex, report: &mut PackReport) {
        let frame_of = |member: &MemberEntry| index.frames.get(member.frame as usize);
        let (mut cut, mut oversized) = (0, 0);
        for member in &index.members {
            let Some(frame) = frame_of(member) else { continue };
            let end = frame.offset.checked_add(u64::from(frame.stored));
            if end.is_none_or(|end| end > self.length) {
                cut += 1;
            } else if !is_in_bounds(frame) && member.kind != MemberKind::Manifest {
                oversized += 1;
            } else {
                continue;
            }
            report.lost_frames.insert(frame.offset);
        }
        if cut > 0 {
            report.damaged(format!("it is cut off after {} bytes", self.length), cut);
        }
        if oversized > 0 {
            report.damaged("a frame's size is out of bounds".to_owned(), oversized);
        }
    }

    /// Reads the pack once from start to end. `has_all` is true if the index lists all members of
    /// each frame.
    fn read_all(
        &self,
        index: &PackIndex,
        has_all: bool,
        report: &mut PackReport,
        progress: &dyn Progress,
    ) -> Result<()> {
        let path = self.store.pack_path(&self.pack);
        let file = match read::open(&path).on("open", &path) {
            Ok(file) => file,
            Err(error) => {
                report.damaged(reason(&error), index.members.len() as u64);
                return Ok(());
            }
        };
        let mut bytes = Bytes { file, digest: Digest::default(), hashed: 0 };
        self.read_frames(index, has_all, &mut bytes, report, progress)?;
        match bytes.hash_rest(progress)? {
            Ok(name) if name == self.pack => {}
            Ok(name) => {
                report.true_name = Some(name);
                report.damaged("its bytes do not match its name".to_owned(), 0);
            }
            Err(error) => report.damaged(format!("it can't be read: {error}"), 0),
        }
        Ok(())
    }

    fn read_frames(
        &self,
        index: &PackIndex,
        has_all: bool,
        bytes: &mut Bytes,
        report: &mut PackReport,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut members: Vec<&MemberEntry> = index.members.iter().collect();
        members.sort_by_key(|member| (member.frame, member.offset));
        let mut members = members.into_iter().peekable();
        let mut checker = FrameChecker::default();
        for (number, frame) in index.frames.iter().enumerate() {
            check_interrupt(progress)?;
            let mut own: Vec<&MemberEntry> = Vec::new();
            while let Some(member) = members.next_if(|member| member.frame as usize == number) {
                own.push(member);
            }
            if report.lost_frames.contains(&frame.offset) {
                continue;
            }
            let verdict = if is_in_bounds(frame) {
                let read = bytes.read(frame, &mut checker.compressed, progress);
                let read = read.map_err(FrameDefect::of_all);
                read.and_then(|()| checker.check(frame, &own, has_all))
            } else {
                let result = check_large(&mut self.store.reader(), &self.pack, frame, &own);
                result.map_err(FrameDefect::of_all)
            };
            if let Err(FrameDefect { problem, wrong }) = verdict {
                let lost = wrong.as_ref().map_or(own.len(), Vec::len) as u64;
                match wrong {
                    Some(wrong) => report.wrong.extend(wrong),
                    None => _ = report.lost_frames.insert(frame.offset),
                }
                let problem = format!("frame {number} at byte {}: {problem}", frame.offset);
                report.damaged(problem, lost);
            }
        }
        Ok(())
    }
}

/// Checks a frame that is too large for memory. Every member must be a manifest.
pub(super) fn check_large(
    reader: &mut Reader<'_>,
    pack: &Id,
    frame: &FrameEntry,
    own: &[&MemberEntry],
) -> Result<(), String> {
    for member in own {
        if member.kind != MemberKind::Manifest {
            return Err("a frame's size is out of bounds".to_owned());
        }
        let (kind, offset, size) = (member.kind, member.offset, member.size);
        let location = Location { kind, pack: *pack, frame: *frame, offset, size };
        reader.chunks(&location, |_| Ok(())).map_err(|error| reason(&error))?;
    }
    Ok(())
}

/// Returns true if the segments' `location` matches the pack's `member`.
fn is_at(index: &PackIndex, member: &MemberEntry, location: &Location) -> bool {
    (member.kind, member.offset, member.size) == (location.kind, location.offset, location.size)
        && index.frames.get(member.frame as usize) == Some(&location.frame)
}

/// Collects the segments' entries for a pack, in the format of the pack's own index.
pub(super) fn indexed_members(segments: &SegmentSet, pack: &Id) -> PackIndex {
    let mut frames: BTreeMap<u64, (FrameEntry, Vec<MemberEntry>)> = BTreeMap::new();
    for (id, location) in segments.entries().filter(|(_, location)| location.pack == *pack) {
        let (kind, offset, size) = (location.kind, location.offset, location.size);
        let member = MemberEntry { id, kind, frame: 0, offset, size };
        let (_, members) = frames.entry(location.frame.offset).or_insert((location.frame, vec![]));
        if !members.contains(&member) {
            members.push(member);
        }
    }
    let mut index = PackIndex::default();
    for (number, (frame, members)) in frames.into_values().enumerate() {
        index.frames.push(frame);
        let frame = number as u32;
        index.members.extend(members.into_iter().map(|member| MemberEntry { frame, ..member }));
    }
    index
}

/// Returns the root cause of an error in a few words.
pub(super) fn reason(error: &Error) -> String {
    let cause = error.causes().pop().unwrap_or_else(|| error.message().to_owned());
    match error.kind() {
        ErrorKind::NotFound => format!("{}: {cause}", error.message()),
        _ => cause,
    }
}

/// Computes the SHA-256 of the file at `path`. Returns `None` if the file is unreadable.
pub(super) fn name_of(path: &Path, progress: &dyn Progress) -> Result<Option<Id>> {
    let Ok(file) = read::open(path) else { return Ok(None) };
    let bytes = Bytes { file, digest: Digest::default(), hashed: 0 };
    Ok(bytes.hash_rest(progress)?.ok())
}

/// The bytes of a pack and their running digest.
struct Bytes {
    file: File,
    digest: Digest,
    /// The number of bytes hashed so far.
    hashed: u64,
}

impl Bytes {
    /// Reads a frame, and hashes it if it directly follows the hashed bytes.
    fn read(
        &mut self,
        frame: &FrameEntry,
        buffer: &mut Vec<u8>,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        buffer.resize(frame.stored as usize, 0);
        let read = self.file.read_exact_at(buffer, frame.offset);
        read.map_err(|error| error.to_string().to_lowercase())?;
        if self.hashed == frame.offset {
            self.digest.update(buffer);
            self.hashed += u64::from(frame.stored);
            progress.advance(u64::from(frame.stored));
        }
        Ok(())
    }

    /// Hashes the remaining bytes and returns the digest of the whole file.
    fn hash_rest(mut self, progress: &dyn Progress) -> Result<std::io::Result<Id>> {
        let mut block = vec![0; BLOCK];
        loop {
            check_interrupt(progress)?;
            match self.file.read_at(&mut block, self.hashed) {
                Ok(0) => return Ok(Ok(self.digest.finish())),
                Ok(got) => {
                    self.digest.update(&block[..got]);
                    self.hashed += got as u64;
                    progress.advance(got as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}
