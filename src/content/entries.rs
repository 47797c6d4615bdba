//! The index as a list of numbered entries, for callers that keep data about each entry.

use std::sync::Arc;

use super::ContentStore;
use super::segments::SegmentSet;
use crate::error::Result;
use crate::id::Id;
use crate::pack::Location;

/// The entries of all segments at one moment, numbered from 0.
#[derive(Debug)]
pub struct IndexEntries {
    set: Arc<SegmentSet>,
    /// The number of each segment's first entry.
    first: Vec<usize>,
    len: usize,
}

impl ContentStore {
    /// Returns the current entries of the index.
    pub fn entries(&self) -> Result<IndexEntries> {
        let set = self.refresh()?;
        let mut len = 0;
        let mut first = Vec::new();
        for segment in set.all() {
            first.push(len);
            len += segment.view().len();
        }
        Ok(IndexEntries { set, first, len })
    }
}

impl IndexEntries {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Finds the number of the first entry of `id`.
    pub fn find(&self, id: &Id) -> Option<usize> {
        let segments = self.set.all().iter().zip(&self.first);
        segments.into_iter().find_map(|(segment, first)| Some(first + segment.view().find(id)?))
    }

    /// Returns the id and the location of the entry `number`, or `None` if its location is damaged.
    pub fn get(&self, number: usize) -> Option<(Id, Location)> {
        let at = self.first.partition_point(|first| *first <= number).checked_sub(1)?;
        let view = self.set.all()[at].view();
        let index = number - self.first[at];
        (index < view.len()).then(|| Some((view.id(index), view.location(index).ok()?)))?
    }
}
