//! The format of git's `packed-refs`: many refs in one sorted file.
//!
//! ```text
//! # pack-refs with: peeled fully-peeled sorted
//! ID refs/runs/OWNER/PROJECT/RUN
//! ID refs/tags/v1
//! ^ID-OF-THE-COMMIT-THAT-AN-ANNOTATED-TAG-NAMES
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use bstr::ByteSlice;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::tree_path::escaped;

/// A value to write: the id, and for an annotated tag the object it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedValue {
    pub(super) id: Id,
    pub(super) peeled: Option<Id>,
}

/// Changes of refs, by full name. `None` removes a ref.
pub(super) type Edits = BTreeMap<Vec<u8>, Option<PackedValue>>;

/// The properties of the file that its first line declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The length of the line in bytes.
    pub(super) length: u64,
    pub(super) is_sorted: bool,
    is_peeled: bool,
    is_fully_peeled: bool,
}

impl Header {
    /// The header of a new file.
    pub(super) const OURS: Header =
        Header { length: 0, is_sorted: true, is_peeled: true, is_fully_peeled: true };

    pub(super) fn parse(start: &[u8]) -> Header {
        let none = Header { length: 0, is_sorted: false, is_peeled: false, is_fully_peeled: false };
        let Some(rest) = start.strip_prefix(b"# pack-refs with:") else {
            return none;
        };
        let Some(end) = rest.find_byte(b'\n') else {
            return none;
        };
        let has = |word: &[u8]| rest[..end].fields().any(|field| field == word);
        Header {
            length: (start.len() - rest.len() + end + 1) as u64,
            is_sorted: has(b"sorted"),
            is_peeled: has(b"peeled"),
            is_fully_peeled: has(b"fully-peeled"),
        }
    }

    /// Formats the header of a sorted file that keeps the other properties.
    fn to_line(self) -> String {
        let peeled = if self.is_peeled { " peeled" } else { "" };
        let fully = if self.is_fully_peeled { " fully-peeled" } else { "" };
        format!("# pack-refs with:{peeled}{fully} sorted \n")
    }
}

/// Applies `edits` to the file with `header` and `body`.
///
/// Other lines are copied unchanged, so that refs of other tools and the targets of annotated tags
/// stay.
pub(super) fn edit(header: Header, body: &[u8], path: &Path, edits: &Edits) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + edits.len() * 128 + 64);
    out.extend_from_slice(header.to_line().as_bytes());
    let mut edits = edits.iter().peekable();
    let mut last: &[u8] = b"";
    for record in records(body, path) {
        let record = record?;
        if record.name <= last {
            return Err(bad_line(path, record.raw.trim_end()));
        }
        last = record.name;
        while let Some((name, value)) = edits.next_if(|(name, _)| name.as_slice() < record.name) {
            push_record(&mut out, name, *value);
        }
        match edits.next_if(|(name, _)| name.as_slice() == record.name) {
            Some((name, value)) => push_record(&mut out, name, *value),
            None => out.extend_from_slice(record.raw),
        }
    }
    for (name, value) in edits {
        push_record(&mut out, name, *value);
    }
    Ok(out)
}

/// Returns every ref that is readable in a damaged file. A last line without a line feed is
/// ignored, because its name may be cut off.
pub(super) fn salvage(bytes: &[u8]) -> Edits {
    let mut found = Edits::new();
    let mut last = None;
    let whole = bytes.rfind_byte(b'\n').map_or(0, |at| at + 1);
    for line in bytes[..whole].lines() {
        if let Some(hex) = line.strip_prefix(b"^") {
            let value = last.take().and_then(|name| found.get_mut(name)).and_then(Option::as_mut);
            if let Some(value) = value {
                value.peeled = id_from_hex(hex);
            }
        } else if let Some((id, name)) = parse_line(line) {
            found.insert(name.to_vec(), Some(PackedValue { id, peeled: None }));
            last = Some(name);
        } else {
            last = None;
        }
    }
    found
}

fn push_record(out: &mut Vec<u8>, name: &[u8], value: Option<PackedValue>) {
    let Some(value) = value else { return };
    out.extend_from_slice(value.id.to_hex().as_bytes());
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(b'\n');
    if let Some(peeled) = value.peeled {
        out.extend_from_slice(format!("^{peeled}\n").as_bytes());
    }
}

/// A ref in the file, including the line with its peeled value.
pub(super) struct Record<'a> {
    pub(super) name: &'a [u8],
    pub(super) raw: &'a [u8],
}

/// Returns the records in the body of a file.
pub(super) fn records<'a>(
    body: &'a [u8],
    path: &'a Path,
) -> impl Iterator<Item = Result<Record<'a>>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let (line, behind) = split_line(rest)?;
            if line.starts_with(b"#") {
                rest = behind;
                continue;
            }
            let start = rest;
            rest = behind;
            let Some((_, name)) = parse_line(line) else {
                rest = b"";
                return Some(Err(bad_line(path, line)));
            };
            while let Some((peeled, behind)) = split_line(rest) {
                if !peeled.starts_with(b"^") {
                    break;
                }
                rest = behind;
            }
            return Some(Ok(Record { name, raw: &start[..start.len() - rest.len()] }));
        }
    })
}

/// Splits off the first line without its line feed. Returns `None` at the end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    Some(bytes.split_once_str("\n").unwrap_or((bytes, b"")))
}

pub(super) fn parse_line(line: &[u8]) -> Option<(Id, &[u8])> {
    let (id, name) = line.split_at_checked(Id::HEX_LEN)?;
    let name = name.strip_prefix(b" ").filter(|name| !name.is_empty())?;
    Some((id_from_hex(id)?, name))
}

/// Parses an id in either case, as git does.
pub(super) fn id_from_hex(hex: &[u8]) -> Option<Id> {
    let lower = if hex.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(hex.to_ascii_lowercase())
    } else {
        Cow::Borrowed(hex)
    };
    Id::from_hex(&lower)
}

pub(super) fn bad_line(path: &Path, line: &[u8]) -> Error {
    let shown = escaped(&line[..line.len().min(80)]);
    Error::corrupt(format!("'{}' has a line that is not a ref: '{shown}'", path.display()))
        .with_hint("check the repository: art fsck")
}
