//! Checks the bytes of index segments, and names the damaged ones.

use std::path::Path;

use crate::error::{Error, Result};
use crate::id::{Digest, Id};
use crate::pack::{FormatError, SegmentView};

/// Opens the segment `id` after checking that `bytes` match the id.
pub(super) fn checked<'b>(id: &Id, bytes: &'b [u8]) -> Result<SegmentView<'b>> {
    if Digest::of(bytes) != *id {
        return Err(damaged_segment(id, "its bytes do not match its name"));
    }
    let verified = SegmentView::open(bytes).and_then(|view| view.verify().map(|()| view));
    verified.map_err(|defect| damaged_segment(id, &defect.to_string()))
}

/// The error for a damaged segment of another store.
pub(super) fn damaged_segment(id: &Id, why: &str) -> Error {
    Error::corrupt(format!("the index segment {id} is damaged: {why}"))
}

/// The error for a damaged segment of the store.
pub(crate) fn damaged(path: &Path, defect: FormatError) -> Error {
    Error::corrupt(format!("the index segment '{}' is damaged", path.display()))
        .with_source(defect)
        .with_hint("art fsck --repair")
}
