//! Checks packs: that they are there, that their index holds, and in full that every byte is right.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::rebuild::read_at_most;
use super::{ContentStore, Params};
use crate::error::{Error, IoResultExt, Result};
use crate::id::{Digest, Id};
use crate::pack::{
    FormatError, FrameEntry, MemberEntry, MemberKind, PackIndex, parse_manifest, parse_members,
};
use crate::progress::{Progress, check_interrupt};

/// Something wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PackDefect {
    /// The pack.
    pub pack: Id,
    /// What is wrong.
    pub what: String,
    /// The objects that can't be read for it, as far as known.
    pub lost: Vec<Id>,
}

/// What a check of one pack found.
#[derive(Debug, Default)]
pub struct PackReport {
    /// Members in its index.
    pub members: usize,
    /// Bytes of the pack that were read.
    pub read: u64,
    /// What is wrong.
    pub defects: Vec<PackDefect>,
}

impl ContentStore {
    /// Checks that the index segments are whole; returns what is wrong with each that is not.
    pub fn verify_segments(&self) -> Result<Vec<Error>> {
        let mut defects = Vec::new();
        for path in super::segments::segment_files(&self.index_dir())? {
            let checked = super::map::map(&path).and_then(|bytes| {
                let view = crate::pack::SegmentView::open(&bytes);
                view.and_then(|view| view.verify())
                    .map_err(|defect| super::segments::damaged(&path, defect))
            });
            defects.extend(checked.err());
        }
        Ok(defects)
    }

    /// The packs that the index names.
    pub fn indexed_packs(&self) -> Result<Vec<Id>> {
        let mut packs: Vec<Id> = self.refresh()?.packs().into_iter().collect();
        packs.sort_unstable();
        Ok(packs)
    }

    /// Checks a pack's own index against its length: no content is read.
    pub fn verify_pack_structure(&self, pack: &Id) -> Result<PackReport> {
        let mut report = PackReport::default();
        match self.pack_index(pack) {
            Ok(index) => report.members = index.members.len(),
            Err(error) if error.kind() == crate::ErrorKind::Corrupt => {
                let causes = error.causes().join(": ");
                let what = format!("its index can't be read: {causes}");
                report.defects.push(PackDefect { pack: *pack, what, lost: Vec::new() });
            }
            Err(error) => return Err(error),
        }
        Ok(report)
    }

    /// Reads every byte of a pack: its name, its frames, its members, their ids.
    pub fn verify_pack(&self, pack: &Id, progress: &dyn Progress) -> Result<PackReport> {
        let mut report = self.verify_pack_structure(pack)?;
        let path = self.pack_path(pack);
        let file = File::open(&path).on("open", &path)?;
        let length = file.metadata().on("read", &path)?.len();
        let mut digest = Digest::default();
        let mut block = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < length {
            check_interrupt(progress)?;
            let got = file.read_at(&mut block, offset).on("read", &path)?;
            if got == 0 {
                break;
            }
            digest.update(&block[..got]);
            offset += got as u64;
            progress.advance(got as u64);
        }
        report.read = offset;
        if digest.finish() != *pack {
            let what = "its bytes are not those it is named after".to_owned();
            report.defects.push(PackDefect { pack: *pack, what, lost: Vec::new() });
        }
        if let Ok(index) = self.pack_index(pack) {
            self.verify_frames(pack, &index, &mut report, progress)?;
        }
        Ok(report)
    }

    fn verify_frames(
        &self,
        pack: &Id,
        index: &PackIndex,
        report: &mut PackReport,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut reader = self.reader();
        let mut members = index.members.iter().peekable();
        for (number, frame) in index.frames.iter().enumerate() {
            check_interrupt(progress)?;
            let mut own: Vec<&MemberEntry> = Vec::new();
            while let Some(member) = members.next_if(|member| member.frame as usize == number) {
                own.push(member);
            }
            if let Err(what) = check_frame(&mut reader, pack, frame, &own) {
                let lost = own.iter().map(|member| member.id).collect();
                let what = format!("frame {number} at byte {}: {what}", frame.offset);
                report.defects.push(PackDefect { pack: *pack, what, lost });
            }
        }
        Ok(())
    }
}

/// Checks one frame's members against the index and against their ids.
fn check_frame(
    reader: &mut super::Reader<'_>,
    pack: &Id,
    frame: &FrameEntry,
    own: &[&MemberEntry],
) -> std::result::Result<(), String> {
    let bytes = reader.frame(pack, frame).map_err(|error| error.to_string())?;
    let found = parse_members(&bytes).map_err(|defect| defect.to_string())?;
    if found.len() != own.len() {
        return Err(format!("{} members where the index has {}", found.len(), own.len()));
    }
    for ((kind, id, range), member) in found.into_iter().zip(own) {
        if (kind, id, range.start) != (member.kind, member.id, member.offset as usize)
            || range.len() != member.size as usize
        {
            return Err(format!("the member {id} is not where the index says"));
        }
        let content = &bytes[range];
        match kind {
            MemberKind::Manifest => {
                parse_manifest(content).map_err(|defect| format!("{id}: {defect}"))?;
            }
            MemberKind::Blob | MemberKind::Chunk => {
                if Id::of_blob(content) != id {
                    return Err(format!("the bytes of {id} are others"));
                }
            }
        }
    }
    Ok(())
}

/// Reads the frame at `offset` and its members, where no index tells; `None` at the archive's end.
pub(super) fn read_frame(
    file: &File,
    offset: u64,
    length: u64,
    window: &mut Vec<u8>,
) -> std::result::Result<Option<(FrameEntry, Vec<MemberEntry>)>, FormatError> {
    let mut limit = 2usize << 20;
    let stored = loop {
        *window = read_at_most(file, offset, limit).map_err(|_| FormatError::Truncated)?;
        if window.starts_with(&0x184D_2A5A_u32.to_le_bytes()) {
            return Ok(None);
        }
        match zstd::zstd_safe::find_frame_compressed_size(window) {
            Ok(stored) => break stored,
            Err(_) if window.len() == limit && limit as u64 <= Params::MAX_FRAME => limit *= 2,
            Err(_) => return Err(FormatError::NotA("a zstd frame")),
        }
    };
    let size = match zstd::zstd_safe::get_frame_content_size(window) {
        Ok(Some(size)) if size <= Params::MAX_FRAME => size,
        _ => return Err(FormatError::OutOfBounds("a frame's size")),
    };
    if offset + stored as u64 > length {
        return Err(FormatError::Truncated);
    }
    let bytes = zstd::bulk::decompress(&window[..stored], size as usize)
        .map_err(|_| FormatError::NotA("a zstd frame"))?;
    let members = parse_members(&bytes)?
        .into_iter()
        .map(|(kind, id, range)| MemberEntry {
            id,
            kind,
            frame: 0,
            offset: range.start as u32,
            size: range.len() as u32,
        })
        .collect();
    Ok(Some((FrameEntry { offset, stored: stored as u32, size }, members)))
}
