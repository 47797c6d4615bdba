//! Gathers members into frames and compresses them, one worker's share at a time.

use zstd::zstd_safe::{CParameter, ParamSwitch};

use super::Params;
use super::buffers::Buffers;
use super::packer::{Frame, Frames};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pack::{MemberEntry, MemberKind, append_member, member_span};

/// Compresses each frame: at the store's level if it compresses well, otherwise at a cheap level.
pub(super) struct Compressor {
    good: zstd::bulk::Compressor<'static>,
    cheap: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

/// Size of each sample that tests how well a frame compresses.
const SAMPLE: usize = 8 << 10;

impl Compressor {
    pub(super) fn new(level: i32) -> Result<Self> {
        let failed = |source| Error::internal("zstd rejected its settings").with_source(source);
        let mut good = zstd::bulk::Compressor::new(level).map_err(failed)?;
        good.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
        // Level -5 hardly searches for matches, but does entropy coding. Numbers such as weights
        // have no matches, only some bytes that are more frequent than others. The only matches are
        // in the tar headers.
        let mut cheap = zstd::bulk::Compressor::new(-5).map_err(failed)?;
        let literals = CParameter::LiteralCompressionMode(ParamSwitch::Enable);
        cheap.set_parameter(literals).map_err(failed)?;
        // No checksum: these frames hold blobs and chunks, which are checked by their ids.
        Ok(Compressor { good, cheap, scratch: Vec::new() })
    }

    /// Writes `bytes` to `frame` as one zstd frame that records its size.
    pub(super) fn compress(&mut self, bytes: &[u8], frame: &mut Vec<u8>) -> Result<()> {
        let failed = |source| Error::internal("zstd failed to compress").with_source(source);
        let cheaply = self.is_noise(bytes).map_err(failed)?;
        let compressor = if cheaply { &mut self.cheap } else { &mut self.good };
        frame.clear();
        frame.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, frame).map_err(failed)?;
        Ok(())
    }

    /// Returns true if samples of `bytes` hardly compress.
    fn is_noise(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        if bytes.len() < 8 * SAMPLE {
            return Ok(false);
        }
        for part in [1, 3] {
            let start = bytes.len() / 4 * part - SAMPLE / 2;
            let sample = &bytes[start..start + SAMPLE];
            self.scratch.clear();
            self.scratch.reserve(zstd::zstd_safe::compress_bound(SAMPLE));
            let length = self.good.compress_to_buffer(sample, &mut self.scratch)?;
            if length < SAMPLE / 100 * 85 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A frame that is being gathered.
pub(super) struct Batch<'a, 'p> {
    params: Params,
    frames: &'a Frames<'p>,
    buffers: &'a Buffers,
    compressor: Compressor,
    tar: Vec<u8>,
    members: Vec<MemberEntry>,
}

impl<'a, 'p> Batch<'a, 'p> {
    pub(super) fn new(
        params: Params,
        frames: &'a Frames<'p>,
        buffers: &'a Buffers,
    ) -> Result<Self> {
        let compressor = Compressor::new(params.level)?;
        Ok(Batch { params, frames, buffers, compressor, tar: Vec::new(), members: Vec::new() })
    }

    /// Adds one member; closes the frame when it is large enough.
    pub(super) fn add(&mut self, kind: MemberKind, id: Id, content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len())
            .map_err(|_| Error::internal("a member has more than 4 GiB"))?;
        let limit = self.params.frame_size as usize;
        // A large member gets its own frame: first close the frame that holds the members before
        // it.
        if !self.members.is_empty() && self.tar.len() + member_span(content.len()) > 2 * limit {
            self.close()?;
        }
        let offset = append_member(&mut self.tar, kind, &id, content) as u32;
        self.members.push(MemberEntry { id, kind, frame: 0, offset, size });
        if self.tar.len() >= limit {
            self.close()?;
        }
        Ok(())
    }

    /// Compresses the gathered members and sends the frame to the pack writer.
    pub(super) fn close(&mut self) -> Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        let mut bytes = self.buffers.take(0);
        self.compressor.compress(&self.tar, &mut bytes)?;
        let frame = Frame {
            bytes,
            size: self.tar.len() as u64,
            members: std::mem::take(&mut self.members),
        };
        self.tar.clear();
        self.frames.send(frame)
    }
}
