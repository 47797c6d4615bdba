//! Splits the output of a hook into lines.

use std::collections::VecDeque;

use crate::tree_path::text_of_bytes;

/// The longest line, in bytes. A longer line is split.
const LONGEST: usize = 4096;

/// The number of last lines that are kept for the error.
const KEPT: usize = 5;

/// Splits output into lines and keeps the last ones, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    /// Adds output, and shows every complete line.
    pub(super) fn take(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(&str)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let room = LONGEST - self.begun.len();
            let taken = end.unwrap_or(bytes.len()).min(room);
            self.begun.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if end == Some(taken) {
                bytes = &bytes[1..];
                self.hand_on(show);
            } else if self.begun.len() == LONGEST {
                let rest = self.begun.split_off(whole_characters(&self.begun));
                self.hand_on(show);
                self.begun = rest;
            }
        }
    }

    /// Ends the output: shows an incomplete last line, and returns the last lines.
    pub(super) fn end(mut self, show: &mut dyn FnMut(&str)) -> Vec<String> {
        if !self.begun.is_empty() {
            self.hand_on(show);
        }
        self.last.into()
    }

    fn hand_on(&mut self, show: &mut dyn FnMut(&str)) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        // As on a terminal, only the text after the last carriage return is visible.
        let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = text_of_bytes(line);
        self.begun.clear();
        show(&line);
        if line.trim().is_empty() {
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// Counts the bytes of complete UTF-8 characters. Counts all bytes if they are not UTF-8.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let mut shown = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.take(piece, &mut |line| shown.push(line.to_owned()));
        }
        let last = lines.end(&mut |line| shown.push(line.to_owned()));
        (shown, last)
    }

    #[test]
    fn lines_are_assembled_from_any_pieces() {
        assert_eq!(lines(&[b"a\nb", b"c\n", b"\n", b"d"]).0, ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"one\r\n10%\r20%\r100%\n"]).0, ["one", "100%"]);
        assert_eq!(lines(&[b"\xff\xfe\n"]).0, ["\\xff\\xfe"]);
        assert!(lines(&[]).0.is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let text = "ä".repeat(5000);
        let (shown, _) = lines(&[&b"x"[..], text.as_bytes()]);
        assert_eq!(shown.concat(), format!("x{text}"));
        assert!(shown.len() > 1 && shown.iter().all(|line| line.len() <= LONGEST), "{shown:?}");
        let (shown, _) = lines(&[&[0xff; 10_000]]);
        assert_eq!(shown.concat(), "\\xff".repeat(10_000));
    }

    #[test]
    fn the_last_lines_that_are_not_blank_are_kept() {
        let all: Vec<String> = (0..100).map(|n| format!("{n}\n\n")).collect();
        assert_eq!(lines(&[all.concat().as_bytes()]).1, ["95", "96", "97", "98", "99"]);
    }
}
