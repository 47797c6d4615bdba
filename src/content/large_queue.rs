//! The large files of an import: those that wait, and the pieces of those that are being read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::id::Id;
use crate::pack::Chunk;

/// Part of a large file, cut into whole chunks.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) chunks: Vec<usize>,
    pub(super) number: usize,
    pub(super) file: Arc<LargeFile>,
}

/// The state of a large file during its import, shared by its workers.
pub(super) struct LargeFile {
    pub(super) state: Mutex<LargeState>,
}

#[derive(Default)]
pub(super) struct LargeState {
    /// The chunks of each piece, by the piece's number.
    pub(super) pieces: Vec<Option<Vec<Chunk>>>,
    pub(super) done: usize,
    /// Set after the whole file was read: its id and the number of pieces.
    pub(super) read: Option<(Id, usize)>,
}

/// The large files that wait to be read, and the pieces that wait for a worker.
pub(super) struct LargeQueue {
    waiting: Mutex<VecDeque<u32>>,
    /// The number of files that are waiting or being read.
    pub(super) reading: AtomicUsize,
    pub(super) sender: Sender<Piece>,
    pieces: Receiver<Piece>,
}

impl LargeQueue {
    pub(super) fn new(large: Vec<u32>, sender: Sender<Piece>, pieces: Receiver<Piece>) -> Self {
        // A waiting file counts as being read, so that no worker leaves too early.
        let reading = AtomicUsize::new(large.len());
        LargeQueue { waiting: Mutex::new(large.into()), reading, sender, pieces }
    }

    pub(super) fn next(&self) -> Option<u32> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn try_piece(&self) -> Option<Piece> {
        self.pieces.try_recv().ok()
    }

    /// Returns a piece if one arrives within a short wait.
    pub(super) fn wait_piece(&self) -> Option<Piece> {
        self.pieces.recv_timeout(Duration::from_millis(2)).ok()
    }

    /// Returns true if no more pieces will come.
    pub(super) fn all_read(&self) -> bool {
        self.reading.load(Ordering::SeqCst) == 0 && self.pieces.is_empty()
    }
}
