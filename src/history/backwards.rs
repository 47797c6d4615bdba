//! Reads the lines of a growing file from the last to the first, without reading the rest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use crate::error::{Error, IoResultExt, Result};
use crate::fs::read;

/// The size of the first block to read. It doubles for each further block, up to [`LARGEST_BLOCK`].
const BLOCK: u64 = 4096;

/// The maximum size of a block, unless a line is longer.
const LARGEST_BLOCK: u64 = 128 << 10;

/// The maximum length of a line that is kept in memory.
const MAX_LINE: u64 = 256 << 20;

/// The maximum length of a line with zero bytes that is kept in memory.
const MAX_ZEROS: u64 = 4 << 20;

/// Reads a file from its end.
#[derive(Debug)]
pub(super) struct Backwards {
    file: Option<File>,
    path: PathBuf,
    /// The offset of `pending` in the file.
    position: u64,
    /// The size of the next block.
    block: u64,
    /// Bytes that were read but not returned yet.
    pending: Vec<u8>,
    /// The maximum length of a line that is kept in memory.
    longest: u64,
}

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The bytes without the line feed.
    pub(super) bytes: Vec<u8>,
    /// The offset of the line in the file.
    pub(super) start: u64,
    /// True if the line ends with a line feed. Otherwise, the line is torn or still being written.
    pub(super) is_whole: bool,
}

impl Line {
    /// Returns true if this line is the whole file and contains zero bytes.
    pub(super) fn is_all_of_file_and_zero(&self) -> bool {
        self.start == 0 && self.bytes.contains(&0)
    }
}

impl Backwards {
    /// Opens the file at `path`. A missing file has no lines.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::open_bounded(path, MAX_LINE)
    }

    /// Like [`Backwards::open`], but a line longer than `longest` bytes is an error.
    pub(super) fn open_bounded(path: &Path, longest: u64) -> Result<Self> {
        let (file, position) = match read::open(path) {
            Ok(file) => {
                let metadata = file.metadata().on("read", path)?;
                (Some(file), metadata.len())
            }
            Err(error) if is_absent(&error) => (None, 0),
            Err(error) => return Err(error).on("open", path),
        };
        let (path, pending) = (path.to_owned(), Vec::new());
        Ok(Backwards { file, path, position, block: BLOCK, pending, longest })
    }

    /// Returns the line before the last returned one. Returns no line after an error, so that
    /// a caller that ignores errors ends.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>> {
        self.find_line().inspect_err(|_| {
            self.position = 0;
            self.pending.clear();
        })
    }

    fn find_line(&mut self) -> Result<Option<Line>> {
        let mut searched = 0;
        loop {
            let body = self.pending.strip_suffix(b"\n").unwrap_or(&self.pending);
            let unsearched = body.len().saturating_sub(searched);
            if let Some(newline) = body[..unsearched].rfind_byte(b'\n') {
                return Ok(Some(self.take_line(newline + 1)));
            }
            if self.position == 0 {
                return Ok((!self.pending.is_empty()).then(|| self.take_line(0)));
            }
            searched = body.len();
            self.read_before()?;
        }
    }

    fn take_line(&mut self, start: usize) -> Line {
        let mut bytes = self.pending.split_off(start);
        let is_whole = bytes.last() == Some(&b'\n');
        if is_whole {
            bytes.pop();
        }
        Line { bytes, start: self.position + start as u64, is_whole }
    }

    /// Reads the block before `pending` and prepends it.
    fn read_before(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let pending = self.pending.len() as u64;
        // A long run of zero bytes is what a crash leaves, and never part of a line.
        let is_zero = pending > MAX_ZEROS && self.pending[..BLOCK as usize].contains(&0);
        if is_zero || pending > self.longest {
            let path = self.path.display();
            let message = if is_zero {
                format!("'{path}' contains zero bytes")
            } else {
                format!("'{path}' has a line that is longer than {} bytes", self.longest)
            };
            return Err(Error::corrupt(message).with_hint("check the repository: art fsck"));
        }
        let length = self.block.max(pending).min(self.position);
        self.block = (2 * self.block).min(LARGEST_BLOCK);
        let mut block = vec![0; length as usize];
        file.read_exact_at(&mut block, self.position - length).on("read", &self.path)?;
        block.append(&mut self.pending);
        self.pending = block;
        self.position -= length;
        Ok(())
    }
}

/// Returns true if the path is missing or is a directory. A directory can hold nested names.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        crate::fs::atomic::append(&path, bytes).unwrap();
        let mut backwards = Backwards::open(&path).unwrap();
        std::iter::from_fn(|| backwards.next_line().unwrap()).collect()
    }

    #[test]
    fn a_missing_file_has_no_lines() {
        let mut backwards = Backwards::open(Path::new("/does/not/exist")).unwrap();
        assert_eq!(backwards.next_line().unwrap(), None);
    }

    #[test]
    fn a_long_run_of_zero_bytes_is_refused_before_much_of_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        crate::fs::atomic::append(&path, &vec![0; 32 << 20]).unwrap();
        let mut backwards = Backwards::open(&path).unwrap();
        let error = backwards.find_line().unwrap_err();
        assert!(error.message().ends_with("contains zero bytes"), "{error}");
        assert!(backwards.position > 16 << 20, "less than half was read");
        backwards.next_line().unwrap_err();
        assert_eq!(backwards.next_line().unwrap(), None, "an error ends the lines");
    }

    proptest! {
        #[test]
        fn the_lines_equal_a_reversed_split(
            text in prop::collection::vec(("[a-b]{0,3}", 0..9000usize), 0..8),
            ends_whole: bool,
        ) {
            let words: Vec<String> =
                text.iter().map(|(word, times)| word.repeat(times / 3 * (times % 3))).collect();
            let mut bytes = words.join("\n").into_bytes();
            if ends_whole && !bytes.is_empty() {
                bytes.push(b'\n');
            }
            let mut expected = Vec::new();
            let mut start = 0;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let is_whole = line.ends_with(b"\n");
                let body = &line[..line.len() - usize::from(is_whole)];
                expected.push(Line { bytes: body.to_vec(), start, is_whole });
                start += line.len() as u64;
            }
            expected.reverse();
            prop_assert_eq!(lines(&bytes), expected);
        }
    }
}
