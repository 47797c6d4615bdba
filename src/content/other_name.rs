//! Gives a file for a remote another name, with the same content.
//!
//! A file is named by its bytes, and a name that a garbage collection on the remote has deleted is
//! never used again: a late deletion would hit the new file. A pack gets a skippable frame with
//! random bytes, which zstd, tar and readers pass over. A segment gets a random number in the unused
//! word of its header.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::{Digest, Id};
use crate::pack::{FOOTER_LEN, SEGMENT_SALT_AT, SKIPPABLE_HEADER_LEN, read_footer, salt_frame};

/// Returns true if nobody may use the name.
pub(crate) type IsDead<'a> = &'a dyn Fn(&Id) -> bool;

/// The number of names to try. Names are random, so the first one is nearly always free.
const TRIES: u32 = 100;

/// Copies a pack of `size` bytes under another name. Returns its name, its size and its file.
pub(super) fn rename_pack(
    session: &Session,
    pack: &File,
    size: u64,
    is_dead: IsDead<'_>,
) -> Result<(Id, u64, TempFile)> {
    let mut footer = [0; FOOTER_LEN];
    pack.read_exact_at(&mut footer, size.saturating_sub(FOOTER_LEN as u64)).on("read", "a pack")?;
    let (index, _) = read_footer(&footer, size)
        .map_err(|defect| Error::corrupt("a pack to send is damaged").with_source(defect))?;
    let before = index.saturating_sub(SKIPPABLE_HEADER_LEN as u64);
    for _ in 0..TRIES {
        let mut out = HashedFile::new(session)?;
        out.copy(pack, 0..before)?;
        out.put(&salt_frame(*uuid::Uuid::new_v4().as_bytes()))?;
        out.copy(pack, before..size)?;
        let (id, size, file) = out.finish();
        if !is_dead(&id) {
            return Ok((id, size, file));
        }
    }
    Err(no_name())
}

/// Copies a segment under another name. Returns its name and its file.
pub(super) fn rename_segment(
    session: &Session,
    segment: &TempFile,
    is_dead: IsDead<'_>,
) -> Result<(Id, TempFile)> {
    let size = segment.file().metadata().on("read", segment.path())?.len();
    let body = size.saturating_sub(Id::LEN as u64);
    for _ in 0..TRIES {
        let mut out = HashedFile::new(session)?;
        let salt = uuid::Uuid::new_v4().as_u128() as u32;
        out.copy(segment.file(), 0..SEGMENT_SALT_AT)?;
        out.put(&salt.to_le_bytes())?;
        out.copy(segment.file(), SEGMENT_SALT_AT + 4..body)?;
        // The last bytes are the digest of all bytes before them.
        let checksum = out.digest.clone().finish();
        out.put(checksum.as_bytes())?;
        let (id, _, file) = out.finish();
        if !is_dead(&id) {
            return Ok((id, file));
        }
    }
    Err(no_name())
}

fn no_name() -> Error {
    Error::internal("no free name was found for a file to send")
}

/// A temporary file and the digest of its bytes.
struct HashedFile {
    file: TempFile,
    digest: Digest,
    size: u64,
}

impl HashedFile {
    fn new(session: &Session) -> Result<Self> {
        Ok(HashedFile { file: session.temp_file()?, digest: Digest::default(), size: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).on("write", self.file.path())
    }

    fn copy(&mut self, from: &File, range: std::ops::Range<u64>) -> Result<()> {
        let mut buffer = vec![0; 1 << 18];
        let mut at = range.start;
        while at < range.end {
            let count = (buffer.len() as u64).min(range.end - at) as usize;
            from.read_exact_at(&mut buffer[..count], at).on("read", "a file to send")?;
            self.put(&buffer[..count])?;
            at += count as u64;
        }
        Ok(())
    }

    fn finish(self) -> (Id, u64, TempFile) {
        (self.digest.finish(), self.size, self.file)
    }
}
