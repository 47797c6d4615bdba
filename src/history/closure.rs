//! Whether all that commits lead to is here: looked at before a ref names them.

use std::collections::HashSet;

use super::History;
use super::reach::{Reach, Visitor};
use crate::error::Result;
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, Unit};

impl History {
    /// The Git objects that are missing below `tips`, each once: commits and tags first, then trees
    /// and record files. None where all is there. Contents of artifacts are no Git objects.
    ///
    /// What is reachable from `known` is taken to be there, so after a small fetch little is looked
    /// at; commits of `known` that are not in this repository are passed over.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if an object is damaged, or is not what it
    /// should be.
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

/// Notes what a walk does not find.
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
