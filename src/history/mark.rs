//! Marks the objects and contents that some commits need.

use super::History;
use super::outgoing::OutgoingWalk;
use super::reach::{Reach, Visitor, missing_object};
use crate::error::Result;
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, Unit};

/// The objects and contents that are reachable from some commits. Both are sorted, without
/// duplicates.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    /// Git objects: commits, tags, trees and record files.
    pub(crate) objects: Vec<Id>,
    /// Files and links among the artifacts.
    pub(crate) content: Vec<Id>,
}

impl Marks {
    /// Returns true if the Git object is marked.
    pub(crate) fn has_object(&self, id: &Id) -> bool {
        self.objects.binary_search(id).is_ok()
    }

    /// Returns true if the content of a file is marked.
    pub(crate) fn has_content(&self, id: &Id) -> bool {
        self.content.binary_search(id).is_ok()
    }

    fn settle(&mut self) {
        for ids in [&mut self.objects, &mut self.content] {
            ids.sort_unstable();
            ids.dedup();
        }
    }
}

/// The treatment of missing objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A missing object is damage.
    Fails,
    /// A missing object is left out.
    Allowed,
}

impl History {
    /// Marks everything that is reachable from the tips of `walk` and not from its `have`. Objects
    /// that `have` reaches may be marked too.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if an object is damaged, or if it is
    /// missing and that is not allowed.
    pub(crate) fn mark(
        &self,
        walk: &OutgoingWalk<'_>,
        missing: Missing,
        progress: &dyn Progress,
    ) -> Result<Marks> {
        progress.begin("marking history", None, Unit::Items);
        let mut marker = Marker { history: self, marks: Marks::default(), missing };
        Reach::new(self, &mut marker, progress)
            .with_expired(walk.expired)
            .walk(walk.tips, walk.have)?;
        let mut marks = marker.marks;
        marks.settle();
        Ok(marks)
    }
}

struct Marker<'h> {
    history: &'h History,
    marks: Marks,
    missing: Missing,
}

impl Visitor for Marker<'_> {
    fn object(&mut self, _: ObjectKind, id: &Id, _: &[u8]) -> Result<()> {
        self.marks.objects.push(*id);
        Ok(())
    }

    fn blob(&mut self, id: &Id) -> Result<()> {
        match self.history.try_kind(id)? {
            Some(ObjectKind::Blob) => self.marks.objects.push(*id),
            _ => self.missing(ObjectKind::Blob, id)?,
        }
        Ok(())
    }

    fn content(&mut self, id: Id) {
        let content = &mut self.marks.content;
        if content.len() == content.capacity() {
            content.sort_unstable();
            content.dedup();
            content.reserve(content.len() + 1);
        }
        content.push(id);
    }

    fn old_content(&mut self, _: Id) {}

    fn missing(&mut self, kind: ObjectKind, id: &Id) -> Result<()> {
        match self.missing {
            Missing::Fails => Err(missing_object(kind, id)),
            Missing::Allowed => Ok(()),
        }
    }
}
