//! Checks that all objects reachable from commits exist, before a ref points to them.

use std::collections::HashSet;

use super::History;
use super::reach::{Reach, Visitor};
use crate::error::Result;
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, Unit};

impl History {
    /// Returns the Git objects that are missing below `tips`, each once: commits and tags first,
    /// then trees and record files. The contents of artifacts are not Git objects.
    ///
    /// Everything reachable from `known` is assumed to exist, so that the check after a small fetch
    /// is fast. Commits of `known` that are not in this repository are ignored.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if an object is damaged or has an
    /// unexpected kind.
    pub fn check_closure(
        &self,
        tips: &[Id],
        known: &[Id],
        progress: &dyn Progress,
    ) -> Result<Vec<Id>> {
        progress.begin("checking history", None, Unit::Items);
        let mut closure = Closure { history: self, missing: Vec::new(), seen: HashSet::new() };
        Reach::new(self, &mut closure, progress).walk(tips, known)?;
        Ok(closure.missing)
    }
}

/// Records the objects that a walk does not find.
struct Closure<'a> {
    history: &'a History,
    missing: Vec<Id>,
    seen: HashSet<Id>,
}

impl Visitor for Closure<'_> {
    fn object(&mut self, _: ObjectKind, _: &Id, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn blob(&mut self, id: &Id) -> Result<()> {
        match self.history.try_kind(id)? {
            Some(ObjectKind::Blob) => Ok(()),
            _ => self.missing(ObjectKind::Blob, id),
        }
    }

    fn content(&mut self, _: Id) {}

    fn old_content(&mut self, _: Id) {}

    fn missing(&mut self, _: ObjectKind, id: &Id) -> Result<()> {
        if self.seen.insert(*id) {
            self.missing.push(*id);
        }
        Ok(())
    }
}
