//! Rebuilds the history of a remote from its Git packs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::View;
use super::files::FileFindings;
use crate::content::Session;
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::history::{Expiry, History};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::FileKind;
use crate::remote::log::RemoteState;
use crate::sync::ObjectReader;

/// Commits that reach missing objects, with those objects.
type Broken = BTreeMap<Id, BTreeSet<Id>>;

/// A rebuilt history in a temporary directory.
pub(crate) struct Scratch {
    pub(crate) history: History,
    /// The number of imported Git objects.
    pub(crate) objects: u64,
    /// The complete commits among the tips of refs and the sides of conflicts.
    pub(crate) sound: Vec<Id>,
    /// The incomplete commits, with the missing objects.
    pub(crate) broken: Broken,
    /// The refs of the incomplete commits.
    pub(crate) broken_refs: Vec<RefName>,
}

impl Scratch {
    /// Reads all Git packs. Records problems in `files` and skips damaged packs.
    pub(super) fn read(
        view: View<'_>,
        files: &mut FileFindings,
        session: &Session,
    ) -> Result<Self> {
        let directory = session.directory().join("history");
        atomic::create_dir_all(&directory)?;
        History::init(&directory)?;
        let history = History::open(&directory)?;
        let right = files.right(FileKind::Meta, view.remote_state);
        let total = right.iter().map(|(_, size)| size).sum();
        view.progress.begin("reading history", Some(total), Unit::Bytes);
        let imported = view.store.at_once(&right, &|(id, size)| {
            check_interrupt(view.progress)?;
            let key = FileKind::Meta.key(*id);
            let mut has_failed = false;
            let imported = view.store.read_sound(|| {
                let mut source = ObjectReader::new(view.store, key.clone(), 0..*size, &NoProgress);
                let imported = history.import_pack(&mut source, *id, *size, view.progress);
                has_failed = source.has_failed();
                imported
            });
            Ok(match imported {
                Ok(imported) => Ok(imported),
                Err(error) => Err(view.store.defect_of_read(&key, error, has_failed)?),
            })
        })?;
        let mut objects = 0;
        for ((id, _), imported) in right.iter().zip(imported) {
            match imported {
                Ok(imported) => objects += imported.objects,
                Err(problem) => files.record_problem(FileKind::Meta, *id, problem),
            }
        }
        let (sound, broken, broken_refs) = Default::default();
        Ok(Scratch { history, objects, sound, broken, broken_refs })
    }

    /// Imports a Git pack from a file.
    pub(crate) fn import_pack(
        &self,
        path: &Path,
        id: Id,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut file = read::open(path).on("open", path)?;
        self.history.import_pack(&mut file, id, size, progress).map(drop)
    }

    /// Finds the refs and sides of conflicts that reach missing objects.
    pub(super) fn find_broken(&mut self, view: View<'_>) -> Result<()> {
        (self.sound, self.broken) = self.split(&tips(view.remote_state), &[], view.progress)?;
        let refs =
            view.remote_state.refs.iter().filter(|(_, commit)| self.broken.contains_key(commit));
        self.broken_refs = refs.map(|(name, _)| name.clone()).collect();
        Ok(())
    }

    /// Splits `commits`, which is sorted, into complete ones and incomplete ones with their missing
    /// objects. The history of `known` is known to be complete.
    pub(super) fn split(
        &self,
        commits: &[Id],
        known: &[Id],
        progress: &dyn Progress,
    ) -> Result<(Vec<Id>, Broken)> {
        if self.missing(commits, known, progress)?.is_empty() {
            return Ok((commits.to_vec(), BTreeMap::new()));
        }
        let (mut sound, mut broken) = (Vec::new(), BTreeMap::new());
        let mut known = known.to_vec();
        for commit in commits {
            let missing = self.missing(&[*commit], &known, progress)?;
            if missing.is_empty() {
                sound.push(*commit);
                known.push(*commit);
            } else {
                broken.insert(*commit, missing);
            }
        }
        Ok((sound, broken))
    }

    fn missing(&self, tips: &[Id], known: &[Id], progress: &dyn Progress) -> Result<BTreeSet<Id>> {
        let missing = self.history.check_closure(tips, known, progress);
        match missing {
            Ok(missing) => Ok(missing.into_iter().collect()),
            // A damaged object counts as missing.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                Ok(tips.iter().copied().collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The contents that the complete commits reach, without content that expired.
    pub(super) fn content(&self, view: View<'_>) -> Result<Vec<Id>> {
        self.history.needed_content(&self.sound, &self.expiry(view)?, view.progress)
    }

    /// The commits whose content expired, according to the remote's refs.
    pub(super) fn expiry(&self, view: View<'_>) -> Result<Expiry> {
        let refs = view.remote_state.refs.iter().map(|(name, id)| (name.kind(), *id));
        Expiry::of_refs(&self.history, refs)
    }

    /// The missing objects, deduplicated.
    pub(crate) fn missing_objects(&self) -> BTreeSet<Id> {
        self.broken.values().flatten().copied().collect()
    }
}

/// The commits of the refs of a remote and of the other sides of its conflicts.
pub(crate) fn tips(remote_state: &RemoteState) -> Vec<Id> {
    let sides = remote_state.conflicts.values().flatten().filter_map(|side| side.commit);
    let all: BTreeSet<Id> = remote_state.refs.values().copied().chain(sides).collect();
    all.into_iter().collect()
}
