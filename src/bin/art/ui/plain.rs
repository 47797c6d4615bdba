//! File content on a terminal: text is shown safely, binary content is refused.

use std::io::{self, Write};

use super::sanitize;

/// Content with a NUL among its first bytes is binary, as in git.
const LOOKED_AT: usize = 8000;

/// Writes text to `out`, with control characters escaped. Fails on binary content before anything
/// is written.
pub(crate) struct PlainText<W> {
    out: W,
    /// The bytes that are not written yet: first the beginning until it is long enough to judge,
    /// then an incomplete character.
    pending: Vec<u8>,
    is_judged: bool,
    is_binary: bool,
}

impl<W: Write> PlainText<W> {
    pub(crate) fn new(out: W) -> Self {
        PlainText { out, pending: Vec::new(), is_judged: false, is_binary: false }
    }

    /// Returns true if the write failed because the content is binary.
    pub(crate) fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// Writes the remaining bytes.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.judge()?;
        let rest = std::mem::take(&mut self.pending);
        self.write_lines(&rest)
    }

    fn judge(&mut self) -> io::Result<()> {
        let head = &self.pending[..self.pending.len().min(LOOKED_AT)];
        if !self.is_judged && head.contains(&0) {
            self.is_binary = true;
            return Err(io::Error::other("binary content"));
        }
        self.is_judged = true;
        Ok(())
    }

    /// Writes complete characters.
    fn write_lines(&mut self, bytes: &[u8]) -> io::Result<()> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let (body, end) = match body.strip_suffix(b"\r") {
                Some(shorter) if body.len() < line.len() => (shorter, &line[shorter.len()..]),
                _ => (body, &line[body.len()..]),
            };
            for (at, part) in body.split(|byte| *byte == b'\t').enumerate() {
                if at > 0 {
                    self.out.write_all(b"\t")?;
                }
                self.out.write_all(sanitize::name(part).as_bytes())?;
            }
            self.out.write_all(end)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for PlainText<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.is_judged || self.pending.len() >= LOOKED_AT {
            self.judge()?;
            let mut whole = std::mem::take(&mut self.pending);
            self.pending = whole.split_off(whole.len() - unfinished(&whole));
            self.write_lines(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The number of bytes at the end that the next write can continue: an incomplete character, or a
/// carriage return of a line break.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (1..=tail.len())
        .find(|length| {
            let end = &tail[tail.len() - length..];
            std::str::from_utf8(end)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(parts: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut text = PlainText::new(&mut out);
        for part in parts {
            text.write_all(part).unwrap();
        }
        text.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_kept_and_control_characters_are_escaped() {
        let text = written(&["a\tb\r\nc\x1b[2Jé\rd\n\u{202e}\n".as_bytes(), b"\xff\n\x07"]);
        assert_eq!(text, "a\tb\r\nc\\u{1b}[2Jé\\rd\n\\u{202e}\n\\xff\n\\u{7}");
    }

    #[test]
    fn binary_content_is_refused_before_anything_is_written() {
        let mut out = Vec::new();
        let mut text = PlainText::new(&mut out);
        text.write_all(b"PK\x03\x04").unwrap();
        let refused = text.write_all(&[0; LOOKED_AT]);
        assert!(refused.is_err() && text.is_binary());
        assert!(out.is_empty());
    }

    #[test]
    fn a_nul_after_the_beginning_is_escaped() {
        let long = vec![b'a'; LOOKED_AT];
        assert!(written(&[&long, b"\0"]).ends_with("a\\u{0}"));
    }

    proptest! {
        #[test]
        fn the_split_into_writes_makes_no_difference(
            text in "[aé漢😀\r\n\t\u{1b}]{0,40}",
            wild in prop::collection::vec(1..=255u8, 0..8),
            cut in 0..200usize,
        ) {
            let mut bytes = vec![b'x'; LOOKED_AT];
            bytes.extend_from_slice(text.as_bytes());
            bytes.extend_from_slice(&wild);
            let cut = (LOOKED_AT + cut).min(bytes.len());
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = written(&[&bytes]);
            prop_assert_eq!(&written(&[&bytes[..cut], &bytes[cut..]]), &whole);
            prop_assert_eq!(&written(&one_by_one), &whole);
        }
    }
}
