//! Frames that are too large for memory. Such a frame holds only the manifest of a very large file
//! and is read as a stream.

use std::io::{BufRead, Read};

use crate::id::Id;
use crate::pack::{BLOCK, Chunk, FormatError, MemberEntry, MemberKind, parse_header, parse_line};

/// The longest line of a manifest: an id, a space, a number of up to ten digits and a line feed.
const MAX_LINE: usize = Id::HEX_LEN + 12;

/// Calls `each` with every line of a manifest, without its line feed, in bounded memory. `wrong`
/// converts the description of a format defect into an error.
pub(super) fn lines<E>(
    text: &mut dyn Read,
    wrong: impl Fn(String) -> E,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = Vec::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let got = text.read(&mut block).map_err(|error| wrong(error.to_string()))?;
        if got == 0 {
            break;
        }
        for part in block[..got].split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(part);
            if rest.pop_if(|byte| *byte == b'\n').is_some() {
                each(&rest)?;
                rest.clear();
            } else if rest.len() > MAX_LINE {
                return Err(wrong(FormatError::OutOfBounds("a manifest's line").to_string()));
            }
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(wrong(FormatError::Truncated.to_string())) }
}

/// Reads the frame of `size` bytes at the start of `input`, and nothing beyond it. Checks that the
/// frame holds exactly one valid manifest and returns that member.
pub(super) fn check(input: &mut dyn BufRead, size: u64) -> Result<MemberEntry, String> {
    visit(input, size, &mut |_, _| {})
}

/// Checks a frame as [`check`] does, and calls `each` with the id of the manifest and each of its
/// chunks.
pub(super) fn visit(
    input: &mut dyn BufRead,
    size: u64,
    each: &mut dyn FnMut(&Id, Chunk),
) -> Result<MemberEntry, String> {
    let failed = |error: std::io::Error| error.to_string().to_lowercase();
    let mut decoder = zstd::stream::Decoder::with_buffer(input).map_err(failed)?.single_frame();
    let mut header = [0; BLOCK];
    decoder.read_exact(&mut header).map_err(failed)?;
    let (kind, id, length) = parse_header(&header).map_err(|defect| defect.to_string())?;
    let length = u32::try_from(length).map_err(|_| "a member's size is out of bounds")?;
    let padding = u64::from(length).next_multiple_of(BLOCK as u64) - u64::from(length);
    if kind != MemberKind::Manifest || BLOCK as u64 + u64::from(length) + padding != size {
        return Err("a frame's size is out of bounds".to_owned());
    }
    let mut text = decoder.by_ref().take(u64::from(length));
    let mut number = 0;
    lines(
        &mut text,
        |problem| problem,
        |line| {
            number += 1;
            parse_line(line, number)
                .map(|chunk| each(&id, chunk))
                .map_err(|defect| format!("the manifest {id}: {defect}"))
        },
    )?;
    let is_whole = number > 0 && text.limit() == 0;
    let behind = std::io::copy(&mut decoder, &mut std::io::sink()).map_err(failed)?;
    if !is_whole || behind != padding {
        return Err("a frame does not have its stated size".to_owned());
    }
    Ok(MemberEntry { id, kind, frame: 0, offset: BLOCK as u32, size: length })
}
