//! Putting several Git packs together as one: what many small pushes sent becomes one file.

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
    /// Writes to `directory` one Git pack with the objects of all `packs`, each once, as they are
    /// deflated there. `packs` are SHA-256 and length of each; `open` gives its bytes. The same packs
    /// in the same order give the same bytes.
    ///
    /// Nothing in them is trusted: each is read as [`History::take_in_pack`] reads it, and fails as
    /// it does there. One at a time is on disk; what is held of an object is its id.
    pub fn join_packs<'s>(
        &self,
        packs: &[(Id, u64)],
        open: &dyn Fn(&Id) -> Result<Box<dyn Read + 's>>,
        directory: &Path,
        progress: &dyn Progress,
    ) -> Result<OutgoingPack> {
        let file = TempFile::new_in(directory)?;
        let mut out = BufWriter::with_capacity(1 << 18, file.file());
        // How many there are is known in the end.
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
