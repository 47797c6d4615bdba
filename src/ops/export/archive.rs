//! Opens an archive of any format, with its compression.

use std::io::{self, Write};

use flate2::GzBuilder;
use serde::Serialize;
use zstd::stream::write::Encoder as ZstdEncoder;
use zstd::zstd_safe::CParameter;

use super::format::{Archive, Compressor, GZIP_LEVEL};
use super::tar::TarArchive;
use super::zip::ZipArchive;
use crate::clock::Timestamp;
use crate::error::{IoResultExt, Result};
use crate::threads::startable;

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
    let wanted = threads.clamp(1, MAX_THREADS);
    let started = startable(wanted).map_err(io::Error::other)?;
    // The threads of the test may not have left the count of the system yet.
    let workers = if started < wanted { 1 } else { wanted };
    let mut encoder = ZstdEncoder::new(out, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_parameter(CParameter::NbWorkers(workers as u32))?;
    encoder.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
    Ok(encoder)
}

#[cfg(test)]
mod tests {
    use super::*;

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
