//! The similarity of two contents: the share of bytes that they have in common.
//!
//! The measure is the one that Git uses. It cuts each content into pieces, and compares the bytes
//! of the common pieces with the size of the longer content. Small contents are cut into lines of
//! at most 64 bytes, as in Git. Large contents use their chunks, which requires no reading.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use super::contents::Contents;
use crate::error::Result;
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};

/// The maximum size of a content that is compared by lines.
const LINES_LIMIT: u64 = 1 << 20;
/// The maximum size of a piece, as in Git.
const PIECE: usize = 64;
/// Contents with more chunks are not compared. At the usual 128 KiB per chunk, this is 32 GiB.
const CHUNK_LIMIT: usize = 1 << 18;
/// The search for renames reads about this number of bytes and then stops.
const READ_LIMIT: u64 = 128 << 20;
/// Content with a zero byte in this prefix is binary, as in Git.
const BINARY_PROBE: usize = 8000;

/// Measures similarity, and caches the pieces of each content.
#[derive(Default)]
pub(super) struct Likeness {
    sizes: HashMap<Id, Option<u64>>,
    pieces: HashMap<(Id, Cut), Option<Rc<Pieces>>>,
    read: u64,
}

/// The kind of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cut {
    Lines,
    Chunks,
}

/// The pieces of a content: each hash, with the bytes of all pieces that have it, sorted by hash.
#[derive(Debug, Default, PartialEq)]
struct Pieces(Vec<(u64, u64)>);

impl Likeness {
    /// Returns the similarity in percent. Returns `None` if the sizes alone put it below half, or
    /// if measuring it would exceed the bounds.
    pub(super) fn percent(
        &mut self,
        contents: &mut Contents<'_>,
        a: &Id,
        b: &Id,
        progress: &dyn Progress,
    ) -> Result<Option<u8>> {
        check_interrupt(progress)?;
        let (Some(size_a), Some(size_b)) = (self.size(contents, a)?, self.size(contents, b)?)
        else {
            return Ok(None);
        };
        let (short, long) = (size_a.min(size_b), size_a.max(size_b));
        // An empty file is similar to no file.
        if short == 0 || short < long / 2 {
            return Ok(None);
        }
        let cut = if long <= LINES_LIMIT { Cut::Lines } else { Cut::Chunks };
        if cut == Cut::Lines && self.read > READ_LIMIT {
            return Ok(None);
        }
        let Some(common) = self.common(contents, a, b, cut)? else { return Ok(None) };
        // Git rounds to sixty-thousandths first. Doing the same gives the same percentages.
        let score = u128::from(common) * 60_000 / u128::from(long) * 100 / 60_000;
        Ok(Some(score.min(100) as u8))
    }

    /// Returns the number of common bytes. Returns `None` if measuring it would exceed the bounds.
    pub(super) fn common_bytes(
        &mut self,
        contents: &mut Contents<'_>,
        a: &Id,
        b: &Id,
    ) -> Result<Option<u64>> {
        let (Some(size_a), Some(size_b)) = (self.size(contents, a)?, self.size(contents, b)?)
        else {
            return Ok(None);
        };
        let cut = if size_a.max(size_b) <= LINES_LIMIT { Cut::Lines } else { Cut::Chunks };
        let common = self.common(contents, a, b, cut);
        // Each pair is measured once, so a cache would not help.
        self.pieces.clear();
        common
    }

    /// The size of a content. `None` if the content is missing locally.
    pub(super) fn size(&mut self, contents: &mut Contents<'_>, id: &Id) -> Result<Option<u64>> {
        if let Some(size) = self.sizes.get(id) {
            return Ok(*size);
        }
        let size = contents.size(id)?;
        self.sizes.insert(*id, size);
        Ok(size)
    }

    fn common(
        &mut self,
        contents: &mut Contents<'_>,
        a: &Id,
        b: &Id,
        cut: Cut,
    ) -> Result<Option<u64>> {
        let a = self.pieces(contents, a, cut)?;
        let b = self.pieces(contents, b, cut)?;
        Ok(a.zip(b).map(|(a, b)| a.common_bytes(&b)))
    }

    fn pieces(
        &mut self,
        contents: &mut Contents<'_>,
        id: &Id,
        cut: Cut,
    ) -> Result<Option<Rc<Pieces>>> {
        if let Some(pieces) = self.pieces.get(&(*id, cut)) {
            return Ok(pieces.clone());
        }
        let pieces = match cut {
            Cut::Lines => {
                let bytes = contents.read(id, LINES_LIMIT)?;
                self.read += bytes.len() as u64;
                Some(Pieces::of_lines(&bytes))
            }
            Cut::Chunks => contents.chunks(id, CHUNK_LIMIT)?.map(|chunks| {
                let head = |id: &Id| {
                    id.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
                };
                let chunks = chunks.iter().map(|chunk| (head(&chunk.id), u64::from(chunk.size)));
                Pieces::new(chunks.collect())
            }),
        };
        let pieces = pieces.map(Rc::new);
        self.pieces.insert((*id, cut), pieces.clone());
        Ok(pieces)
    }
}

/// Returns true if the content is binary, by Git's rule.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(BINARY_PROBE).any(|byte| *byte == 0)
}

impl Pieces {
    /// Merges the pieces that have the same hash.
    fn new(mut pieces: Vec<(u64, u64)>) -> Self {
        pieces.sort_unstable();
        pieces.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        Pieces(pieces)
    }

    /// Cuts into lines. In text, the CR of a CR LF is ignored, as in Git.
    fn of_lines(bytes: &[u8]) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let is_text = !is_binary(bytes);
        let mut pieces = Vec::with_capacity(bytes.len() / 32 + 1);
        let (mut hash, mut length) = (OFFSET, 0);
        for (at, byte) in bytes.iter().enumerate() {
            if is_text && *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                continue;
            }
            // FNV-1a is the same in every process, unlike the hasher of a map.
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            length += 1;
            if length == PIECE || *byte == b'\n' {
                pieces.push((hash, length as u64));
                (hash, length) = (OFFSET, 0);
            }
        }
        if length > 0 {
            pieces.push((hash, length as u64));
        }
        Pieces::new(pieces)
    }

    fn common_bytes(&self, other: &Pieces) -> u64 {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = 0;
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            match left.0.cmp(&right.0) {
                Ordering::Less => drop(a.next()),
                Ordering::Greater => drop(b.next()),
                Ordering::Equal => {
                    common += left.1.min(right.1);
                    a.next();
                    b.next();
                }
            }
        }
        common
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(a: &[u8], b: &[u8]) -> u64 {
        Pieces::of_lines(a).common_bytes(&Pieces::of_lines(b))
    }

    #[test]
    fn common_lines_count_at_any_position_as_often_as_both_have_them() {
        assert_eq!(common(b"one\ntwo\nthree\n", b"three\none\nfour\n"), 10);
        assert_eq!(common(b"x\nx\nx\n", b"x\nx\ny\n"), 4);
        assert_eq!(common(b"a\r\nb\r\n", b"a\nb\n"), 4);
        assert_eq!(common(b"\0a\r\n", b"\0a\n"), 0, "binary bytes count unchanged");
        let long = vec![b'x'; 200];
        assert_eq!(common(&long, &long[..130]), 128);
    }
}
