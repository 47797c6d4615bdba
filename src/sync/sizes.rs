//! The sizes of contents, including contents missing locally, as far as known without a request.

use super::remote_memory::RemoteMemory;
use crate::content::{ForeignIndex, Need, Reader};
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::pack::MemberKind;
use crate::repo::Repository;

/// Looks up the sizes of contents.
pub(crate) struct Sizes<'r> {
    repo: &'r Repository,
    reader: Reader<'r>,
    /// The cached index of each remote. Opened at the first use.
    remotes: Option<Vec<ForeignIndex>>,
}

impl<'r> Sizes<'r> {
    pub(crate) fn new(repo: &'r Repository) -> Self {
        Sizes { repo, reader: repo.content().reader(), remotes: None }
    }

    /// The size of a content in bytes. `None` if the content is damaged, or missing locally and of
    /// unknown size. For a chunked file, the size is known only if its manifest is present locally.
    pub(crate) fn find(&mut self, id: &Id) -> Result<Option<u64>> {
        match self.reader.size(id) {
            Ok(size) => Ok(Some(size)),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(self.find_elsewhere(id)),
            Err(error) => Err(error),
        }
    }

    /// Returns true if a content that is missing locally may be on a remote.
    pub(crate) fn may_be_elsewhere(&mut self, id: &Id) -> Result<bool> {
        Ok(!self.repo.content().contains(id)? && !self.remotes().is_empty())
    }

    fn find_elsewhere(&mut self, id: &Id) -> Option<u64> {
        let places = self.remotes().iter().filter_map(|index| index.locate(id, Need::File).ok()?);
        let mut bytes = places.filter(|place| place.kind != MemberKind::Manifest);
        bytes.next().map(|place| u64::from(place.size))
    }

    fn remotes(&mut self) -> &[ForeignIndex] {
        let repo = self.repo;
        self.remotes.get_or_insert_with(|| {
            let names = repo.remote_names().unwrap_or_default();
            let index = |name| {
                let state = RemoteMemory::state_of(repo, name).ok()??;
                let segments: Vec<Id> = state.remote_state().segments.keys().copied().collect();
                RemoteMemory::of(repo, name).index(&segments).ok()
            };
            names.iter().filter_map(index).collect()
        })
    }
}
