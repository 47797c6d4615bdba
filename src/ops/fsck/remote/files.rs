//! The files that the log names, and those that it does not.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::{meta_key, pack_key, segment_key};
use crate::remote::log::Fold;

/// The most files of a kind.
const LIMIT: usize = 20_000_000;

/// What files are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Pack,
    Meta,
    Segment,
}

impl FileKind {
    pub(crate) const ALL: [FileKind; 3] = [FileKind::Pack, FileKind::Meta, FileKind::Segment];

    pub(crate) fn key(self, id: Id) -> String {
        match self {
            FileKind::Pack => pack_key(id),
            FileKind::Meta => meta_key(id),
            FileKind::Segment => segment_key(id),
        }
    }

    fn directory(self) -> &'static str {
        match self {
            FileKind::Pack => "packs/",
            FileKind::Meta => "meta/",
            FileKind::Segment => "index/",
        }
    }

    /// Those that the log names, and their sizes.
    pub(crate) fn of(self, fold: &Fold) -> &BTreeMap<Id, u64> {
        match self {
            FileKind::Pack => &fold.packs,
            FileKind::Meta => &fold.meta,
            FileKind::Segment => &fold.segments,
        }
    }
}

/// What was found of the files of a remote.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What is wrong with files, by their kind.
    wrong: [BTreeMap<Id, String>; 3],
    /// Files that no entry names, and their bytes.
    pub(crate) leftovers: Vec<(String, u64)>,
    /// Files that were retired and are still there, and their bytes.
    pub(crate) retired: (u64, u64),
}

impl Files {
    /// Looks for all files that `fold` names.
    pub(super) fn list(store: &Store, fold: &Fold, progress: &dyn Progress) -> Result<Self> {
        let mut files = Files::default();
        for kind in FileKind::ALL {
            files.list_kind(store, fold, kind, progress)?;
        }
        Ok(files)
    }

    /// What is wrong with the files of a kind.
    pub(crate) fn wrong(&self, kind: FileKind) -> &BTreeMap<Id, String> {
        &self.wrong[kind as usize]
    }

    /// Notes that a file is not what it should be.
    pub(crate) fn is_wrong(&mut self, kind: FileKind, id: Id, problem: String) {
        self.wrong[kind as usize].entry(id).or_insert(problem);
    }

    /// Notes that a file is what it should be again.
    pub(crate) fn is_right_again(&mut self, kind: FileKind, id: &Id) {
        self.wrong[kind as usize].remove(id);
    }

    /// The files of a kind that are not known to be wrong, and their sizes.
    pub(crate) fn right(&self, kind: FileKind, fold: &Fold) -> Vec<(Id, u64)> {
        let all = kind.of(fold).iter().filter(|(id, _)| !self.wrong(kind).contains_key(id));
        all.map(|(id, size)| (*id, *size)).collect()
    }

    fn list_kind(
        &mut self,
        store: &Store,
        fold: &Fold,
        kind: FileKind,
        progress: &dyn Progress,
    ) -> Result<()> {
        let expected: Vec<(Id, u64)> =
            kind.of(fold).iter().map(|(id, size)| (*id, *size)).collect();
        progress.begin("looking for files", Some(expected.len() as u64), Unit::Items);
        let mut listed: HashMap<String, Option<u64>> = HashMap::new();
        if store.abilities().list {
            let all = store.list(kind.directory(), None, LIMIT)?;
            listed.extend(all.into_iter().map(|one| (one.key, one.size)));
        }
        let size_of = |(id, _): &(Id, u64)| -> Result<Option<u64>> {
            check_interrupt(progress)?;
            progress.advance(1);
            let key = kind.key(*id);
            match listed.get(&key) {
                Some(Some(size)) => Ok(Some(*size)),
                None if store.abilities().list => Ok(None),
                // A listing need not say the size, and not every store can list.
                _ => store.try_size(&key),
            }
        };
        let sizes = store.at_once(&expected, &size_of)?;
        for ((id, size), there) in expected.iter().zip(sizes) {
            listed.remove(&kind.key(*id));
            match there {
                None => self.is_wrong(kind, *id, "it is missing".to_owned()),
                Some(there) if there != *size => {
                    let problem = format!("it has {there} bytes where the log says {size}");
                    self.is_wrong(kind, *id, problem);
                }
                Some(_) => {}
            }
        }
        for id in fold.retired.keys() {
            if let Some(size) = listed.remove(&kind.key(*id)) {
                self.retired.0 += 1;
                self.retired.1 += size.unwrap_or(0);
            }
        }
        self.leftovers.extend(listed.into_iter().map(|(key, size)| (key, size.unwrap_or(0))));
        self.leftovers.sort_unstable();
        Ok(())
    }
}
