//! Checks a pack as a stream, from its first byte to its last, in bounded memory.

use std::io::{self, BufRead, Read};

use super::frame_check::FrameChecker;
use super::rebuild::FRAME_MAGIC;
use super::{Params, large_frame};
use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::pack::{
    FrameEntry, MemberEntry, PackIndex, SALT_FRAME_LEN, end_frame, starts_with_salt,
};
use crate::progress::{Progress, check_interrupt};

/// The longest header of a zstd frame.
const FRAME_HEADER: usize = 18;
/// The minimum number of bytes per read.
const WINDOW: usize = 1 << 20;

/// Reads the pack `id` to its end and returns its index. Checks the pack's name, its frames, its
/// members and their ids, and that the pack's own index matches them. It does not check that the
/// chunks of a manifest make up its file.
///
/// Holds one frame and the index in memory. A defect of the pack is an error of kind
/// [`Corrupt`](crate::ErrorKind::Corrupt); an error of `input` keeps its own kind.
pub fn verify_pack(input: &mut dyn Read, id: &Id, progress: &dyn Progress) -> Result<PackIndex> {
    let mut stream = PackStream {
        input,
        window: Vec::new(),
        start: 0,
        is_at_end: false,
        failed: None,
        digest: Digest::default(),
        consumed: 0,
        progress,
    };
    let found = stream.pack();
    check_interrupt(progress)?;
    if let Some(error) = stream.failed {
        return Err(Error::io("read", format!("the pack {id}"), error));
    }
    let is_named = stream.digest.finish() == *id;
    found
        .and_then(|index| if is_named { Ok(index) } else { Err(OTHER_NAME.to_owned()) })
        .map_err(|problem| Error::corrupt(format!("the pack {id} is damaged: {problem}")))
}

const OTHER_NAME: &str = "its bytes do not match its name";

/// The bytes of a pack, hashed as they are consumed.
struct PackStream<'a> {
    input: &'a mut dyn Read,
    /// Bytes that were read; those from `start` on are not consumed yet.
    window: Vec<u8>,
    start: usize,
    is_at_end: bool,
    /// The error that ended the input early.
    failed: Option<io::Error>,
    digest: Digest,
    consumed: u64,
    progress: &'a dyn Progress,
}

impl PackStream<'_> {
    /// Returns the next bytes without consuming them: at least `count`, or all remaining bytes.
    fn peek(&mut self, count: usize) -> &[u8] {
        if self.window.len() - self.start < count && !self.is_at_end {
            self.window.drain(..self.start);
            self.start = 0;
            let want = count.max(WINDOW) - self.window.len();
            let got = self.input.take(want as u64).read_to_end(&mut self.window);
            let is_interrupted = self.progress.is_interrupted();
            self.is_at_end = is_interrupted || !matches!(got, Ok(got) if got == want);
            self.failed = got.err();
        }
        &self.window[self.start..]
    }

    fn pack(&mut self) -> Result<PackIndex, String> {
        let mut index = PackIndex::default();
        let mut checker = FrameChecker::default();
        while !self.peek(FRAME_HEADER).starts_with(&end_frame()) {
            let number = index.frames.len();
            let offset = self.consumed;
            let (frame, members) = self
                .frame(&mut checker)
                .map_err(|problem| format!("frame {number} at byte {offset}: {problem}"))?;
            let number = number as u32;
            index.frames.push(frame);
            let members = members.into_iter();
            index.members.extend(members.map(|member| MemberEntry { frame: number, ..member }));
        }
        self.consume(end_frame().len());
        if starts_with_salt(self.peek(SALT_FRAME_LEN)) {
            self.consume(SALT_FRAME_LEN);
        }
        let own = index.to_skippable_frame();
        // Ask for one byte more, so that trailing bytes are detected.
        if self.peek(own.len() + 1) != own {
            return Err("its own index does not match its contents".to_owned());
        }
        self.consume(own.len());
        Ok(index)
    }

    fn frame(
        &mut self,
        checker: &mut FrameChecker,
    ) -> Result<(FrameEntry, Vec<MemberEntry>), String> {
        let none = || "no frame begins at this offset".to_owned();
        let offset = self.consumed;
        let header = self.peek(FRAME_HEADER);
        if !header.starts_with(&FRAME_MAGIC) {
            return Err(none());
        }
        let size = zstd::zstd_safe::get_frame_content_size(header).ok().flatten();
        let size = size.ok_or_else(none)?;
        if size > Params::MAX_FRAME {
            let member = large_frame::check(self, size)?;
            let stored = u32::try_from(self.consumed - offset);
            let stored = stored.map_err(|_| "a frame's size is out of bounds")?;
            return Ok((FrameEntry { offset, stored, size }, vec![member]));
        }
        let mut limit = WINDOW;
        let stored = loop {
            let window = self.peek(limit);
            match zstd::zstd_safe::find_frame_compressed_size(window) {
                Ok(stored) => break stored,
                Err(_) if window.len() >= limit && limit as u64 <= Params::MAX_FRAME => limit *= 2,
                Err(_) => return Err("it ends early or is damaged".to_owned()),
            }
        };
        let frame = FrameEntry { offset, stored: stored as u32, size };
        let members = checker.members(&self.peek(stored)[..stored], &frame)?;
        self.consume(stored);
        Ok((frame, members))
    }
}

impl BufRead for PackStream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.peek(1))
    }

    fn consume(&mut self, count: usize) {
        self.digest.update(&self.window[self.start..self.start + count]);
        self.start += count;
        self.consumed += count as u64;
        self.progress.advance(count as u64);
    }
}

impl Read for PackStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.peek(1);
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
