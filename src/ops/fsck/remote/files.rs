//! Checks the files that the log names, and finds files that it does not name.

use std::collections::{BTreeMap, HashMap};

use super::View;
use crate::error::Result;
use crate::id::Id;
use crate::progress::{Unit, check_interrupt};
use crate::remote::log::RemoteState;
use crate::remote::{FileKind, Listed, PerKind, Store};

/// The most files of one kind.
const LIMIT: usize = 20_000_000;

/// The findings about the files of a remote.
#[derive(Debug, Default)]
pub(crate) struct FileFindings {
    /// The problems of damaged files, by kind.
    wrong: PerKind<BTreeMap<Id, String>>,
    /// Files that no entry names, with their sizes in bytes.
    pub(crate) leftovers: Vec<(String, u64)>,
    /// The number of retired files that still exist, and their bytes.
    pub(crate) retired: (u64, u64),
}

impl FileFindings {
    /// Looks up all files that the log names.
    pub(super) fn list(view: View<'_>) -> Result<Self> {
        let mut files = FileFindings::default();
        for kind in FileKind::ALL {
            files.list_kind(view, kind)?;
        }
        Ok(files)
    }

    /// The problems of the files of a kind.
    pub(crate) fn wrong(&self, kind: FileKind) -> &BTreeMap<Id, String> {
        &self.wrong[kind]
    }

    /// Records a problem of a file.
    pub(crate) fn record_problem(&mut self, kind: FileKind, id: Id, problem: String) {
        self.wrong[kind].entry(id).or_insert(problem);
    }

    /// Removes the problem of a repaired file.
    pub(crate) fn clear_problem(&mut self, kind: FileKind, id: &Id) {
        self.wrong[kind].remove(id);
    }

    /// The files of a kind without known problems, with their sizes.
    pub(crate) fn right(&self, kind: FileKind, remote_state: &RemoteState) -> Vec<(Id, u64)> {
        let all =
            kind.files(remote_state).iter().filter(|(id, _)| !self.wrong(kind).contains_key(id));
        all.map(|(id, size)| (*id, *size)).collect()
    }

    fn list_kind(&mut self, view: View<'_>, kind: FileKind) -> Result<()> {
        let expected: Vec<(Id, u64)> =
            kind.files(view.remote_state).iter().map(|(id, size)| (*id, *size)).collect();
        view.progress.begin("looking for files", Some(expected.len() as u64), Unit::Items);
        let mut listing = Listing::of(view.store, kind.directory())?;
        let ask = |(id, _): &(Id, u64)| match listing.size_of(view, &kind.key(*id)) {
            Ok(size) => Ok(Ok(size)),
            Err(error) => view.store.defect_of(&kind.key(*id), error).map(Err),
        };
        let sizes = view.store.at_once(&expected, &ask)?;
        for ((id, size), stored) in expected.into_iter().zip(sizes) {
            listing.take(&kind.key(id));
            let stored = match stored {
                Ok(stored) => stored,
                Err(problem) => {
                    self.record_problem(kind, id, problem);
                    continue;
                }
            };
            match stored {
                None => self.record_problem(kind, id, "it is missing".to_owned()),
                Some(stored) if stored != size => {
                    let problem = format!("it has {stored} bytes, but the log records {size}");
                    self.record_problem(kind, id, problem);
                }
                Some(_) => {}
            }
        }
        for id in view.remote_state.retired.keys() {
            if let Some(listed) = listing.take(&kind.key(*id)) {
                self.retired.0 += 1;
                self.retired.1 += listed.size.unwrap_or(0);
            }
        }
        let rest = listing.files.unwrap_or_default().into_values();
        self.leftovers.extend(rest.map(|listed| (listed.key, listed.size.unwrap_or(0))));
        self.leftovers.sort_unstable();
        Ok(())
    }
}

/// The files of a directory.
struct Listing {
    /// The files by key. `None` if the store or its permissions do not allow listing.
    files: Option<HashMap<String, Listed>>,
}

impl Listing {
    fn of(store: &Store, directory: &str) -> Result<Self> {
        let listed = store.list_if_allowed(directory, LIMIT)?;
        let files = listed.map(|all| all.into_iter().map(|one| (one.key.clone(), one)).collect());
        Ok(Listing { files })
    }

    /// The size of a file; `None` if the file is missing.
    fn size_of(&self, view: View<'_>, key: &str) -> Result<Option<u64>> {
        check_interrupt(view.progress)?;
        view.progress.advance(1);
        let Some(files) = &self.files else { return view.store.try_size(key) };
        match files.get(key) {
            None => Ok(None),
            Some(Listed { size: Some(size), .. }) => Ok(Some(*size)),
            // A listing may omit sizes.
            Some(Listed { size: None, .. }) => view.store.try_size(key),
        }
    }

    /// Removes and returns a file. The remaining files are leftovers.
    fn take(&mut self, key: &str) -> Option<Listed> {
        self.files.as_mut()?.remove(key)
    }
}
