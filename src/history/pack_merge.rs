//! Combines several Git packs into one, so that many small pushes take up one file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use super::History;
use super::incoming::{body_length, read_entries, receive};
use super::object_pack::{finish_pack, pack_header};
use super::outgoing::OutgoingPack;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::Id;
use crate::progress::Progress;

impl History {
    /// Writes a Git pack with the objects of all `packs` to `directory`. Each object appears once,
    /// in its existing deflated form. `packs` has the SHA-256 and length of each pack, and `open`
    /// returns its bytes. The same packs in the same order produce the same bytes.
    ///
    /// Nothing in the packs is trusted: each is read like in [`History::import_pack`], and fails
    /// with the same errors. Only one input pack is on disk at a time, and only the ids of objects
    /// are in memory.
    pub fn merge_packs<'s>(
        &self,
        packs: &[(Id, u64)],
        open: &dyn Fn(&Id) -> Result<Box<dyn Read + 's>>,
        directory: &Path,
        progress: &dyn Progress,
    ) -> Result<OutgoingPack> {
        let file = TempFile::new_in(directory)?;
        let mut out = BufWriter::with_capacity(1 << 18, file.file());
        // The number of objects is known only at the end.
        out.write_all(&pack_header(0)).on("write", file.path())?;
        let mut written: HashSet<Id> = HashSet::new();
        for (id, size) in packs {
            let body = body_length(*size, id)?;
            let pack = TempFile::new_in(directory)?;
            receive(&pack, open(id)?.as_mut(), *id, body, progress)?;
            let entries = read_entries(&pack, body, *id, progress)?;
            for (index, entry) in entries.iter().enumerate() {
                let end = entries.get(index + 1).map_or(body, |next| next.offset);
                if written.insert(entry.id) {
                    copy(pack.file(), entry.offset, end, &mut out).on("write", file.path())?;
                }
            }
        }
        out.flush().on("write", file.path())?;
        drop(out);
        let finished = finish_pack(file.file(), written.len() as u64);
        let (id, size) = finished.on("write", file.path())?;
        Ok(OutgoingPack { file, id, size })
    }
}

/// Copies the bytes from `start` to `end` of `file`.
fn copy(mut file: &File, start: u64, end: u64, out: &mut dyn Write) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    match io::copy(&mut file.take(end - start), out)? {
        copied if copied == end - start => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
