//! Reads an object of a remote as a stream, in bounded memory.

use std::io::{self, Read};
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::error::Error;
use crate::progress::{Progress, check_interrupt};
use crate::remote::Store;

/// The number of bytes of one request.
const BLOCK: u64 = 4 << 20;

/// Reads an object from start to end, block by block.
pub(crate) struct ObjectReader<'a> {
    store: &'a Store,
    key: String,
    /// The range that was not requested yet.
    left: Range<u64>,
    block: Bytes,
    has_failed: bool,
    progress: &'a dyn Progress,
}

impl<'a> ObjectReader<'a> {
    /// Creates a reader of the bytes `range` of the object `key`. Reports the received bytes to
    /// `progress`.
    pub(crate) fn new(
        store: &'a Store,
        key: String,
        range: Range<u64>,
        progress: &'a dyn Progress,
    ) -> Self {
        ObjectReader { store, key, left: range, block: Bytes::new(), has_failed: false, progress }
    }

    /// Describes the defect of the object if `error` came from reading it. Returns the error if it
    /// concerns the whole store or the use of the bytes.
    pub(crate) fn defect(&self, error: Error) -> Result<String, Error> {
        self.store.defect_of_read(&self.key, error, self.has_failed)
    }

    /// Returns true if the store failed to return a part of the object.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn next_block(&mut self) -> Result<(), Error> {
        check_interrupt(self.progress)?;
        let end = self.left.end.min(self.left.start + BLOCK);
        self.block = self.store.read_range(&self.key, self.left.start..end)?;
        self.left.start = end;
        self.progress.advance(self.block.len() as u64);
        Ok(())
    }
}

impl Read for ObjectReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() && !self.left.is_empty() {
            let next = self.next_block();
            self.has_failed = next.is_err();
            next.map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.block.len());
        self.block.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
