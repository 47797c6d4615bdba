//! `art lineage`: the named artifacts of runs, their origins and their uses.

mod add;
mod graph;
mod origin;
mod show;

use serde::{Serialize, Serializer};

use crate::record::LineageEntry;

pub use add::{AddLineageOptions, AddOutcome, Direction, add};
pub use show::{Consumer, InputNode, Lineage, OutputNode, Producer, show};

/// Serializes an entry with the keys of its record.
fn as_json<S: Serializer>(entry: &LineageEntry, serializer: S) -> Result<S::Ok, S::Error> {
    entry.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
}
