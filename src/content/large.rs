//! Imports large files: one worker reads and hashes the file and finds the cuts; all workers hash,
//! look up and compress the pieces.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::TrySendError;

use super::batch::Batch;
use super::ingest::{ItemError, Shared, Tally, changed, cut, regular};
use super::large_queue::{LargeFile, LargeState, Piece};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::stat::Stat;
use crate::id::{Id, ObjectHasher};
use crate::pack::{Chunk, write_line};
use crate::progress::check_interrupt;

/// The number of bytes per read.
const READ: usize = 4 << 20;

impl Shared<'_> {
    /// Reads a large file to its end.
    pub(super) fn read_large(
        &self,
        index: u32,
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let found = self.read_pieces(index, batch, tally);
        self.large.reading.fetch_sub(1, Ordering::SeqCst);
        tally.settle(index, found.map(|(id, stat)| (id, Some(stat))))
    }

    fn read_pieces(
        &self,
        index: u32,
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> std::result::Result<(Id, Stat), ItemError> {
        let shown = self.shown(index);
        let source = self.root.open_file(&self.items[index as usize].path).on("read", &shown)?;
        let before = regular(&source, || shown.clone())?;
        let file = Arc::new(LargeFile { state: Mutex::default() });
        let mut hasher = ObjectHasher::blob(before.size);
        let mut left = before.size;
        let mut number = 0;
        let mut rest: Vec<u8> = Vec::new();
        loop {
            check_interrupt(self.progress).map_err(ItemError::Store)?;
            let mut bytes = self.buffers.take(READ + 1);
            bytes.extend_from_slice(&rest);
            let fresh = bytes.len();
            let want = ((READ - fresh) as u64).min(left + 1);
            (&source).take(want).read_to_end(&mut bytes).on("read", &shown)?;
            let got = (bytes.len() - fresh) as u64;
            if got > left {
                return Err(changed(&shown).into());
            }
            left -= got;
            let at_end = got < want;
            hasher.update(&bytes[fresh..]);
            tally.read += got;
            self.progress.advance(got);
            let (chunks, whole) = self.whole_chunks(&bytes, at_end);
            rest.clear();
            rest.extend_from_slice(&bytes[whole..]);
            bytes.truncate(whole);
            if !chunks.is_empty() {
                let piece = Piece { bytes, chunks, number, file: Arc::clone(&file) };
                self.hand_over(piece, batch, tally).map_err(ItemError::Store)?;
                number += 1;
            }
            if at_end {
                break;
            }
        }
        let after = Stat::of_file(&source).on("read", &shown)?;
        if left > 0 || !before.same_content(&after) {
            return Err(changed(&shown).into());
        }
        let id = hasher.finish();
        let mut state = file.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.read = Some((id, number));
        self.conclude(&mut state).map_err(ItemError::Store)?;
        Ok((id, before))
    }

    /// Returns the lengths of the certain chunks at the start of `bytes`, and their sum. A cut is
    /// certain if a chunk of maximal length would have fit, or if the file ends.
    fn whole_chunks(&self, bytes: &[u8], at_end: bool) -> (Vec<usize>, usize) {
        let params = self.store.params();
        let mut chunks = Vec::new();
        let mut sum = 0;
        for chunk in cut(bytes, params) {
            if !at_end && bytes.len() - sum < params.chunk_max as usize {
                break;
            }
            chunks.push(chunk.len());
            sum += chunk.len();
        }
        (chunks, sum)
    }

    /// Gives a piece to a free worker, or processes it on this thread if all are busy.
    fn hand_over(&self, piece: Piece, batch: &mut Batch<'_, '_>, tally: &mut Tally) -> Result<()> {
        match self.large.sender.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(piece)) => self.take_piece(piece, batch, tally),
            Err(TrySendError::Disconnected(_)) => {
                Err(Error::internal("the upload threads ended early"))
            }
        }
    }

    /// Hashes, looks up and stores the chunks of a piece.
    pub(super) fn take_piece(
        &self,
        piece: Piece,
        batch: &mut Batch<'_, '_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut chunks = Vec::with_capacity(piece.chunks.len());
        let mut start = 0;
        for length in piece.chunks {
            chunks.push(self.store_chunk(&piece.bytes[start..start + length], batch, tally)?);
            start += length;
        }
        self.buffers.put(piece.bytes);
        let mut state = piece.file.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.pieces.len() <= piece.number {
            state.pieces.resize_with(piece.number + 1, || None);
        }
        state.pieces[piece.number] = Some(chunks);
        state.done += 1;
        self.conclude(&mut state)
    }

    /// Writes the manifest once the file is read and all its pieces are stored.
    fn conclude(&self, state: &mut LargeState) -> Result<()> {
        let Some((id, count)) = state.read else { return Ok(()) };
        if state.done < count {
            return Ok(());
        }
        state.read = None;
        let pieces = std::mem::take(&mut state.pieces);
        let chunks: Vec<Chunk> = pieces.into_iter().flatten().flatten().collect();
        // A file with one chunk has the same id as that chunk and needs no manifest.
        if chunks.len() < 2 || self.store.locate_known(&id)?.is_some() || !self.in_flight.take(&id)
        {
            return Ok(());
        }
        let mut manifest = Vec::with_capacity(chunks.len() * 72);
        for chunk in &chunks {
            write_line(&mut manifest, chunk);
        }
        self.add_manifest(id, manifest);
        Ok(())
    }
}
