//! Decompresses single frames after checking that their sizes are within bounds.

use super::Params;
use crate::pack::FrameEntry;

/// Decompresses frames, one after the other.
#[derive(Default)]
pub(super) struct FrameDecoder {
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl FrameDecoder {
    /// Decompresses the frame with the stored bytes `compressed` into `bytes`, which then has
    /// exactly the frame's size. On failure, returns a short description of the problem.
    pub(super) fn decode(
        &mut self,
        compressed: &[u8],
        frame: &FrameEntry,
        bytes: &mut Vec<u8>,
    ) -> Result<(), String> {
        if !is_in_bounds(frame) {
            return Err("a frame's size is out of bounds".to_owned());
        }
        // The index may state a wrong size. The frame's header must agree before memory is
        // reserved.
        let claimed = zstd::zstd_safe::get_frame_content_size(compressed);
        if !matches!(claimed, Ok(Some(size)) if size == frame.size) {
            return Err(format!("no frame of {} bytes at {}", frame.size, frame.offset));
        }
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => {
                let made = zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?;
                none.insert(made)
            }
        };
        bytes.clear();
        bytes.reserve_exact(frame.size as usize);
        match decompressor.decompress_to_buffer(compressed, bytes) {
            Ok(length) if length as u64 == frame.size => Ok(()),
            Ok(_) => Err(format!("the frame at {} ends early", frame.offset)),
            Err(error) => Err(error.to_string().to_lowercase()),
        }
    }
}

/// Returns true if the frame is small enough to be held in memory.
pub(super) fn is_in_bounds(frame: &FrameEntry) -> bool {
    frame.size <= Params::MAX_FRAME && u64::from(frame.stored) <= Params::MAX_FRAME
}
