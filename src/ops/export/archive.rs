//! The common interface of all archive formats, and their compression.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use serde::Serialize;
use zstd::stream::write::Encoder as ZstdEncoder;
use zstd::zstd_safe::CParameter;

use super::tar::TarArchive;
use super::zip::ZipArchive;
use crate::clock::Timestamp;
use crate::error::{IoResultExt, Result};

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ArchiveFormat {
    /// `tar`, compressed with zstd.
    #[serde(rename = "tar.zst")]
    TarZst,
    /// Uncompressed `tar`.
    #[serde(rename = "tar")]
    Tar,
    /// `tar`, compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// `zip`, with deflate.
    #[serde(rename = "zip")]
    Zip,
}

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

/// Begins an archive. All members get the time `time`.
pub(super) fn open<'w>(
    format: ArchiveFormat,
    time: Timestamp,
    threads: usize,
    out: &'w mut dyn Write,
) -> Result<Box<dyn Archive + 'w>> {
    Ok(match format {
        ArchiveFormat::Zip => Box::new(ZipArchive::new(time, out)),
        ArchiveFormat::Tar => Box::new(TarArchive::new(time, Compressor::None(out))),
        ArchiveFormat::TarGz => {
            // The header's defaults (no name, no time, unknown system) reveal nothing about this
            // machine.
            let encoder = GzBuilder::new().write(out, flate2::Compression::new(GZIP_LEVEL));
            Box::new(TarArchive::new(time, Compressor::Gzip(encoder)))
        }
        ArchiveFormat::TarZst => {
            let encoder = zstd_encoder(threads, out).on("begin", "the archive")?;
            Box::new(TarArchive::new(time, Compressor::Zstd(encoder)))
        }
    })
}

/// The level of gzip, and of deflate in zip; the default of these tools.
pub(super) const GZIP_LEVEL: u32 = 6;

/// The level of zstd; the default of the tool.
const ZSTD_LEVEL: i32 = 3;

/// The number of bytes that one zstd thread compresses as one job. This size changes the output.
/// The number of threads does not, as long as there is at least one.
const ZSTD_JOB: u32 = 4 << 20;

/// More threads would use too much memory for an export.
const MAX_THREADS: usize = 8;

fn zstd_encoder(
    threads: usize,
    out: &mut dyn Write,
) -> io::Result<ZstdEncoder<'static, &mut dyn Write>> {
    let mut encoder = ZstdEncoder::new(out, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_parameter(CParameter::NbWorkers(threads.clamp(1, MAX_THREADS) as u32))?;
    encoder.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
    Ok(encoder)
}

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

    #[test]
    fn the_number_of_threads_does_not_change_the_archive() {
        let mut state = 1u32;
        let content: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefgh"[(state >> 29) as usize]
        })
        .take(3 * ZSTD_JOB as usize + 12_345)
        .collect();
        let compressed = |threads| {
            let mut bytes = Vec::new();
            let time = Timestamp::from_seconds(0);
            let mut archive = open(ArchiveFormat::TarZst, time, threads, &mut bytes).unwrap();
            archive.begin_file(b"a", content.len() as u64, false).unwrap();
            archive.content().write_all(&content).unwrap();
            archive.end_file().unwrap();
            archive.finish().unwrap();
            bytes
        };
        let one = compressed(1);
        assert!(one.len() < content.len());
        for threads in [0, 2, 3, 8, 64] {
            assert!(compressed(threads) == one, "{threads} threads");
        }
    }
}
