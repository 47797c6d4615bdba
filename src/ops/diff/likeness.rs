//! How alike two contents are: the share of bytes that both have.
//!
//! The measure is Git's: a content falls into pieces, and what counts is the bytes of the pieces that
//! both have, against the longer of the two. The pieces of a small content are its lines, cut at 64
//! bytes, as in Git; those of a large one are its chunks, which need not be read for that.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use super::contents::Contents;
use crate::error::Result;
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};

/// A content of up to so many bytes is compared by its lines.
const LINES_LIMIT: u64 = 1 << 20;
/// A piece has at most so many bytes, as in Git.
const PIECE: usize = 64;
/// A content with more chunks is not compared: at the usual 128 KiB each, 32 GiB.
const CHUNK_LIMIT: usize = 1 << 18;
/// The search for renames reads at most so many bytes; what is found by then has to do.
const READ_LIMIT: u64 = 128 << 20;
/// A content with a zero byte among its first ones is binary, as in Git.
const BINARY_PROBE: usize = 8000;

/// Measures likeness, and remembers what it found out of each content.
#[derive(Default)]
pub(super) struct Likeness {
    sizes: HashMap<Id, Option<u64>>,
    pieces: HashMap<(Id, Cut), Option<Rc<Pieces>>>,
    read: u64,
}

/// What a content is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cut {
    Lines,
    Chunks,
}

/// The pieces of a content: a hash and the bytes of all pieces with it, by hash.
#[derive(Debug, Default, PartialEq)]
struct Pieces(Vec<(u64, u64)>);

impl Likeness {
    /// The likeness in percent; `None` if it is below half for the lengths alone, or can't be found
    /// out within bounds.
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
        // An empty file is like nothing.
        if short == 0 || short < long / 2 {
            return Ok(None);
        }
        let cut = if long <= LINES_LIMIT { Cut::Lines } else { Cut::Chunks };
        if cut == Cut::Lines && self.read > READ_LIMIT {
            return Ok(None);
        }
        let Some(common) = self.common(contents, a, b, cut)? else { return Ok(None) };
        // Git counts in sixty-thousandths first, so its percentages come out the same.
        let score = u128::from(common) * 60_000 / u128::from(long) * 100 / 60_000;
        Ok(Some(score.min(100) as u8))
    }

    /// The bytes that both contents have; `None` if that can't be found out within bounds.
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
        // Each pair is asked for once; nothing is worth keeping.
        self.pieces.clear();
        common
    }

    /// The length of a content; `None` if it is nowhere here.
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

/// Whether a content is no text, by Git's rule.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(BINARY_PROBE).any(|byte| *byte == 0)
}

impl Pieces {
    /// Adds up what has the same hash.
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

    /// In text, the CR of a CR LF is as if it were not there.
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
            // FNV-1a: the same in every run, unlike the hasher of a map.
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
    fn lines_count_wherever_they_stand_and_as_often_as_both_have_them() {
        assert_eq!(common(b"one\ntwo\nthree\n", b"three\none\nfour\n"), 10);
        assert_eq!(common(b"x\nx\nx\n", b"x\nx\ny\n"), 4);
        assert_eq!(common(b"a\r\nb\r\n", b"a\nb\n"), 4);
        assert_eq!(common(b"\0a\r\n", b"\0a\n"), 0, "bytes that are no text count as they are");
        let long = vec![b'x'; 200];
        assert_eq!(common(&long, &long[..130]), 128);
    }
}
