//! The common interface of all archive formats, and the blocks and compressors that they write to.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::error::Result;

/// An archive that is being written. If it is dropped before it is finished, it writes nothing
/// more.
pub(super) trait Archive {
    /// Adds a directory.
    fn directory(&mut self, path: &[u8]) -> Result<()>;
    /// Adds a symbolic link.
    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<()>;
    /// Begins a file of `size` bytes. The caller writes its bytes to [`Archive::content`].
    fn begin_file(&mut self, path: &[u8], size: u64, executable: bool) -> Result<()>;
    /// Returns the writer for the bytes of the current file.
    fn content(&mut self) -> &mut dyn Write;
    /// Ends the current file.
    fn end_file(&mut self) -> Result<()>;
    /// Completes the archive.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The level of gzip, and of deflate in zip; the default of these tools.
pub(super) const GZIP_LEVEL: u32 = 6;

/// The compression of a `tar`.
pub(super) enum Compressor<'w> {
    None(&'w mut dyn Write),
    Gzip(GzEncoder<&'w mut dyn Write>),
    Zstd(ZstdEncoder<'static, &'w mut dyn Write>),
}

impl Compressor<'_> {
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Compressor::None(_) => Ok(()),
            Compressor::Gzip(encoder) => encoder.finish().map(drop),
            Compressor::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

impl Write for Compressor<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Compressor::None(out) => out.write(bytes),
            Compressor::Gzip(encoder) => encoder.write(bytes),
            Compressor::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The size of the blocks that compressors receive.
pub(super) const BLOCK: usize = 128 << 10;

/// Passes its input on in blocks of one size, however the input is divided.
pub(super) struct Blocks<W> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    pub(super) fn new(out: W) -> Self {
        Blocks { out, block: Vec::with_capacity(BLOCK) }
    }

    /// Passes the remaining bytes on. Later input starts a new block.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    pub(super) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    pub(super) fn into_out(self) -> W {
        self.out
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.end()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records the sizes of its writes.
    #[derive(Default)]
    struct Calls(Vec<usize>);

    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blocks_have_one_size_for_any_input() {
        for piece in [1000, BLOCK - 1, BLOCK, 3 * BLOCK + 7] {
            let mut blocks = Blocks::new(Calls::default());
            for part in vec![0; 4 * BLOCK + 5].chunks(piece) {
                blocks.write_all(part).unwrap();
            }
            blocks.end().unwrap();
            assert_eq!(blocks.into_out().0, [BLOCK, BLOCK, BLOCK, BLOCK, 5], "{piece}");
        }
    }
}
