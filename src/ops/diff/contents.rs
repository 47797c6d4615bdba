//! Reads the contents of a comparison by id, from the store or from a directory.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::FileType;

use crate::content::Reader;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::history::diff::{Change, DiffSide};
use crate::id::Id;
use crate::pack::{Chunk, MemberKind};
use crate::repo::Repository;
use crate::sync::supply_of;
use crate::tree_path::TreePath;

/// Reads contents by id, from the store or from a directory.
pub(super) struct Contents<'a> {
    repo: &'a Repository,
    reader: Reader<'a>,
    files: HashMap<Id, (Rc<Beneath>, TreePath)>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(repo: &'a Repository) -> Self {
        let reader = repo.content().reader().with_supply(Some(supply_of(repo)));
        Contents { repo, reader, files: HashMap::new() }
    }

    /// The repository of the store.
    pub(super) fn repo(&self) -> &'a Repository {
        self.repo
    }

    /// Returns true if the content with `id` is read from a directory.
    pub(super) fn is_in_directory(&self, id: &Id) -> bool {
        self.files.contains_key(id)
    }

    /// Registers the files of one `side` of `changes`, which are below the directory `root`.
    pub(super) fn add_directory(
        &mut self,
        root: &Path,
        changes: &[Change],
        side: fn(&Change) -> Option<DiffSide>,
    ) -> Result<()> {
        let root = Rc::new(Beneath::open(root)?);
        for change in changes {
            if let Some(side) = side(change).filter(|side| !side.mode.is_directory()) {
                self.files.insert(side.id, (Rc::clone(&root), change.path().clone()));
            }
        }
        Ok(())
    }

    /// The size of the content with `id`, in bytes. `None` if the content is missing locally.
    pub(super) fn size(&mut self, id: &Id) -> Result<Option<u64>> {
        if let Some((root, path)) = self.files.get(id) {
            let found = root.stat(path.as_bytes()).on("read", path.to_path())?;
            return Ok(found.map(|(_, stat)| stat.size));
        }
        if self.repo.content().contains(id)? { self.reader.size(id).map(Some) } else { Ok(None) }
    }

    /// Reads and verifies the content with `id`. The caller knows that it is present, and its size.
    pub(super) fn read(&mut self, id: &Id, limit: u64) -> Result<Vec<u8>> {
        let Some((root, path)) = self.files.get(id) else { return self.reader.read(id, limit) };
        let shown = path.to_path();
        let is_link =
            matches!(root.stat(path.as_bytes()).on("read", &shown)?, Some((FileType::Symlink, _)));
        let bytes = if is_link {
            root.read_link(path.as_bytes()).on("read", &shown)?
        } else {
            let mut bytes = Vec::new();
            let file = root.open_file(path.as_bytes()).on("read", &shown)?;
            file.take(limit + 1).read_to_end(&mut bytes).on("read", &shown)?;
            bytes
        };
        if Id::of_blob(&bytes) != *id {
            let message = format!("'{path}' changed while it was being read");
            return Err(Error::new(ErrorKind::Unavailable, message).with_hint("try again"));
        }
        Ok(bytes)
    }

    /// Returns the chunks of the content with `id`. Returns `None` if there are more than `limit`,
    /// or if the store does not have the content. Content without a manifest is one chunk.
    pub(super) fn chunks(&mut self, id: &Id, limit: usize) -> Result<Option<Vec<Chunk>>> {
        let Some(location) = self.repo.content().locate(id)? else { return Ok(None) };
        if location.kind != MemberKind::Manifest {
            return Ok(Some(vec![Chunk { id: *id, size: location.size }]));
        }
        let mut chunks = Vec::new();
        let mut is_too_long = false;
        self.reader.chunks(&location, |chunk| {
            is_too_long |= chunks.len() >= limit;
            if !is_too_long {
                chunks.push(chunk);
            }
            Ok(())
        })?;
        Ok((!is_too_long).then_some(chunks))
    }
}
