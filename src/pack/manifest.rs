//! A manifest: the list of a file's chunks as text, with one line `CHUNK-ID SIZE` per chunk.

use super::FormatError;
use crate::id::Id;

/// A part of a chunked file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The blob id of the chunk's bytes.
    pub id: Id,
    /// The size of the chunk in bytes.
    pub size: u32,
}

/// Appends one chunk's line.
pub fn write_line(text: &mut Vec<u8>, chunk: &Chunk) {
    text.extend_from_slice(format!("{} {}\n", chunk.id, chunk.size).as_bytes());
}

/// Parses one line, without its line feed; `number` counts from 1.
pub fn parse_line(line: &[u8], number: usize) -> Result<Chunk, FormatError> {
    let defect = || FormatError::ManifestLine(number);
    let (id, rest) = line.split_at_checked(Id::HEX_LEN).ok_or_else(defect)?;
    let id = Id::from_hex(id).ok_or_else(defect)?;
    let digits = rest.strip_prefix(b" ").ok_or_else(defect)?;
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(defect());
    }
    let size = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(Chunk { id, size: u32::try_from(size).map_err(|_| defect())? })
}

/// Parses a whole manifest.
pub fn parse_manifest(text: &[u8]) -> Result<Vec<Chunk>, FormatError> {
    let Some(lines) = text.strip_suffix(b"\n") else {
        return Err(FormatError::Truncated);
    };
    lines
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| parse_line(line, index + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_and_a_bad_line_is_reported() {
        let chunks: Vec<Chunk> =
            (0..5u8).map(|n| Chunk { id: Id::of_blob(&[n]), size: u32::from(n) + 1 }).collect();
        let mut text = Vec::new();
        for chunk in &chunks {
            write_line(&mut text, chunk);
        }
        assert_eq!(parse_manifest(&text).unwrap(), chunks);
        text[70] = b'x';
        assert_eq!(parse_manifest(&text), Err(FormatError::ManifestLine(2)));
        assert_eq!(parse_manifest(b""), Err(FormatError::Truncated));
    }
}
