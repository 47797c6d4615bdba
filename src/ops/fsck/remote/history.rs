//! The history of a remote, put together anew from its Git packs.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{FileKind, Files};
use super::packs::damage;
use crate::content::Session;
use crate::error::Result;
use crate::fs::atomic;
use crate::history::History;
use crate::id::Id;
use crate::name::RefName;
use crate::ops::sync::ObjectReader;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::meta_key;
use crate::remote::log::Fold;

/// A history in a directory of its own.
pub(crate) struct Scratch {
    pub(crate) history: History,
    /// Git objects that came.
    pub(crate) objects: u64,
    /// The commits that refs and sides of conflicts stand at and that are complete.
    pub(crate) sound: Vec<Id>,
    /// Those that lead to what is missing, and what is.
    pub(crate) broken: BTreeMap<Id, BTreeSet<Id>>,
    /// The refs that stand at those.
    pub(crate) broken_refs: Vec<RefName>,
}

impl Scratch {
    /// Reads all Git packs. What is wrong with one is noted in `files`, and then it counts as none.
    pub(super) fn read(
        store: &Store,
        fold: &Fold,
        files: &mut Files,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let directory = session.directory().join("history");
        atomic::create_dir_all(&directory)?;
        History::init(&directory)?;
        let history = History::open(&directory)?;
        let right = files.right(FileKind::Meta, fold);
        let total = right.iter().map(|(_, size)| size).sum();
        progress.begin("reading history", Some(total), Unit::Bytes);
        let taken = store.at_once(&right, &|(id, size)| {
            check_interrupt(progress)?;
            let mut source = ObjectReader::new(store, meta_key(*id), 0..*size, &NoProgress);
            damage(history.take_in_pack(&mut source, *id, *size, progress))
        })?;
        let mut objects = 0;
        for ((id, _), taken) in right.iter().zip(taken) {
            match taken {
                Ok(taken) => objects += taken.objects,
                Err(problem) => files.is_wrong(FileKind::Meta, *id, problem),
            }
        }
        let (sound, broken, broken_refs) = Default::default();
        Ok(Scratch { history, objects, sound, broken, broken_refs })
    }

    /// Finds out which refs and sides of conflicts lead to what is missing.
    pub(crate) fn find_broken(&mut self, fold: &Fold, progress: &dyn Progress) -> Result<()> {
        self.sound.clear();
        self.broken.clear();
        let tips = tips(fold);
        if self.missing(&tips, progress)?.is_empty() {
            self.sound = tips;
        } else {
            for tip in tips {
                let missing = self.missing(&[tip], progress)?;
                if missing.is_empty() {
                    self.sound.push(tip);
                } else {
                    self.broken.insert(tip, missing);
                }
            }
        }
        let refs = fold.refs.iter().filter(|(_, commit)| self.broken.contains_key(commit));
        self.broken_refs = refs.map(|(name, _)| name.clone()).collect();
        Ok(())
    }

    fn missing(&self, tips: &[Id], progress: &dyn Progress) -> Result<BTreeSet<Id>> {
        let missing = self.history.check_closure(tips, &self.sound, progress);
        Ok(match damage(missing)? {
            Ok(missing) => missing.into_iter().collect(),
            // An object that is not what it should be is as good as none.
            Err(_) => tips.iter().copied().collect(),
        })
    }

    /// The missing objects, each once.
    pub(crate) fn missing_objects(&self) -> BTreeSet<Id> {
        self.broken.values().flatten().copied().collect()
    }
}

/// The commits that the refs of a remote and the other sides of its conflicts stand at.
pub(crate) fn tips(fold: &Fold) -> Vec<Id> {
    let sides = fold.conflicts.values().flatten().filter_map(|side| side.commit);
    let all: BTreeSet<Id> = fold.refs.values().copied().chain(sides).collect();
    all.into_iter().collect()
}
